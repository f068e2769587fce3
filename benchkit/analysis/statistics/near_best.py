"""Which strategies are not significantly worse than the best one of a data set: what papers underline.

Within a data set and for each measure, the strategy with the best mean is the reference. Every other one is
compared with it by Wilcoxon's signed-rank test over the seeds that both have
(`benchkit.analysis.statistics.ranking` says what this pairing means), and the p-values are corrected by Holm
(1979) over the comparisons of that data set and measure.

Deviations and choices
----------------------
- The tests are two-sided. Worse is who has the larger sum of ranks against it, too: a strategy may lie behind
  the best mean, and still be ahead in most seeds.
- The reference is chosen by the data that are tested, which favours it: not to be underlined says less than a
  test planned beforehand would.
- With few seeds not even a strategy that loses in every seed can be significantly worse: nothing is said.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from benchkit.analysis.statistics.frames import check_trials
from benchkit.analysis.statistics.ranking import holm, signed_rank_p
from benchkit.base.measure import ACCURACY, Measure

NEAR_BEST_COLUMNS = ("dataset", "strategy", "measure", "n", "best", "p_value", "not_worse")
_MEASURES = ("valid", "test", "regret")
_DECIMALS = 9  # as in `benchkit.analysis.statistics.ranking`


def near_best(trials: pd.DataFrame, alpha: float = 0.05, measure: Measure = ACCURACY) -> pd.DataFrame:
    """Compare every strategy with the best one of its data set.

    Parameters
    ----------
    trials : Frame with a row per (strategy, dataset, seed) (see `benchkit.analysis.statistics.frames`).
    alpha : level of the tests of one data set and measure together.
    measure : Quantity of the columns valid and test.

    Returns
    -------
    A row for each data set, measure that has values and strategy:

    - n: the seeds that it shares with the best one, its own for the best one itself.
    - best: whether its mean is the best; of equals the first in the alphabet.
    - p_value: corrected; NaN for the best.
    - not_worse: whether it is not significantly worse than the best; False for the best itself, and for all
      where so few seeds are shared that no strategy could be found worse.

    Raises
    ------
    ValueError : a malformed frame.
    """
    check_trials(trials)
    rows: list[dict[str, object]] = []
    for dataset in dict.fromkeys(trials["dataset"]):
        here = trials[trials["dataset"] == dataset]
        for column in _MEASURES:
            sign = 1.0 if column == "regret" else -float(measure.sign)  # lower is better
            table = sign * here.pivot(index="seed", columns="strategy", values=column).astype(float)
            table = table.dropna(axis="columns", how="all")
            if table.shape[1] > 0:
                rows += [{"dataset": dataset, "measure": column, **row} for row in _compared(table, alpha)]
    return pd.DataFrame(rows, columns=list(NEAR_BEST_COLUMNS))


def _compared(losses: pd.DataFrame, alpha: float) -> list[dict[str, object]]:
    """Return a row a column of float[seeds, strategies], which is NaN where there is no trial."""
    best = str(losses.mean().round(_DECIMALS).idxmin())
    others = [str(name) for name in losses.columns if name != best]
    pairs = {name: losses[[name, best]].dropna().to_numpy(dtype=np.float64) for name in others}
    counts = {name: len(pair) for name, pair in pairs.items()}
    p_values = [signed_rank_p(*pair.T) if len(pair) else 1.0 for pair in pairs.values()]
    corrected = dict(zip(others, holm(p_values).tolist(), strict=True))
    # the smallest p-value there is, of a strategy that loses in every seed, after Holm's first step
    telling = {name: len(others) * 2.0 ** (1 - n) < alpha for name, n in counts.items()}
    rows: list[dict[str, object]] = []
    for name in losses.columns:
        if name == best:
            own = int(losses[name].notna().sum())
            rows.append({"strategy": name, "n": own, "best": True, "p_value": np.nan, "not_worse": False})
            continue
        worse = corrected[name] < alpha and _loses(pairs[name])
        rows.append(
            {
                "strategy": name,
                "n": counts[name],
                "best": False,
                "p_value": corrected[name],
                "not_worse": telling[name] and not worse,
            }
        )
    return rows


def _loses(pair: npt.NDArray[np.float64]) -> bool:
    """Return whether the first column has the larger sum of signed ranks: more often, or by more, above."""
    difference = (pair[:, 0] - pair[:, 1]).round(_DECIMALS)
    difference = difference[difference != 0]
    ranks = stats.rankdata(np.abs(difference))
    return bool((np.sign(difference) * ranks).sum() > 0)
