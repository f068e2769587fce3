"""Finds the columns of a table that say what trained architectures are worth: those at the ends of schedules.

A figure is the mean over runs (`Table`); where a table has one run and no mean, it is that run, and its
metric says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from benchkit.data.tables.metric import Metric
from benchkit.data.tables.table import Table


def end_columns(table: Table, dataset: str | None = None, quantity: str = "accuracy") -> list[Metric]:
    """Return a table's columns of a quantity at the ends of schedules, in its order; no dataset is any."""
    found: list[Metric] = []
    for metric in table.metrics:
        if metric.quantity == quantity and metric.dataset == (dataset or metric.dataset):
            mean = replace(metric, run=None)
            shown = mean if mean in table else metric
            if not metric.variant and metric.schedule is None and shown not in found:
                found.append(shown)
    return found


def longest(columns: Iterable[Metric]) -> Metric | None:
    """Return the column after the longest training; of equals the first. None where there is none."""
    return max(columns, key=lambda metric: metric.epochs or 0, default=None)


def scored_by(table: Table) -> str | None:
    """Return the quantity by which a table ranks architectures: accuracy, or the first of a validation split.

    None where the table has neither an accuracy nor anything measured on validation or test images.
    """
    quantities = [metric.quantity for metric in table.metrics if metric.split in ("valid", "test")]
    if "accuracy" in quantities or not quantities:
        return "accuracy" if quantities else None
    return quantities[0]
