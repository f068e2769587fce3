"""Regularized evolution against Algorithm 1 written plainly, and against what is known of the draws."""

from collections import deque

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.base.errors import InputError
from benchkit.spaces import get_space
from benchkit.spaces.categorical import CategoricalSpace
from benchkit.spaces.nasbench201.encoding import NASBench201
from benchkit.strategies.regularized_evolution import RegularizedEvolution, tournaments, winner


def toy(*arity):
    """A user's space without structure: independent choices."""
    return CategoricalSpace("toy", {f"op{i}": range(a) for i, a in enumerate(arity)})


def accuracy(batch):
    """Percent; the sum of the choices, so that later choices are better."""
    return batch.astype(np.float64).sum(axis=1)


def evolve(space, seed, steps, **hyperparameters):
    """Run, and return the asked batches."""
    search = RegularizedEvolution(space, np.random.default_rng(seed), **hyperparameters)
    batches = []
    for _ in range(steps):
        batch = search.ask().batch
        search.tell(batch, accuracy(batch))
        batches.append(batch)
    return batches


def test_the_first_ask_is_the_whole_random_population():
    batches = evolve(NASBench201(), 0, 3, population=20, sample=5)
    assert [len(batch) for batch in batches] == [20, 1, 1]


@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 8), st.booleans())
def test_every_child_is_a_step_from_a_member_that_is_alive(seed, population, sample, replacement):
    sample = sample if replacement else min(sample, population)
    sizes = {"population": population, "sample": sample, "replacement": replacement}
    batches = evolve(toy(*(4,) * 5), seed, 30, **sizes)
    alive = deque(batches[0], maxlen=population)
    for child in batches[1:]:
        distances = [(child[0] != member).sum() for member in alive]
        assert 1 in distances
        alive.append(child[0])


def test_agrees_with_algorithm_1_written_plainly():
    """One tournament of the whole population leaves only the mutation to chance: follow it exactly."""
    space = toy(*(6,) * 8)
    batches = evolve(space, 3, 200, population=7, sample=7, replacement=False)
    alive = deque(batches[0], maxlen=7)
    for child in batches[1:]:
        best = max(accuracy(np.array(alive)))
        parents = [member for member in alive if accuracy(member[None])[0] == best]
        assert any((child[0] != parent).sum() == 1 for parent in parents)
        alive.append(child[0])


def test_the_best_member_dies_of_age():
    """With P = 1 each child replaces its parent, better or worse: a random walk of single steps."""
    walk = np.concatenate(evolve(toy(*(3,) * 6), 1, 60, population=1, sample=1))
    steps = (walk[1:] != walk[:-1]).sum(axis=1)
    assert (steps == 1).all()
    assert (np.diff(accuracy(walk)) < 0).any()


def test_without_replacement_nobody_is_drawn_twice():
    drawn = np.array(tournaments(np.random.default_rng(0), 10, 10, False, 50))
    assert (np.sort(drawn, axis=1) == np.arange(10)).all()


@pytest.mark.parametrize("replacement", [True, False])
def test_members_are_drawn_uniformly(replacement):
    drawn = np.array(tournaments(np.random.default_rng(0), 10, 3, replacement, 20_000))
    for position in range(3):
        share = np.bincount(drawn[:, position], minlength=10) / len(drawn)
        assert share == pytest.approx(0.1, abs=0.01)  # five standard deviations


def test_with_replacement_a_member_is_drawn_twice_as_often_as_chance_says():
    drawn = np.array(tournaments(np.random.default_rng(0), 10, 2, True, 20_000))
    assert (drawn[:, 0] == drawn[:, 1]).mean() == pytest.approx(0.1, abs=0.01)


def test_the_winner_has_the_best_score_and_was_drawn_first_among_equals():
    scores = [91.0, 93.5, 93.5, 88.0]
    assert winner(scores, [3, 0, 3]) == 0
    assert winner(scores, [0, 2, 1]) == 2
    assert winner(scores, [0, 1, 2]) == 1


def test_a_small_start_grows_to_the_population_and_then_ages():
    search = RegularizedEvolution(toy(*(4,) * 5), np.random.default_rng(0), preset="naszilla")
    asked = []
    for _ in range(60):
        batch = search.ask().batch
        search.tell(batch, accuracy(batch))
        asked.extend(map(tuple, batch))
    assert len(asked) == 10 + 59
    survivors = sorted(map(tuple, search._members))
    assert survivors == sorted(asked[-29:])


def test_finds_the_optimum_that_random_search_misses():
    space = toy(*(5,) * 8)  # 390,625 rows; 400 draws find the best with probability 0.1 %
    found = 0
    for seed in range(5):
        search = RegularizedEvolution(space, np.random.default_rng(seed), preset="paper")
        for _ in range(301):
            batch = search.ask().batch
            search.tell(batch, accuracy(batch))
        found += int(accuracy(search.recommend()[None])[0] == 32)
    assert found >= 4


def test_the_published_settings():
    sizes = {
        name: (preset["population"], preset["sample"])
        for name, preset in RegularizedEvolution.presets.items()
    }
    assert sizes["paper"] == (100, 25)
    assert sizes["nasbench101"] == (50, 10)
    assert sizes["nas-benchmarks"] == (100, 10)
    assert sizes["nasbench201"] == (10, 3)
    default = RegularizedEvolution(NASBench201(), np.random.default_rng(0)).hyperparameters
    assert (default.population, default.sample) == sizes["nasbench201"]
    for name in sizes:
        space = get_space("nasbench101" if name == "nasbench101" else "nasbench201")
        RegularizedEvolution(space, np.random.default_rng(0), preset=name)


def test_the_notebook_mutates_as_its_space_says():
    space = get_space("nasbench101")
    search = RegularizedEvolution(space, np.random.default_rng(0), preset="nasbench101")
    start = search.ask().batch
    search.tell(start, np.arange(50.0))
    children = []
    for _ in range(60):
        child = search.ask().batch
        children.append(child)
        search.tell(child, np.array([50.0]))
    changed = [int((child != start[:, None]).sum(axis=2).min()) for child in children]
    assert max(changed) > 2  # one step changes two bits at the most
    with pytest.raises(InputError, match="unknown mutation 'notebook' for space nasbench201"):
        RegularizedEvolution(NASBench201(), np.random.default_rng(0), preset="nasbench101")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"population": 0}, "population must be at least 1"),
        ({"sample": 0}, "sample must be at least 1"),
        ({"initial": 11}, r"initial must be in 1\.\.population = 10"),
        ({"sample": 11, "replacement": False}, "draw without replacement"),
        ({"sample": 6, "replacement": False, "initial": 5}, "exceeds the 5 members"),
    ],
)
def test_impossible_sizes_are_refused(wrong, message):
    with pytest.raises(InputError, match=message):
        RegularizedEvolution(NASBench201(), np.random.default_rng(0), **wrong)
