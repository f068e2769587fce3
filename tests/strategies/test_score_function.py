"""The score-function estimator, against exact expectations over a space small enough to list."""

from __future__ import annotations

import numpy as np
import pytest

from benchkit.spaces import ProductSpace
from benchkit.strategies.score_function import (
    elbo_gradient,
    importance_weights,
    log_probability,
    padded,
    softmax,
    vectors,
)

ARITY = (2, 3)


class _Pairs(ProductSpace):
    def parse(self, text: str):  # type: ignore[no-untyped-def]
        raise NotImplementedError

    def format(self, architecture):  # type: ignore[no-untyped-def]
        raise NotImplementedError


SPACE = _Pairs("pairs", ARITY)
ROWS = SPACE.at(np.arange(SPACE.size))
TARGET = np.array([1.0, -0.5, 2.0, 0.3, -1.2, 0.7])  # log-likelihood of the six rows


def elbo(logits: np.ndarray) -> float:
    q = softmax(logits)
    log_q = log_probability(q, ROWS)
    return float(np.exp(log_q) @ (TARGET - log_q))


def exact_gradient(logits: np.ndarray) -> np.ndarray:
    gradient = np.zeros_like(logits)
    for index in np.argwhere(np.isfinite(logits)):
        step = np.zeros_like(logits)
        step[tuple(index)] = 1e-5
        gradient[tuple(index)] = (elbo(logits + step) - elbo(logits - step)) / 2e-5
    return gradient


@pytest.fixture
def logits() -> np.ndarray:
    return padded(ARITY, np.array([[0.3, -0.4, 9.0], [0.1, 0.9, -0.6]]))


def test_padding_has_no_probability(logits: np.ndarray) -> None:
    q = softmax(logits)
    assert q[0, 2] == 0
    np.testing.assert_allclose(q.sum(axis=1), 1)
    assert [len(vector) for vector in vectors(q, ARITY)] == [2, 3]


def test_log_probability_is_that_of_independent_choices(logits: np.ndarray) -> None:
    q = softmax(logits)
    by_hand = [np.log(q[0, a] * q[1, b]) for a, b in ROWS]
    np.testing.assert_allclose(log_probability(q, ROWS), by_hand)


def test_estimate_is_unbiased(logits: np.ndarray) -> None:
    """The mean of many estimates from five draws each is the exact gradient, control variate included."""
    rng = np.random.default_rng(0)
    q = softmax(logits)
    estimates = []
    for _ in range(8000):
        rows = SPACE.sample_product(rng, vectors(q, ARITY), 5)
        estimates.append(elbo_gradient(q, rows, TARGET[SPACE.index(rows)]))
    spread = np.std(estimates, axis=0) / np.sqrt(len(estimates))
    assert (np.abs(np.mean(estimates, axis=0) - exact_gradient(logits)) <= 4 * spread + 1e-12).all()


def test_control_variate_makes_a_shift_of_the_likelihood_vanish(logits: np.ndarray) -> None:
    q = softmax(logits)
    first = elbo_gradient(q, ROWS, TARGET)
    np.testing.assert_allclose(elbo_gradient(q, ROWS, TARGET + 100), first, atol=1e-10)


def test_draws_of_another_distribution_serve_by_importance(logits: np.ndarray) -> None:
    rng = np.random.default_rng(1)
    uniform = np.full(SPACE.size, 1 / SPACE.size)
    rows = ROWS[rng.choice(SPACE.size, 200_000, p=uniform)]
    q = softmax(logits)
    weights = importance_weights(q, rows, np.log(uniform[SPACE.index(rows)]))
    assert weights.sum() == pytest.approx(1)
    estimate = elbo_gradient(q, rows, TARGET[SPACE.index(rows)], weights)
    finite = np.isfinite(logits)
    np.testing.assert_allclose(estimate[finite], exact_gradient(logits)[finite], atol=0.01)


def test_climbing_the_bound_finds_the_best_product_distribution() -> None:
    """Where the target is itself a product of choices, q becomes the target."""
    first, second = np.log([0.8, 0.2]), np.log([0.1, 0.6, 0.3])
    target = np.array([first[a] + second[b] for a, b in ROWS])
    logits = padded(ARITY, np.zeros((2, 3)))
    for _ in range(3000):
        q = softmax(logits)
        gradient = elbo_gradient(q, ROWS, target, np.exp(log_probability(q, ROWS)))
        logits = logits + 0.2 * gradient
    np.testing.assert_allclose(softmax(logits)[0, :2], [0.8, 0.2], atol=1e-4)
    np.testing.assert_allclose(softmax(logits)[1], [0.1, 0.6, 0.3], atol=1e-4)
