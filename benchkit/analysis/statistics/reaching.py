"""What it costs to reach a target regret, when some trials never do: censored, not left out.

A trial reaches a target when the regret of its incumbent is first at most the target. One that has not when
it ends is censored: its cost is larger than what it spent, and nothing more is known. From the share of
trials that reached the target by a cost (`benchkit.analysis.statistics.kaplan_meier`) come the median cost,
the restricted mean (the mean cost where no trial pays more than the horizon), and the speed-up over a
baseline.

Deviations and choices
----------------------
- Against the cost that the study limited, every trial is followed to the budget: one that ends sooner has
  nothing more to ask, and keeps its incumbent. Nobody is censored before the horizon then, and the estimate
  is the plain share. Against another cost a trial is censored where it ends, and the horizon is the largest
  cost at which every strategy still has a trial. Such trials were stopped by their budget, not at random: one
  that asks for costly architectures ends after fewer queries, so the estimate there is an approximation.
- The speed-up is the ratio of the two median costs to the same regret. A median beyond the horizon leaves a
  bound: at least (the baseline's is beyond), at most (the strategy's is), or nothing (both are). Its interval
  is a percentile bootstrap, trials resampled within each strategy. A resample with a bound counts with the
  bound's lower value for the low end, and its upper one for the high end, so the interval is wide enough for
  whatever the true cost is. The interval of the restricted mean is a percentile bootstrap, too. Both are
  missing where they are not resolvable (`benchkit.analysis.statistics.resolution`).
- The incumbent's regret may rise again where the search sees another column than the one that is judged. The
  first time counts; `held` counts the trials that end at or below the target.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchkit.analysis.statistics.bootstrap import resample_counts, resolved_interval, shared_draws
from benchkit.analysis.statistics.curves import trials_by_group
from benchkit.analysis.statistics.kaplan_meier import (
    median_cost,
    reached_share,
    resampled_medians,
    restricted_means,
)
from benchkit.analysis.statistics.resolution import FEWEST, resolved_ends

REACHING_COLUMNS = (
    *("dataset", "target", "strategy", "n", "reached", "held", "censored_early", "horizon"),
    *("share", "share_low", "share_high", "median", "median_low", "median_high"),
    *("restricted_mean", "restricted_mean_low", "restricted_mean_high"),
    *("speed_up", "speed_up_bound", "speed_up_low", "speed_up_high"),
)

_EQUAL = 1e-9  # percent points: a subtraction's rounding does not miss a target


def follow_up(
    traces: pd.DataFrame,
    axis: str = "queries",
    budgets: Mapping[str, float] | None = None,
    own_ends: bool = False,
) -> dict[tuple[str, str], float]:
    """Return the horizon of each strategy and data set.

    It is the data set's budget, or else where the first strategy has no trial left; with `own_ends` where the
    strategy itself has none left, for costs in which strategies differ by orders of magnitude.

    Raises
    ------
    ValueError : what `benchkit.analysis.statistics.curves.trials_by_group` raises, or a data set without a
        budget.
    """
    groups = trials_by_group(traces, axis)
    if budgets is not None:
        missing = {dataset for _, dataset in groups} - set(budgets)
        if missing:
            raise ValueError(f"there is no budget for data set {min(missing)}")
        return {key: budgets[key[1]] for key in groups}
    ends = {key: max(float(cost[-1]) for cost, _ in group) for key, group in groups.items()}
    if own_ends:
        return ends
    return {key: min(end for other, end in ends.items() if other[1] == key[1]) for key in groups}


def reaching_costs(
    traces: pd.DataFrame,
    target: float | Mapping[str, float],
    axis: str = "queries",
    budgets: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """Return what each trial paid to reach the target, or by when it had not.

    Parameters
    ----------
    traces : Frame with a row per evaluation (see `benchkit.analysis.statistics.frames`), in any order.
    target : regret in percent points, one for all data sets or one for each.
    axis : Cost, one of `benchkit.analysis.statistics.curves.cost_columns`.
    budgets : Budget of each data set where the study limited the axis: trials are followed up to it.

    Returns
    -------
    A row per trial, with the columns strategy, dataset, cost, reached, held (whether it ends at or below the
    target). Where `reached` is false, `cost` is where the trial was censored.

    Raises
    ------
    ValueError : a malformed frame, an unknown axis, or a target that is no number.
    """
    horizons = None if budgets is None else follow_up(traces, axis, budgets)
    rows = []
    for (strategy, dataset), group in trials_by_group(traces, axis).items():
        aim = target[dataset] if isinstance(target, Mapping) else target
        if not np.isfinite(aim):
            raise ValueError(f"a target is a regret, a number of percent points or units, got {aim}")
        for cost, regret in group:
            met = np.flatnonzero(regret <= aim + _EQUAL)
            end = float(cost[-1]) if horizons is None else horizons[strategy, dataset]
            first = float(cost[met[0]]) if len(met) else np.inf
            rows.append(
                {
                    "strategy": strategy,
                    "dataset": dataset,
                    "cost": min(first, end),
                    "reached": first <= end * (1 + _EQUAL),
                    "held": bool(regret[-1] <= aim + _EQUAL),
                }
            )
    return pd.DataFrame(rows)


def reaching(
    traces: pd.DataFrame,
    targets: Sequence[float] | Mapping[str, Sequence[float]],
    axis: str = "queries",
    budgets: Mapping[str, float] | None = None,
    baseline: str = "random-search",
    level: float = 0.95,
    resamples: int = 2_000,
    own_ends: bool = False,
) -> pd.DataFrame:
    """Return shares, costs and speed-ups: a row per data set, target and strategy.

    Parameters
    ----------
    traces : Frame with a row per evaluation (see `benchkit.analysis.statistics.frames`), in any order.
    targets : regrets in percent points, the same for all data sets or those of each.
    axis, budgets : see `reaching_costs`.
    own_ends : see `follow_up`. Shares and mean costs of two strategies are then not of the same horizon.
    baseline : Strategy that speed-ups are over.
    level, resamples : Coverage of the intervals, and number of bootstrap samples.

    Returns
    -------
    A frame with the columns `REACHING_COLUMNS`, in order of first appearance.

    - n, reached, held, censored_early: trials; those that reached the target within the horizon, that ended
      at or below it, that were censored before the horizon.
    - share: of trials that reached the target by the horizon, 0 to 1, with its interval.
    - median: cost; missing where it lies beyond the horizon, and so for the ends of its interval.
    - restricted_mean: mean cost where no trial pays more than the horizon.
    - speed_up: median cost of the baseline over that of the strategy; above 1 the strategy is faster.
      `speed_up_bound` is empty, ``>=`` or ``<=`` where it is only a bound, ``unknown`` where there is none;
      a missing high end is infinite where there is a low one. All are missing for the baseline, and where
      there is none.

    Raises
    ------
    ValueError : what `reaching_costs` and `reached_share` raise, or no targets.
    """
    ends = follow_up(traces, axis, budgets, own_ends)
    horizons = list(dict.fromkeys(dataset for _, dataset in ends))
    of_dataset = targets if isinstance(targets, Mapping) else dict.fromkeys(horizons, targets)
    most = max((len(of_dataset[dataset]) for dataset in horizons), default=0)
    if most == 0 or {len(of_dataset[dataset]) for dataset in horizons} != {most}:
        raise ValueError("every data set needs as many targets as the others, at least one")
    rows = []
    for i in range(most):
        aims = {dataset: float(of_dataset[dataset][i]) for dataset in horizons}
        trials = reaching_costs(traces, aims, axis, budgets)
        for dataset in horizons:
            here = trials[trials["dataset"] == dataset]
            rival = here[here["strategy"] == baseline]
            for strategy in dict.fromkeys(here["strategy"]):
                group = here[here["strategy"] == strategy]
                about = {"dataset": dataset, "target": aims[dataset], "strategy": strategy}
                summary = _summary(group, ends[strategy, dataset], level, resamples)
                if len(rival) and strategy != baseline:
                    both = (ends[baseline, dataset], ends[strategy, dataset])
                    summary |= _speed_up(rival, group, both, level, resamples)
                rows.append((horizons.index(dataset), {**about, **summary}))
    rows.sort(key=lambda row: row[0])  # stable: targets and strategies keep their order
    return pd.DataFrame([row for _, row in rows], columns=list(REACHING_COLUMNS))


def _summary(group: pd.DataFrame, horizon: float, level: float, resamples: int) -> dict[str, float | str]:
    """Return one strategy's row, but for its speed-up."""
    cost, reached = group["cost"].to_numpy(dtype=np.float64), group["reached"].to_numpy(dtype=bool)
    curve = reached_share(cost, reached, horizon, level)
    median = [np.nan if np.isinf(each) else each for each in median_cost(curve)]
    n = len(cost)
    mean = float(restricted_means(cost, reached, horizon, np.ones((1, n)))[0])
    low = high = np.array(np.nan)
    if n >= FEWEST:
        counts = _counts(n, 0, resamples)
        means = restricted_means(cost, reached, horizon, counts)
        low, high = resolved_interval(means, n, level)
    return {
        "n": n,
        "reached": int((reached & (cost <= horizon)).sum()),
        "held": int(group["held"].sum()),
        "censored_early": int((~reached & (cost < horizon)).sum()),
        "horizon": horizon,
        "share": float(curve.share[-1]),
        "share_low": float(curve.low[-1]),
        "share_high": float(curve.high[-1]),
        "median": median[0],
        "median_low": median[1],
        "median_high": median[2],
        "restricted_mean": mean,
        "restricted_mean_low": float(low),
        "restricted_mean_high": float(high),
        "speed_up_bound": "",
    }


