"""The bootstrap: how samples are drawn again, and the percentile interval of what they give.

Source: Efron and Tibshirani (1993), An Introduction to the Bootstrap, chapter 13. `scipy.stats.bootstrap`
does the same for one sample and one figure. Here all figures of a sample see the same resamples, which are
kept as counts: how often each of them holds each value.

Samples of one size are drawn again in the same way wherever they are shown (`shared_draws`), so that a figure
has one interval, in a table, in a file and on a page.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from benchkit.analysis.statistics.resolution import resolved_ends

RESAMPLES = 10_000
"""Number of resamples that an interval of a mean is made of."""

_DRAWS_AT_ONCE = 2**20  # int64 entries: 8 MiB

Floats = npt.NDArray[np.float64]


def shared_draws(*sizes: int) -> np.random.Generator:
    """Return the generator that samples of these sizes are drawn again with, the same every time."""
    return np.random.default_rng([key_of(None), *sizes])


def key_of(rng: np.random.Generator | None) -> int:
    """Return a seed drawn from a generator, by default from the one with seed 0."""
    return int((rng or np.random.default_rng(0)).integers(2**63))


def check_bootstrap(level: float, resamples: int) -> None:
    """Raise ValueError for a level or a number of resamples out of range."""
    if not 0 < level < 1:
        raise ValueError(f"level must lie strictly between 0 and 1, got {level}")
    if resamples < 1:
        raise ValueError(f"resamples must be at least 1, got {resamples}")


def resample_counts(
    n: int, rng: np.random.Generator, resamples: int, draws_at_once: int = _DRAWS_AT_ONCE
) -> Iterator[npt.NDArray[np.uint16]]:
    """Yield blocks of uint16[samples, n]: how often each resample of n values holds each.

    Parameters
    ----------
    draws_at_once : Number of values that the samples of a block hold together, which bounds its memory. What
        is drawn does not depend on it.
    """
    rows_at_once = max(1, draws_at_once // n)
    for start in range(0, resamples, rows_at_once):
        rows = min(rows_at_once, resamples - start)
        drawn = rng.integers(n, size=(rows, n)) + n * np.arange(rows)[:, None]
        yield np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n).astype(np.uint16)


def percentile_interval(samples: Floats, level: float) -> Floats:
    """Return float64[2, ...]: the ends of the percentile interval of each figure.

    Parameters
    ----------
    samples : float64[resamples, ...]; NaN marks a resample in which the figure is undefined, which is left
        out. A figure without a defined resample has NaN for ends.
    """
    tails = [(1 - level) / 2, (1 + level) / 2]
    if not np.isnan(samples).any():
        return np.quantile(samples, tails, axis=0)
    ends = np.full((2, *samples.shape[1:]), np.nan)
    for figure in np.ndindex(samples.shape[1:]):
        values = samples[:, *figure]
        defined = values[~np.isnan(values)]
        if len(defined):
            ends[:, *figure] = np.quantile(defined, tails)
    return ends


def resolved_interval(samples: Floats, n: int, level: float) -> Floats:
    """Return `percentile_interval`, NaN where it is not resolvable.

    Parameters
    ----------
    samples : see `percentile_interval`.
    n : Number of independent values that were drawn again.
    """
    undefined = np.isnan(samples).mean(axis=0)
    low, high = percentile_interval(samples, level)
    return np.stack(resolved_ends(low, high, n, undefined, level))
