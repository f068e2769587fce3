"""PC-NAS on queries: the plan, what is asked, potentials from what is known, what is left of the budget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit import open_table
from benchkit.base.errors import InputError
from benchkit.spaces import Space, get_space
from benchkit.spaces.base import Batch
from benchkit.spaces.categorical import CategoricalSpace
from benchkit.spaces.restricted import RestrictedSpace
from benchkit.strategies.pcnas.queries import PCNASQueries, cost, plan

MACRO = get_space("nasbench-macro")
CELLS = get_space("nasbench201")
EDGES = [5] * 6
Scores = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Total:
    limit: float
    cost: str = "total"
    unit: str = "steps"

    def values(self, batch: Batch) -> Scores:
        return np.asarray(batch.sum(axis=1), dtype=np.float64)

    def feasible(self, batch: Batch) -> npt.NDArray[np.bool_]:
        return np.asarray(self.values(batch) <= self.limit)


def sines(batch: Batch) -> Scores:
    return np.asarray(50 + np.cos(batch * 2.1) @ np.sin(np.arange(1, batch.shape[1] + 1) * 7.3))


def make(space: Space = MACRO, seed: int = 0, **options: Any) -> PCNASQueries:
    return PCNASQueries(space, np.random.default_rng(seed), **options)


def run(
    strategy: PCNASQueries, queries: int, score: Callable[[Batch], Scores] = sines
) -> tuple[Batch, list[Batch]]:
    """Ask and tell up to so many queries; return what was asked, whole and in batches."""
    batches: list[Batch] = [np.empty((0, strategy.space.length), np.int8)]
    while (left := queries - sum(map(len, batches))) > 0:
        batch = strategy.ask().batch
        if not len(batch):
            break
        batch = batch[:left]
        strategy.tell(batch, score(batch))
        batches.append(batch.copy())
    return np.concatenate(batches), batches[1:]


# -- the plan ---------------------------------------------------------------------------------------


def test_costs_by_hand() -> None:
    # six edges of five operations, P = 1: five candidates a time, at most five completions in the fifth
    assert cost(EDGES, 1, 1) == 30
    assert cost(EDGES, 1, 7) == 4 * 5 * 7 + 5 * 5 + 5
    # P = 3: 5 candidates, then 15
    assert cost(EDGES, 3, 2) == 5 * 2 + 4 * 15 * 2 + 15
    assert cost(EDGES[3:], 3, 2, kept=3) == 2 * 15 * 2 + 15
    # a single choice costs nothing
    assert cost([1, 5, 1], 2, 3) == 5


def test_s_is_planned_before_p() -> None:
    assert plan(EDGES, 150, 5, 2) == (3, 2, 145)
    assert plan(EDGES, 150, 5, 900) == (1, 6, cost(EDGES, 1, 6))
    assert cost(EDGES, 1, 7) > 150
    assert plan(EDGES, 10**6, 5, 900)[:2] == (5, 900)
    assert plan(EDGES, 30, 5, 900) == (1, 1, 30)


@given(
    st.lists(st.integers(1, 6), min_size=1, max_size=8),
    st.integers(1, 400),
    st.integers(1, 8),
    st.integers(1, 50),
)
def test_a_plan_stays_within_the_budget(operators: list[int], queries: int, pool: int, samples: int) -> None:
    least = sum(number for number in operators if number > 1)  # one completion of every operator
    if least > queries:
        with pytest.raises(InputError, match=f"at least {least} queries .* pays for {queries}"):
            plan(operators, queries, pool, samples)
        return
    p, s, spent = plan(operators, queries, pool, samples)
    assert 1 <= p <= pool
    assert 1 <= s <= samples
    assert spent == cost(operators, p, s) <= queries
    assert s in (samples, queries) or cost(operators, 1, s + 1) > queries
    assert p in (pool, queries) or cost(operators, p + 1, s) > queries


def test_a_budget_too_small_is_refused_when_made() -> None:
    with pytest.raises(InputError, match=r"at least 24 queries here, .*; the budget pays for 23"):
        make(queries=23)
    assert make(queries=24).plan == (1, 1, 24)


@pytest.mark.parametrize("wrong", [{"queries": 0}, {"pool": 0}, {"samples": 0}, {"first_samples": 0}])
def test_hyperparameters_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="at least 1"):
        make(**wrong)


# -- a run ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("queries", [24, 60, 150, 400])
def test_every_query_is_used_and_none_is_repeated(queries: int) -> None:
    strategy = make(queries=queries)
    rows, _ = run(strategy, queries)
    assert len(rows) == queries
    assert len(np.unique(MACRO.key(rows))) == queries
    assert strategy.pools[-1].shape[1] == 8  # all operators were decided
    assert len(strategy.ask().batch) <= 50


def test_the_pools_are_the_best_by_what_is_known() -> None:
    """After every decision, against a plain loop over everything asked so far."""
    strategy = make(queries=150, pool=3, samples=2)
    asked = np.empty((0, 8), np.int8)
    seen = 1
    while strategy.pools[-1].shape[1] < 8:
        batch = strategy.ask().batch
        for level in range(seen, len(strategy.pools)):  # decided just now
            before = strategy.pools[level - 1]
            means: dict[tuple[int, ...], float] = {}
            for model in before.tolist():
                for operator in range(3):
                    candidate = (*model, operator)
                    mine = [row for row in asked if tuple(row[:level].tolist()) == candidate]
                    means[candidate] = float(np.mean(sines(np.array(mine))))
            best = sorted(means, key=lambda candidate: -means[candidate])[: len(strategy.pools[level])]
            assert [tuple(model) for model in strategy.pools[level].tolist()] == best
            assert strategy.plan is not None
            assert len(best) == min(strategy.plan.pool, 3 * len(before))
        seen = len(strategy.pools)
        strategy.tell(batch, sines(batch))
        asked = np.concatenate([asked, batch])
    assert seen == 9


def test_every_candidate_has_s_known_completions() -> None:
    strategy = make(queries=None, pool=2, samples=4)
    asked, known = [], np.empty((0, 8), np.int8)
    while True:
        batch = strategy.ask().batch
        level = len(strategy.pools)
        if level > 7:  # whole models, then what is left
            break
        known = np.concatenate([known, batch])
        asked.append(len(batch))
        for model in strategy.pools[-1].tolist():
            for operator in range(3):
                mine = (known[:, :level] == [*model, operator]).all(axis=1)
                assert mine.sum() >= min(4, 3 ** (8 - level))
        strategy.tell(batch, sines(batch))
    assert asked[0] == 3 * 4
    assert len(asked) > 3
    # what was asked for a parent serves its extensions: fewer are asked than S for each of six
    assert all(number < 6 * 4 for number in asked[1:])


def test_an_additive_score_is_solved() -> None:
    # every operator adds its own number: with enough completions the potentials rank operators exactly
    weights = np.linspace(1, 2, 8)
    strategy = make(queries=1_500, pool=5, samples=40)
    run(strategy, 1_500, lambda batch: batch @ weights)
    assert strategy.recommend().tolist() == [2] * 8


def test_what_is_left_goes_near_the_best_models() -> None:
    strategy = make(queries=400, pool=1, samples=1)
    spare: list[Batch] = []
    for _ in range(60):
        batch = strategy.ask().batch
        strategy.tell(batch, sines(batch))
        if len(strategy.pools) == 9:
            spare.append(batch)
    # first what nobody asked among the nine completions of the pool of six decisions
    best = strategy.pools[6][0]
    assert 1 <= len(spare[0]) < 9
    assert (spare[0][:, :6] == best).all()
    assert len(spare) > 3
    assert (spare[1][:, :5] == best[:5]).all()
    assert not (spare[1][:, :6] == best).all(axis=1).any()
    shared = [
        max(level for level in range(9) if (batch[:, :level] == strategy.pools[level][0]).all())
        for batch in spare
    ]
    assert shared == sorted(shared, reverse=True)
    assert shared[0] == 6 > shared[-1]


def test_a_small_space_is_used_up() -> None:
    space = CategoricalSpace("toy", {"a": [1, 2, 3], "one": ["x"], "b": [1, 2]})
    rows, _ = run(make(space, samples=1, pool=1), 50, lambda batch: batch.sum(axis=1).astype(np.float64))
    assert len(rows) == len(np.unique(space.key(rows))) == 6


def test_the_order_decides_what_comes_first() -> None:
    order = (7, 0, 1, 2, 3, 4, 5, 6)
    strategy = make(queries=None, pool=1, samples=2, order=order)
    for _ in range(2):
        batch = strategy.ask().batch
        strategy.tell(batch, batch[:, 7].astype(np.float64))
    assert strategy.order == order
    strategy.ask()
    assert strategy.pools[1].tolist() == [[2]]


# -- restrictions -----------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [3, 6])
def test_everything_asked_keeps_the_constraint(limit: int) -> None:
    strategy = make(queries=100)
    strategy.constrain(Total(limit))
    rows, _ = run(strategy, 100, lambda batch: batch.sum(axis=1).astype(np.float64))
    assert len(rows) == 100
    assert rows.sum(axis=1).max() <= limit
    assert strategy.recommend().sum() == limit


def test_a_constraint_that_nothing_keeps_is_named() -> None:
    strategy = make(queries=100)
    strategy.constrain(Total(-1))
    with pytest.raises(InputError, match=r"keeps total=-1 \(steps; the smallest drawn has 0\)"):
        run(strategy, 100)


def test_inside_a_restricted_space_only_entries_are_asked() -> None:
    space = RestrictedSpace(CELLS, CELLS.sample(np.random.default_rng(1), 400))
    rows, _ = run(make(space, queries=90), 90)
    assert space.is_valid(rows).all()
    assert len(np.unique(space.key(rows))) == len(rows) == 90


def test_on_a_table_of_nasbench101_no_cell_is_asked_twice() -> None:
    table = open_table("nasbench101-sample")
    strategy = make(table.space, queries=70)
    rows, _ = run(strategy, 70)
    assert table.space.is_valid(rows).all()
    assert len(np.unique(table.space.key(rows))) == 70
    assert strategy.order == tuple(range(26))


def test_the_paper_preset_plans_s_for_all_of_its_completions() -> None:
    strategy = make(CELLS, queries=150, preset="paper")
    assert strategy.plan is not None
    assert strategy.plan[:2] == (1, 6)
    strategy = make(CELLS, queries=10**6, preset="paper")
    assert strategy.plan is not None
    assert strategy.plan[:2] == (5, 900)
