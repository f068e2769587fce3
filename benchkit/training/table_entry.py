"""What the space's table knows of one architecture: the only place of a search that reads test figures."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchkit.spaces import InputError, Space
from benchkit.spaces.base import Architecture
from benchkit.tables.catalogue import open_table, table_names
from benchkit.tables.metric import Metric
from benchkit.tables.table import Table

__all__ = ["table_entry"]


def table_entry(space: Space, architecture: Architecture) -> dict[str, Any] | None:
    """Return the entry of an architecture in the table that bears its space's name.

    Returns
    -------
    None where there is no such table. Else ``name``, ``sha256`` and ``accuracy``: for each data set and split
    its mean over runs in percent at the longest training, with the table's optimum; or ``missing``, the
    reason why there is no entry.
    """
    if space.name not in table_names():
        return None
    table = open_table(space.name)
    about: dict[str, Any] = {"name": table.name, "sha256": table.sha256}
    try:
        return {**about, "accuracy": [_reading(table, metric, architecture) for metric in _longest(table)]}
    except InputError as error:
        return {**about, "missing": str(error)}


def _longest(table: Table) -> list[Metric]:
    """Return the mean accuracies on validation and test images after the longest schedule, in table order."""
    found: dict[tuple[str, str], Metric] = {}
    for metric in table.available:
        plain = metric.quantity == "accuracy" and not metric.variant and metric.schedule is None
        if not plain or metric.run is not None or metric.split not in ("valid", "test"):
            continue
        key = (metric.dataset, metric.split)
        if key not in found or (metric.epochs or 0) > (found[key].epochs or 0):
            found[key] = metric
    return list(found.values())


def _reading(table: Table, metric: Metric, architecture: Architecture) -> dict[str, Any]:
    return {
        "dataset": metric.dataset,
        "split": metric.split,
        "epochs": metric.epochs,
        "runs": len(table.runs(metric)) or None,
        "accuracy": float(np.asarray(table.query(architecture, metric)).item()),
        "optimum": table.optimum(metric).value,
    }
