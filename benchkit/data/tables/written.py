"""Compares a written table with what was to be written.

An order that is lost on the way to the file and back gives every architecture the values of another one, and
no reader of the file can tell. So the file is opened, and asked for every architecture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from benchkit.base.errors import InputError
from benchkit.data.tables.metric import Metric
from benchkit.data.tables.table import Table
from benchkit.spaces.base import Batch

_SLICE = 1 << 15  # architectures at a time: locating them takes memory

Points = Sequence[tuple[int | None, npt.NDArray[Any]]]


def check_written(
    table: Table, rows: Batch, metrics: Mapping[Metric, Points], static: Mapping[str, npt.NDArray[Any]]
) -> None:
    """Compare an opened table with what it was made of; raise an InputError that names the first difference.

    Values are in the order of `rows`, int8[n, d]: of a column float[n] by the epochs of a curve's point (None
    for what is no curve), and static columns of length n.
    """
    if len(table) != len(rows):
        raise _fault(table, f"it has {len(table):,} entries of {len(rows):,}")
    parts = [rows[i : i + _SLICE] for i in range(0, len(rows), _SLICE)]
    entries = np.concatenate([table.locate(part) for part in parts])
    for metric, points in metrics.items():
        for epochs, given in points:
            whole = metric.schedule or metric.epochs
            asked = metric if epochs is None else replace(metric, epochs=epochs, schedule=whole)
            wrong = differing(table.raw(asked)[entries], given)
            if len(wrong):
                text = table.base_space.format(rows[wrong[0]])
                raise _fault(table, f"{asked} of {text} is not the {given[wrong[0]]:g} that was given")
    for name, values in static.items():
        stored = table.static_values(name)[entries]
        if not np.array_equal(stored, np.asarray(values), equal_nan=stored.dtype.kind == "f"):
            raise _fault(table, f"static column {name} is not as it was given")


def differing(stored: npt.NDArray[Any], given: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return the places at which two float[n] differ; a gap equals a gap."""
    same = (stored == given) | (np.isnan(stored) & np.isnan(given))
    return np.flatnonzero(~same)


def _fault(table: Table, what: str) -> InputError:
    return InputError(f"table {table.name} was not written as it was given, and is not kept: {what}")
