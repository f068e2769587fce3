"""The Bayesian signed-rank test against its authors' package, a plain loop, and cases done by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from benchkit.analysis.statistics.signed_rank_posterior import signed_rank_posterior, signed_rank_weights


def plain(differences: list[float], weights: np.ndarray, rope: float) -> list[float]:
    """The section's sums in a loop; the average on an edge counts half on either side."""
    z = [0.0, *differences]
    counts = np.zeros(3)
    for drawn in weights:
        shares = np.zeros(3)
        for wi, zi in zip(drawn, z, strict=True):
            for wj, zj in zip(drawn, z, strict=True):
                walsh = (zi + zj) / 2
                if abs(abs(walsh) - rope) < 1e-12:
                    shares[0 if walsh > 0 else 2] += wi * wj / 2
                    shares[1] += wi * wj / 2
                else:
                    shares[0 if walsh > rope else 2 if walsh < -rope else 1] += wi * wj
        counts[shares >= shares.max() - 1e-12] += 1 / (shares >= shares.max() - 1e-12).sum()
    return list(counts / len(weights))


@given(
    st.lists(st.integers(-4, 4), min_size=1, max_size=6),
    st.sampled_from([0.25, 0.5, 1.0, 1.5]),
    st.integers(0, 9),
)
def test_the_sums_are_those_of_a_loop(steps: list[int], rope: float, seed: int) -> None:
    differences = [step / 2 for step in steps]
    weights = signed_rank_weights(len(steps), np.random.default_rng(seed), 7)
    found = signed_rank_posterior(differences, weights, rope)
    np.testing.assert_allclose(found, plain(differences, weights, rope), atol=1e-12)
    mirrored = signed_rank_posterior([-each for each in differences], weights, rope)
    np.testing.assert_allclose(found, mirrored[::-1], atol=1e-12)
    assert sum(found) == pytest.approx(1)


@pytest.mark.parametrize("rope", [0.0, 0.1])
def test_the_posterior_is_that_of_its_authors(rope: float) -> None:
    # not in the extra dev: it installs a package of the name tests, which hides this one
    baycomp = pytest.importorskip("baycomp")
    differences = np.random.default_rng(4).normal(0.08, 0.15, size=12)
    weights = signed_rank_weights(12, np.random.default_rng(0), 20_000)
    found = signed_rank_posterior(differences, weights, rope)
    theirs = baycomp.SignedRankTest.probs(
        np.zeros(12), differences, rope=rope, nsamples=8_000, random_state=3
    )
    assert 0.02 < found.above < 0.98  # both ends happen, or there is nothing to compare
    # their right is above; four standard errors of the difference of the two samples
    expected = [theirs[-1], theirs[1] if rope else 0.0, theirs[0]]
    np.testing.assert_allclose(found, expected, atol=4 * np.sqrt(0.25 / 8_000 + 0.25 / 20_000))


def test_one_difference_by_hand() -> None:
    """Weights 1 - v of 0 and v of 1, v of Beta(1, 1/2): the share above 0.4 is 1 - (1 - v)^2."""
    weights = signed_rank_weights(1, np.random.default_rng(0), 100_000)
    found = signed_rank_posterior([1.0], weights, 0.4)
    assert found.above == pytest.approx(stats.beta(1, 0.5).sf(1 - np.sqrt(0.5)), abs=0.006)
    assert found.below == 0


def test_weights_are_a_dirichlet_process_with_half_an_observation() -> None:
    weights = signed_rank_weights(4, np.random.default_rng(0), 50_000)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    np.testing.assert_allclose(weights.mean(axis=0), np.array([0.5, 1, 1, 1, 1]) / 4.5, atol=0.004)


def test_strategies_that_never_differ_are_at_one_half_each() -> None:
    weights = signed_rank_weights(6, np.random.default_rng(0), 50)
    assert signed_rank_posterior(np.zeros(6), weights, 0.0) == (0.5, 0.0, 0.5)
    assert signed_rank_posterior(np.zeros(6), weights, 0.1) == (0.0, 1.0, 0.0)


def test_what_is_refused() -> None:
    weights = signed_rank_weights(2, np.random.default_rng(0), 5)
    for rope in (-0.1, float("nan")):
        with pytest.raises(ValueError, match="at least 0 wide"):
            signed_rank_posterior([1.0, 2.0], weights, rope)
    for differences in ([1.0], [1.0, float("inf")]):
        with pytest.raises(ValueError, match="finite differences"):
            signed_rank_posterior(differences, weights, 0.1)
    with pytest.raises(ValueError, match="at least 1 difference"):
        signed_rank_weights(0, np.random.default_rng(0), 5)
