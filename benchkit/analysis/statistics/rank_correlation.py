"""How well one column of figures ranks architectures by another: correlations with intervals.

Four measures: Kendall's tau-b, Spearman's rho, Pearson's r (with its sign: a predictor that ranks
backwards is not a good one), and Vigna's weighted tau, in which the best count most. Each overall and
within the best of the truth, where a search has to tell architectures apart.

Intervals are percentile bootstraps over architectures (Efron and Tibshirani 1993, chapter 13): pairs are
drawn again, all measures see the same draws, and ties made by drawing a pair twice are handled exactly
(see `benchkit.analysis.statistics.fast_tau`).

Choices
-------
* Larger means better on both sides; a loss is negated by the caller, who knows what it is.
* The best share q of n architectures are those whose truth is at least the ceil(q n)-th largest: ties at
  the border are all in, and n says how many that makes. The share is chosen once, by the truth alone,
  and its bootstrap draws within it.
* A measure is undefined where one side is constant, or n = 1: NaN, in its interval too. Bootstrap samples
  in which it is undefined (they exist for small n, and for sides with few different values) are left out of
  the interval; where they are many, or n is below five, or all samples agree, there is no interval
  (`benchkit.analysis.statistics.resolution`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchkit.analysis.statistics.bootstrap import check_bootstrap, key_of, resample_counts, resolved_interval
from benchkit.analysis.statistics.fast_tau import Counts, PairedRanks
from benchkit.analysis.statistics.resolution import FEWEST
from benchkit.base.errors import shown

FRACTIONS = (1.0, 0.5, 0.25, 0.1)
"""The shares of the truth's best within which correlations are given by default; 1 is overall."""

Figures = npt.NDArray[np.float64]
_VALUES_AT_ONCE = 2**17  # float64 entries, 1 MiB: what the merge goes over again and again stays in cache


