"""Diagnostics of chains: hand computations, known processes, and independent samples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from benchkit.analysis.statistics.chain_diagnostics import (
    change_share,
    effective_sample_size,
    histogram,
    independent_distance,
    tempered_posterior,
    total_variation,
)


def autoregressive(rho: float, chains: int, n: int, seed: int = 0) -> NDArray[np.float64]:
    """A stationary process of variance 1 with autocorrelation rho^t."""
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((chains, n))
    for t in range(1, n):
        values[:, t] = rho * values[:, t - 1] + np.sqrt(1 - rho**2) * values[:, t]
    return values


# -- moves ----------------------------------------------------------------------------------------


def test_the_share_of_changes_counts_draws_by_hand() -> None:
    # three draws, one of which changes; two draws, both of which do
    assert change_share([np.array([4, 4, 5, 5]), np.array([1, 2, 1])]) == pytest.approx(3 / 5)
    rows = np.array([[0, 1], [0, 1], [0, 2], [1, 2], [1, 2]])
    assert change_share([rows]) == pytest.approx(2 / 4)
    assert change_share([rows, rows[:1]]) == pytest.approx(2 / 4)  # a chain without a draw adds nothing
    with pytest.raises(ValueError, match="at least one draw"):
        change_share([np.array([3])])


# -- effective sample size ------------------------------------------------------------------------


@pytest.mark.parametrize(("rho", "chains"), [(0.0, 1), (0.5, 1), (0.9, 4)])
def test_the_effective_size_of_an_autoregression_is_known(rho: float, chains: int) -> None:
    n = 4000
    exact = chains * n * (1 - rho) / (1 + rho)
    found = [effective_sample_size(list(autoregressive(rho, chains, n, seed))) for seed in range(12)]
    assert np.mean(found) == pytest.approx(exact, rel=0.08)


def test_anticorrelated_draws_are_worth_more_than_independent_ones() -> None:
    n = 20_000
    found = effective_sample_size(list(autoregressive(-0.4, 2, n)))
    assert found == pytest.approx(2 * n * 1.4 / 0.6, rel=0.12)


def test_the_effective_size_predicts_the_error_of_the_mean() -> None:
    """Over many short chains: the variance of a chain's mean is that of the process over the size."""
    values = autoregressive(0.6, 400, 500, seed=3)
    sizes = [effective_sample_size([chain]) for chain in values]
    assert np.median(sizes) == pytest.approx(1 / values.mean(axis=1).var(), rel=0.2)


def test_chains_that_disagree_have_few_effective_draws() -> None:
    values = autoregressive(0.0, 2, 1000)
    together = effective_sample_size(list(values))
    apart = effective_sample_size([values[0], values[1] + 20])
    assert together > 1500
    assert apart < 5


def test_a_hand_computed_effective_size() -> None:
    # mean 0, correlations 1, 1/4, -1/2, -1/4 by lag: the pair -1/2 - 1/4 ends the sum, 2 (1 + 1/4) - 1 = 3/2
    assert effective_sample_size([[1.0, 1.0, -1.0, -1.0]]) == pytest.approx(4 / 1.5)
    # two chains around 0 and 1: W = 4/3, V = 3/4 W + 1/2 = 3/2, correlations 1 - (1 - c) / V by lag
    correlation = 1 - (1 - np.array([1, 1 / 4])) / 1.5
    time = 2 * correlation.sum() - 1  # the next pair, 1 - 3/2 / V + 1 - 5/4 / V, is 1/6
    time += 2 * (2 - (1.5 + 1.25) / 1.5)
    found = effective_sample_size([[1.0, 1.0, -1.0, -1.0], [2.0, 2.0, 0.0, 0.0]])
    assert found == pytest.approx(8 / time)


def test_a_chain_that_never_moved_tells_as_much_as_one_draw() -> None:
    assert effective_sample_size([np.full(50, 91.2)]) == 1
    assert effective_sample_size([np.full(50, 91.2)] * 3) == 3
    assert effective_sample_size([np.full(50, 91.2), np.full(50, 90.0)]) <= 2


def test_chains_are_cut_to_the_shortest() -> None:
    values = autoregressive(0.5, 2, 300)
    assert effective_sample_size([values[0], values[1, :200]]) == effective_sample_size(list(values[:, :200]))


@pytest.mark.parametrize("wrong", [[], [[1.0, 2.0, 3.0]]])
def test_too_little_is_refused(wrong: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="at least"):
        effective_sample_size(wrong)


@given(st.lists(st.floats(-100, 100), min_size=4, max_size=40))
def test_an_effective_size_is_between_one_and_its_ceiling(values: list[float]) -> None:
    n = len(values)
    assert 1 <= effective_sample_size([values]) <= n * max(1.0, np.log10(n)) + 1e-9


# -- distances ------------------------------------------------------------------------------------


def test_total_variation_by_hand() -> None:
    assert total_variation([0.5, 0.5, 0], [0.25, 0.25, 0.5]) == pytest.approx(0.5)
    assert total_variation([1, 0], [0, 1]) == 1
    assert total_variation([0.3, 0.7], [0.3, 0.7]) == 0


def test_a_histogram_leaves_the_start_out() -> None:
    found = histogram([np.array([0, 1, 1]), np.array([2, 3])], 4)
    np.testing.assert_allclose(found, [0, 2 / 3, 0, 1 / 3])
    with pytest.raises(ValueError, match="at least one draw"):
        histogram([np.array([0])], 4)


def test_the_posterior_doubles_for_every_log_two_over_beta_points() -> None:
    beta = 3.0
    step = np.log(2) / beta
    np.testing.assert_allclose(tempered_posterior([90 + step, 90, 90 - step], beta), [4 / 7, 2 / 7, 1 / 7])
    assert np.isfinite(tempered_posterior([94.0, 10.0], 1000.0)).all()


def test_the_distance_of_one_draw_is_known() -> None:
    # a single draw of row i is at distance 1 - p_i: in the mean 1 - sum p^2
    p = np.array([0.7, 0.2, 0.1])
    found = independent_distance(p, 1, np.random.default_rng(0), repeats=20_000)
    assert found.mean == pytest.approx(1 - (p @ p), abs=0.005)
    assert (found.low, found.high, found.n) == (pytest.approx(0.3), pytest.approx(0.9), 20_000)


def test_the_distance_falls_as_the_root_of_the_size() -> None:
    p = np.full(10, 0.1)
    small, large = (independent_distance(p, n, np.random.default_rng(1), 500).mean for n in (400, 40_000))
    assert small / large == pytest.approx(10, rel=0.1)
