"""Confidence intervals of a mean: the percentile bootstrap (`benchkit.analysis.statistics.bootstrap`).

Whole curves are resampled at once, in bounded memory, so that a seed keeps its place along the curve. Where a
sample is too small, or all of its values are equal, there is no interval:
`benchkit.analysis.statistics.resolution` says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchkit.analysis.statistics.bootstrap import (
    RESAMPLES,
    check_bootstrap,
    resample_counts,
    resolved_interval,
    shared_draws,
)
from benchkit.analysis.statistics.resolution import FEWEST

_COLUMNS_AT_ONCE = 256


class MeanInterval(NamedTuple):
    """A mean with its interval.

    Attributes
    ----------
    n : Number of values.
    mean : Their mean, in their unit.
    low, high : Ends of the interval; NaN where it is not resolvable
        (`benchkit.analysis.statistics.resolution`): fewer than five values, or values that are all equal.
    """

    n: int
    mean: float
    low: float
    high: float

    def named(self, name: str) -> dict[str, float]:
        """Return the cells of a table: the mean under a name, the ends under it with _low and _high."""
        return {name: self.mean, f"{name}_low": self.low, f"{name}_high": self.high}


class MeanIntervals(NamedTuple):
    """`MeanInterval` for many columns: `mean`, `low` and `high` are float64[n_points]."""

    n: int
    mean: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]

    def at(self, column: int) -> MeanInterval:
        """Return the mean of one column with its interval."""
        return MeanInterval(self.n, *(float(each[column]) for each in self[1:]))


def mean_interval(
    values: npt.ArrayLike,
    rng: np.random.Generator | None = None,
    level: float = 0.95,
    resamples: int = RESAMPLES,
) -> MeanInterval:
    """Return the mean of a sample with its percentile bootstrap interval.

    Parameters
    ----------
    values : float[n], n >= 1; independent, one a trial.
    rng : Generator of the resamples; by default the one that all samples of n values share.
    level : Coverage, strictly between 0 and 1.
    resamples : Number of bootstrap samples, at least 1.

    Raises
    ------
    ValueError : no values, not one-dimensional, or a level or number of resamples out of range.

    Notes
    -----
    A NaN among the values makes every figure NaN.
    """
    sample = np.asarray(values, dtype=np.float64)
    if sample.ndim != 1:
        raise ValueError(f"values must be one-dimensional, got shape {sample.shape}")
    return mean_intervals(sample[:, None], rng, level, resamples).at(0)


def mean_intervals(
    values: npt.ArrayLike,
    rng: np.random.Generator | None = None,
    level: float = 0.95,
    resamples: int = RESAMPLES,
) -> MeanIntervals:
    """Return the mean of every column with its percentile bootstrap interval (pointwise).

    Parameters
    ----------
    values : float[n, n_points], n >= 1; rows are independent (one a trial) and are resampled whole,
        with the same draws for all columns.
    rng, level, resamples : see `mean_interval`.

    Raises
    ------
    ValueError : no rows, not two-dimensional, or a level or number of resamples out of range.
    """
    sample = np.asarray(values, dtype=np.float64)
    if sample.ndim != 2 or len(sample) == 0:
        raise ValueError(f"values must have shape (n >= 1, points), got {sample.shape}")
    check_bootstrap(level, resamples)
    n, points = sample.shape
    # measured from the first row, so that equal values give exactly equal ends
    origin = sample[0]
    centred = sample - origin
    mean = origin + centred.mean(axis=0)
    low, high = np.full(points, np.nan), np.full(points, np.nan)
    if n < FEWEST:
        return MeanIntervals(n, mean, low, high)
    counts = list(resample_counts(n, rng or shared_draws(n), resamples))
    finite = np.flatnonzero(np.isfinite(mean))
    for start in range(0, len(finite), _COLUMNS_AT_ONCE):
        columns = finite[start : start + _COLUMNS_AT_ONCE]
        means = np.concatenate([centred[:, columns].T @ (block / n).T for block in counts], axis=1)
        least, most = sample[:, columns].min(axis=0), sample[:, columns].max(axis=0)
        # resolved before the origin is added, which would hide a spread that is small beside it, and kept
        # within the values, which rounding may pass by an ulp
        low[columns], high[columns] = np.clip(
            origin[columns] + resolved_interval(means.T, n, level), least, most
        )
    return MeanIntervals(n, mean, low, high)


def stratified_mean_intervals(
    strata: Sequence[npt.ArrayLike],
    rng: np.random.Generator | None = None,
    level: float = 0.95,
    resamples: int = RESAMPLES,
) -> MeanIntervals:
    """Return the mean over strata of their means, with its stratified bootstrap interval (pointwise).

    Every resample draws within each stratum as many rows as it has, so that no stratum gains or loses weight
    (Davison and Hinkley 1997, section 3.2). With one stratum this is `mean_intervals`.

    Parameters
    ----------
    strata : Samples of the strata (data sets), float[n_i, n_points] each, n_i >= 1, a row a trial.
    rng : Generator of the resamples; by default the one that all strata of these sizes share.
    level, resamples : see `mean_interval`.

    Returns
    -------
    MeanIntervals : `n` is the number of rows in all; the ends are NaN where a stratum has fewer than five
        rows, or no stratum has two different values.

    Raises
    ------
    ValueError : no strata, shapes that do not fit, or a level or number of resamples out of range.
    """
    samples = [np.asarray(values, dtype=np.float64) for values in strata]
    if not samples or len({sample.shape[1:] for sample in samples}) != 1:
        raise ValueError(f"strata must have as many columns each, got {[each.shape for each in samples]}")
    if len(samples) == 1:
        return mean_intervals(samples[0], rng, level, resamples)
    if samples[0].ndim != 2 or not all(len(sample) for sample in samples):
        raise ValueError("every stratum must have shape (n >= 1, points)")
    check_bootstrap(level, resamples)
    origins = [sample[0] for sample in samples]  # as in `mean_intervals`
    origin: npt.NDArray[np.float64] = np.mean(origins, axis=0)
    mean = origin + np.mean([(each - each[0]).mean(axis=0) for each in samples], axis=0)
    sizes = [len(sample) for sample in samples]
    total, fewest = sum(sizes), min(sizes)
    if fewest < FEWEST:
        unknown = np.full(mean.shape, np.nan)
        return MeanIntervals(total, mean, unknown, unknown.copy())
    draws = rng or shared_draws(*sizes)
    means = np.zeros((resamples, len(mean)))
    for sample in samples:
        blocks = resample_counts(len(sample), draws, resamples)
        drawn = [(block / len(sample)) @ (sample - sample[0]) for block in blocks]
        means += np.concatenate(drawn) / len(samples)
    least, most = (np.mean([ends(each, axis=0) for each in samples], axis=0) for ends in (np.min, np.max))
    low, high = np.clip(origin + resolved_interval(means, fewest, level), least, most)
    return MeanIntervals(total, mean, low, high)
