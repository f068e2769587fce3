"""Best-so-far curves: the regret of the incumbent against what was spent, mean and band over seeds.

A trial is a step function: at x it has the regret of its incumbent after the last evaluation whose
cumulative cost is at most x. Every trial of a strategy is read at the same x, so the mean at x is over
all its seeds, never over those that happen to have an evaluation there.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchkit.analysis.statistics.frames import check_traces
from benchkit.analysis.statistics.intervals import mean_intervals
from benchkit.analysis.statistics.resolution import FEWEST
from benchkit.base.errors import shown

Axis = Literal["queries", "seconds"]
"""The costs that every trace of a study has."""

CostlyTrial = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]
"""One trial: its cumulative cost and the regret of its incumbent after each step, both float64[n]."""

_GRID_POINTS = 512
_NO_COSTS = ("seed", "step", "score", "fidelity", "regret")


def cost_columns(traces: pd.DataFrame) -> list[str]:
    """Return the columns that a curve can be drawn against: queries, seconds, and what else was measured."""
    numbers = traces.select_dtypes("number").columns
    return [str(name) for name in numbers if name not in _NO_COSTS]


def step_values(
    cost: npt.NDArray[np.float64], value: npt.NDArray[np.float64], grid: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Read one trial's step function at the points of a grid.

    Parameters
    ----------
    cost : float64[n], cumulative, never decreasing.
    value : float64[n], the value from ``cost[i]`` until the next cost.
    grid : float64[m].

    Returns
    -------
    float64[m] : NaN before the first cost; the last value after the last.
    """
    last = np.searchsorted(cost, grid, side="right") - 1
    return np.where(last >= 0, value[last], np.nan)


