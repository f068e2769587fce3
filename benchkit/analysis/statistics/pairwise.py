"""Every strategy against every other on one data set: wins, signed-rank tests, and practical equivalence.

Sources: Wilcoxon (1945) and Holm (1979) as in `benchkit.analysis.statistics.ranking`; Wilson (1927), Probable
Inference, the Law of Succession, and Statistical Inference, for the interval of a share; Benavoli et al.
(2017) as in `benchkit.analysis.statistics.signed_rank_posterior`.

Deviations and choices
----------------------
- Pairs are the seeds that both strategies have, as in `benchkit.analysis.statistics.ranking`.
- Holm corrects over all pairs of a data set, which is more than the leaderboard does: there only the baseline
  is compared with.
- The share of wins has Wilson's interval, which is not empty where every seed is won. Ties count half, which
  varies less than wins and losses do: with ties it is somewhat too wide.
- The Bayesian test looks at regrets of paired seeds, not at means over data sets: it is about a data set.
  All pairs with as many seeds share the draws of its posterior.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from benchkit.analysis.statistics.bootstrap import key_of
from benchkit.analysis.statistics.frames import check_trials
from benchkit.analysis.statistics.ranking import holm, regret_by_seed, share_of_wins, signed_rank_p
from benchkit.analysis.statistics.signed_rank_posterior import signed_rank_posterior, signed_rank_weights

PAIR_COLUMNS = (
    *("dataset", "row", "column", "n", "difference"),
    *("wins", "wins_low", "wins_high", "p_value", "p_holm"),
    *("probably_better", "probably_equal", "probably_worse"),
)


def pairwise(
    trials: pd.DataFrame,
    rng: np.random.Generator,
    rope: float = 0.1,
    samples: int = 5_000,
    level: float = 0.95,
) -> pd.DataFrame:
    """Return a row for every ordered pair of strategies and data set.

    Parameters
    ----------
    trials : Frame with a row per (strategy, dataset, seed) (see `benchkit.analysis.statistics.frames`).
    rope : differences of regret up to this, in percent points, are practically nothing; 0 has no such region.
    samples : Number of samples of the Bayesian posterior; with 5,000 its probabilities have a standard error
        of at most 0.007.
    level : Coverage of the interval of wins, strictly between 0 and 1.

    Returns
    -------
    A frame with the columns `PAIR_COLUMNS`: n shared seeds; difference, mean regret of column less that of
    row (positive where row is better); wins, the share of seeds that row wins, ties half, with its interval
    wins_low to wins_high; p_value of the signed-rank test and p_holm after Holm over all pairs of the data
    set; and the posterior probabilities that row is practically better than column, the same, or worse.
    Strategies are sorted by mean regret; pairs without a shared seed are left out.

    Raises
    ------
    ValueError : a malformed frame, a negative rope, no samples, or a level out of range.
    """
    check_trials(trials, ("strategy", "dataset", "seed", "regret"))
    if not rope >= 0:
        raise ValueError(f"a region of practical equivalence is at least 0 wide, got {rope}")
    if samples < 1 or not 0 < level < 1:
        raise ValueError(f"needs at least 1 sample and 0 < level < 1, got {samples} and {level}")
    key = key_of(rng)
    weights: dict[int, npt.NDArray[np.float64]] = {}
    blocks = []
    for dataset in dict.fromkeys(trials["dataset"]):
        here = trials[trials["dataset"] == dataset]
        names = here.groupby("strategy")["regret"].mean().sort_values(kind="stable").index
        rows = []
        for row, column in combinations(names, 2):
            pair = regret_by_seed(here[here["strategy"].isin([row, column])])
            n = len(pair)
            if n:
                if n not in weights:
                    weights[n] = signed_rank_weights(n, np.random.default_rng([key, n]), samples)
                rows.append(_compared(pair[row], pair[column], rope, weights[n], level))
                rows[-1] |= {"dataset": dataset, "row": row, "column": column}
        corrected = holm([each["p_value"] for each in rows])
        for each, p in zip(rows, corrected, strict=True):
            each["p_holm"] = float(p)
        rows += [_mirrored(each) for each in rows]
        place = {name: at for at, name in enumerate(names)}
        rows.sort(key=lambda each: (place[each["row"]], place[each["column"]]))
        blocks.append(pd.DataFrame(rows, columns=list(PAIR_COLUMNS)))
    return pd.concat(blocks, ignore_index=True)


def _compared(
    row: pd.Series[float],
    column: pd.Series[float],
    rope: float,
    weights: npt.NDArray[np.float64],
    level: float,
) -> dict[str, Any]:
    wins, n = share_of_wins(row, column), len(row)
    low, high = proportion_confint(wins * n, n, alpha=1 - level, method="wilson")
    posterior = signed_rank_posterior(column - row, weights, rope)
    return {
        "n": n,
        "difference": float((column - row).mean()),
        "wins": wins,
        "wins_low": float(low),
        "wins_high": float(high),
        "p_value": signed_rank_p(row, column),
        "probably_better": posterior.above,
        "probably_equal": posterior.within,
        "probably_worse": posterior.below,
    }


def _mirrored(pair: dict[str, Any]) -> dict[str, Any]:
    return {
        **pair,
        "row": pair["column"],
        "column": pair["row"],
        "difference": -pair["difference"],
        "wins": 1 - pair["wins"],
        "wins_low": 1 - pair["wins_high"],
        "wins_high": 1 - pair["wins_low"],
        "probably_better": pair["probably_worse"],
        "probably_worse": pair["probably_better"],
    }
