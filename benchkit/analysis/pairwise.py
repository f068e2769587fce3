"""Every strategy against every other on one data set: wins, signed-rank tests, and practical equivalence.

Sources: Wilcoxon (1945) and Holm (1979) as in `benchkit.analysis.ranking`; Benavoli, Corani, Demsar and
Zaffalon (2017), Time for a Change, JMLR 18, section 4: the Bayesian signed-rank test with a region of
practical equivalence (rope), by their package baycomp.

Deviations and choices
----------------------
- Pairs are the seeds that both strategies have, as in `benchkit.analysis.ranking`.
- Holm corrects over all pairs of a data set, which is more than the leaderboard does: there only the baseline
  is compared with.
- The Bayesian test looks at regrets of paired seeds, not at means over data sets: it is about a data set.
  Its prior is baycomp's, half an observation of no difference.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from baycomp import SignedRankTest

from benchkit.analysis.frames import check_trials
from benchkit.analysis.ranking import holm, regret_by_seed, share_of_wins, signed_rank_p

__all__ = ["PAIR_COLUMNS", "pairwise"]

PAIR_COLUMNS = (
    *("dataset", "row", "column", "n", "difference", "wins", "p_value", "p_holm"),
    *("probably_better", "probably_equal", "probably_worse"),
)

_ENTRIES_AT_MOST = 20_000_000
"""Samples times pairs of seeds that one Bayesian test may weigh; beyond, it draws fewer samples."""


def pairwise(
    trials: pd.DataFrame, rng: np.random.Generator, rope: float = 0.1, samples: int = 5_000
) -> pd.DataFrame:
    """Return a row for every ordered pair of strategies and data set.

    Parameters
    ----------
    trials : a row per (strategy, dataset, seed) (see `benchkit.analysis.frames`).
    rope : differences of regret up to this, in percent points, are practically nothing; 0 has no such region.
    samples : of the Bayesian posterior.

    Returns
    -------
    A frame with the columns `PAIR_COLUMNS`: n shared seeds; difference, mean regret of column less that of
    row (positive where row is better); wins, the share of seeds that row wins, ties half; p_value of the
    signed-rank test and p_holm after Holm over all pairs of the data set; and the posterior probabilities
    that row is practically better than column, the same, or worse. Strategies are sorted by mean regret;
    pairs without a shared seed are left out.

    Raises
    ------
    ValueError : a malformed frame, or a negative rope.
    """
    check_trials(trials, ("strategy", "dataset", "seed", "regret"))
    if not rope >= 0:
        raise ValueError(f"a region of practical equivalence is at least 0 wide, got {rope}")
    seed = int(rng.integers(2**31))
    blocks = []
    for dataset in dict.fromkeys(trials["dataset"]):
        here = trials[trials["dataset"] == dataset]
        names = here.groupby("strategy")["regret"].mean().sort_values(kind="stable").index
        rows = []
        for row, column in combinations(names, 2):
            pair = regret_by_seed(here[here["strategy"].isin([row, column])])
            if len(pair):
                rows.append(_compared(pair[row], pair[column], rope, samples, seed))
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
    row: pd.Series[float], column: pd.Series[float], rope: float, samples: int, seed: int
) -> dict[str, Any]:
    drawn = max(200, min(samples, _ENTRIES_AT_MOST // (len(row) + 1) ** 2))
    # it takes scores, of which more is better; without a rope it gives two figures instead of three
    found = SignedRankTest.probs(
        -row.to_numpy(), -column.to_numpy(), rope=rope, nsamples=drawn, random_state=seed
    )
    return {
        "n": len(row),
        "difference": float((column - row).mean()),
        "wins": share_of_wins(row, column),
        "p_value": signed_rank_p(row, column),
        "probably_better": float(found[0]),
        "probably_equal": float(found[1]) if rope > 0 else 0.0,
        "probably_worse": float(found[-1]),
    }


def _mirrored(pair: dict[str, Any]) -> dict[str, Any]:
    return {
        **pair,
        "row": pair["column"],
        "column": pair["row"],
        "difference": -pair["difference"],
        "wins": 1 - pair["wins"],
        "probably_better": pair["probably_worse"],
        "probably_worse": pair["probably_better"],
    }
