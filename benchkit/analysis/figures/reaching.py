"""Draws reached shares: how many trials reached a target regret by a cost, a panel a data set.

A share is one minus the Kaplan-Meier estimate (`benchkit.analysis.statistics.kaplan_meier`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, ScalarFormatter

from benchkit.analysis.figures.cost_axis import draw_cost_panels, scale_cost
from benchkit.analysis.figures.style import finish_axes, line_handle, line_style, method_looks
from benchkit.analysis.statistics.kaplan_meier import reached_share
from benchkit.analysis.statistics.reaching import follow_up, reaching_costs

_MARKERS = 4
_ORDERS = 1_000


class ReachingInfo(NamedTuple):
    """What the figure shows.

    Attributes
    ----------
    curves : Columns strategy, dataset, x (cost), n (trials), share, low, high (0 to 1), at_risk (trials).
    censored : Columns strategy, dataset, x, share: a row for each trial that was censored before the horizon.
    target : Regret, in percent points or in `unit`.
    axis : Cost on the x axis, a column of traces.
    level : Coverage of the band.
    unit : Unit of the target; empty for percent points, and for pure numbers.
    """

    curves: pd.DataFrame
    censored: pd.DataFrame
    target: float
    axis: str
    level: float
    unit: str = ""


def reaching_info(
    traces: pd.DataFrame,
    target: float,
    axis: str = "queries",
    budgets: Mapping[str, float] | None = None,
    level: float = 0.95,
    own_ends: bool = False,
    unit: str = "",
) -> ReachingInfo:
    """Return the curves of a figure of reached shares.

    Parameters
    ----------
    traces, target, axis, budgets : see `benchkit.analysis.statistics.reaching.reaching_costs`.
    own_ends : see `benchkit.analysis.statistics.reaching.follow_up`.
    level : Coverage of the band (pointwise, see `benchkit.analysis.statistics.kaplan_meier`).
    unit : Unit of the target, see `ReachingInfo`.

    Raises
    ------
    ValueError : what `reaching_costs` raises.
    """
    horizons = follow_up(traces, axis, budgets, own_ends)
    trials = reaching_costs(traces, target, axis, budgets)
    curves, marks = [], []
    for dataset in dict.fromkeys(map(str, traces["dataset"])):
        here = trials[trials["dataset"] == dataset]
        for strategy in dict.fromkeys(map(str, traces["strategy"])):
            group = here[here["strategy"] == strategy]
            if len(group) == 0:
                continue
            horizon = horizons[strategy, dataset]
            curve = reached_share(group["cost"], group["reached"], horizon, level)
            about = {"strategy": strategy, "dataset": dataset}
            shown = {"share": curve.share, "low": curve.low, "high": curve.high, "at_risk": curve.at_risk}
            curves.append(pd.DataFrame({**about, "x": curve.cost, "n": len(group), **shown}))
            cut = group.loc[~group["reached"] & (group["cost"] < horizon), "cost"].to_numpy(dtype=np.float64)
            there = curve.share[np.searchsorted(curve.cost, np.sort(cut), side="right") - 1]
            marks.append(pd.DataFrame({**about, "x": np.sort(cut), "share": there}))
    return ReachingInfo(
        pd.concat(curves, ignore_index=True), pd.concat(marks, ignore_index=True), target, axis, level, unit
    )


def draw_reaching(info: ReachingInfo, venue: str = "neurips") -> Figure:
    """Draw a panel a data set, all strategies in each, one legend below.

    The axis of the cost is linear from 0, as is the custom for such curves: here what is early is of no more
    interest; where strategies differ by more than a thousand times it is logarithmic. A short upright line on
    a curve is a trial that was censored before the horizon.

    Raises
    ------
    ValueError : an unknown venue, or no curves.
    """
    target = f"{info.target:g} {info.unit}".strip()
    censored = line_handle("trial ended (censored)", color="0.3", marker="|", linestyle="")
    return draw_cost_panels(
        info.curves,
        info.axis,
        venue,
        lambda ax, dataset, strategies: _draw_panel(ax, info, dataset, strategies),
        f"trials that reached a\nregret of {target} (%)",
        f"Kaplan–Meier, {100 * info.level:g} % band",
        [censored] if len(info.censored) else [],
        one_scale=True,
    )


def _draw_panel(ax: Axes, info: ReachingInfo, dataset: str, strategies: list[str]) -> None:
    curves = info.curves[info.curves["dataset"] == dataset]
    for number, (strategy, look) in enumerate(method_looks(strategies).items()):
        curve = curves[curves["strategy"] == strategy]
        if len(curve) == 0:
            continue
        x = curve["x"].to_numpy(dtype=np.float64)
        ax.fill_between(
            x, 100 * curve["low"], 100 * curve["high"], step="post", color=look.color, alpha=0.1, linewidth=0
        )
        places = _marker_places(x, number / len(strategies))
        ax.plot(x, 100 * curve["share"], drawstyle="steps-post", markevery=places, **line_style(look))
        cut = info.censored[(info.censored["dataset"] == dataset) & (info.censored["strategy"] == strategy)]
        ax.plot(
            cut["x"], 100 * cut["share"], color=look.color, marker="|", markersize=3, mew=0.4, linestyle=""
        )
    ends = curves.groupby("strategy")["x"].max()
    if ends.min() * _ORDERS < ends.max():
        scale_cost(ax, float(curves.loc[curves["x"] > 0, "x"].min()), float(ends.max()))
    else:
        ax.set_xlim(0, float(ends.max()))
        ax.xaxis.set_major_locator(MaxNLocator(5))
        numbers = ScalarFormatter(useMathText=True)
        numbers.set_powerlimits((-3, 5))  # one power of ten at the axis' end, where there are many digits
        ax.xaxis.set_major_formatter(numbers)
    ax.set_ylim(-2, 102)
    ax.set_yticks([0, 25, 50, 75, 100])
    finish_axes(ax)


def _marker_places(x: npt.NDArray[np.float64], offset: float) -> list[int]:
    """Return a few indices spread over a linear axis, shifted by `offset` (0 to 1) of their spacing."""
    shares = (np.arange(_MARKERS) + 0.25 + 0.7 * offset) / _MARKERS
    return sorted(set((np.searchsorted(x, x[-1] * shares, side="right") - 1).tolist()))
