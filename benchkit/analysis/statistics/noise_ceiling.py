"""The noise ceiling: how well one training of the architectures ranks them by another.

Two trainings of the same architectures with other seeds do not rank them identically, least of all the
best ones. The correlation run against run, from the runs of a table, is what a further training would
reach as a predictor of one run; a correlation means little without it.

Choices
-------
* Every pair of runs counts, and within a best share twice: the share is that of either run, and the
  other is the prediction. The figure is the mean over those. Architectures that miss either run are left
  out of a pair.
* The interval is a bootstrap over architectures: all pairs of runs see the same draws. With a handful of
  runs, the spread over runs cannot be estimated, and is not in it.
* A ceiling whose interval holds 0 is no ceiling: the runs do not agree so much that it could not be chance.
  It is not resolvable, as is one without an interval (`benchkit.analysis.statistics.resolution`).
* It is a ceiling for one noisy measurement against one other. A prediction with less noise than one
  training can pass it, and one held against a mean over runs has a higher ceiling.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import combinations, permutations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchkit.analysis.statistics.bootstrap import key_of
from benchkit.analysis.statistics.fast_tau import PairedRanks
from benchkit.analysis.statistics.rank_correlation import (
    FRACTIONS,
    best_share,
    bootstrap,
    check_choice,
    measure_samples,
)
from benchkit.analysis.statistics.resolution import told_from_zero


def noise_ceiling(
    runs: npt.ArrayLike,
    rng: np.random.Generator | None = None,
    fractions: Sequence[float] = FRACTIONS,
    measures: Sequence[str] = ("kendall_tau", "spearman", "pearson", "weighted_tau"),
    level: float = 0.95,
    resamples: int = 1_000,
) -> pd.DataFrame:
    """Return the correlation run against run, over all pairs of runs.

    Parameters
    ----------
    runs : float[r, n], r >= 2; entry (i, j) is run i of architecture j, NaN where it is missing.
    rng, fractions, measures, level, resamples : see
        `benchkit.analysis.statistics.rank_correlation.correlate`.

    Returns
    -------
    A frame with a row for each fraction and measure: fraction, measure, pairs (of runs), n (architectures
    in the smallest pair), value, low, high, resolved (whether the interval is above 0).

    Raises
    ------
    ValueError : fewer than two runs, an infinite entry, two runs that no architecture has both of, or what
        `correlate` refuses.
    """
    check_choice(fractions, measures, level, resamples)
    values = checked_runs(runs)
    key = key_of(rng)
    n = values.shape[1]
    rows = []
    for fraction in fractions:
        pairs = _pairs(values, fraction)
        fewest = min(pair.ranks.n for pair in pairs)
        ends = bootstrap(partial(_mean_over_pairs, pairs, measures), n, key, level, resamples, fewest)
        for measure, (value, low, high) in zip(measures, ends.tolist(), strict=True):
            number = len(values) * (len(values) - 1) // 2
            rows.append((fraction, measure, number, fewest, value, low, high, told_from_zero(low)))
    return pd.DataFrame(
        rows, columns=["fraction", "measure", "pairs", "n", "value", "low", "high", "resolved"]
    )


def checked_runs(runs: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return float64[r, n], or raise ValueError for fewer than two runs or an infinite entry."""
    values = np.asarray(runs, dtype=np.float64)
    if values.ndim != 2 or len(values) < 2:
        raise ValueError(f"runs must have shape (runs >= 2, n), got {values.shape}: one run has no ceiling")
    if np.isinf(values).any():
        raise ValueError("runs must be finite, or NaN where a run is missing")
    return values


class _Pair(NamedTuple):
    """Two runs of the architectures `chosen` (their indices): x predicts, y is the truth."""

    chosen: npt.NDArray[np.intp]
    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]
    ranks: PairedRanks


def _pairs(values: npt.NDArray[np.float64], fraction: float) -> list[_Pair]:
    """Return the pairs of runs, within the best share of the second; all measures are symmetric overall."""
    order = combinations if fraction == 1 else permutations
    pairs = []
    for one, other in order(range(len(values)), 2):
        both = np.flatnonzero(~np.isnan(values[one]) & ~np.isnan(values[other]))
        if len(both) == 0:
            raise ValueError(f"no architecture has both run {one} and run {other}")
        chosen = both[best_share(values[other, both], fraction)]
        x, y = values[one, chosen], values[other, chosen]
        pairs.append(_Pair(chosen, x, y, PairedRanks(x, y)))
    return pairs


def _mean_over_pairs(
    pairs: list[_Pair], measures: Sequence[str], counts: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return float64[samples, measures]: the mean over pairs of each measure."""
    total = np.zeros((len(counts), len(measures)))
    for chosen, x, y, ranks in pairs:
        total += measure_samples(ranks, x, y, counts[:, chosen], measures)
    return total / len(pairs)
