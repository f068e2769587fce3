"""BOHB: its brackets, its densities, and what it does with scores."""

from __future__ import annotations

import pickle
from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.base.errors import InputError
from benchkit.spaces.base import Batch, Space
from benchkit.spaces.categorical import CategoricalSpace
from benchkit.spaces.nasbench101.encoding import NASBench101
from benchkit.spaces.nasbench201.encoding import NASBench201
from benchkit.spaces.restricted import RestrictedSpace
from benchkit.strategies.bohb import (
    BOHB,
    BOHBHyperparameters,
    Rung,
    brackets,
    fit_densities,
    split_sizes,
)
from benchkit.strategies.protocol import Scores

SPACE = CategoricalSpace("toy", {f"op{i}": "abcd" for i in range(5)})


def ones_and_twos(batch: Batch) -> Scores:
    """Score in percent: 10 for each choice 1, 9 for each choice 2."""
    return np.asarray(10.0 * (batch == 1).sum(axis=1) + 9.0 * (batch == 2).sum(axis=1))


def search(strategy: BOHB, asks: int) -> list[tuple[int | None, Batch]]:
    """Run `asks` rounds on `ones_and_twos` at every fidelity; return (fidelity, batch) of each."""
    trace = []
    for _ in range(asks):
        ask = strategy.ask()
        strategy.tell(ask.batch, ones_and_twos(ask.batch))
        trace.append((ask.fidelity, ask.batch))
    return trace


def make(space: Space = SPACE, seed: int = 0, **hyperparameters: Any) -> BOHB:
    return BOHB(space, np.random.default_rng(seed), **hyperparameters)


# -- Hyperband ---------------------------------------------------------------------------------------


def test_brackets_are_those_of_the_hyperband_paper() -> None:
    """Li et al. (JMLR 18, 2018), Table 1: R = 81, eta = 3."""
    cycle = brackets(tuple(range(1, 82)), eta=3)
    assert [[(rung.size, rung.fidelity) for rung in bracket] for bracket in cycle] == [
        [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)],
        [(34, 3), (11, 9), (3, 27), (1, 81)],
        [(15, 9), (5, 27), (1, 81)],
        [(8, 27), (2, 81)],
        [(5, 81)],
    ]


def test_brackets_over_12_and_200_epochs_merge_rungs_that_fall_on_one_fidelity() -> None:
    assert brackets((12, 200), eta=3) == [
        (Rung(9, 12), Rung(1, 200)),
        (Rung(5, 12), Rung(1, 200)),
        (Rung(3, 200),),
    ]


def test_one_fidelity_leaves_the_density_model_alone() -> None:
    assert brackets((200,), eta=3) == [(Rung(1, 200),)]
    assert brackets((), eta=3) == [(Rung(1, None),)]
    assert {fidelity for fidelity, _ in search(make(), 30)} == {None}


@given(st.sets(st.integers(1, 500), min_size=1, max_size=8), st.integers(2, 5))
def test_every_bracket_climbs_to_the_studys_own_fidelity(available: set[int], eta: int) -> None:
    fidelities = tuple(sorted(available))
    cycle = brackets(fidelities, eta)
    assert len(cycle[-1]) == 1
    for bracket in cycle:
        climbed = [rung.fidelity or 0 for rung in bracket]
        assert climbed[-1] == fidelities[-1]
        assert climbed == sorted(set(climbed))
        assert set(climbed) <= available
        for lower, upper in pairwise(bracket):
            assert 1 <= upper.size <= lower.size // eta


def test_first_rung_asks_singly_and_the_best_is_promoted() -> None:
    trace = search(make(fidelities=(12, 200)), 18)
    assert [fidelity for fidelity, _ in trace] == [12] * 9 + [200] + [12] * 5 + [200] + [200] * 2
    assert all(len(batch) == 1 for _, batch in trace)
    for first, last in ((0, 9), (10, 15)):
        entrants = np.concatenate([batch for _, batch in trace[first:last]])
        best = entrants[np.argmax(ones_and_twos(entrants))]  # the earliest of equals
        np.testing.assert_array_equal(trace[last][1], best[None])


def test_a_later_rung_is_asked_as_one_batch() -> None:
    trace = search(make(fidelities=(1, 3, 9)), 9 + 2)
    assert [(fidelity, len(batch)) for fidelity, batch in trace] == [(1, 1)] * 9 + [(3, 3), (9, 1)]


def test_a_constant_score_promotes_in_the_order_of_evaluation() -> None:
    strategy = make(fidelities=(1, 3))
    entrants = []
    for _ in range(3):
        ask = strategy.ask()
        strategy.tell(ask.batch, np.zeros(1))
        entrants.append(ask.batch[0])
    ask = strategy.ask()
    assert ask.fidelity == 3
    np.testing.assert_array_equal(ask.batch, entrants[:1])


def test_the_answer_is_the_best_at_the_studys_own_fidelity() -> None:
    strategy = make(fidelities=(12, 200))
    full: list[tuple[float, Batch]] = []
    for _ in range(40):
        ask = strategy.ask()
        scores = ones_and_twos(ask.batch) + (50.0 if ask.fidelity == 12 else 0.0)
        strategy.tell(ask.batch, scores)
        if ask.fidelity == 200:
            full.append((scores[0], ask.batch[0]))
    best = max(full, key=lambda pair: pair[0])[0]
    assert ones_and_twos(strategy.recommend()[None])[0] == best


# -- the model ---------------------------------------------------------------------------------------


def test_equation_3_by_hand() -> None:
    assert split_sizes(100, 15, 7) == (15, 85)
    assert split_sizes(60, 15, 7) == (9, 51)
    assert split_sizes(9, 15, 7) == (7, 7)  # few observations: the sets overlap


