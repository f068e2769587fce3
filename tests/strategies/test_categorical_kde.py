"""The Aitchison-Aitken density, against statsmodels, by hand, and by its own draws."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from statsmodels.nonparametric.kernel_density import KDEMultivariate

from benchkit.strategies.categorical_kde import CategoricalKDE, normal_reference, uniform_bandwidth

ARITY = (3, 2, 4)
EVERYTHING = np.array(list(product(*map(range, ARITY))), dtype=np.int8)


def test_one_datum_by_hand() -> None:
    kde = CategoricalKDE(np.array([[0, 1]], dtype=np.int8), np.array([0.4, 0.1]), (3, 2))
    batch = np.array([[0, 1], [1, 1], [2, 0]], dtype=np.int8)
    np.testing.assert_allclose(np.exp(kde.log_density(batch)), [0.6 * 0.9, 0.2 * 0.9, 0.2 * 0.1])


@given(
    hnp.arrays(np.int64, st.tuples(st.integers(1, 9), st.just(3)), elements=st.integers(0, 11)),
    hnp.arrays(np.float64, 3, elements=st.floats(1e-3, 1)),
)
def test_probabilities_sum_to_one(numbers: np.ndarray, share: np.ndarray) -> None:
    data = (numbers % ARITY).astype(np.int8)
    kde = CategoricalKDE(data, share * uniform_bandwidth(ARITY), ARITY)
    assert np.exp(kde.log_density(EVERYTHING)).sum() == pytest.approx(1)


@pytest.mark.filterwarnings("ignore:After 0.17:FutureWarning")  # statsmodels, about a generator not used here
def test_density_and_bandwidth_equal_those_of_statsmodels() -> None:
    rng = np.random.default_rng(0)
    # mostly the middle of seven categories, so that the rule stays below 6/7; every category occurs,
    # since statsmodels counts the categories of the data
    data = np.concatenate(
        [np.full((120, 4), 3), rng.integers(2, 5, (60, 4)), np.tile(np.arange(7)[:, None], 4)]
    )
    data = data.astype(np.int8)
    arity = (7, 7, 7, 7)
    theirs = KDEMultivariate(data.astype(float), var_type="uuuu", bw="normal_reference")
    ours = normal_reference(data, arity, smallest=1e-3)
    assert (theirs.bw < 6 / 7).all()
    np.testing.assert_allclose(ours, theirs.bw)
    batch = rng.integers(0, 7, (50, 4)).astype(np.int8)
    np.testing.assert_allclose(
        np.exp(CategoricalKDE(data, ours, arity).log_density(batch)),
        theirs.pdf(batch.astype(float)),
        rtol=1e-9,
    )


def test_bandwidth_stays_between_the_smallest_and_the_uniform_kernel() -> None:
    agreed = np.ones((10, 3), dtype=np.int8)
    np.testing.assert_array_equal(normal_reference(agreed, ARITY, smallest=0.3), [0.3, 0.3, 0.3])
    np.testing.assert_array_equal(normal_reference(agreed, ARITY, smallest=1.0), [2 / 3, 1 / 2, 3 / 4])
    torn = np.repeat(np.array([[0, 0, 0], [2, 1, 3]], dtype=np.int8), 2, axis=0)
    np.testing.assert_allclose(normal_reference(torn, ARITY, smallest=1e-3)[[0, 2]], [2 / 3, 3 / 4])


def test_draws_follow_the_density() -> None:
    data = np.array([[0, 1, 3], [2, 1, 0]], dtype=np.int8)
    kde = CategoricalKDE(data, np.array([0.3, 0.2, 0.5]), ARITY)
    draws = kde.sample(np.random.default_rng(0), 40_000)
    expected = np.exp(kde.log_density(EVERYTHING))
    observed = np.array([(draws == row).all(axis=1).mean() for row in EVERYTHING])
    assert np.abs(observed - expected).max() < 4 * np.sqrt(0.25 / 40_000)


def test_widening_multiplies_bandwidths_up_to_the_uniform_kernel() -> None:
    data = np.array([[0, 0, 0]], dtype=np.int8)
    kde = CategoricalKDE(data, np.array([0.05, 0.4, 0.2]), ARITY)
    moved = (kde.sample(np.random.default_rng(0), 40_000, widen=3.0) != 0).mean(axis=0)
    np.testing.assert_allclose(moved, [0.15, 0.5, 0.6], atol=0.01)


def test_a_choice_of_one_option_is_certain() -> None:
    arity = (1, 3)
    data = np.array([[0, 2]], dtype=np.int8)
    kde = CategoricalKDE(data, normal_reference(data, arity, smallest=0.3), arity)
    everything = np.array([[0, 0], [0, 1], [0, 2]], dtype=np.int8)
    assert np.exp(kde.log_density(everything)).sum() == pytest.approx(1)
    assert (kde.sample(np.random.default_rng(0), 100)[:, 0] == 0).all()


def test_a_far_row_of_a_long_space_keeps_a_finite_log_density() -> None:
    arity = (2,) * 126
    kde = CategoricalKDE(np.zeros((5, 126), dtype=np.int8), np.full(126, 1e-3), arity)
    far = kde.log_density(np.ones((1, 126), dtype=np.int8))
    np.testing.assert_allclose(far, 126 * np.log(1e-3))
