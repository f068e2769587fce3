"""Reads the truth of a table: the columns of stand-alone training that a supernet's ranking is held against.

Accuracy as a rule, else any quantity of the table in its own unit. Rankings are compared with better on one
side against better on the other: `Truth.ranked` turns a quantity round whose lower values are better.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from benchkit.base.errors import InputError, unknown
from benchkit.data.tables.catalogue import open_table, table_names
from benchkit.data.tables.end_columns import end_columns, longest
from benchkit.data.tables.metric import QUANTITIES, Metric, Quantity
from benchkit.data.tables.table import Table
from benchkit.spaces import Space

Values = npt.NDArray[np.float64]

ANY_SPLIT = "all"
"""Stands for the split of a quantity that has none, such as a throughput."""
_SPLITS = {"valid": "validation ", "test": "test ", "train": "training ", ANY_SPLIT: ""}


@dataclass(frozen=True, eq=False)
class Truth:
    """Stand-alone figures of a table's entries, in the table's unit; NaN where an entry is missing.

    Attributes
    ----------
    metric : Mean over runs, or the only run, at the end of a schedule, as a rule the longest.
    mean : Figures, float64[entries].
    runs : Figures of each run, float64[r, entries]; r is 0 where the table has the mean alone.
    quantity : Unit and direction of the figures.
    """

    metric: Metric
    mean: Values
    runs: Values
    quantity: Quantity = QUANTITIES["accuracy"]

    @property
    def split(self) -> str:
        """``valid`` or ``test``, or `ANY_SPLIT`."""
        return self.metric.split or ANY_SPLIT

    @property
    def ranked(self) -> Values:
        """float64[entries], larger is better: the mean, negated where lower is better."""
        return self.mean if self.quantity.higher_is_better else -self.mean

    @property
    def ranked_runs(self) -> Values:
        """float64[r, entries], larger is better."""
        return self.runs if self.quantity.higher_is_better else -self.runs

    def at(self, entries: npt.NDArray[np.integer]) -> Truth:
        """Return the truth of some entries alone."""
        return Truth(self.metric, self.mean[entries], self.runs[:, entries], self.quantity)


def named(split: str, quantity: str) -> str:
    """Return the words for a quantity on a split, such as ``validation accuracy``."""
    return f"{_SPLITS.get(split, '')}{quantity.replace('_', ' ')}"


def with_unit(words: str, unit: str) -> str:
    """Return words with the unit behind them, where there is one."""
    return f"{words} ({unit})" if unit else words


def truth_label(truth: Mapping[str, Any]) -> str:
    """Return what an axis says of a truth, in two lines.

    Parameters
    ----------
    truth : Parts of its `Metric` and its unit, as ``result.json`` keeps them.
    """
    words = named(truth["split"] or ANY_SPLIT, truth.get("quantity", "accuracy"))
    after = "alone" if truth["epochs"] is None else f"after {truth['epochs']} epochs alone"
    return with_unit(f"{truth.get('dataset', '')} {words}\n{after}".strip(), truth.get("unit", "%"))


def table_of(space: Space, name: str | None) -> Table:
    """Return the table of that name or path; None is the one that bears the space's name.

    Raises
    ------
    InputError : there is no such table, or it is of another space.
    """
    if name is None and space.name not in table_names():
        raise InputError(
            f"there is no table of {space.name} to correlate with: give --table NAME or its path"
        )
    table = open_table(name or space.name)
    if table.base_space.name != space.name:
        raise InputError(f"table {table.name} is of space {table.base_space.name}, not of {space.name}")
    return table


def quantity_of(table: Table, quantity: str | None) -> str:
    """Return the quantity to read: the given one, else accuracy, else the only one of validation or test.

    Raises
    ------
    InputError : the table has several quantities and no accuracy, or not the one that is given.
    """
    known = list(dict.fromkeys(metric.quantity for metric in table.metrics))
    on_images = list(dict.fromkeys(m.quantity for m in table.metrics if m.split in ("valid", "test")))
    if quantity is not None:
        if quantity not in known:
            raise unknown("quantity", quantity, known, f"table {table.name}")
        return quantity
    if "accuracy" in known:
        return "accuracy"
    if len(on_images or known) == 1:
        return (on_images or known)[0]
    raise InputError(f"table {table.name} has no accuracy: give --quantity, one of {', '.join(known)}")


def read_truths(
    table: Table, dataset: str, epochs: int | None = None, quantity: str = "accuracy"
) -> list[Truth]:
    """Return what the table has of a data set: validation first, then test; else what has no split.

    Parameters
    ----------
    epochs : Length of the training schedule; None is the longest.
    quantity : Name of what was measured.

    Raises
    ------
    InputError : it has no such quantity on that data set, or none after so many epochs.
    """
    columns = end_columns(table, dataset, quantity)
    word = quantity.replace("_", " ")
    splits: list[str | None] = ["valid", "test"]
    if not any(metric.split in splits for metric in columns):
        splits = [None]
    schedules = {metric.epochs for metric in columns if metric.split in splits and metric.epochs is not None}
    truths = []
    for split in splits:
        there = [metric for metric in columns if metric.split == split and epochs in (None, metric.epochs)]
        metric = longest(there)
        if metric is not None:
            runs = [table.values(run) for run in table.runs(metric)]
            shaped = np.reshape(runs, (len(runs), len(table)))
            truths.append(Truth(metric, table.values(metric), shaped, table.quantity(metric)))
    if not truths and schedules:
        raise unknown("epochs", epochs, sorted(schedules), f"table {table.name}, data set {dataset}")
    if not truths and columns and columns[0].epochs is None:
        raise InputError(f"the {word} of table {table.name} is after no number of epochs: leave --epochs out")
    if not truths:
        having = list(dict.fromkeys(metric.dataset for metric in end_columns(table, quantity=quantity)))
        raise InputError(
            f"table {table.name} has no {word} on {dataset}: give --dataset, one of "
            f"{', '.join(having) or 'none'}"
        )
    return truths


def read_truth(
    table: Table, dataset: str, split: str, epochs: int | None = None, quantity: str = "accuracy"
) -> Truth:
    """Return one split of `read_truths`; of a quantity without splits that, whatever the split.

    Raises
    ------
    InputError : as `read_truths`; or it has no such split.
    """
    found = {truth.split: truth for truth in read_truths(table, dataset, epochs, quantity)}
    if split not in found and ANY_SPLIT not in found:
        word = quantity.replace("_", " ")
        raise InputError(f"table {table.name} has no {split} {word} on {dataset}; it has {', '.join(found)}")
    return found.get(split) or found[ANY_SPLIT]
