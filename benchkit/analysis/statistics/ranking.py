"""Who is better than whom: average ranks, Friedman and Nemenyi, wins over a baseline.

Sources: Demsar (2006), Statistical Comparisons of Classifiers over Multiple Data Sets, JMLR 7, section 3.2;
Wilcoxon (1945), Individual Comparisons by Ranking Methods; Holm (1979), A Simple Sequentially Rejective
Multiple Test Procedure.

What a block is, and what pairing means
---------------------------------------
Ranks and wins are taken within one data set, over the seeds that the compared strategies share. Trials
of one seed are nominally paired only: a trial's draws come from its own generator. The tests hold all the
same. Under the null hypothesis two strategies' regrets have one distribution, so a difference of two
trials is symmetric about zero and any order of strategies within a block is equally likely, whether the
trials of a seed are independent or share their first draws. The rank-sum test would use independent
trials a little better, and would be wrong where a seed is shared; so the signed-rank test it is. The
conclusions are about the search's randomness on that data set, not about other data sets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats
from statsmodels.stats.multitest import multipletests

_DECIMALS = 9  # regrets that differ by less (percent points) are equal: a subtraction's rounding is no rank


class Friedman(NamedTuple):
    """The Friedman test: its `statistic` (chi-squared with k - 1 degrees of freedom) and `p_value`."""

    statistic: float
    p_value: float


def regret_by_seed(trials: pd.DataFrame, strategies: Sequence[str] | None = None) -> pd.DataFrame:
    """Return one data set's regrets: a row per seed that all strategies have, a column per strategy.

    Parameters
    ----------
    trials : Trials of one data set (see `benchkit.analysis.statistics.frames`).
    strategies : Columns wanted; by default all, in alphabetical order.
    """
    table = trials.pivot(index="seed", columns="strategy", values="regret")
    if strategies is not None:
        table = table[list(strategies)]
    return table.dropna().astype(float)


def average_ranks(regret: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return float64[k]: each column's mean rank over rows; the lowest regret of a row has rank 1.

    Parameters
    ----------
    regret : float[n_blocks, k]; ties share the mean of their ranks.

    Returns NaN for every column where there is no row.
    """
    ranks = _ranks(regret)
    if len(ranks) == 0:
        return np.full(ranks.shape[1], np.nan)
    mean: npt.NDArray[np.float64] = ranks.mean(axis=0)
    return mean


def friedman_test(regret: npt.ArrayLike) -> Friedman:
    """Test whether the columns of float[n_blocks, k], k >= 2, can be told apart by their ranks.

    The statistic is Friedman's with the correction for ties (Conover 1999, section 5.8), which without
    ties is Demsar's chi-squared. Where every row is one tie, the statistic is 0 and p is 1.

    Raises
    ------
    ValueError : fewer than 2 columns, or no rows.
    """
    ranks = _ranks(regret)
    n, k = ranks.shape
    if n == 0 or k < 2:
        raise ValueError(f"the Friedman test needs at least 1 block and 2 strategies, got {n} and {k}")
    centred = ranks - (k + 1) / 2
    spread = float((centred**2).sum())
    if spread == 0:
        return Friedman(0.0, 1.0)
    statistic = (k - 1) * float((centred.sum(axis=0) ** 2).sum()) / spread
    return Friedman(statistic, float(stats.chi2.sf(statistic, k - 1)))


def critical_difference(k: int, blocks: int, alpha: float = 0.05) -> float:
    """Return Nemenyi's critical difference of average ranks, q_alpha sqrt(k (k + 1) / (6 N)).

    Parameters
    ----------
    k : Number of strategies, at least 2.
    blocks : N, the number of blocks, at least 1.
    alpha : level of the family of all k (k - 1) / 2 comparisons.

    q_alpha is the studentized range's quantile for infinite degrees of freedom over sqrt(2) (Demsar 2006,
    table 5).

    Raises
    ------
    ValueError : k, blocks or alpha out of range.
    """
    if k < 2 or blocks < 1 or not 0 < alpha < 1:
        raise ValueError(f"needs k >= 2, blocks >= 1 and 0 < alpha < 1, got {k}, {blocks}, {alpha}")
    q = float(stats.studentized_range.ppf(1 - alpha, k, np.inf)) / np.sqrt(2)
    return float(q * np.sqrt(k * (k + 1) / (6 * blocks)))