def test_densities_need_two_more_points_than_n_min() -> None:
    batch = SPACE.sample(np.random.default_rng(0), 8)
    chosen = BOHBHyperparameters()
    assert fit_densities(batch[:7], ones_and_twos(batch[:7]), SPACE, chosen) is None
    assert fit_densities(batch, ones_and_twos(batch), SPACE, chosen) is not None


def test_good_density_holds_the_best_and_bad_density_the_worst() -> None:
    batch = SPACE.sample(np.random.default_rng(1), 80)
    model = fit_densities(batch, ones_and_twos(batch), SPACE, BOHBHyperparameters())
    assert model is not None
    good, bad = model
    assert (len(good.data), len(bad.data)) == (12, 68)
    assert ones_and_twos(good.data).min() >= ones_and_twos(bad.data).max()


def test_the_model_is_that_of_the_highest_fidelity_with_enough_points() -> None:
    """Where 1 epoch misleads entirely, only a model of 3 epochs can find what is good at 3."""

    def mean_score(asks: slice) -> float:
        found = []
        for seed in range(5):
            strategy = make(seed=seed, fidelities=(1, 3), random_fraction=0.0)
            rows = []
            for _ in range(120):
                ask = strategy.ask()
                sign = 1.0 if ask.fidelity == 3 else -1.0
                strategy.tell(ask.batch, sign * ones_and_twos(ask.batch))
                rows.append(ask.batch)
            found.append(ones_and_twos(np.concatenate(rows[asks])).mean())
        return float(np.mean(found))

    uniform = 5 * (10 + 9) / 4
    assert mean_score(slice(80, None)) > uniform + 5


def test_draws_move_towards_good_architectures() -> None:
    """20 seeds, 60 queries on an additive score: better than 60 random draws, on average."""
    found = []
    for seed in range(20):
        strategy = make(seed=seed)
        search(strategy, 60)
        found.append(ones_and_twos(strategy.recommend()[None])[0])
    random = [ones_and_twos(SPACE.sample(np.random.default_rng(seed), 60)).max() for seed in range(20)]
    assert np.mean(found) > np.mean(random)


def test_random_fraction_one_is_the_spaces_own_law() -> None:
    batches = [batch for _, batch in search(make(random_fraction=1.0), 800)]
    counts = Counter(np.concatenate(batches)[:, 0].tolist())
    assert all(abs(count - 200) < 4 * np.sqrt(800 * 3 / 16) for count in counts.values())


@pytest.mark.parametrize("divisor", [3, 15])
def test_only_members_are_asked_in_a_restricted_space(divisor: int) -> None:
    """divisor 15 leaves 2 rows of 1,024: nearly every draw is rejected and the sampler takes over."""
    rows = SPACE.at(np.arange(SPACE.size))
    space = RestrictedSpace(SPACE, rows[rows.sum(axis=1) % divisor == 0], name="some")
    trace = search(make(space, fidelities=(12, 200)), 120)
    asked = np.concatenate([batch for _, batch in trace])
    assert (asked.sum(axis=1) % divisor == 0).all()


def test_works_on_cells_of_nasbench101() -> None:
    space = NASBench101()
    strategy = make(space, fidelities=(4, 12, 36, 108), min_points_in_model=5)
    for _ in range(60):
        ask = strategy.ask()
        space.validate(ask.batch)
        strategy.tell(ask.batch, ask.batch[:, :21].sum(axis=1).astype(np.float64))
    assert strategy.recommend()[:21].sum() >= 8


# -- what the protocol asks of it --------------------------------------------------------------------


def test_same_seed_same_search_even_pickled_half_way() -> None:
    whole, halves = make(fidelities=(12, 200)), make(fidelities=(12, 200))
    expected = search(whole, 60)
    seen = search(halves, 30)
    seen += search(pickle.loads(pickle.dumps(halves)), 30)
    for (fidelity, batch), (other_fidelity, other) in zip(expected, seen, strict=True):
        assert fidelity == other_fidelity
        np.testing.assert_array_equal(batch, other)


def test_another_seed_is_another_search() -> None:
    first, second = search(make(seed=0), 20), search(make(seed=1), 20)
    assert any((a != b).any() for (_, a), (_, b) in zip(first, second, strict=True))


def test_global_random_state_is_left_alone() -> None:
    before = str(np.random.get_state())  # noqa: NPY002 - that it is untouched is the point
    search(make(fidelities=(12, 200)), 40)
    assert str(np.random.get_state()) == before  # noqa: NPY002


def test_published_nasbench201_setting() -> None:
    chosen = make(NASBench201(), preset="nasbench201", fidelities=[12, 200]).hyperparameters
    assert (chosen.num_samples, chosen.random_fraction, chosen.min_bandwidth, chosen.eta) == (4, 0.0, 0.3, 3)
    assert chosen.fidelities == (12, 200)


@pytest.mark.parametrize(
    ("given_values", "message"),
    [
        ({"fidelities": (200, 12)}, "ascending"),
        ({"fidelities": (12, 12)}, "ascending"),
        ({"fidelities": (0, 12)}, "positive"),
        ({"eta": 1}, "eta"),
        ({"top_n_percent": 100}, "top_n_percent"),
        ({"min_points_in_model": 0}, "min_points_in_model"),
        ({"num_samples": 0}, "num_samples"),
        ({"random_fraction": 1.5}, "random_fraction"),
        ({"bandwidth_factor": 0}, "bandwidth_factor"),
        ({"min_bandwidth": 0}, "min_bandwidth"),
    ],
)
def test_refused_hyperparameters_name_themselves(given_values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make(**given_values)