def _speed_up(
    rival: pd.DataFrame,
    group: pd.DataFrame,
    horizons: tuple[float, float],
    level: float,
    resamples: int,
) -> dict[str, float | str]:
    """Return how much sooner than the baseline a strategy's median trial got there, with the interval.

    Parameters
    ----------
    horizons : Horizon of the baseline, and of the strategy.
    """
    medians = []
    for number, (trials, horizon) in enumerate(zip((rival, group), horizons, strict=True)):
        n = len(trials)
        counts = np.concatenate([np.ones((1, n)), _counts(n, 1 + number, resamples)])
        medians.append(resampled_medians(trials["cost"], trials["reached"], horizon, counts))
    slow, fast = medians
    shortest = np.minimum(fast, horizons[1])
    lowest = np.where(np.isinf(fast), 0.0, np.minimum(slow, horizons[0]) / shortest)
    highest = np.where(np.isinf(slow), np.inf, slow / shortest)
    bound = {(False, False): "", (True, False): ">=", (False, True): "<=", (True, True): "unknown"}[
        bool(np.isinf(slow[0])), bool(np.isinf(fast[0]))
    ]
    value = {"": highest[0], ">=": lowest[0], "<=": highest[0], "unknown": np.nan}[bound]
    found: dict[str, float | str] = {"speed_up": float(value), "speed_up_bound": bound}
    fewest = min(len(rival), len(group))
    if fewest < FEWEST:
        return found
    # no interpolation: it would turn an infinite neighbour into no number
    low = float(np.quantile(lowest[1:], (1 - level) / 2, method="lower"))
    high = float(np.quantile(highest[1:], (1 + level) / 2, method="higher"))
    if not np.isinf(high):
        low, high = (float(end) for end in resolved_ends(low, high, fewest))
    return found | {"speed_up_low": low, "speed_up_high": np.nan if np.isinf(high) else high}


def _counts(n: int, stream: int, resamples: int) -> npt.NDArray[np.uint16]:
    """Return uint16[resamples, n]; strategies with as many trials share them."""
    return np.concatenate(list(resample_counts(n, shared_draws(n, stream), resamples)))