def indistinct_groups(ranks: Sequence[float], difference: float) -> list[tuple[int, int]]:
    """Return the maximal runs of strategies that Nemenyi's test does not tell apart.

    Parameters
    ----------
    ranks : k average ranks in ascending order.
    difference : Critical difference; ranks that differ by less are not told apart.

    Returns
    -------
    (first, last) positions of each run of at least two, last included; no run lies within another.
    """
    groups: list[tuple[int, int]] = []
    for first, lowest in enumerate(ranks):
        last = int(np.searchsorted(ranks, lowest + difference, side="left")) - 1
        if last > first and (not groups or last > groups[-1][1]):
            groups.append((first, last))
    return groups


def share_of_wins(regret: npt.ArrayLike, baseline: npt.ArrayLike) -> float:
    """Return the share of pairs in which `regret` is lower than `baseline`; a tie counts one half.

    Parameters
    ----------
    regret, baseline : float[n], n >= 1, paired.
    """
    difference = _differences(regret, baseline)
    return float(((difference < 0) + 0.5 * (difference == 0)).mean())


def signed_rank_p(regret: npt.ArrayLike, baseline: npt.ArrayLike) -> float:
    """Return the two-sided p-value of Wilcoxon's signed-rank test, exact also with ties.

    Parameters
    ----------
    regret, baseline : float[n], paired. Pairs without a difference are left out; where none is left,
        p is 1.

    Notes
    -----
    The ranks of the differences are held, and each of the 2^m choices of their signs is equally likely.
    With ties `scipy.stats.wilcoxon` goes over to a normal approximation, from a size that depends on its
    release; tied regrets are common here (the best entry of a table is found by many trials).
    """
    difference = _differences(regret, baseline)
    difference = difference[difference != 0]
    if len(difference) == 0:
        return 1.0
    doubled = np.rint(2 * stats.rankdata(np.abs(difference))).astype(np.int64)  # mean ranks are halves
    positive = int(doubled[difference > 0].sum())
    smaller = min(positive, int(doubled.sum()) - positive)
    # probability[s]: that the ranks with a positive sign sum to s / 2; only the lower tail is needed
    probability = np.zeros(smaller + 1)
    probability[0] = 1.0
    for rank in doubled:
        shifted = probability[: max(0, smaller + 1 - rank)].copy()
        probability[len(probability) - len(shifted) :] += shifted
        probability /= 2
    return float(min(1.0, 2 * probability.sum()))


def holm(p_values: Sequence[float]) -> npt.NDArray[np.float64]:
    """Return float64[m]: the p-values after Holm's step-down correction, in the order given."""
    if len(p_values) == 0:
        return np.empty(0)
    corrected: npt.NDArray[np.float64] = multipletests(np.asarray(p_values, dtype=float), method="holm")[1]
    return corrected


def _ranks(regret: npt.ArrayLike) -> npt.NDArray[np.float64]:
    table = np.asarray(regret, dtype=np.float64)
    if table.ndim != 2:
        raise ValueError(f"regret must have shape (blocks, strategies), got {table.shape}")
    if len(table) == 0:
        return table
    ranks: npt.NDArray[np.float64] = stats.rankdata(table.round(_DECIMALS), axis=1)
    return ranks


def _differences(regret: npt.ArrayLike, baseline: npt.ArrayLike) -> npt.NDArray[np.float64]:
    first, second = np.asarray(regret, dtype=np.float64), np.asarray(baseline, dtype=np.float64)
    if first.shape != second.shape or first.ndim != 1 or len(first) == 0:
        raise ValueError(f"needs two equally long, non-empty lists, got shapes {first.shape}, {second.shape}")
    return (first - second).round(_DECIMALS)
