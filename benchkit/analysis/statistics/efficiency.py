"""Sample efficiency: the area under the best-so-far regret curve, and the regret at given budgets.

The area sums a whole search up in one number. It is the mean regret of the incumbent while the budget is
spent, integral of the regret from 0 to the budget over the budget, so its unit is that of the regret: percent
points. Two searches that end equally well differ in it by how soon they got there.

Deviations and choices
----------------------
- A trial is the step function of `benchkit.analysis.statistics.curves`. Until its first evaluation is paid
  for there is no incumbent; the regret of the first one stands for that time. The area of a search with one
  regret is that regret, and no search gains from a first evaluation that is slow.
- A trial that ends sooner keeps its incumbent up to the budget. Against a cost that the study did not limit,
  this would reward trials that were cut off; there the default budget is where the first trial of the data
  set ends, so that every curve is known from end to end (`common_ends`).
- The incumbent is what the search holds for best. Where it sees another column than the one that is judged,
  its regret may rise, and the area counts that.
- Over several data sets: the mean over data sets of their means, each with the same weight, for strategies
  that all of them have. Trials are resampled within each data set (stratified bootstrap).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchkit.analysis.statistics.curves import CostlyTrial, step_values, trials_by_group
from benchkit.analysis.statistics.intervals import stratified_mean_intervals

EFFICIENCY_COLUMNS = (
    *("dataset", "strategy", "n", "budget"),
    *("area", "area_low", "area_high", "regret", "regret_low", "regret_high"),
)

ALL_DATASETS = "mean of data sets"
"""What stands for the data set in rows over all of them."""


def curve_area(cost: npt.NDArray[np.float64], regret: npt.NDArray[np.float64], budget: float) -> float:
    """Return the mean of a trial's step function from 0 to the budget.

    Parameters
    ----------
    cost : float64[n], n >= 1, cumulative, never decreasing.
    regret : float64[n], percent points, from ``cost[i]`` until the next cost; the first one from 0 on.
    budget : Budget above 0, in the unit of `cost`.
    """
    ends = np.minimum(np.append(cost[1:], np.inf), budget)
    starts = np.minimum(np.concatenate([[0.0], cost[1:]]), budget)
    return float(regret @ (ends - starts) / budget)


def common_ends(traces: pd.DataFrame, axis: str = "queries") -> dict[str, float]:
    """Return, for each data set, the cost at which the first of its trials ends.

    Raises
    ------
    ValueError : what `benchkit.analysis.statistics.curves.trials_by_group` raises.
    """
    ends: dict[str, float] = {}
    for (_, dataset), group in trials_by_group(traces, axis).items():
        here = min(float(cost[-1]) for cost, _ in group)
        ends[dataset] = min(here, ends.get(dataset, np.inf))
    return ends


def common_starts(traces: pd.DataFrame, axis: str = "queries") -> dict[str, float]:
    """Return, for each data set, the cost at which the last of its trials has an evaluation.

    Raises
    ------
    ValueError : see `common_ends`.
    """
    starts: dict[str, float] = {}
    for (_, dataset), group in trials_by_group(traces, axis).items():
        here = max(float(cost[0]) for cost, _ in group)
        starts[dataset] = max(here, starts.get(dataset, 0.0))
    return starts


def sample_efficiency(
    traces: pd.DataFrame,
    axis: str = "queries",
    budgets: Mapping[str, Sequence[float]] | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Return area and regret at each budget: a row per data set, strategy and budget.

    Parameters
    ----------
    traces : Frame with a row per evaluation (see `benchkit.analysis.statistics.frames`), in any order.
    axis : Cost, one of `benchkit.analysis.statistics.curves.cost_columns`.
    budgets : Budgets of each data set, equally many, in the unit of the axis; by default `common_ends`.
    level : Coverage of the intervals, strictly between 0 and 1.

    Returns
    -------
    A frame with the columns `EFFICIENCY_COLUMNS`, data sets and strategies in order of first appearance.

    - n: trials; over all data sets the sum of theirs.
    - budget: missing in rows over data sets whose budgets differ.
    - area, regret: means in percent points, with the interval; its ends are missing where it is not
      resolvable (`benchkit.analysis.statistics.resolution`).

    With several data sets, rows of `ALL_DATASETS` follow.

    Raises
    ------
    ValueError : a malformed frame, an unknown axis, budgets that do not fit, or one that a trial spent before
        its first evaluation was over.

    Notes
    -----
    Samples of one size share their resamples (`benchkit.analysis.statistics.bootstrap`), so a row depends
    neither on the order of the rows nor on which other strategies are in the frame.
    """
    trials = trials_by_group(traces, axis)
    datasets = list(dict.fromkeys(str(name) for name in traces["dataset"]))
    strategies = list(dict.fromkeys(str(name) for name in traces["strategy"]))
    if budgets is None:
        budgets = {dataset: (end,) for dataset, end in common_ends(traces, axis).items()}
    _check_budgets(budgets, datasets)
    figures = {
        (strategy, dataset): _figures(group, budgets[dataset], axis, f"{strategy} on {dataset}")
        for (strategy, dataset), group in trials.items()
    }
    rows: list[dict[str, object]] = []
    groups: list[tuple[tuple[str, ...], str]] = [((dataset,), dataset) for dataset in datasets]
    if len(datasets) > 1:
        groups.append((tuple(datasets), ALL_DATASETS))
    for members, name in groups:
        for strategy in strategies:
            strata = [figures[strategy, member] for member in members if (strategy, member) in figures]
            if len(strata) < len(members):
                continue
            found = stratified_mean_intervals(strata, level=level)
            for i in range(len(budgets[members[0]])):
                same = {float(budgets[member][i]) for member in members}
                budget = same.pop() if len(same) == 1 else np.nan
                about = {"dataset": name, "strategy": strategy, "n": found.n, "budget": budget}
                rows.append(about | found.at(2 * i).named("area") | found.at(2 * i + 1).named("regret"))
    return pd.DataFrame(rows)[list(EFFICIENCY_COLUMNS)]


def _check_budgets(budgets: Mapping[str, Sequence[float]], datasets: Sequence[str]) -> None:
    missing = [dataset for dataset in datasets if dataset not in budgets]
    if missing:
        raise ValueError(f"there is no budget for data set {missing[0]}")
    if len({len(budgets[dataset]) for dataset in datasets}) != 1:
        raise ValueError("every data set needs as many budgets as the others")
    for dataset in datasets:
        wrong = [budget for budget in budgets[dataset] if not 0 < budget < np.inf]
        if wrong or not len(budgets[dataset]):
            raise ValueError(f"budgets are positive numbers, got {wrong[0] if wrong else 'none'}")


def _figures(
    group: Sequence[CostlyTrial], budgets: Sequence[float], axis: str, what: str
) -> npt.NDArray[np.float64]:
    """Return float64[n, 2 m]: of each trial the area and the regret at each of m budgets, in turn."""
    latest = max(float(cost[0]) for cost, _ in group)
    least = float(min(budgets))
    if least < latest:
        raise ValueError(
            f"a budget of {least:g} {axis} ends before the first evaluation of {what}, which costs up to "
            f"{latest:g}: give a larger one"
        )
    at = np.asarray(budgets, dtype=np.float64)
    return np.stack(
        [
            np.column_stack(
                [[curve_area(cost, regret, budget) for budget in at], step_values(cost, regret, at)]
            ).ravel()
            for cost, regret in group
        ]
    )
