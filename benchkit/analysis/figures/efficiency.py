"""Draws sample efficiency: regret of the incumbent against what was spent, a panel a data set."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchkit.analysis.figures.cost_axis import (
    draw_cost_panels,
    first_shown,
    from_cost,
    logarithmic_axis,
    marker_places,
    regret_scale,
    scale_cost,
)
from benchkit.analysis.figures.style import finish_axes, line_style, method_looks
from benchkit.analysis.statistics.curves import CostlyTrial, few_trials, regret_curve
from benchkit.analysis.statistics.resolution import FEWEST
from benchkit.base.measure import ACCURACY, Measure


class EfficiencyInfo(NamedTuple):
    """What the figure shows.

    Attributes
    ----------
    curves : Frame that `regret_curve` returns.
    axis : Cost on the x axis, a column of traces.
    level : Coverage of the band.
    split : Split that the regret is of, such as ``"validation"``; empty to leave it out.
    measure : Quantity of the regret; None for several, whose units differ.
    single : Trials of each (strategy, dataset) that has too few for a band.
    """

    curves: pd.DataFrame
    axis: str
    level: float
    split: str
    measure: Measure | None = ACCURACY
    single: Mapping[tuple[str, str], list[CostlyTrial]] = MappingProxyType({})


def efficiency_info(
    traces: pd.DataFrame,
    axis: str = "queries",
    split: str = "validation",
    level: float = 0.95,
    measure: Measure | None = ACCURACY,
) -> EfficiencyInfo:
    """Return the curves of a sample-efficiency figure (see `regret_curve` for what they are)."""
    curves = regret_curve(traces, axis, level=level)
    return EfficiencyInfo(curves, axis, level, split, measure, few_trials(traces, axis))


def draw_efficiency(info: EfficiencyInfo, venue: str = "neurips") -> Figure:
    """Draw a panel a data set, all strategies in each, one legend below.

    A mean over fewer than five trials has no band, and each trial is a thin line. Both axes are logarithmic;
    against queries the axis begins at 1. Where a mean or a band reaches 0 (the
    table's best entry was found), the regret axis is linear from 0 to its smallest labelled power of ten, so
    that 0 is drawn as 0.

    Raises
    ------
    ValueError : an unknown venue, or no curves.
    """
    band = f"mean, {100 * info.level:g} % band"
    if info.single:
        whole = not info.curves["low"].notna().any()
        band = "mean; single trials are thin" if whole else f"{band}; fewer than {FEWEST} trials: each thin"

    def draw(ax: Axes, dataset: str, strategies: list[str]) -> None:
        _draw_panel(ax, info.curves[info.curves["dataset"] == dataset], strategies, info)
        for (strategy, other), trials in info.single.items():
            if other == dataset:
                _draw_trials(ax, trials, method_looks(strategies)[strategy].color)

    return draw_cost_panels(info.curves, info.axis, venue, draw, _regret_label(info), band)


def _regret_label(info: EfficiencyInfo) -> str:
    measure = info.measure
    if measure is None:
        return "regret of the incumbent"
    if measure == ACCURACY:
        return f"regret of the incumbent\n({info.split}, % points)" if info.split else "regret (% points)"
    about = [part for part in (measure.named(info.split), measure.difference) if part]
    return f"regret of the incumbent\n({', '.join(about)})"


def _draw_panel(ax: Axes, curves: pd.DataFrame, strategies: list[str], info: EfficiencyInfo) -> None:
    """Draw one data set's curves and set both scales."""
    start = first_shown(info.axis, float(curves["x"].min()))
    shown = []
    for number, (strategy, look) in enumerate(method_looks(strategies).items()):
        curve = from_cost(curves[curves["strategy"] == strategy], start)
        if len(curve) == 0:
            continue
        shown.append(curve)
        x = curve["x"].to_numpy(dtype=np.float64)
        if curve["low"].notna().any():  # where all trials are equal the band has no width
            low, high = (curve[end].fillna(curve["mean"]).to_numpy(np.float64) for end in ("low", "high"))
            ax.fill_between(x, low, high, step="post", color=look.color, alpha=0.13, linewidth=0)
        places = marker_places(x, number / len(strategies))
        ax.plot(x, curve["mean"], drawstyle="steps-post", markevery=places, **line_style(look))
    visible = pd.concat(shown)
    scale_cost(ax, float(visible["x"].min()), float(visible["x"].max()))
    _scale_regret(ax, visible, info.measure)
    finish_axes(ax)


def _draw_trials(ax: Axes, trials: list[CostlyTrial], color: str) -> None:
    """Draw single trials; the axes that the means have set reach higher where a trial does."""
    ax.set_autoscale_on(False)
    first, highest = ax.get_xlim()[0], ax.get_ylim()[1]
    for cost, regret in trials:
        ax.plot(cost, regret, drawstyle="steps-post", color=color, linewidth=0.4, alpha=0.6)
        highest = max(highest, 1.05 * float(regret[cost >= first].max(initial=0.0)))
    ax.set_ylim(top=highest)


def _scale_regret(ax: Axes, curves: pd.DataFrame, measure: Measure | None) -> None:
    """Make the regret axis logarithmic, and linear near 0 where a curve gets to 0."""
    lowest = float(curves["low"].fillna(curves["mean"]).min())
    highest = float(curves["high"].fillna(curves["mean"]).max())
    scale = regret_scale(curves["mean"].to_numpy(dtype=np.float64), lowest, highest, measure)
    if scale is None:
        return
    if scale.floor is None:
        ax.set_yscale("log")
        ax.set_ylim(scale.low, scale.high)
    else:
        ax.set_yscale("symlog", linthresh=scale.floor, linscale=0.4)
        ax.set_ylim(-0.08 * scale.floor, scale.high)  # a line at 0 is not cut in half
    logarithmic_axis(ax.yaxis, scale.ticks)
