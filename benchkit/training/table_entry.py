"""Looks up one architecture in its space's table: the only place of a search that reads test figures."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchkit.base.errors import InputError
from benchkit.data.tables.catalogue import open_table, table_names
from benchkit.data.tables.end_columns import end_columns, longest, scored_by
from benchkit.data.tables.metric import Metric
from benchkit.data.tables.table import Table
from benchkit.spaces import Space
from benchkit.spaces.base import Architecture


def table_entry(space: Space, architecture: Architecture) -> dict[str, Any] | None:
    """Return the entry of an architecture in the table that bears its space's name.

    Returns
    -------
    None where there is no such table. Else ``name``, ``sha256`` and ``accuracy``: for each data set and split
    its mean over runs (or its only run) in percent at the longest training, with the table's optimum; or
    ``missing``, the reason why there is no entry. A table without accuracies has ``scores`` besides: what it
    ranks by instead, with ``quantity``, ``unit`` and the direction that is ``better``.
    """
    if space.name not in table_names():
        return None
    table = open_table(space.name)
    about: dict[str, Any] = {"name": table.name, "sha256": table.sha256}
    quantity = scored_by(table)
    try:
        if quantity in ("accuracy", None):
            return {**about, "accuracy": _readings(table, "accuracy", architecture)}
        scores = [
            {**each, **_kind(table, quantity)} for each in _readings(table, quantity, architecture, "value")
        ]
        return {**about, "accuracy": [], "scores": scores}
    except InputError as error:
        return {**about, "missing": str(error)}


def _readings(
    table: Table, quantity: str, architecture: Architecture, name: str = "accuracy"
) -> list[dict[str, Any]]:
    """Return what the table has on validation and test images after the longest schedule, in table order."""
    columns: dict[tuple[str, str | None], list[Metric]] = {}
    for metric in end_columns(table, quantity=quantity):
        if metric.split in ("valid", "test"):
            columns.setdefault((metric.dataset, metric.split), []).append(metric)
    last = [longest(each) for each in columns.values()]
    return [_reading(table, metric, architecture, name) for metric in last if metric is not None]


def _kind(table: Table, quantity: str) -> dict[str, Any]:
    about = table.quantity(end_columns(table, quantity=quantity)[0])
    better = "higher" if about.higher_is_better else "lower"
    return {"quantity": quantity, "unit": about.unit, "better": better}


def _reading(table: Table, metric: Metric, architecture: Architecture, name: str) -> dict[str, Any]:
    return {
        "dataset": metric.dataset,
        "split": metric.split,
        "epochs": metric.epochs,
        "runs": len(table.runs(metric)) or None,
        name: float(np.asarray(table.query(architecture, metric)).item()),
        "optimum": table.optimum(metric).value,
    }
