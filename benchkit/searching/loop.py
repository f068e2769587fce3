"""Runs the searching loop (ask, evaluate, tell) until the budget is spent.

One loop serves every evaluator, so that a query-backed run and a weight-sharing run of one strategy are the
same method.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from benchkit.base.errors import InputError
from benchkit.base.limits import MOST_EVALUATIONS
from benchkit.searching.budget import Budget
from benchkit.searching.table_evaluator import Evaluation
from benchkit.searching.trace import Trace
from benchkit.spaces import Space
from benchkit.spaces.base import Batch
from benchkit.strategies.protocol import Strategy


class Evaluator(Protocol):
    """The protocol of evaluators, which say how good architectures are and what that cost."""

    space: Space
    full_fidelity: int

    @property
    def has_seconds(self) -> bool:
        """Whether evaluations carry seconds."""
        ...

    def evaluate(self, batch: Batch, fidelity: int | None = None) -> Evaluation:
        """Return scores and seconds for int8[n, d]."""
        ...


def search(strategy: Strategy, evaluator: Evaluator, budget: Budget) -> Trace:
    """Run one search and return its trace; ``strategy.recommend()`` then names the answer.

    Raises
    ------
    InputError : The budget is in seconds and the evaluator has none, it is not spent after
        `benchkit.base.limits.MOST_EVALUATIONS` evaluations, or an architecture is invalid.
    """
    by_queries = budget.queries is not None
    if not by_queries and not evaluator.has_seconds:
        raise InputError("this table has no training seconds: give the budget in queries")
    limit = budget.limit
    full = evaluator.full_fidelity
    spent_queries = spent_seconds = 0.0
    batches: list[Batch] = []
    scores: list[npt.NDArray[np.float64]] = []
    fidelities: list[int] = []
    queries: list[float] = []
    seconds: list[float] = []
    while True:
        ask = strategy.ask()
        if len(ask.batch) == 0:
            break
        fidelity = full if ask.fidelity is None else ask.fidelity
        share = fidelity / full
        rows = ask.batch
        if not evaluator.has_seconds:  # then scoring is real work: none is done beyond the budget
            rows = rows[: int((limit - spent_queries) / share)]
            if len(rows) == 0:
                break
        evaluation = evaluator.evaluate(rows, fidelity)
        costs = [np.nan] * len(rows) if evaluation.seconds is None else evaluation.seconds.tolist()
        fit = 0
        for cost in costs:
            if (spent_queries + share if by_queries else spent_seconds + cost) > limit:
                break
            spent_queries += share
            spent_seconds += cost
            queries.append(spent_queries)
            seconds.append(spent_seconds)
            fit += 1
        if fit:
            batches.append(ask.batch[:fit])
            scores.append(evaluation.scores[:fit])
            fidelities += [fidelity] * fit
            strategy.tell(ask.batch[:fit], evaluation.scores[:fit])
        if len(queries) > MOST_EVALUATIONS:  # such as on a table whose entries took no time at all
            raise InputError(
                f"a search has evaluated more than {MOST_EVALUATIONS:,} architectures, and its budget is not "
                "spent: give a smaller one, or give it in queries"
            )
        if fit < len(ask.batch) or (by_queries and spent_queries * (1 + 1e-9) >= limit):
            break
    return Trace(
        batch=np.concatenate(batches) if batches else np.empty((0, evaluator.space.length), np.int8),
        scores=np.concatenate(scores) if scores else np.empty(0),
        fidelity=np.array(fidelities, dtype=np.int32),
        queries=np.array(queries, dtype=np.float64),
        seconds=np.array(seconds, dtype=np.float64),
    )
