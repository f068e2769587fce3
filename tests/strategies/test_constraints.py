"""Searching under a constraint: rejection, composition, and the strategies that take one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.base.errors import InputError
from benchkit.spaces import get_space
from benchkit.spaces.base import Batch
from benchkit.spaces.counts import count
from benchkit.strategies import get_strategy, get_weight_sharing, strategy_names
from benchkit.strategies.evolution import Evolution, EvolutionHyperparameters
from benchkit.strategies.protocol import SearchStrategy
from benchkit.strategies.rejection import AllOf, draw_feasible, sample_feasible
from benchkit.strategies.size_limits import CountConstraint

MACRO = get_space("nasbench-macro")


@dataclass(frozen=True)
class Total:
    """At most so much in all, a choice costing its number."""

    limit: float
    cost: str = "total"
    unit: str = "steps"

    def values(self, batch: Batch) -> npt.NDArray[np.float64]:
        return np.asarray(batch.sum(axis=1), dtype=np.float64)

    def feasible(self, batch: Batch) -> npt.NDArray[np.bool_]:
        return self.values(batch) <= self.limit


@dataclass(frozen=True)
class First:
    """At most so much at the first position."""

    limit: float
    cost: str = "first"
    unit: str = "steps"

    def values(self, batch: Batch) -> npt.NDArray[np.float64]:
        return batch[:, 0].astype(np.float64)

    def feasible(self, batch: Batch) -> npt.NDArray[np.bool_]:
        return self.values(batch) <= self.limit


# -- rejection ------------------------------------------------------------------------------------


def test_rejection_keeps_the_law_among_the_feasible() -> None:
    # 9 chains of three choices in {0, 1, 2} with a total of at most 1 stay: 000 and three with a single 1
    space = get_space("nasbench201-3")
    rows = draw_feasible(space, np.random.default_rng(0), 4_000, Total(1))
    found, counts = np.unique(rows, axis=0, return_counts=True)
    assert found.tolist() == [[0, 0, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0]]
    # each has probability 1/4: four standard deviations of a binomial share
    assert np.abs(counts / 4_000 - 0.25).max() < 4 * np.sqrt(0.25 * 0.75 / 4_000)


def test_nothing_is_drawn_twice_where_all_is_feasible() -> None:
    free = draw_feasible(MACRO, np.random.default_rng(3), 50, None)
    assert np.array_equal(draw_feasible(MACRO, np.random.default_rng(3), 50, Total(100)), free)


def test_the_error_names_the_limit_and_the_smallest_value_seen() -> None:
    asked: list[int] = []

    def draw(n: int) -> Batch:
        asked.append(n)
        return np.full((n, 2), 3, dtype=np.int8)

    with pytest.raises(
        InputError, match=r"toy among 20,\d+ drawn keeps total=5 \(steps; the smallest drawn has 6\)"
    ):
        sample_feasible(Total(5), 1, draw, "toy")
    assert asked[:4] == [0, 1, 2, 4]
    assert max(asked) == 256


def test_the_error_of_several_limits_names_each() -> None:
    both = AllOf([Total(1), First(0)])
    with pytest.raises(InputError, match=r"total=1 \(.* has 2\) and first=0 \(.* has 1\)"):
        sample_feasible(both, 1, lambda n: np.ones((n, 2), dtype=np.int8), "toy")


# -- several limits --------------------------------------------------------------------------------


@given(st.integers(1, 16), st.integers(1, 2))
def test_all_of_keeps_what_every_part_keeps(most: int, first: int) -> None:
    rows = MACRO.sample(np.random.default_rng(0), 64)
    parts = Total(most), First(first)
    both = AllOf(parts)
    expected = parts[0].feasible(rows) & parts[1].feasible(rows)
    assert np.array_equal(both.feasible(rows), expected)
    assert np.array_equal(both.values(rows) <= both.limit, expected)


def test_all_of_is_the_largest_share_of_a_limit() -> None:
    both = AllOf([Total(4), First(2)])
    assert both.values(np.array([[1, 0], [1, 2]], dtype=np.int8)).tolist() == [0.5, 0.75]
    assert (both.cost, both.limit) == ("total and first", 1.0)
    assert both.feasible(np.empty((0, 2), dtype=np.int8)).shape == (0,)


def test_counts_are_in_millions() -> None:
    rows = MACRO.at(np.arange(0, MACRO.size, 500))
    counted = count(MACRO, rows, 10, 32)
    flops = CountConstraint("flops", "flops", 30.0, MACRO, 10, 32)
    params = CountConstraint("params", "parameters", 1.0, MACRO, 10)
    assert np.allclose(flops.values(rows) * 1e6, counted.flops)
    assert np.allclose(params.values(rows) * 1e6, counted.parameters)
    assert np.array_equal(flops.feasible(rows), counted.flops <= 30_000_000)


# -- strategies ------------------------------------------------------------------------------------


def run(strategy: SearchStrategy, queries: int) -> Batch:
    """Search with the sum of choices as the score: the best architectures are the most expensive."""
    asked = np.empty((0, strategy.space.length), dtype=np.int8)
    while len(asked) < queries:
        batch = strategy.ask().batch
        strategy.tell(batch, batch.sum(axis=1).astype(np.float64))
        asked = np.concatenate([asked, batch])
    return asked


@pytest.mark.parametrize("name", ["random-search", "regularized-evolution"])
def test_everything_asked_is_feasible(name: str) -> None:
    strategy = get_strategy(name)(MACRO, np.random.default_rng(0))
    strategy.constrain(Total(4))
    asked = run(strategy, 200)
    assert asked.sum(axis=1).max() <= 4
    assert len(np.unique(asked, axis=0)) > 20


def test_evolution_still_climbs_to_the_limit() -> None:
    strategy = get_strategy("regularized-evolution")(MACRO, np.random.default_rng(0))
    strategy.constrain(Total(12))
    run(strategy, 300)
    assert strategy.recommend().sum() == 12


def test_a_parent_without_feasible_children_gives_way_to_a_fresh_draw() -> None:
    class EvenBits(Total):
        def feasible(self, batch: Batch) -> npt.NDArray[np.bool_]:
            return np.asarray((batch <= 1).all(axis=1) & (batch.sum(axis=1) % 2 == 0))

    # a single change turns the parity of a row of bits, or makes it none
    space, constraint = get_space("nasbench201-3"), EvenBits(0)
    strategy = get_strategy("regularized-evolution")(space, np.random.default_rng(0))
    strategy.constrain(constraint)
    assert constraint.feasible(run(strategy, 15)).all()


@pytest.mark.parametrize("name", [n for n in strategy_names() if not get_strategy(n).takes_constraint])
def test_the_others_refuse_one(name: str) -> None:
    kind = get_strategy(name)
    options = {"fidelities": (12, 200)} if kind.multi_fidelity else {}
    with pytest.raises(InputError, match=f"{name} takes no constraint, such as this one of total"):
        kind(MACRO, np.random.default_rng(0), **options).constrain(Total(4))


@pytest.mark.parametrize("name", ["spos", "fairnas"])
def test_evolution_over_inherited_weights_keeps_the_constraint(name: str) -> None:
    strategy = get_weight_sharing(name)(MACRO, np.random.default_rng(0), population=10, iterations=6, top=4)
    strategy.constrain(Total(6))
    asked = run(strategy, 60)
    assert asked.sum(axis=1).max() <= 6
    assert strategy.recommend().sum() == 6


def test_the_population_of_spos_is_unchanged_without_a_constraint() -> None:
    setting = EvolutionHyperparameters(population=8, iterations=2, top=3)
    free, bound = (Evolution(MACRO, np.random.default_rng(1), setting) for _ in range(2))
    bound.constrain(Total(100))
    for _ in range(2):
        batch = free.propose()
        assert np.array_equal(bound.propose(), batch)
        for each in (free, bound):
            each.observe(batch, batch.sum(axis=1).astype(np.float64))
