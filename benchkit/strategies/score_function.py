"""Estimates gradients over independent choices by the score function, for policy gradients and black-box VI.

A distribution over rows is one softmax for each choice, with free logits. The gradient of an expectation
under it needs no derivative of the averaged function: d E[f(a)] = E[(f(a) - b) d log q(a)] for any constant
b, the control variate (Williams 1992; Ranganath, Gerrish and Blei, "Black Box Variational Inference", AISTATS
2014, eq. 3 and section 3.2).

=====================================================  ==============================
quantity                                               here
=====================================================  ==============================
q_i = softmax(theta_i)                                 `softmax`
d log q(a) / d theta_ij = [a_i = j] - q_ij             `log_probability_gradient`
log q(a)                                               `log_probability`
d E_q[f(a)] = E_q[(f(a) - b) d log q(a)]               `signal_gradient`
d ELBO: the same of f(a) = log p~(a) - log q(a)        `elbo_gradient`
the same from draws of other distributions             `importance_weights`
=====================================================  ==============================
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from benchkit.spaces.base import Architecture, Batch

Matrix = npt.NDArray[np.float64]
"""float64[d, largest arity]; entries past a choice's arity are padding (logit -inf, probability 0)."""

Figures = npt.NDArray[np.float64]


def padded(arity: tuple[int, ...], logits: Matrix) -> Matrix:
    """Return the logits with -inf past each choice's arity."""
    return np.where(np.arange(max(arity)) >= np.array(arity)[:, None], -np.inf, logits)


def softmax(logits: Matrix) -> Matrix:
    """Return the row-wise softmax; padding (logit -inf) has probability 0."""
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: Matrix = weights / weights.sum(axis=1, keepdims=True)
    return probabilities


def vectors(probabilities: Matrix, arity: tuple[int, ...]) -> list[Figures]:
    """Return the d vectors without padding, as ``space.sample_product`` takes them."""
    return [row[:choices] for row, choices in zip(probabilities, arity, strict=True)]


def log_probability(probabilities: Matrix, batch: Batch) -> Figures:
    """Return float64[n]: log q of each row of int8[n, d]."""
    chosen = probabilities[np.arange(batch.shape[1]), batch]
    total: Figures = np.log(np.maximum(chosen, np.finfo(np.float64).tiny)).sum(axis=1)
    return total


def log_probability_gradient(probabilities: Matrix, architecture: Architecture) -> Matrix:
    """Return d log q(architecture) / d logits, which is the one-hot of each choice less the probabilities."""
    gradient = -probabilities
    gradient[np.arange(len(architecture)), architecture] += 1.0
    return gradient


def importance_weights(probabilities: Matrix, batch: Batch, proposals: Figures) -> Figures:
    """Return float64[n], summing to 1: the ratios of q and the proposals, self-normalised.

    Parameters
    ----------
    batch : int8[n, d], drawn from other distributions.
    proposals : float64[n], the logarithm of the probability with which each row was drawn (of a sequence of
        distributions their mixture, the balance heuristic of Veach and Guibas 1995).
    """
    log_weights = log_probability(probabilities, batch) - proposals
    weights = np.exp(log_weights - log_weights.max())
    normalised: Figures = weights / weights.sum()
    return normalised


def elbo_gradient(
    probabilities: Matrix, batch: Batch, log_likelihood: Figures, weights: Figures | None = None
) -> Matrix:
    """Return the gradient of E_q[log p~(a)] + H(q) by the logits.

    `log_likelihood`, float64[n], is log p~(a) up to a constant; the prior is in it or uniform. The other
    arguments are those of `signal_gradient`.
    """
    return signal_gradient(
        probabilities, batch, log_likelihood - log_probability(probabilities, batch), weights
    )


def signal_gradient(
    probabilities: Matrix, batch: Batch, signal: Figures, weights: Figures | None = None
) -> Matrix:
    """Return the gradient of E_q[f(a)] by the logits, f itself taken as fixed.

    Parameters
    ----------
    probabilities : Probabilities of q.
    batch : int8[n, d], drawn from q, or from elsewhere with `weights`.
    signal : float64[n], f of each row.
    weights : float64[n], summing to 1; None is 1 / n each.

    Notes
    -----
    The control variate is the weighted mean of f over the same rows. For equal weights this shrinks the
    expectation by (n - 1) / n, which is taken out again, so that the estimate is unbiased for n >= 2. With
    importance weights it is consistent, as self-normalised ones are.
    """
    n = len(batch)
    share = np.full(n, 1 / n) if weights is None else weights
    advantage = share * (signal - share @ signal)
    gradient = -probabilities * advantage.sum()
    positions = np.broadcast_to(np.arange(batch.shape[1]), batch.shape)
    np.add.at(gradient, (positions, batch), np.broadcast_to(advantage[:, None], batch.shape))
    unbiased: Matrix = gradient / max(1 - share @ share, 1 / n)
    return unbiased


class Adam:
    """The optimizer of Kingma and Ba, "Adam", ICLR 2015, algorithm 1, with their constants."""

    def __init__(self, shape: tuple[int, ...], learning_rate: float) -> None:
        self._learning_rate = learning_rate
        self._first = np.zeros(shape)
        self._second = np.zeros(shape)
        self._step = 0

    def step(self, gradient: Matrix) -> Matrix:
        """Return what to add to the parameters to go down this gradient."""
        self._step += 1
        self._first += 0.1 * (gradient - self._first)
        self._second += 0.001 * (gradient * gradient - self._second)
        first = self._first / (1 - 0.9**self._step)
        second = self._second / (1 - 0.999**self._step)
        update: Matrix = -self._learning_rate * first / (np.sqrt(second) + 1e-8)
        return update
