"""Writes a table: sorted by key, read back and compared with what was given, and put in place by a rename."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from benchkit.base.errors import InputError
from benchkit.base.files import replacing
from benchkit.data.tables.metric import QUANTITIES, Metric
from benchkit.data.tables.space_json import space_from_json, space_to_json
from benchkit.data.tables.table import METADATA_KEY, Table
from benchkit.data.tables.written import check_written
from benchkit.spaces.base import Batch
from benchkit.spaces.categorical import CategoricalSpace

_SLICE = 1 << 15  # architectures at a time: what is computed on the way takes memory


@dataclass(frozen=True)
class Column:
    """One column to write.

    Attributes
    ----------
    values : float[n], or float[n, len(epochs)] for a curve; NaN is a missing entry. float32 halves the
        file and is read back rounded to five decimals, which is exact for percentages given so.
    note : Remark that a reader of this column must know; empty as a rule.
    epochs : Ascending epochs of a curve's points; the column's metric is that of the last.
    unit : Unit of the values; empty for that of `QUANTITIES`, or for a pure number.
    better : Direction of a quantity that is not in `QUANTITIES`; None for one that is.
    """

    values: npt.NDArray[Any]
    note: str = ""
    epochs: tuple[int, ...] = ()
    unit: str = ""
    better: Literal["higher", "lower"] | None = None

    def points(self) -> Sequence[tuple[int | None, npt.NDArray[Any]]]:
        """Return the epochs and float[n] of every point of a curve; a single pair with None for a column."""
        if not self.epochs:
            return [(None, self.values)]
        return [(epochs, self.values[:, point]) for point, epochs in enumerate(self.epochs)]

    def to_arrow(self, order: npt.NDArray[np.int64]) -> pa.Array:
        """Return the column in this order of entries."""
        values = np.asarray(self.values)
        if values.dtype != np.float32:
            values = values.astype(np.float64)
        if not np.array_equal(order, np.arange(len(order))):  # no copy of what is in order already
            values = values[order]
        if not self.epochs:
            return pa.array(values, from_pandas=True)
        flat = pa.array(values.reshape(-1))  # a missing point of a curve stays NaN
        return pa.FixedSizeListArray.from_arrays(flat, len(self.epochs))


@dataclass(frozen=True)
class TableSource:
    """The origin of a table; all of it goes into the metadata and into ``table info``.

    Attributes
    ----------
    name : Name of the table.
    space : Name of a built-in space, or the `CategoricalSpace` of a user-defined one.
    title, source, licence : Facts, one line each.
    source_sha256 : SHA-256 of each input file, by its name.
    warnings : Sentences that a user must read before using the figures.
    cost : Parts that the simulated seconds of a query are made of.
    """

    name: str
    space: str | CategoricalSpace
    title: str
    source: str
    licence: str
    source_sha256: Mapping[str, str]
    warnings: tuple[str, ...] = ()
    cost: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)


def write_table(
    path: Path,
    source: TableSource,
    batch: Batch,
    metrics: Mapping[Metric, Column],
    static: Mapping[str, npt.NDArray[Any]] | None = None,
    check: Callable[[Table], None] | None = None,
) -> None:
    """Write a table file, whole or not at all.

    Before the file gets its name it is opened, and every value in it is compared with the one given.

    Parameters
    ----------
    path : File to write.
    source : Name of the table, its space, and its origin.
    batch : int8[n, d], one architecture an entry, in any order.
    metrics, static : Columns of length n, in the order of `batch`.
    check : Further comparison of the written table with its source; it raises where they differ.

    Raises
    ------
    InputError : two entries for one architecture, an invalid architecture, infinite values, a column of
        another length, a quantity of unknown direction, two columns of one name, or a written file that does
        not say what was given.
    """
    version, described = space_to_json(source.space)
    space = space_from_json(described)
    slices = [batch[i : i + _SLICE] for i in range(0, max(1, len(batch)), _SLICE)]
    rows = np.concatenate([space.validate(part) for part in slices])
    keys = np.concatenate([space.key(part) for part in slices])
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    if len(keys) == 0:
        raise InputError(f"table {source.name} would have no entries")
    twice = np.flatnonzero(keys[1:] == keys[:-1])
    if len(twice):
        text = space.format(rows[order[twice[0]]])
        raise InputError(f"table {source.name} has {len(twice)} repeated architecture(s), first {text}")

    arrays: list[pa.Array] = []
    fields: list[pa.Field] = []
    if not (space.enumerable and len(keys) == space.size):
        arrays.append(_fixed(keys) if keys.dtype.kind == "S" else pa.array(keys))
        fields.append(pa.field("key", arrays[-1].type))
    arrays.append(_fixed(rows[order]))
    fields.append(pa.field("architecture", arrays[-1].type))
    for metric, column in metrics.items():
        shape = (len(rows), len(column.epochs)) if column.epochs else (len(rows),)
        if column.values.shape != shape or np.isinf(column.values).any():
            raise InputError(f"column {metric} needs {len(rows)} finite values (NaN where missing)")
        arrays.append(column.to_arrow(order))
        known = QUANTITIES.get(metric.quantity)
        if known is None and column.better is None:
            raise InputError(f"column {metric} must say whether a higher or a lower value is better")
        about: dict[str, Any] = {
            "metric": metric.to_json(),
            "unit": column.unit or (known.unit if known else ""),
            "note": column.note,
        }
        if column.better:
            about["better"] = column.better
        if column.epochs:
            about["epochs"] = list(column.epochs)
        fields.append(pa.field(str(metric), arrays[-1].type, metadata={METADATA_KEY: json.dumps(about)}))
    for name, values in (static or {}).items():
        arrays.append(pa.array(np.asarray(values)[order]))
        fields.append(pa.field(name, arrays[-1].type))
    names = [each.name for each in fields]
    if len(set(names)) < len(names):
        raise InputError(f"two columns are named {next(name for name in names if names.count(name) > 1)}")

    metadata = {
        **{key: getattr(source, key) for key in ("name", "title", "source", "licence", "warnings", "cost")},
        "format_version": version,
        "space": described,
        "source_sha256": dict(source.source_sha256),
        **source.extra,
    }
    schema = pa.schema(fields, metadata={METADATA_KEY: json.dumps(metadata, sort_keys=True)})
    with replacing(path) as temporary:
        with pa.OSFile(str(temporary), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
            writer.write_batch(pa.record_batch(arrays, schema=schema))
        written = Table(temporary)
        check_written(
            written, rows, {metric: column.points() for metric, column in metrics.items()}, static or {}
        )
        if check is not None:
            check(written)


def _fixed(rows: npt.NDArray[Any]) -> pa.Array:
    """Return rows of bytes as a fixed-size-binary array."""
    width = rows.dtype.itemsize if rows.ndim == 1 else rows.shape[1]
    buffer = pa.py_buffer(np.ascontiguousarray(rows).tobytes())
    return pa.Array.from_buffers(pa.binary(width), len(rows), [None, buffer])
