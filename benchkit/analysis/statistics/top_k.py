"""What a ranking is worth to who trains its first k: precision, regret and best rank among the top k.

Choices
-------
* The true top k are all architectures whose truth is at least the k-th largest, ties included.
* Where predictions tie at the border of the predicted top k (scores on 1,000 images often do), figures
  are the exact expectation over a random choice among the tied; no order in a file can help or harm.
* Intervals are percentile bootstraps over architectures. Within a bootstrap sample, truth, ranks and the
  best are those of the sample; an architecture drawn twice is there twice. Where all samples agree, or there
  are fewer than five architectures, there is none (`benchkit.analysis.statistics.resolution`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchkit.analysis.statistics.bootstrap import key_of
from benchkit.analysis.statistics.rank_correlation import bootstrap, check_choice


class TopK(NamedTuple):
    """How good the predicted top k are.

    Attributes
    ----------
    precision : share of them that are among the true top k, 0..1.
    regret : Best truth of all less the best truth among them, in the truth's unit, >= 0.
    best_rank : Best true rank among them, 1 is the best (ties share the better rank).
    """

    precision: float
    regret: float
    best_rank: float


def top_k_figures(
    predicted: npt.ArrayLike,
    truth: npt.ArrayLike,
    ks: Sequence[int] = (1, 10, 100),
    rng: np.random.Generator | None = None,
    level: float = 0.95,
    resamples: int = 1_000,
) -> pd.DataFrame:
    """Return precision, regret and best rank at each k, with bootstrap intervals.

    Parameters
    ----------
    predicted, truth : float[n], finite; larger is better.
    ks : Sizes of the predicted top, each 1..n.
    rng, level, resamples : see `benchkit.analysis.statistics.rank_correlation.correlate`.

    Returns
    -------
    A frame with a row for each k and figure: k, measure (precision, regret or best_rank), n
    (architectures), value, low, high; the last two are NaN where the interval is not resolvable.

    Raises
    ------
    ValueError : what `top_k` refuses, or a parameter out of range.
    """
    check_choice((), (), level, resamples)
    x, y = _checked(predicted, truth, ks)
    order = np.argsort(-x, kind="stable")  # so that the order of a file does not move the interval
    figures, n = top_k_samples(x[order], y[order], ks), len(x)
    key = key_of(rng)
    ends = bootstrap(figures, n, key, level, resamples)
    names = [(k, name) for k in ks for name in TopK._fields]
    rows = [(*name, n, *figure) for name, figure in zip(names, ends, strict=True)]
    return pd.DataFrame(rows, columns=["k", "measure", "n", "value", "low", "high"])


def top_k_samples(
    predicted: npt.ArrayLike, truth: npt.ArrayLike, ks: Sequence[int]
) -> Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]:
    """Return what gives the figures of bootstrap samples.

    Parameters
    ----------
    predicted, truth, ks : see `top_k_figures`.

    Returns
    -------
    A function from float64[samples, n], how often each sample holds each architecture, to
    float64[samples, 3 len(ks)]: `TopK` at each k; NaN where a sample holds fewer than k.

    Raises
    ------
    ValueError : what `top_k` refuses.
    """
    x, y = _checked(predicted, truth, ks)
    by_prediction = np.argsort(-x, kind="stable")
    x, y = x[by_prediction], y[by_prediction]
    by_truth = np.argsort(-y, kind="stable")

    def figures(counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        rows = []
        for count in counts[:, by_prediction].astype(np.intp):
            drawn_x, drawn_y = np.repeat(x, count), np.repeat(y, count)
            falling = np.repeat(y[by_truth], count[by_truth])
            few = TopK(np.nan, np.nan, np.nan)
            rows.append([_at(drawn_x, drawn_y, falling, k) if k <= len(falling) else few for k in ks])
        return np.array(rows, dtype=np.float64).reshape(len(counts), -1)

    return figures


def top_k(predicted: npt.ArrayLike, truth: npt.ArrayLike, k: int) -> TopK:
    """Return precision, regret and best rank of the predicted top k.

    Raises
    ------
    ValueError : arrays of unequal length, empty or not finite; a k outside 1..n.
    """
    x, y = _checked(predicted, truth, (k,))
    order = np.argsort(-x, kind="stable")
    return _at(x[order], y[order], -np.sort(-y), k)


def _at(
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], falling: npt.NDArray[np.float64], k: int
) -> TopK:
    """Return the figures at k; x and y by falling x, `falling` is y by itself."""
    border = x[k - 1]
    surely = int(np.searchsorted(-x, -border, side="left"))  # predicted above the border
    tied = y[surely : int(np.searchsorted(-x, -border, side="right"))]
    chosen = k - surely  # of the tied
    true_border = falling[k - 1]
    hits = np.count_nonzero(y[:surely] >= true_border)
    precision = (hits + chosen * float(np.mean(tied >= true_border))) / k

    # the best of a random choice of s among m tied is the j-th best of them (from 0) with probability
    # C(m - 1 - j, s - 1) / C(m, s), written as a running product
    m = len(tied)
    j = np.arange(m - chosen + 1)
    ratios = (m - chosen - j[:-1]) / (m - 1 - j[:-1])
    chance = chosen / m * np.cumprod(np.concatenate([[1.0], ratios]))
    best = -np.sort(-tied)[: len(j)]
    if surely:
        best = np.maximum(best, y[:surely].max())
    ranks = 1 + np.searchsorted(-falling, -best, side="left")
    return TopK(precision, float(chance @ (falling[0] - best)), float(chance @ ranks))


def _checked(
    predicted: npt.ArrayLike, truth: npt.ArrayLike, ks: Sequence[int]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    x, y = np.asarray(predicted, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape or len(x) == 0:
        raise ValueError(f"predicted and truth must be of one length n >= 1, got {x.shape}, {y.shape}")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("predicted and truth must be finite: leave out what is missing on either side first")
    for k in ks:
        if not 1 <= k <= len(x):
            raise ValueError(f"k must lie in 1..{len(x)} (the number of architectures), got {k}")
    return x, y
