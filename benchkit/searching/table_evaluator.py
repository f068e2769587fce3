"""Answer a search from a table: how good is it, and what did it cost?

The evaluator is given the score columns and the seconds, and nothing else: it holds no table, so a
search cannot read a test column (unless the study names one, for a table that has no validation).

Simulated seconds
-----------------
An evaluation at e epochs costs the table's recorded training seconds of one run at that schedule; where
the table records only the longer schedule of E epochs, that times e/E (the protocol published with
NAS-Bench-201, whose 12-epoch figure costs 12/200 of the 200-epoch seconds). In it: training. Not in
it: validation, data loading before the first epoch, and the search method's own time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from benchkit.base.errors import shown
from benchkit.spaces import InputError, unknown
from benchkit.spaces.base import Batch
from benchkit.tables.arrow_file import to_percent
from benchkit.tables.metric import Metric
from benchkit.tables.table import Table

__all__ = ["Evaluation", "Ladder", "Score", "TableEvaluator"]

Score = Literal["mean", "run"] | int
"""``mean`` over the runs, ``run``: one of the runs drawn at each query, or the number of one run."""

Ladder = Literal["schedules", "curve"]
"""Where lower fidelities come from."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Answers for a batch.

    Attributes
    ----------
    scores : float64[n], accuracy in percent.
    seconds : float64[n], simulated seconds; None where the table has no times.
    """

    scores: npt.NDArray[np.float64]
    seconds: npt.NDArray[np.float64] | None


class TableEvaluator:
    """Scores and costs from one data set's columns of a table.

    Parameters
    ----------
    table : read while the evaluator is made, and not kept.
    dataset, split, epochs : what a query at the study's own fidelity reads.
    score : see `Score`. With ``run`` only the fidelities that have separate runs are offered.
    rng : draws the run of each query; used by ``run`` alone.
    ladder : where lower fidelities come from: ``schedules`` (networks trained for fewer epochs, each to
        the end of its own schedule) or ``curve`` (the epochs inside the one schedule).

    Raises
    ------
    InputError : the table does not have such a column; ``run`` where there are no separate runs; a
        test split where the table has validation accuracy.
    """

    def __init__(
        self,
        table: Table,
        dataset: str,
        split: str,
        epochs: int,
        score: Score,
        rng: np.random.Generator,
        ladder: Ladder = "schedules",
    ) -> None:
        if split != "valid" and table.epochs(dataset, "valid"):
            raise InputError(f"search on table {table.name} must see split 'valid', not {shown(split)}")
        self._lookup = table.lookup
        self._rng = rng
        self._draws = score == "run"
        self.full_fidelity = epochs
        self.space = table.space
        self._scores: dict[int, list[npt.NDArray[np.floating[Any]]]] = {}
        self._seconds: dict[int, npt.NDArray[np.float64]] = {}
        schedule = epochs if ladder == "curve" else None
        for fidelity in sorted({*table.epochs(dataset, split, schedule), epochs}):
            if fidelity > epochs:
                continue
            mean = Metric(dataset, split, fidelity, schedule=schedule)
            columns = _columns(table, mean, score, required=fidelity == epochs)
            if columns:
                self._scores[fidelity] = [table.raw(metric) for metric in columns]
                seconds = _train_seconds(table, dataset, fidelity, schedule or fidelity)
                if seconds is not None:
                    self._seconds[fidelity] = seconds

    @property
    def fidelities(self) -> tuple[int, ...]:
        """Ascending epochs at which scores can be had; the last is the study's own."""
        return tuple(self._scores)

    @property
    def has_seconds(self) -> bool:
        return len(self._seconds) == len(self._scores)

    def evaluate(self, batch: Batch, fidelity: int | None = None) -> Evaluation:
        """Return scores and seconds for int8[n, d].

        Raises
        ------
        InputError : an architecture that is not in the table's space, a fidelity that is not in
            `fidelities`, or a missing entry.
        """
        epochs = self.full_fidelity if fidelity is None else fidelity
        if epochs not in self._scores:
            raise unknown("fidelity", epochs, self.fidelities, "this search")
        rows = self._lookup.locate(batch)
        columns = self._scores[epochs]
        if self._draws:
            scores = self._draw(to_percent(np.array([column[rows] for column in columns])))
        else:
            scores = to_percent(columns[0][rows])
        if np.isnan(scores).any():
            first = self.space.format(np.asarray(batch)[int(np.isnan(scores).argmax())])
            raise InputError(f"the table has no {epochs}-epoch score for {first}")
        seconds = self._seconds.get(epochs)
        return Evaluation(scores, None if seconds is None else seconds[rows])

    def _draw(self, runs: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return float64[n]: of float64[runs, n], one of the runs that each architecture has."""
        present = ~np.isnan(runs)
        rank = np.floor(self._rng.random(runs.shape[1]) * present.sum(axis=0)) + 1
        drawn = (present.cumsum(axis=0) >= rank).argmax(axis=0)
        scores: npt.NDArray[np.float64] = runs[drawn, np.arange(runs.shape[1])]
        return scores


def _columns(table: Table, mean: Metric, score: Score, required: bool) -> list[Metric]:
    """Return the columns that `score` reads; empty where a lower fidelity does not have them."""
    runs = table.runs(mean)
    if score == "run":
        if required and len(runs) < 2:
            raise InputError(
                f"table {table.name} has no separate runs of {mean.dataset} {mean.split} at "
                f"{mean.epochs} epochs; use score: mean" + (" or score: 0" if runs else "")
            )
        return runs if len(runs) > 1 else []
    wanted = mean if score == "mean" else replace(mean, run=int(score))
    if wanted not in table and not required:
        return []
    gaps = int(np.isnan(table.values(wanted)).sum())  # raises, with advice, where there is no such column
    if gaps and required:
        raise InputError(
            f"table {table.name} has no {wanted} for {gaps:,} of {len(table):,} architectures, so a search "
            f"cannot rely on it; use another score: mean, run, or the number of a run that all have"
        )
    return [] if gaps else [wanted]


def _train_seconds(table: Table, dataset: str, epochs: int, schedule: int) -> npt.NDArray[np.float64] | None:
    """Return float64[len(table)]: seconds of `epochs` of a schedule; None where no times are known.

    Mean over the runs, taken from that schedule's own seconds, or else from the shortest longer one, in
    proportion.
    """
    mean = Metric(dataset, None, schedule, quantity="train_seconds")
    longer = sorted(
        metric.epochs
        for metric in table.metrics
        if metric.epochs is not None
        and metric.epochs >= schedule
        and metric == replace(mean, epochs=metric.epochs)  # the mean over runs, of a whole schedule
    )
    if not longer:
        return None
    return table.values(replace(mean, epochs=longer[0])) * (epochs / longer[0])
