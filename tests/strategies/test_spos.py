"""SPOS: uniform paths while training, Algorithm 1 afterwards."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from benchkit.base.errors import InputError
from benchkit.spaces import get_space
from benchkit.strategies import get_strategy, get_weight_sharing, strategy_names, weight_sharing_names
from benchkit.strategies.evolution import mutate, top_k
from benchkit.strategies.spos import SPOS
from benchkit.strategies.weight_sharing import Gradients, ImageBatch


def make(space: str = "nasbench201", seed: int = 0, **options: Any) -> SPOS:
    return SPOS(get_space(space), np.random.default_rng(seed), **options)


class CountingWeights:
    """Stands for the shared weights: counts the steps and moves nothing."""

    parameters = ()

    def __init__(self) -> None:
        self.steps = 0

    def step(self, gradients: object) -> None:
        self.steps += 1

    def unroll(self, gradients: object) -> Any:
        raise NotImplementedError


def test_every_batch_trains_one_uniform_path() -> None:
    strategy, weights = make("nasbench201-3"), CountingWeights()
    seen = []

    class Network:
        def path(self, images: object, row: np.ndarray) -> None:
            seen.append(row.copy())

    strategy.bind(Network(), weights)  # type: ignore[arg-type]

    def closure(batch: Any, **_: bool) -> Gradients:
        strategy.forward(batch.images)
        return Gradients(0.0, (), ())  # type: ignore[arg-type]

    for _ in range(5000):
        strategy.weight_step(closure, ImageBatch(None, None))  # type: ignore[arg-type]
    assert weights.steps == len(seen) == 5000
    counts = np.bincount(strategy.space.index(np.array(seen)), minlength=125)
    assert stats.chisquare(counts).pvalue > 0.001  # 40 expected of each of 125 architectures


def test_one_path_serves_a_closure_that_is_called_twice() -> None:
    strategy = make()
    seen = []

    class Network:
        def path(self, images: object, row: np.ndarray) -> None:
            seen.append(row.tolist())

    strategy.bind(Network(), CountingWeights())  # type: ignore[arg-type]
    strategy.draw()
    strategy.forward(None)  # type: ignore[arg-type]
    strategy.forward(None)  # type: ignore[arg-type]
    assert seen[0] == seen[1]


def test_mutation_redraws_a_tenth_of_the_choices() -> None:
    space = get_space("nasbench201")
    parents = np.full((20_000, 6), 2, dtype=np.int8)
    children = mutate(space, np.random.default_rng(0), parents, 0.1)
    assert len(children) == 20_000
    # a redrawn choice is one of five values, its own among them
    changed = (children != parents).mean()
    assert changed == pytest.approx(0.1 * 4 / 5, abs=0.003)
    assert set(np.unique(children)) == {0, 1, 2, 3, 4}
    np.testing.assert_array_equal(mutate(space, np.random.default_rng(0), parents[:9], 1e-12), parents[:9])


def test_mutation_keeps_members_only() -> None:
    space = get_space("nasbench101")
    rng = np.random.default_rng(0)
    children = mutate(space, rng, space.sample(rng, 500), 0.1)
    assert 0 < len(children) < 500
    assert space.is_valid(children).all()


def test_the_best_k_are_kept_in_order() -> None:
    batch = np.arange(5, dtype=np.int8)[:, None]
    rows, scores = top_k(batch, np.array([1.0, 3.0, 2.0, 3.0, 0.0]), 3)
    assert rows[:, 0].tolist() == [1, 3, 2]  # among equals the earlier
    assert scores.tolist() == [3, 3, 2]


def test_the_search_is_algorithm_1() -> None:
    strategy = make(seed=1)
    asked = []
    while len(batch := strategy.ask().batch):
        asked.append(batch)
        strategy.tell(batch, batch.sum(axis=1).astype(float))
    assert [len(batch) for batch in asked] == [50] * 20
    assert strategy.default_queries == 1000
    everything = np.concatenate(asked)
    assert len(np.unique(everything, axis=0)) == 1000  # none is scored twice
    assert strategy.recommend().tolist() == [4] * 6  # the optimum of this score
    assert np.mean([batch.sum() for batch in asked[5:10]]) > np.mean(asked[0].sum()) * 1.2


def test_half_of_a_population_comes_from_crossover_of_the_best() -> None:
    strategy = make(seed=2, top=2)
    batch = strategy.ask().batch
    two = np.array([[0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1]], dtype=np.int8)
    strategy.evolution.top, strategy.evolution.top_scores = two, np.array([100.0, 99.0])
    strategy.tell(batch, np.zeros(len(batch)))
    children = strategy.ask().batch
    assert set(np.unique(children[:25])) <= {0, 1}
    assert len(children) == 50


def test_a_small_space_is_searched_whole_and_then_the_search_ends() -> None:
    strategy = make("nasbench201-3")
    asked = []
    while len(batch := strategy.ask().batch):
        asked.append(batch)
        strategy.tell(batch, np.zeros(len(batch)))
    rows = np.concatenate(asked)
    assert len(rows) == len(np.unique(rows, axis=0)) == 125


def test_same_seed_same_search() -> None:
    def trace(seed: int) -> list[list[int]]:
        strategy = make(seed=seed, iterations=4)
        rows = []
        while len(batch := strategy.ask().batch):
            rows += batch.tolist()
            strategy.tell(batch, np.sin(batch @ np.arange(6.0)))
        return rows

    assert trace(0) == trace(0) != trace(1)


@pytest.mark.parametrize(
    "wrong", [{"population": 0}, {"top": 0}, {"mutation_probability": 0.0}, {"depth": 3}]
)
def test_hyperparameters_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        make(**wrong)


def test_weight_sharing_strategies_have_their_own_register() -> None:
    # these have a variant on queries, of the same name
    assert set(weight_sharing_names()) & set(strategy_names()) == {
        "nasas",
        "vaenas",
        "gibbsnas",
        "pcnas",
        "sivdnas",
    }
    for name in weight_sharing_names():
        assert get_weight_sharing(name).name == name
    with pytest.raises(InputError, match=r"unknown weight-sharing strategy 'sops'.*did you mean 'spos'"):
        get_weight_sharing("sops")
    with pytest.raises(InputError):
        get_strategy("spos")
