"""Evaluates architectures by looking up a table's scores and training seconds.

The evaluator holds the score columns and the seconds, but no table, so a search cannot read a test column
(unless the study names one, for a table that has no validation). Higher scores are always better: for a
quantity whose lower values are better, such as a loss, they are the negative of the table's values. A column
without a number of epochs, such as a latency, has the one fidelity 1.

Gaps
----
Where a column has no value for some entries, the space is restricted to those that have one. Lower fidelities
and simulated seconds are offered where all of these entries have them.

Simulated seconds
-----------------
An evaluation at e epochs costs the table's recorded training seconds of one run at that schedule; where
the table records only the longer schedule of E epochs, it costs e/E of them (the protocol published with
NAS-Bench-201, whose 12-epoch figure costs 12/200 of the 200-epoch seconds). They include training, but not
validation, data loading before the first epoch, or the search method's own time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from benchkit.base.errors import InputError, unknown
from benchkit.data.tables.arrow_file import to_percent
from benchkit.data.tables.metric import Metric
from benchkit.data.tables.table import Table
from benchkit.searching.entries import Entries, entries_with
from benchkit.spaces.base import Batch

Score = Literal["mean", "run"] | int
"""``mean`` over the runs, ``run`` for one of them drawn at each query, or the number of one run."""

Ladder = Literal["schedules", "curve"]
"""Source of lower fidelities: networks trained on shorter ``schedules``, or epochs of the one ``curve``."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores and costs of a batch.

    Attributes
    ----------
    scores : float64[n], higher is better: accuracy in percent, or another quantity in its own unit, negated
        where lower values are better.
    seconds : float64[n], simulated seconds; None where the table has no times.
    """

    scores: npt.NDArray[np.float64]
    seconds: npt.NDArray[np.float64] | None


class TableEvaluator:
    """Scores and costs from one data set's columns of a table.

    Parameters
    ----------
    table : Table that is read while the evaluator is made, and not kept.
    dataset, split, epochs : Column that a query at the study's own fidelity reads; split and epochs are None
        where the column has none.
    score : Choice of runs. With ``run`` only the fidelities that have separate runs are offered.
    rng : Generator that draws the run of each query; used by ``run`` alone.
    ladder : Source of lower fidelities.
    quantity : Quantity that is measured.
    entries : Entries that the search sees, which have this column; None is all that have it.

    Raises
    ------
    InputError : The table does not have such a column, it has no separate runs for ``run``, or the split is
        not validation and the table has that.
    """

    def __init__(
        self,
        table: Table,
        dataset: str,
        split: str | None,
        epochs: int | None,
        score: Score,
        rng: np.random.Generator,
        ladder: Ladder = "schedules",
        quantity: str = "accuracy",
        entries: Entries | None = None,
    ) -> None:
        check_split(table, dataset, split, quantity)
        schedule = epochs if ladder == "curve" else None
        self.full_fidelity = 1 if epochs is None else epochs
        lower = [] if epochs is None else table.epochs(dataset, split, schedule, quantity)
        of_fidelity: dict[int, list[Metric]] = {}
        for fidelity in sorted({*(each for each in lower if each <= self.full_fidelity), self.full_fidelity}):
            own = Metric(dataset, split, fidelity if epochs else None, quantity=quantity, schedule=schedule)
            of_fidelity[fidelity] = score_columns(table, own, score, required=fidelity == self.full_fidelity)
        seen = entries_with(table, (tuple(of_fidelity[self.full_fidelity]),)) if entries is None else entries
        self._locate = seen.locate
        self._rng = rng
        self._draws = score == "run"
        self._sign = 1 if table.quantity(of_fidelity[self.full_fidelity][0]).higher_is_better else -1
        self.space = seen.space
        self._scores: dict[int, list[npt.NDArray[np.floating[Any]]]] = {}
        self._seconds: dict[int, npt.NDArray[np.float64]] = {}
        timed = _complete(_train_seconds(table, dataset, epochs, schedule), seen) is not None
        for fidelity, columns in of_fidelity.items():
            if not columns or not np.any([table.present(each)[seen.mask] for each in columns], axis=0).all():
                continue
            at = fidelity if epochs else None
            seconds = _complete(_train_seconds(table, dataset, at, schedule), seen) if timed else None
            if timed and seconds is None:
                continue
            self._scores[fidelity] = [table.raw(metric) for metric in columns]
            if seconds is not None:
                self._seconds[fidelity] = seconds

    @property
    def fidelities(self) -> tuple[int, ...]:
        """Ascending epochs at which there are scores; the last is the study's own."""
        return tuple(self._scores)

    @property
    def has_seconds(self) -> bool:
        return len(self._seconds) == len(self._scores)

    @property
    def most_seconds(self) -> float:
        """Seconds of the longest evaluation; infinity where there are none."""
        return max((float(np.nanmax(each)) for each in self._seconds.values()), default=np.inf)

    def evaluate(self, batch: Batch, fidelity: int | None = None) -> Evaluation:
        """Return scores and seconds for int8[n, d].

        Raises
        ------
        InputError : An architecture is not in `space`, or the fidelity is not in `fidelities`.
        """
        epochs = self.full_fidelity if fidelity is None else fidelity
        if epochs not in self._scores:
            raise unknown("fidelity", epochs, self.fidelities, "this search")
        rows = self._locate(batch)
        columns = self._scores[epochs]
        if self._draws:
            scores = self._draw(to_percent(np.array([column[rows] for column in columns])))
        else:
            scores = to_percent(columns[0][rows])
        if self._sign < 0:
            scores = -scores
        seconds = self._seconds.get(epochs)
        return Evaluation(scores, None if seconds is None else seconds[rows])

    def _draw(self, runs: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return float64[n], one of the runs that each architecture has in float64[runs, n]."""
        present = ~np.isnan(runs)
        rank = np.floor(self._rng.random(runs.shape[1]) * present.sum(axis=0)) + 1
        drawn = (present.cumsum(axis=0) >= rank).argmax(axis=0)
        scores: npt.NDArray[np.float64] = runs[drawn, np.arange(runs.shape[1])]
        return scores


def check_split(table: Table, dataset: str, split: str | None, quantity: str) -> None:
    """Refuse a search on anything but validation where a table has that, by an InputError."""
    valid = (dataset, "valid", quantity, "")
    if split != "valid" and valid in {(m.dataset, m.split, m.quantity, m.variant) for m in table.metrics}:
        given = "no split" if split is None else repr(split)
        raise InputError(f"search on table {table.name} must see split 'valid', not {given}")


def score_columns(table: Table, mean: Metric, score: Score, required: bool = True) -> list[Metric]:
    """Return the columns that `score` reads; empty where they are not required and the table lacks them.

    `mean` is the column of the mean over runs.

    Raises
    ------
    InputError : The table has no such column.
    """
    runs = table.runs(mean)
    if score == "run":
        if required and len(runs) < 2:
            at = "" if mean.epochs is None else f" at {mean.epochs} epochs"
            what = " ".join(part for part in (mean.dataset, mean.split) if part)
            raise InputError(
                f"table {table.name} has no separate runs of {what}{at}; use score: mean"
                + (" or score: 0" if runs else "")
            )
        return runs if len(runs) > 1 else []
    wanted = mean if score == "mean" else replace(mean, run=int(score))
    if wanted not in table and not required:
        return []
    table.values(wanted)  # raises, with advice, where there is no such column
    return [wanted]


def _train_seconds(
    table: Table, dataset: str, epochs: int | None, schedule: int | None = None
) -> npt.NDArray[np.float64] | None:
    """Return float64[len(table)], seconds of `epochs` of a schedule by `seconds_column`; None if unknown."""
    column = seconds_column(table, dataset, epochs, schedule)
    if column is None:
        return None
    values = table.values(column)
    return values if epochs is None or column.epochs is None else values * (epochs / column.epochs)


def seconds_column(
    table: Table, dataset: str, epochs: int | None, schedule: int | None = None
) -> Metric | None:
    """Return the column of training seconds, mean over runs, of that schedule, else of the next longer one.

    For results without epochs it is the column of seconds without epochs. None where there is none.
    """
    mean = Metric(dataset, None, None, quantity="train_seconds")
    if epochs is None:
        return mean if mean in table else None
    longer = sorted(
        metric.epochs
        for metric in table.available
        if metric.epochs is not None
        and metric.epochs >= (schedule or epochs)
        and metric == replace(mean, epochs=metric.epochs)  # the mean over runs, of a whole schedule
    )
    return replace(mean, epochs=longer[0]) if longer else None


def _complete(seconds: npt.NDArray[np.float64] | None, seen: Entries) -> npt.NDArray[np.float64] | None:
    """Return seconds that all entries have, else None."""
    return None if seconds is None or np.isnan(seconds[seen.mask]).any() else seconds
