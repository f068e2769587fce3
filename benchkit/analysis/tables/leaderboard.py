"""The leaderboard: a row per data set and strategy, each mean with its interval and its n."""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchkit.analysis.statistics.frames import check_trials
from benchkit.analysis.statistics.intervals import mean_intervals
from benchkit.analysis.statistics.ranking import (
    average_ranks,
    holm,
    regret_by_seed,
    share_of_wins,
    signed_rank_p,
)

__all__ = ["LEADERBOARD_COLUMNS", "leaderboard"]

LEADERBOARD_COLUMNS = (
    "dataset",
    "strategy",
    "n",
    "valid",
    "valid_low",
    "valid_high",
    "test",
    "test_low",
    "test_high",
    "regret",
    "regret_low",
    "regret_high",
    "rank",
    "queries",
    "seconds",
    "distinct",
    "distinct_isomorphic",
    "wins_over_random",
    "p_value",
)

_MEASURED = ["valid", "test", "regret"]
_SPENT = ["queries", "seconds", "distinct", "distinct_isomorphic"]


def leaderboard(trials: pd.DataFrame, baseline: str = "random-search", level: float = 0.95) -> pd.DataFrame:
    """Summarise trials: a row per data set and strategy.

    Parameters
    ----------
    trials : a row per (strategy, dataset, seed) (see `benchkit.analysis.statistics.frames`), in any order.
    baseline : the strategy that `wins_over_random` and `p_value` compare with.
    level : Coverage of the intervals, strictly between 0 and 1.

    Returns
    -------
    A frame with the columns `LEADERBOARD_COLUMNS`; data sets in order of first appearance, then rank,
    then name.

    - n: trials of the strategy on the data set. Means, intervals and spendings are over these n.
    - valid, test: percent; regret: percent points; missing where a trial's value is missing. So are the ends
      of an interval that is not resolvable (`benchkit.analysis.statistics.resolution`): fewer than five
      trials, or equal ones.
    - rank: average rank of the regret, over the seeds that all strategies of the data set have.
    - queries, seconds, distinct, distinct_isomorphic: means a trial.
    - wins_over_random: share of shared seeds with a regret lower than the baseline's, ties count half.
    - p_value: two-sided signed-rank test against the baseline, corrected by Holm over the strategies of
      the data set. Both are missing for the baseline itself, and where it is absent.

    Raises
    ------
    ValueError : a malformed frame.

    Notes
    -----
    Samples of one size share their resamples (`benchkit.analysis.statistics.bootstrap`), so the figures
    depend neither on the order of the rows nor on which other strategies are in the frame (rank and p_value
    aside).
    """
    check_trials(trials)
    blocks = []
    for dataset in dict.fromkeys(trials["dataset"]):
        here = trials[trials["dataset"] == dataset].sort_values(["strategy", "seed"])
        rows = [
            {"dataset": dataset, "strategy": strategy, **_means(group, level)}
            for strategy, group in here.groupby("strategy")
        ]
        ranks = regret_by_seed(here)
        block = pd.DataFrame(rows).set_index("strategy")
        block["rank"] = pd.Series(average_ranks(ranks), index=ranks.columns)
        block = block.join(_against(here, baseline))
        blocks.append(block.reset_index().sort_values(["rank", "strategy"]))
    return pd.concat(blocks, ignore_index=True)[list(LEADERBOARD_COLUMNS)]


def _means(group: pd.DataFrame, level: float) -> dict[str, float]:
    """Return one strategy's n, means and intervals; `group` is sorted by seed."""
    values = group[_MEASURED].to_numpy(dtype=np.float64)
    n, mean, low, high = mean_intervals(values, level=level)
    row: dict[str, float] = {"n": n}
    for i, column in enumerate(_MEASURED):
        row |= {column: float(mean[i]), f"{column}_low": float(low[i]), f"{column}_high": float(high[i])}
    spent = group[_SPENT].to_numpy(dtype=np.float64).mean(axis=0)
    return row | dict(zip(_SPENT, spent.tolist(), strict=True))


def _against(trials: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """Return wins over the baseline and corrected p-values, a row per strategy that can be compared."""
    wins: dict[str, float] = {}
    p_values: dict[str, float] = {}
    names = sorted(set(trials["strategy"]))
    if baseline in names:
        for name in names:
            pair = regret_by_seed(trials[trials["strategy"].isin([name, baseline])])
            if name != baseline and len(pair):
                wins[name] = share_of_wins(pair[name], pair[baseline])
                p_values[name] = signed_rank_p(pair[name], pair[baseline])
    corrected = pd.Series(holm(list(p_values.values())), index=list(p_values), dtype=float)
    return pd.DataFrame({"wins_over_random": pd.Series(wins, dtype=float), "p_value": corrected})