def correlate(
    predicted: npt.ArrayLike,
    truth: npt.ArrayLike,
    rng: np.random.Generator | None = None,
    fractions: Sequence[float] = FRACTIONS,
    measures: Sequence[str] = ("kendall_tau", "spearman", "pearson", "weighted_tau"),
    level: float = 0.95,
    resamples: int = 1_000,
) -> pd.DataFrame:
    """Return the rank correlation of a prediction with the truth, with bootstrap intervals.

    Parameters
    ----------
    predicted, truth : float[n], finite; one entry an architecture, larger is better (accuracy in percent).
    rng : Generator of the resamples; by default one with seed 0: the same figures, the same interval.
    fractions : Shares of the truth's best, each in (0, 1].
    measures : Keys of `MEASURES`.
    level : Coverage, strictly between 0 and 1.
    resamples : Number of bootstrap samples, at least 1.

    Returns
    -------
    A frame with a row for each fraction and measure, in the order given: fraction, measure, n
    (architectures), value, low, high; NaN where the value is undefined, or the interval not resolvable.

    Raises
    ------
    ValueError : arrays of unequal length, empty or not finite; an unknown measure; a parameter out of range.

    Notes
    -----
    The interval of a fraction does not depend on which other fractions or measures are asked for.
    """
    check_choice(fractions, measures, level, resamples)
    x, y = np.asarray(predicted, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    PairedRanks(x, y)  # names what is wrong with the arrays before anything is selected by them
    key = key_of(rng)
    rows = []
    for fraction in fractions:
        chosen = best_share(y, fraction)
        ranks = PairedRanks(x[chosen], y[chosen])
        figures = partial(measure_samples, ranks, x[chosen], y[chosen], measures=measures)
        ends = bootstrap(figures, ranks.n, key, level, resamples)
        rows += [(fraction, name, ranks.n, *figure) for name, figure in zip(measures, ends, strict=True)]
    return pd.DataFrame(rows, columns=["fraction", "measure", "n", "value", "low", "high"])


def correlation_curve(
    epochs: Sequence[int],
    predicted: npt.ArrayLike,
    truth: npt.ArrayLike,
    rng: np.random.Generator | None = None,
    fractions: Sequence[float] = (1.0,),
    measures: Sequence[str] = ("kendall_tau", "spearman", "pearson", "weighted_tau"),
    level: float = 0.95,
    resamples: int = 1_000,
) -> pd.DataFrame:
    """Return the rank correlation at every checkpoint of a training.

    Parameters
    ----------
    epochs : Epochs of the checkpoints, ascending.
    predicted : float[len(epochs), n]: what each checkpoint predicts for the same n architectures.
    truth, rng, fractions, measures, level, resamples : see `correlate`.

    Returns
    -------
    The frame of `correlate` for every checkpoint, after a column epoch. All checkpoints see the same
    bootstrap samples, so the band is that of one curve.

    Raises
    ------
    ValueError : shapes that do not fit, epochs that do not ascend, or what `correlate` refuses.
    """
    scores = np.asarray(predicted, dtype=np.float64)
    if scores.ndim != 2 or len(scores) != len(epochs) or len(epochs) == 0:
        raise ValueError(f"predicted must have shape (epochs = {len(epochs)}, n), got {scores.shape}")
    if any(later <= earlier for earlier, later in pairwise(epochs)):
        raise ValueError(f"epochs must ascend, got {list(epochs)}")
    key = key_of(rng)
    pieces = []
    for epoch, row in zip(epochs, scores, strict=True):
        draws = np.random.default_rng(key)
        piece = correlate(row, truth, draws, fractions, measures, level, resamples)
        piece.insert(0, "epoch", int(epoch))
        pieces.append(piece)
    return pd.concat(pieces, ignore_index=True)


def best_share(truth: Figures, fraction: float) -> npt.NDArray[np.intp]:
    """Return the indices of the best share of a column, ascending; ties at the border are all in."""
    count = int(np.ceil(fraction * len(truth) - 1e-9))  # 0.1 * 30 is three, not four
    threshold = np.partition(truth, len(truth) - count)[len(truth) - count]
    return np.flatnonzero(truth >= threshold)


def bootstrap(
    figures: Callable[[Counts], npt.NDArray[np.float64]],
    n: int,
    key: int,
    level: float,
    resamples: int,
    fewest: int | None = None,
) -> npt.NDArray[np.float64]:
    """Return float64[figures, 3]: each figure of the whole sample, and the ends of its interval.

    The ends are NaN where the interval is not resolvable (`benchkit.analysis.statistics.resolution`).

    Parameters
    ----------
    figures : Function from float64[samples, n], how often each sample holds each architecture, to
        float64[samples, figures].
    n : Number of architectures.
    key : Seed of the draws, together with n.
    level, resamples : see `correlate`.
    fewest : Number of architectures that the figures are of, where that is fewer than n.
    """
    value = figures(np.ones((1, n)))[0]
    smallest = n if fewest is None else fewest
    if smallest < FEWEST:
        return np.stack([value, *np.full((2, len(value)), np.nan)], axis=1)
    draws = np.random.default_rng([key, n])
    blocks = resample_counts(n, draws, resamples, _VALUES_AT_ONCE)
    samples = np.concatenate([figures(counts.astype(np.float64)) for counts in blocks])
    return np.stack([value, *resolved_interval(samples, smallest, level)], axis=1)


def measure_samples(
    ranks: PairedRanks, x: Figures, y: Figures, counts: Counts, measures: Sequence[str]
) -> npt.NDArray[np.float64]:
    """Return float64[samples, measures]: each measure of each sample; NaN where it is undefined.

    Parameters
    ----------
    ranks : Ranks of x and y, which are float[n].
    counts : float64[samples, n], how often each sample holds each pair.
    """
    return np.stack([MEASURES[measure](ranks, x, y, counts) for measure in measures], axis=1)


def check_choice(fractions: Sequence[float], measures: Sequence[str], level: float, resamples: int) -> None:
    """Raise ValueError for an unknown measure, or a fraction, level or number of resamples out of range."""
    for measure in measures:
        if measure not in MEASURES:
            raise ValueError(f"unknown measure {shown(measure)}; there are {', '.join(MEASURES)}")
    for fraction in fractions:
        if not 0 < fraction <= 1:
            raise ValueError(f"fraction must lie in (0, 1], got {fraction}")
    check_bootstrap(level, resamples)


def _kendall_tau(ranks: PairedRanks, x: Figures, y: Figures, counts: Counts) -> Figures:
    return ranks.kendall_tau(counts)


def _weighted_tau(ranks: PairedRanks, x: Figures, y: Figures, counts: Counts) -> Figures:
    return ranks.weighted_tau(counts)


def _spearman(ranks: PairedRanks, x: Figures, y: Figures, counts: Counts) -> Figures:
    """Return Pearson's r of the mean ranks within each sample."""
    return _product_moment(*ranks.midranks(counts), counts, ranks.varies(counts))


def _pearson(ranks: PairedRanks, x: Figures, y: Figures, counts: Counts) -> Figures:
    total = counts.sum(axis=1, keepdims=True)
    # around the mean of all first: accuracies near 94 % differ in the second decimal
    first, second = x - x.mean(), y - y.mean()
    centred = [side - (counts @ side)[:, None] / np.maximum(total, 1) for side in (first, second)]
    return _product_moment(centred[0], centred[1], counts, ranks.varies(counts))


def _product_moment(first: Counts, second: Counts, counts: Counts, defined: npt.NDArray[np.bool_]) -> Figures:
    """Return r of two float64[samples, n] with mean 0 in each sample; NaN where not `defined`."""
    weighted = counts * first
    covariance = np.einsum("sn,sn->s", weighted, second)
    square = np.einsum("sn,sn->s", weighted, first) * np.einsum("sn,sn,sn->s", counts, second, second)
    r = covariance / np.sqrt(np.where(square > 0, square, 1.0))
    return np.where(defined & (square > 0), np.clip(r, -1, 1), np.nan)


MEASURES: dict[str, Callable[[PairedRanks, Figures, Figures, Counts], Figures]] = {
    "kendall_tau": _kendall_tau,
    "spearman": _spearman,
    "pearson": _pearson,
    "weighted_tau": _weighted_tau,
}
"""name -> the measure of every bootstrap sample, from ranks, x, y and counts."""
