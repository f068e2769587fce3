"""What a table says of stand-alone accuracy: the columns that a supernet's ranking is held against."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchkit.spaces import InputError, Space, unknown
from benchkit.tables.catalogue import open_table, table_names
from benchkit.tables.metric import Metric
from benchkit.tables.table import Table

__all__ = ["Truth", "mean_accuracy", "read_truth", "read_truths", "table_of"]

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Truth:
    """Stand-alone accuracies of a table's entries, in percent; NaN where an entry is missing.

    Attributes
    ----------
    metric : the mean over runs at the end of a schedule, as a rule the longest.
    mean : float64[entries].
    runs : float64[r, entries]; r is 0 where the table has the mean alone.
    """

    metric: Metric
    mean: Values
    runs: Values

    @property
    def split(self) -> str:
        """``valid`` or ``test``."""
        return str(self.metric.split)


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


def read_truths(table: Table, dataset: str, epochs: int | None = None) -> list[Truth]:
    """Return what the table has of a data set: validation first, then test.

    A mean that is not stored is that of the runs which an entry has.

    Parameters
    ----------
    epochs : of the training schedule; None is the longest.

    Raises
    ------
    InputError : it has no accuracy on that data set, or none after so many epochs.
    """
    truths = []
    schedules: set[int] = set()
    for split in ("valid", "test"):
        known = table.epochs(dataset, split)
        schedules |= set(known)
        if not known or epochs not in (None, *known):
            continue
        metric = Metric(dataset, split, known[-1] if epochs is None else epochs)
        runs = [table.values(run) for run in table.runs(metric)]
        mean = mean_accuracy(table, metric)
        if mean is not None:
            truths.append(Truth(metric, mean, np.reshape(runs, (len(runs), len(table)))))
    if not truths and schedules:
        raise unknown("epochs", epochs, sorted(schedules), f"table {table.name}, data set {dataset}")
    if not truths:
        raise InputError(
            f"table {table.name} has no accuracy on {dataset}: give --dataset, one of "
            f"{', '.join(table.datasets)}"
        )
    return truths


def mean_accuracy(table: Table, metric: Metric) -> Values | None:
    """Return float64[entries], the mean over runs: the stored one, or that of the runs an entry has."""
    if metric in table:
        return table.values(metric)
    runs = [table.values(run) for run in table.runs(metric)]
    if not runs:
        return None
    known = np.sum(~np.isnan(runs), axis=0)
    mean: Values = np.where(known > 0, np.nansum(runs, axis=0) / np.maximum(known, 1), np.nan)
    return mean


def read_truth(table: Table, dataset: str, split: str, epochs: int | None = None) -> Truth:
    """Return one split of `read_truths`.

    Raises
    ------
    InputError : as `read_truths`; or it has no such split.
    """
    found = {truth.split: truth for truth in read_truths(table, dataset, epochs)}
    if split not in found:
        raise InputError(
            f"table {table.name} has no {split} accuracy on {dataset}; it has {', '.join(found)}"
        )
    return found[split]
