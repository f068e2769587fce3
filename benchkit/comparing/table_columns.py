"""Columns of a table, by their names.

A column is named ``DATASET/SPLIT/EPOCHS``, the mean over runs as a rule, or with ``/RUN`` at its end a single
run (0, 1, ...). ``12of200`` as epochs is a point inside a longer schedule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from benchkit.comparing.truth import mean_accuracy
from benchkit.spaces import InputError, unknown
from benchkit.tables.catalogue import open_table
from benchkit.tables.metric import Metric
from benchkit.tables.table import Table

__all__ = ["Columns", "TableColumns", "Values", "columns_of_table", "label_of"]

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Columns:
    """Figures of the same architectures.

    Attributes
    ----------
    values : by name float64[n], accuracies in percent, NaN where one is missing.
    runs : of those that have single trainings, float64[r, n].
    about : where they come from: the table's name and SHA-256, n, and so on; JSON-ready.
    notes : for whoever reads the figures.
    """

    values: dict[str, Values]
    runs: dict[str, Values]
    about: dict[str, Any]
    notes: tuple[str, ...] = ()


class TableColumns:
    """The accuracies of a table by their names.

    Attributes
    ----------
    means : names of the mean validation and test accuracies at the ends of schedules; of a column with a
        single run, the name of that.
    """

    def __init__(self, table: Table) -> None:
        self.table = table
        self._metrics: dict[str, Metric] = {}
        self.means: list[str] = []
        for metric in table.metrics:
            if metric.quantity == "accuracy" and not metric.variant:
                mean = replace(metric, run=None)
                if mean in table or len(table.runs(mean)) > 1:
                    self._add(mean)
                self._add(metric)

    def _add(self, metric: Metric) -> None:
        name = label_of(metric)
        if name in self._metrics:
            return
        self._metrics[name] = metric
        several = metric.run is not None and label_of(replace(metric, run=None)) in self._metrics
        if metric.schedule is None and metric.split in ("valid", "test") and not several:
            self.means.append(name)

    def __contains__(self, name: str) -> bool:
        return name in self._metrics

    def values(self, name: str) -> Values:
        """Return float64[entries], NaN where one is missing.

        Raises
        ------
        InputError : no such column.
        """
        if name not in self._metrics:
            place = f"table {self.table.name} (/RUN for one run, EPOCHSofSCHEDULE inside a schedule)"
            raise unknown("column", name, self.means, place)
        metric = self._metrics[name]
        mean = mean_accuracy(self.table, metric) if metric.run is None else None
        return self.table.values(metric) if mean is None else mean

    def runs(self, name: str) -> Values:
        """Return float64[runs, entries], the trainings behind a mean; no runs for a single one."""
        metric = self._metrics[name]
        runs = [] if metric.run is not None else [self.table.values(run) for run in self.table.runs(metric)]
        return np.reshape(runs, (len(runs), len(self.table)))


def label_of(metric: Metric) -> str:
    """Return the name of a column, such as ``cifar10/valid/200/0``."""
    inside = "" if metric.schedule is None else f"of{metric.schedule}"
    run = "" if metric.run is None else f"/{metric.run}"
    return f"{metric.dataset}/{metric.split}/{metric.epochs}{inside}{run}"


def columns_of_table(
    name: str, wanted: Sequence[str] | None = None, sample: int | None = None, seed: int = 0
) -> Columns:
    """Return columns of a table.

    Parameters
    ----------
    name : of the table, or its path.
    wanted : their names; None is `TableColumns.means`.
    sample : take so many architectures, drawn with `seed`; None is all.

    Raises
    ------
    InputError : no such table or column, fewer than two, or a sample out of range.
    """
    table = open_table(name)
    columns = TableColumns(table)
    names = columns.means if wanted is None else list(dict.fromkeys(wanted))
    if len(names) < 2:
        raise InputError(
            f"a correlation needs two columns; table {table.name} has {', '.join(columns.means)}"
        )
    rows = np.arange(len(table))
    if sample is not None:
        if not 2 <= sample <= len(table):
            raise InputError(f"--n must be between 2 and {len(table):,}, got {sample:,}")
        rows = np.sort(np.random.default_rng(seed).choice(len(table), sample, replace=False))
    values = {each: columns.values(each)[rows] for each in names}
    runs = {each: found[:, rows] for each in names if len(found := columns.runs(each)) > 1}
    about = {
        "table": {"name": table.name, "sha256": table.sha256},
        "n": len(rows),
        "sample_seed": None if sample is None else seed,
    }
    return Columns(values, runs, about)
