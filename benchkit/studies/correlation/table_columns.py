"""Reads columns of a table by their names.

A column is named ``DATASET/SPLIT/EPOCHS``, the mean over runs as a rule, or with ``/RUN`` at its end a single
run (0, 1, ...). ``12of200`` as epochs is a point inside a longer schedule. What is no accuracy has its
quantity before the run, and what does not apply is left out: ``cifar10/valid/200/loss``,
``cifar10/latency_seconds``. The names that ``table info`` prints serve, too.

Choices
-------
- Values are the table's own, in its unit. Columns of which lower values are better are
  named in `Columns.lower`, so that rankings are compared with better on both sides.
- Without names, the accuracies on validation and test images are taken at the ends of schedules; where these
  are fewer than two, also what else is measured on such images; where these are too few, also all the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from benchkit.base.errors import InputError, unknown
from benchkit.data.tables.catalogue import open_table
from benchkit.data.tables.metric import Metric, Quantity
from benchkit.data.tables.table import Table

Values = npt.NDArray[np.float64]


class ColumnSource(Protocol):
    """Columns of the same architectures by their names."""

    def values(self, name: str) -> Values:
        """Return float64[n], NaN where one is missing; InputError where there is no such column."""

    def runs(self, name: str) -> Values:
        """Return float64[r, n], the trainings behind a mean."""

    def quantity(self, name: str) -> Quantity:
        """Return the unit and the direction of a column."""


@dataclass(frozen=True, eq=False)
class Columns:
    """Figures of the same architectures.

    Attributes
    ----------
    values : Figures of each column by its name: float64[n] in its own unit, NaN where one is missing.
    runs : Trainings behind each mean that has several: float64[r, n].
    quantities : Unit and direction of each column.
    about : Origin of the figures (table, SHA-256, n, ...), JSON-ready.
    notes : Notes for whoever reads the figures.
    """

    values: dict[str, Values]
    runs: dict[str, Values]
    quantities: dict[str, Quantity]
    about: dict[str, Any]
    notes: tuple[str, ...] = ()

    @classmethod
    def read(
        cls, source: ColumnSource, names: Sequence[str], about: dict[str, Any], notes: tuple[str, ...] = ()
    ) -> Columns:
        """Return the named columns of a source; raises as its ``values``."""
        values = {name: source.values(name) for name in names}
        runs = {name: found for name in names if len(found := source.runs(name)) > 1}
        return cls(values, runs, {name: source.quantity(name) for name in names}, about, notes)

    @property
    def lower(self) -> list[str]:
        """Names of the columns of which lower values are better."""
        return [name for name, quantity in self.quantities.items() if not quantity.higher_is_better]

    def describe(self) -> dict[str, Any]:
        """Return `about`, with units and directions; JSON-ready."""
        units = {name: quantity.unit for name, quantity in self.quantities.items()}
        return {**self.about, "units": units, "lower_is_better": self.lower}


class TableColumns:
    """The columns of a table by their names.

    Parameters
    ----------
    table : Table.
    rows : Numbers of its entries to take; None is all.

    Attributes
    ----------
    means : Names that are taken where none are named; of a column with a single run, that run.
    """

    def __init__(self, table: Table, rows: npt.NDArray[np.integer] | None = None) -> None:
        self.table = table
        self._rows = np.arange(len(table)) if rows is None else rows
        self._metrics: dict[str, Metric] = {}
        for metric in table.available:
            self._metrics.setdefault(label_of(metric), metric)
        ends = [name for name, metric in self._metrics.items() if self._is_end(metric)]
        on_images = [name for name in ends if self._metrics[name].split in ("valid", "test")]
        accuracies = [name for name in on_images if self._metrics[name].quantity == "accuracy"]
        self.means: list[str] = next((few for few in (accuracies, on_images) if len(few) > 1), ends)
        self._listed = list(dict.fromkeys([*self.means, *ends]))
        for metric in table.available:  # as ``table info`` names them
            self._metrics.setdefault(str(metric), metric)

    def _is_end(self, metric: Metric) -> bool:
        """Say whether a column is that of the end of a training: a mean, or the only run."""
        single = metric.run is None or replace(metric, run=None) not in self.table
        return single and metric.schedule is None and not metric.variant

    def __contains__(self, name: str) -> bool:
        return name in self._metrics

    def metric(self, name: str) -> Metric:
        """Return the metric that a name stands for.

        Raises
        ------
        InputError : no such column.
        """
        if name not in self._metrics:
            place = f"table {self.table.name} (/RUN for one run, EPOCHSofSCHEDULE inside a schedule)"
            raise unknown("column", name, self._listed, place)
        return self._metrics[name]

    def values(self, name: str) -> Values:
        """Return float64[entries], NaN where one is missing; raises as `metric`."""
        return self.table.values(self.metric(name))[self._rows]

    def runs(self, name: str) -> Values:
        """Return float64[runs, entries], the trainings behind a mean; no runs for a single one."""
        metric = self.metric(name)
        runs = [] if metric.run is not None else [self.table.values(run) for run in self.table.runs(metric)]
        return np.reshape(runs, (len(runs), len(self.table)))[:, self._rows]

    def quantity(self, name: str) -> Quantity:
        """Return the unit and the direction of a column; raises as `metric`."""
        return self.table.quantity(self.metric(name))


def label_of(metric: Metric) -> str:
    """Return the name of a column, such as ``cifar10/valid/200/0`` or ``cifar10/valid/200/loss/0``."""
    inside = "" if metric.schedule is None else f"of{metric.schedule}"
    parts = (
        metric.dataset,
        metric.split,
        None if metric.epochs is None else f"{metric.epochs}{inside}",
        None if metric.quantity == "accuracy" else metric.quantity,
        None if metric.run is None else str(metric.run),
    )
    name = "/".join(part for part in parts if part)
    return f"{name}@{metric.variant}" if metric.variant else name


def columns_of_table(
    name: str, wanted: Sequence[str] | None = None, sample: int | None = None, seed: int = 0
) -> Columns:
    """Return columns of a table.

    Parameters
    ----------
    name : Name of the table, or its path.
    wanted : Names of the columns; None is `TableColumns.means`.
    sample : Number of architectures to take, drawn with `seed`; None is all.

    Raises
    ------
    InputError : no such table or column, fewer than two, or a sample out of range.
    """
    table = open_table(name)
    rows = np.arange(len(table))
    if sample is not None:
        if not 2 <= sample <= len(table):
            raise InputError(f"--n must be between 2 and {len(table):,}, got {sample:,}")
        rows = np.sort(np.random.default_rng(seed).choice(len(table), sample, replace=False))
    columns = TableColumns(table, rows)
    names = columns.means if wanted is None else list(dict.fromkeys(wanted))
    if len(names) < 2:
        raise InputError(
            f"a correlation needs two columns; table {table.name} has {', '.join(columns.means)}"
        )
    about = {
        "table": {"name": table.name, "sha256": table.sha256},
        "n": len(rows),
        "sample_seed": None if sample is None else seed,
    }
    return Columns.read(columns, names, about)
