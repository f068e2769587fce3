"""How well did a Markov chain sample? Moves, effective sample size, distance to the exact posterior.

A chain over architectures is given as a sequence of states, one more than it has draws. Two quantities need
nothing else; the third needs the exact distribution, which a complete table of few enough rows has.

Sources: Gelman et al., "Bayesian Data Analysis", 3rd edition (BDA3), 2013, sections 11.4 and 11.5 (variances
within and between chains, effective sample size); Geyer, "Practical Markov Chain Monte Carlo", Statistical
Science 7, 1992, section 3.3 (initial positive and monotone sequence).

Deviations and choices
----------------------
- Chains are not split in halves, and are cut to the shortest: they are short as it is.
- A quantity that never changed has told as much as one draw a chain.
- The distance of an independent sample is what the best possible sampler of that size would have. A histogram
  of few draws is far from any distribution over thousands of rows: the distance says nothing by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def change_share(chains: Sequence[npt.NDArray[Any]]) -> float:
    """Return the share of draws, in [0, 1], that changed the state.

    Parameters
    ----------
    chains : states in order, [n + 1] identities or [n + 1, d] rows of each; lengths may differ.

    Raises
    ------
    ValueError : no chain made a draw.
    """
    changed = [_differs(chain[1:], chain[:-1]) for chain in chains]
    draws = np.concatenate(changed) if changed else np.empty(0)
    if not len(draws):
        raise ValueError("a share of draws needs at least one draw")
    return float(draws.mean())


def _differs(after: npt.NDArray[Any], before: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    other = after != before
    return other.reshape(len(other), -1).any(axis=1) if len(other) else np.empty(0, dtype=np.bool_)


def effective_sample_size(chains: Sequence[npt.ArrayLike]) -> float:
    """Return how many independent draws estimate the mean of a quantity as well as these chains.

    Parameters
    ----------
    chains : m chains of the quantity, float[n] each, such as accuracies; cut to the shortest.

    Returns
    -------
    m n / (1 + 2 sum of the autocorrelations), with the sum ended by Geyer's initial monotone sequence. The
    autocorrelation at lag t is 1 - (W - mean autocovariance) / V, where W is the variance within chains and V
    the pooled one (BDA3, eq. 11.3), so that chains which disagree have few effective draws. At least 1; above
    m n where draws are anticorrelated, at most m n log10(m n) (m n below 10).

    Raises
    ------
    ValueError : no chains, or fewer than four states in one.
    """
    if not chains:
        raise ValueError("an effective sample size needs at least one chain")
    n = min(len(np.asarray(chain)) for chain in chains)
    if n < 4:
        raise ValueError(f"an effective sample size needs at least 4 states a chain, got {n}")
    values = np.array([np.asarray(chain, dtype=np.float64)[:n] for chain in chains])
    m = len(values)
    within, between = values.var(axis=1, ddof=1).mean(), values.mean(axis=1).var(ddof=1) if m > 1 else 0.0
    pooled = within * (n - 1) / n + between
    if not pooled > 1e-20 * np.abs(values).max() ** 2:
        return float(m)
    # BDA3's autocovariances divide by n, and W by n - 1; both by n here, so that the first correlation is 1
    correlation = 1 - (within * (n - 1) / n - _autocovariance(values).mean(axis=0)) / pooled
    pairs = correlation[: n - n % 2].reshape(-1, 2).sum(axis=1)
    negative = np.flatnonzero(pairs <= 0)
    pairs = np.minimum.accumulate(pairs[: negative[0] if len(negative) else None])
    time = max(2 * pairs.sum() - 1, 1 / max(1.0, np.log10(m * n)))
    return float(max(1.0, m * n / time))


def _autocovariance(values: Floats) -> Floats:
    """Return float64[m, n]: of each chain at each lag, divided by n."""
    n = values.shape[1]
    centred = values - values.mean(axis=1, keepdims=True)
    spectrum = np.fft.rfft(centred, 2 * n, axis=1)
    covariance: Floats = np.fft.irfft(np.abs(spectrum) ** 2, 2 * n, axis=1)[:, :n] / n
    return covariance


def tempered_posterior(accuracies: npt.ArrayLike, beta: float) -> Floats:
    """Return float64[size]: probabilities proportional to exp(beta accuracy), for a uniform prior.

    Parameters
    ----------
    accuracies : float[size], percent, of every row.
    beta : for each percentage point.
    """
    logs = beta * np.asarray(accuracies, dtype=np.float64)
    weights = np.exp(logs - logs.max())
    probabilities: Floats = weights / weights.sum()
    return probabilities


def histogram(chains: Sequence[npt.NDArray[np.int64]], size: int) -> Floats:
    """Return float64[size]: the share of the draws that stand at each row; where a chain began is no draw.

    Parameters
    ----------
    chains : int64[n + 1] each, in 0..size - 1.

    Raises
    ------
    ValueError : no chain made a draw.
    """
    counts = np.sum([np.bincount(chain[1:], minlength=size) for chain in chains], axis=0, dtype=np.float64)
    if not counts.sum():
        raise ValueError("a histogram needs at least one draw")
    shares: Floats = counts / counts.sum()
    return shares


def total_variation(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Return half the sum of the differences of two distributions: 0 where equal, 1 where disjoint."""
    return float(np.abs(np.asarray(first) - np.asarray(second)).sum() / 2)


class Distance(NamedTuple):
    """A mean with the 2.5 % and 97.5 % quantiles around it, and from how many samples."""

    mean: float
    low: float
    high: float
    n: int


def independent_distance(
    probabilities: Floats, size: int, rng: np.random.Generator, repeats: int = 200
) -> Distance:
    """Return the total-variation distance of independent samples to the distribution they are drawn from.

    Parameters
    ----------
    probabilities : float64[rows], summing to 1.
    size : draws a sample, at least 1.
    repeats : samples.
    """
    shares = rng.multinomial(size, probabilities, size=repeats) / size
    distances = np.abs(shares - probabilities).sum(axis=1) / 2
    low, high = np.quantile(distances, (0.025, 0.975))
    return Distance(float(distances.mean()), float(low), float(high), repeats)