def regret_curve(
    traces: pd.DataFrame,
    axis: str = "queries",
    grid: npt.ArrayLike | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Return the mean regret of the incumbent over seeds, with a bootstrap band, at points of a grid.

    Parameters
    ----------
    traces : Frame with a row per evaluation (see `benchkit.analysis.statistics.frames`), in any order.
    axis : Cost to draw against, one of `cost_columns`.
    grid : float[m], ascending, for all data sets. By default, for each data set, every cost at which
        there is an evaluation if those are at most 512, else about 512 of them in geometric progression.
    level : Coverage of the band, strictly between 0 and 1.

    Returns
    -------
    A frame with the columns strategy, dataset, x (in the axis' unit), n (trials), mean, low, high (regret
    in percent points; the ends are NaN where they are not resolvable), sorted by data set and strategy in
    order of first appearance, then x. A curve
    starts where all trials of the strategy have an evaluation, and ends where the last of them ends; a
    trial that ends sooner keeps its incumbent.

    Raises
    ------
    ValueError : a malformed frame or grid, an unknown axis, a cost that is missing or runs backwards.

    Notes
    -----
    The band at an x is the interval that `mean_intervals` gives these regrets everywhere, so a curve ends in
    the leaderboard's interval, and does not depend on which other strategies are in the frame.
    """
    points = None if grid is None else _checked_grid(grid)
    datasets = list(dict.fromkeys(traces["dataset"]))
    strategies = list(dict.fromkeys(traces["strategy"]))
    trials = trials_by_group(traces, axis)
    pieces = []
    for dataset in datasets:
        here = {s: trials[s, dataset] for s in strategies if (s, dataset) in trials}
        at = _default_grid(list(here.values())) if points is None else points
        for strategy, group in here.items():
            last = max(cost[-1] for cost, _ in group)
            values = np.stack([step_values(cost, regret, at) for cost, regret in group])
            kept = ~np.isnan(values).any(axis=0) & (at <= last)
            band = mean_intervals(values[:, kept], level=level)
            pieces.append(
                pd.DataFrame(
                    {
                        "strategy": strategy,
                        "dataset": dataset,
                        "x": at[kept],
                        "n": band.n,
                        "mean": band.mean,
                        "low": band.low,
                        "high": band.high,
                    }
                )
            )
    return pd.concat(pieces, ignore_index=True)


def few_trials(traces: pd.DataFrame, axis: str) -> dict[tuple[str, str], list[CostlyTrial]]:
    """Return the trials of each (strategy, dataset) that has two to four, too few for a band.

    Raises
    ------
    ValueError : what `trials_by_group` raises.
    """
    return {key: group for key, group in trials_by_group(traces, axis).items() if 1 < len(group) < FEWEST}


def trials_by_group(traces: pd.DataFrame, axis: str) -> dict[tuple[str, str], list[CostlyTrial]]:
    """Return the trials of each (strategy, dataset), in the order of their seeds.

    Raises
    ------
    ValueError : a malformed frame, an unknown axis, a cost that is missing or runs backwards.
    """
    known = cost_columns(traces)
    if axis not in known:
        raise ValueError(f"unknown axis {shown(axis)}; there are {', '.join(known) or 'none'}")
    check_traces(traces, ("strategy", "dataset", "seed", "step", "regret", axis))
    groups: dict[tuple[str, str], list[CostlyTrial]] = {}
    for strategy, dataset, seed, cost, regret in _runs(traces, axis):
        if np.isnan(cost).any():
            raise ValueError(f"traces have no {axis} for strategy {strategy}, dataset {dataset}, seed {seed}")
        if (np.diff(cost) < 0).any():
            raise ValueError(f"{axis} run backwards for strategy {strategy}, dataset {dataset}, seed {seed}")
        groups.setdefault((strategy, dataset), []).append((cost, regret))
    return groups


def _runs(
    traces: pd.DataFrame, axis: str
) -> Iterator[tuple[str, str, int, npt.NDArray[np.float64], npt.NDArray[np.float64]]]:
    """Yield each trial's strategy, dataset, seed, cost and regret, steps in order."""
    strategy, strategies = pd.factorize(traces["strategy"])
    dataset, datasets = pd.factorize(traces["dataset"])
    seed = traces["seed"].to_numpy()
    order = np.lexsort([traces["step"].to_numpy(), seed, dataset, strategy])
    strategy, dataset, seed = strategy[order], dataset[order], seed[order]
    cost = traces[axis].to_numpy(dtype=np.float64)[order]
    regret = traces["regret"].to_numpy(dtype=np.float64)[order]
    changes = (np.diff(strategy) != 0) | (np.diff(dataset) != 0) | (np.diff(seed) != 0)
    edges = [0, *(np.flatnonzero(changes) + 1), len(order)]
    for start, end in pairwise(edges):
        yield (
            str(strategies[strategy[start]]),
            str(datasets[dataset[start]]),
            int(seed[start]),
            cost[start:end],
            regret[start:end],
        )


def _default_grid(groups: list[list[CostlyTrial]]) -> npt.NDArray[np.float64]:
    """Return every distinct cost where those are few, else some, and where each curve starts and ends."""
    distinct = np.unique(np.concatenate([cost for group in groups for cost, _ in group]))
    if len(distinct) <= _GRID_POINTS:
        return distinct
    positive = distinct[distinct > 0]
    wanted = np.geomspace(positive[0], positive[-1], _GRID_POINTS)
    some = positive[np.maximum(np.searchsorted(positive, wanted, side="right") - 1, 0)]
    starts = [max(cost[0] for cost, _ in group) for group in groups]
    ends = [max(cost[-1] for cost, _ in group) for group in groups]
    return np.unique(np.concatenate([some, starts, ends]))


def _checked_grid(grid: npt.ArrayLike) -> npt.NDArray[np.float64]:
    points = np.asarray(grid, dtype=np.float64)
    if points.ndim != 1 or len(points) == 0 or not (np.diff(points) > 0).all():
        raise ValueError("grid must be a list of ascending numbers")
    return points
