"""Products of Gaussians and their divergences: against integrals, samples and hand computations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import integrate, stats

from benchkit.analysis.statistics.fading import (
    Gaussians,
    cross_entropies,
    cross_entropies_to_prior,
    exact_divergences,
    laplace,
    log_normaliser,
    over_seeds,
    paper_divergences,
    prediction_divergence,
    relative_distance,
    share,
)


def some(n: int, p: int, seed: int = 0) -> Gaussians:
    rng = np.random.default_rng(seed)
    return Gaussians(rng.normal(size=(n, p)), rng.uniform(0.2, 5, size=(n, p)))


def normal(alone: Gaussians, row: int) -> stats.rv_continuous:
    """The distribution of one row of a single parameter, by scipy."""
    return stats.norm(alone.mean[row, 0], alone.precision[row, 0] ** -0.5)


def integral(function: object) -> float:
    return float(integrate.quad(function, -30, 30, epsabs=1e-12, epsrel=1e-12, limit=400)[0])


several = st.integers(1, 6).flatmap(
    lambda n: st.integers(1, 4).flatmap(
        lambda p: st.builds(
            Gaussians,
            arrays(np.float64, (n, p), elements=st.floats(-5, 5)),
            arrays(np.float64, (n, p), elements=st.floats(0.01, 100)),
        )
    )
)


class TestAgainstIntegrals:
    def test_the_product_is_proportional_to_the_product_of_densities(self) -> None:
        alone = some(3, 1)
        joint = share(alone)
        found = stats.norm(joint.mean[0, 0], joint.precision[0, 0] ** -0.5)
        for x in (-1.0, 0.3, 2.0):
            product = np.prod([normal(alone, row).pdf(x) for row in range(3)])
            assert np.log(product) - log_normaliser(alone) == pytest.approx(found.logpdf(x))

    def test_the_normaliser_is_the_integral_of_the_product(self) -> None:
        alone = some(4, 1, seed=1)
        z = integral(lambda x: np.prod([normal(alone, row).pdf(x) for row in range(4)]))
        assert log_normaliser(alone) == pytest.approx(np.log(z))

    def test_cross_entropies_and_divergences(self) -> None:
        alone = some(3, 1, seed=2)
        joint = share(alone)
        product = stats.norm(joint.mean[0, 0], joint.precision[0, 0] ** -0.5)
        crossed, exact = cross_entropies(alone), exact_divergences(alone, joint).total
        for k in range(3):
            p = normal(alone, k)
            for i in range(3):
                q = normal(alone, i)
                expected = integral(lambda x, p=p, q=q: -p.pdf(x) * q.logpdf(x))
                assert crossed[k, i] == pytest.approx(expected)
            assert exact[k] == pytest.approx(
                integral(lambda x, p=p: p.pdf(x) * (p.logpdf(x) - product.logpdf(x)))
            )

    def test_a_prior_that_is_counted_once(self) -> None:
        alone, prior = some(3, 1, seed=3), 0.1
        flat = stats.norm(0, prior**-0.5)

        def density(x: float) -> float:
            return float(np.prod([normal(alone, row).pdf(x) for row in range(3)]) / flat.pdf(x) ** 2)

        z = integral(density)
        mean = integral(lambda x: x * density(x)) / z
        variance = integral(lambda x: (x - mean) ** 2 * density(x)) / z
        joint = share(alone, "prior-once", prior)
        assert joint.mean[0, 0] == pytest.approx(mean)
        assert joint.precision[0, 0] == pytest.approx(1 / variance)
        p = normal(alone, 1)
        expected = integral(lambda x: -p.pdf(x) * flat.logpdf(x))
        assert cross_entropies_to_prior(alone, prior)[1] == pytest.approx(expected)


def test_against_monte_carlo() -> None:
    alone = some(4, 3, seed=5)
    joint = share(alone)
    rng = np.random.default_rng(0)
    exact = exact_divergences(alone, joint).total
    summed = paper_divergences(cross_entropies(alone))
    for k in range(4):
        x = alone.mean[k] + rng.normal(size=(200_000, 3)) / np.sqrt(alone.precision[k])

        def log_density(gaussians: Gaussians, row: int, x: np.ndarray = x) -> np.ndarray:
            return stats.norm.logpdf(x, gaussians.mean[row], gaussians.precision[row] ** -0.5).sum(axis=1)

        logs = log_density(alone, k) - log_density(joint, 0)
        assert exact[k] == pytest.approx(logs.mean(), abs=5 * logs.std() / np.sqrt(len(x)))
        logs = -np.sum([log_density(alone, i) for i in range(4) if i != k], axis=0)
        assert summed[k] == pytest.approx(logs.mean(), abs=5 * logs.std() / np.sqrt(len(x)))


@given(several)
def test_the_last_line_of_equation_10_lacks_the_normaliser(alone: Gaussians) -> None:
    exact = exact_divergences(alone, share(alone)).total
    summed = paper_divergences(cross_entropies(alone))
    np.testing.assert_allclose(summed + log_normaliser(alone), exact, rtol=1e-8, atol=1e-6)


@given(several)
def test_exact_divergences_are_never_negative_and_one_model_has_none(alone: Gaussians) -> None:
    found = exact_divergences(alone, share(alone))
    assert (found.concentration >= 0).all()
    assert (found.displacement >= 0).all()
    only = alone.rows([0])
    assert exact_divergences(only, share(only)).total == [0.0]
    assert paper_divergences(cross_entropies(only)) == [0.0]


@given(several, st.floats(0.01, 100))
def test_units_change_the_sum_but_not_the_divergence(alone: Gaussians, factor: float) -> None:
    n, p = alone.mean.shape
    scaled = Gaussians(alone.mean * factor, alone.precision / factor**2)
    np.testing.assert_allclose(
        exact_divergences(scaled, share(scaled)).total,
        exact_divergences(alone, share(alone)).total,
        rtol=1e-6,
        atol=1e-6,
    )
    np.testing.assert_allclose(
        paper_divergences(cross_entropies(scaled)) - paper_divergences(cross_entropies(alone)),
        (n - 1) * p * np.log(factor),
        rtol=1e-6,
        atol=1e-6,
    )


@given(several)
def test_terms_are_positive_where_no_density_exceeds_one(alone: Gaussians) -> None:
    crossed = cross_entropies(alone)
    at_most_one = np.log(alone.precision).sum(axis=1) <= alone.mean.shape[1] * np.log(2 * np.pi)
    assert (crossed[:, at_most_one] >= 0).all()


def test_a_term_is_negative_where_the_other_posterior_is_dense() -> None:
    alone = Gaussians(np.zeros((2, 1)), np.full((2, 1), 100.0))
    # the entropy of a normal distribution of deviation 1/10: log(0.1 sqrt(2 pi e)) = -0.8836
    assert cross_entropies(alone)[0, 1] == pytest.approx(-0.8836465597893728)
    assert exact_divergences(alone, share(alone)).total[0] == pytest.approx((2 - 1 - np.log(2)) / 2)


@pytest.mark.parametrize("models", [1, 2, 5, 125])
def test_equal_posteriors_diverge_by_concentration_alone(models: int) -> None:
    alone = Gaussians(np.ones((models, 4)), np.full((models, 4), 3.0))
    found = exact_divergences(alone, share(alone))
    np.testing.assert_allclose(found.total, 4 * (models - 1 - np.log(models)) / 2)
    assert not found.displacement.any()
    # the root of Eq. 4 and a prior taken out of what is nothing but the prior leave no divergence
    np.testing.assert_allclose(exact_divergences(alone, share(alone, "mean")).total, 0, atol=1e-12)
    prior = Gaussians(np.zeros((models, 4)), np.full((models, 4), 3.0))
    once = share(prior, "prior-once", 3.0)
    np.testing.assert_allclose(exact_divergences(prior, once).total, 0, atol=1e-12)


@given(several, st.floats(0.001, 0.009))
def test_the_sum_with_the_prior_once_lacks_its_own_normaliser(alone: Gaussians, prior: float) -> None:
    """What is missing must be one number for all k: exact - sum = log of the integral."""
    exact = exact_divergences(alone, share(alone, "prior-once", prior)).total
    summed = paper_divergences(cross_entropies(alone), cross_entropies_to_prior(alone, prior))
    missing = exact - summed
    np.testing.assert_allclose(missing, missing[0], rtol=1e-6, atol=1e-5)


def test_laplace_of_a_linear_model_is_its_posterior() -> None:
    """y = a x + noise of variance 1, prior N(0, 1 / 3): a squared gradient is expected to be x^2."""
    x = np.array([1.0, 2.0, -1.0, 0.5])
    alone = laplace([[0.7]], [[np.mean(x**2)]], images=4, prior_precision=3.0)
    assert alone.precision[0, 0] == pytest.approx((x**2).sum() + 3)
    assert alone.mean[0, 0] == 0.7


def test_over_seeds() -> None:
    ends = np.array([[[1.0, 10.0], [3.0, 14.0]]])  # variances 2 and 8
    np.testing.assert_allclose(over_seeds(ends).mean, [[2.0, 12.0]])
    np.testing.assert_allclose(over_seeds(ends).precision, [[1 / 5, 1 / 5]])
    np.testing.assert_allclose(over_seeds(ends, pooled=False).precision, [[1 / 2, 1 / 8]])


def test_predictions_and_distances() -> None:
    p, q = np.log([[0.5, 0.5], [0.9, 0.1]]), np.log([[0.25, 0.75], [0.9, 0.1]])
    expected = (0.5 * np.log(0.5 / 0.25) + 0.5 * np.log(0.5 / 0.75)) / 2
    assert prediction_divergence(p, q) == pytest.approx(expected)
    assert relative_distance([3.0, 0.0], [3.0, 0.0]) == 0
    assert relative_distance([3.0, 0.0], [0.0, 3.0]) == pytest.approx(np.sqrt(2))
    assert relative_distance([3.0], [-3.0]) == pytest.approx(2)
    assert np.isnan(relative_distance([0.0], [0.0]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Gaussians(np.zeros((2, 3)), np.ones((2, 2))), "one shape"),
        (lambda: Gaussians(np.zeros((0, 3)), np.ones((0, 3))), "n >= 1"),
        (lambda: Gaussians(np.full((1, 1), np.nan), np.ones((1, 1))), "means must be finite"),
        (lambda: Gaussians(np.zeros((1, 1)), np.zeros((1, 1))), "positive and finite"),
        (lambda: laplace([[0.0]], [[-1.0]], 5), "cannot be negative"),
        (lambda: laplace([[0.0]], [[1.0]], 0), "at least 1 image"),
        (lambda: laplace([[0.0]], [[0.0]], 5), "positive and finite"),
        (lambda: over_seeds(np.zeros((1, 1, 2))), "seeds >= 2"),
        (lambda: over_seeds(np.zeros((1, 2, 2))), "no variance"),
        (lambda: share(some(2, 1), "sum"), "product, prior-once, mean"),
        (lambda: share(some(2, 1), "prior-once", 1e6), "wider than a prior"),
        (lambda: cross_entropies_to_prior(some(2, 1), 0.0), "must be positive"),
        (lambda: exact_divergences(some(2, 2), share(some(2, 1))), r"shape \(1, 2\)"),
        (lambda: prediction_divergence(np.zeros((2, 3)), np.zeros((3, 2))), "one shape"),
    ],
)
def test_bad_input(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()  # type: ignore[operator]
