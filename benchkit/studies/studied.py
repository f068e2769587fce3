"""The subject of a study: its columns, the entries that have them, the best of them for regret.

Deviations and choices
----------------------
- A data set whose columns have gaps is studied on the entries that have all of them: what the search sees
  (with ``score: run`` one run is enough), every figure that is reported, and the training seconds where those
  are the budget. The best entry, and regret with it, is of these.
- An entry without the cost that a study limits takes part, but is not feasible.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from benchkit.base.errors import InputError
from benchkit.base.measure import Measure
from benchkit.data.tables.metric import Metric
from benchkit.data.tables.table import Table
from benchkit.searching.constraints import TableConstraint, feasible_entries, table_constraint
from benchkit.searching.entries import Entries, entries_with
from benchkit.searching.table_evaluator import check_split, score_columns, seconds_column
from benchkit.strategies.constraint import Constraint
from benchkit.studies.spec import StudySpec


def search_column(spec: StudySpec, dataset: str) -> Metric:
    """Return what the searches see on a data set; of a drawn run, the mean over the runs."""
    see = spec.search
    run = see.score if isinstance(see.score, int) else None
    schedule = see.epochs if see.fidelities == "curve" else None
    return Metric(dataset, see.split, see.epochs, run, see.quantity, schedule=schedule)


def table_measure(spec: StudySpec, table: Table) -> Measure:
    """Return the quantity of a study as its table has it.

    Raises
    ------
    InputError : the data sets of the study have it in different units or directions.
    """
    found: dict[Measure, str] = {}
    for dataset in spec.datasets:
        for valid, test in report_metrics(spec, table, dataset):
            for metric in (valid, test):
                if metric is not None:
                    found.setdefault(Measure(spec.search.quantity, *table.quantity(metric)), str(metric))
    if len(found) > 1:
        (first, one), (second, other) = list(found.items())[:2]
        raise InputError(
            f"{one} is in {first.unit or 'no unit'} and {other} in {second.unit or 'no unit'}, or their "
            "directions differ: make a study of each"
        )
    return next(iter(found))


def report_metrics(spec: StudySpec, table: Table, searched: str) -> list[tuple[Metric | None, Metric | None]]:
    """Return the (valid, test) columns to report, the searched data set's first where it is among them.

    Raises
    ------
    InputError : the table does not have such a column, or it is the one that the search sees while
        another split could be reported.
    """
    see, report = spec.search, spec.report
    pairs = []
    for dataset in report.datasets or [searched]:
        pair: list[Metric | None] = []
        for split, column in (("valid", report.valid), ("test", report.test)):
            if column is None:
                pair.append(None)
                continue
            run = None if column == "mean" else column
            metric = Metric(dataset, split if see.split else None, report.epochs, run, see.quantity)
            if metric not in table:
                table.values(metric)  # says which part is unknown, and what there is
            if split == see.split == "test":
                if not isinstance(see.score, int):
                    raise InputError(
                        f"a study that searches on test must leave runs unseen: score: 0, not {see.score!r}"
                    )
                if column in (see.score, "mean"):
                    raise InputError(
                        f"this study searches on test run {see.score}: report another run, not {column!r}"
                    )
            pair.append(metric)
        pairs.append((pair[0], pair[1]))
    return pairs


def studied_entries(spec: StudySpec, table: Table, dataset: str) -> Entries:
    """Return the entries of the table that searches on one data set are about.

    Raises
    ------
    InputError : the table lacks a column, or no entry has all.
    """
    see = spec.search
    check_split(table, dataset, see.split, see.quantity)
    mean = search_column(spec, dataset)
    needs = [tuple(score_columns(table, Metric(**{**mean.to_json(), "run": None}), see.score))]
    pairs = report_metrics(spec, table, dataset)
    needs += [(metric,) for pair in pairs for metric in pair if metric is not None]
    if spec.budget.simulated_seconds is not None:
        seconds = seconds_column(table, dataset, see.epochs, mean.schedule)
        needs += [(seconds,)] if seconds is not None else []
    return entries_with(table, tuple(needs))


def entries_remark(entries: Entries) -> str:
    """Return what a reader must know of entries that are not the table's all; empty where they are."""
    if entries.rows is None:
        return ""
    return (
        f"studied on the {entries.n:,} of {entries.of:,} entries that have every column of this study; the "
        "best entry, and regret, are of these"
    )


def build_constraint(spec: StudySpec, table: Table, dataset: str) -> Constraint | None:
    """Return the constraint of the searches on one data set; None where the study has none.

    Raises
    ------
    InputError : see `table_constraint`.
    """
    wanted = spec.constraint
    if wanted is None:
        return None
    return table_constraint(table, dataset, wanted.cost, wanted.max, wanted.lookup())


def constraint_remark(constraint: Constraint, table: Table, entries: Entries) -> str:
    """Return how many of the studied entries lack a table's cost; empty where none does."""
    if not isinstance(constraint, TableConstraint):
        return ""
    missing = int(np.isinf(constraint.values(table.rows[entries.mask])).sum())
    if not missing:
        return ""
    return f"{missing:,} of {entries.n:,} entries have no {constraint.source} and count as not feasible"


class Optima:
    """What regret is measured from: the best studied entry of a column, under a constraint the best feasible.

    Parameters
    ----------
    dataset : Data set that is searched on.
    """

    def __init__(self, spec: StudySpec, table: Table, dataset: str) -> None:
        self._table = table
        entries = studied_entries(spec, table, dataset)
        constraint = build_constraint(spec, table, dataset)
        self._among: npt.NDArray[np.bool_] | None = None if entries.rows is None else entries.mask
        if constraint is not None:
            self._among = feasible_entries(table, constraint, self._among)

    def __call__(self, metric: Metric) -> float:
        """Return the best value of a column, by its own direction.

        Raises
        ------
        InputError : no feasible entry has it.
        """
        if self._among is None:
            return self._table.optimum(metric).value
        values = self._table.values(metric)[self._among]
        if np.isnan(values).all():
            raise InputError(
                f"table {self._table.name} has no {metric} for any architecture within the limit"
            )
        best = np.nanmax if self._table.quantity(metric).higher_is_better else np.nanmin
        return float(best(values))

    def regret(self, metric: Metric, values: Any) -> Any:
        """Return how far values of a column are from the best one, in its unit: at least 0."""
        best = self(metric)
        return best - values if self._table.quantity(metric).higher_is_better else values - best
