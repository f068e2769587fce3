"""The sample-efficiency figure: regret of the incumbent against what was spent, a panel a data set.

`efficiency_info` computes, `draw_efficiency` draws what it is given.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, NullFormatter

from benchkit.analysis.curves import Axis, regret_curve
from benchkit.analysis.style import legend_below, method_look, venue_style

__all__ = ["EfficiencyInfo", "draw_efficiency", "efficiency_info"]

_AXIS_LABELS: dict[Axis, str] = {"queries": "queries", "seconds": "simulated time (s)"}
_MARKERS = 4
_FINEST = 0.01  # percent points: one image of ten thousand
_PANELS_A_ROW = 3


class EfficiencyInfo(NamedTuple):
    """What the figure shows.

    Attributes
    ----------
    curves : what `regret_curve` returns.
    axis : what x is.
    level : coverage of the band.
    split : the split that the regret is of, such as ``"validation"``; empty to leave it out.
    """

    curves: pd.DataFrame
    axis: Axis
    level: float
    split: str


def efficiency_info(
    traces: pd.DataFrame,
    axis: Axis = "queries",
    rng: np.random.Generator | None = None,
    split: str = "validation",
    level: float = 0.95,
) -> EfficiencyInfo:
    """Return the curves of a sample-efficiency figure (see `regret_curve` for what they are)."""
    return EfficiencyInfo(regret_curve(traces, axis, rng=rng, level=level), axis, level, split)


def draw_efficiency(info: EfficiencyInfo, venue: str = "neurips") -> Figure:
    """Draw a panel a data set, all strategies in each, one legend below.

    Both axes are logarithmic. Where a mean or a band reaches 0 (the table's best entry was found), the
    regret axis is linear from 0 to its smallest labelled power of ten, so that 0 is drawn as 0.

    Raises
    ------
    ValueError : an unknown venue, or no curves.
    """
    curves = info.curves
    datasets = list(dict.fromkeys(curves["dataset"]))
    strategies = list(dict.fromkeys(curves["strategy"]))
    if not datasets:
        raise ValueError("there are no curves to draw")
    with venue_style(venue) as page:
        columns = min(len(datasets), _PANELS_A_ROW)
        rows = -(-len(datasets) // columns)
        width = page.column if columns == 1 else page.text
        legend_rows = -(-(len(strategies) + 1) // _legend_columns(width))
        figure = Figure(figsize=(width, 1.75 * rows + 0.16 * legend_rows + 0.1), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        for ax, dataset in zip(axes, datasets, strict=False):
            _draw_panel(ax, curves[curves["dataset"] == dataset], strategies)
            ax.set_title(dataset)
        for ax in axes[len(datasets) :]:
            ax.remove()
        what = f"regret of the incumbent\n({info.split}, % points)" if info.split else "regret (% points)"
        for ax in axes[: len(datasets) : columns]:
            ax.set_ylabel(what)
        for ax in axes[max(0, len(datasets) - columns) : len(datasets)]:
            ax.set_xlabel(_AXIS_LABELS[info.axis])
        legend_below(figure, _legend_handles(info, strategies), _legend_columns(width), handlelength=2.6)
    return figure


def _draw_panel(ax: Axes, curves: pd.DataFrame, strategies: list[str]) -> None:
    """Draw one data set's curves and set both scales."""
    for number, strategy in enumerate(strategies):
        curve = curves[curves["strategy"] == strategy]
        if len(curve) == 0:
            continue
        look = method_look(strategy)
        x = curve["x"].to_numpy(dtype=np.float64)
        low, high = curve["low"].to_numpy(dtype=np.float64), curve["high"].to_numpy(dtype=np.float64)
        ax.fill_between(x, low, high, step="post", color=look.color, alpha=0.13, linewidth=0)
        ax.plot(
            x,
            curve["mean"],
            drawstyle="steps-post",
            color=look.color,
            linestyle=look.linestyle,
            marker=look.marker,
            markevery=_marker_places(x, number / len(strategies)),
            markeredgecolor="white",
            markeredgewidth=0.3,
        )
    _scale_cost(ax, curves)
    _scale_regret(ax, curves)
    ax.grid(axis="y", which="major", color="0.9")
    ax.set_axisbelow(True)
    seaborn.despine(ax=ax)


def _marker_places(x: npt.NDArray[np.float64], offset: float) -> list[int]:
    """Return a few indices spread over a logarithmic axis, shifted by `offset` (0 to 1) of their spacing."""
    if len(x) <= _MARKERS or x[0] <= 0:
        return list(range(0, len(x), max(1, len(x) // _MARKERS)))
    shares = (np.arange(_MARKERS) + 0.25 + 0.7 * offset) / _MARKERS
    places = np.searchsorted(x, x[0] * (x[-1] / x[0]) ** shares, side="right") - 1
    return sorted(set(places.tolist()))


def _scale_cost(ax: Axes, curves: pd.DataFrame) -> None:
    smallest, largest = float(curves["x"].min()), float(curves["x"].max())
    if smallest > 0 and largest > 5 * smallest:
        ax.set_xscale("log")
        ax.set_xticks(_logarithmic_ticks(smallest, largest))
        ax.xaxis.set_major_formatter(FuncFormatter(_plain_number))
        ax.xaxis.set_minor_formatter(NullFormatter())
    if largest > smallest:
        ax.set_xlim(smallest, largest)


def _scale_regret(ax: Axes, curves: pd.DataFrame) -> None:
    """Make the regret axis logarithmic, and linear below `_FINEST` where a curve gets to 0."""
    lowest = float(curves["low"].fillna(curves["mean"]).min())
    highest = float(curves["high"].fillna(curves["mean"]).max())
    means = curves.loc[curves["mean"] > 0, "mean"]
    if len(means) == 0:
        return
    floor = max(_FINEST, 10.0 ** np.floor(np.log10(float(means.min()))))
    top = 1.15 * max(highest, floor)
    if lowest < floor:
        ax.set_yscale("symlog", linthresh=floor, linscale=0.4)
        ax.set_ylim(-0.08 * floor, top)  # a line at 0 is not cut in half
        ticks = [0.0, *_logarithmic_ticks(floor, top)]
    else:
        ax.set_yscale("log")
        ax.set_ylim(lowest / 1.15, top)
        ticks = _logarithmic_ticks(lowest / 1.15, top)
    ax.set_yticks(ticks)
    ax.yaxis.set_major_formatter(FuncFormatter(_plain_number))
    ax.yaxis.set_minor_formatter(NullFormatter())


def _logarithmic_ticks(low: float, high: float) -> list[float]:
    """Return the powers of ten in a range, with more between where those are fewer than three."""
    exponents = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    ticks: list[float] = []
    for steps in ((1,), (1, 3), (1, 2, 5)):
        ticks = [step * 10.0**exponent for exponent in exponents for step in steps]
        ticks = [tick for tick in ticks if low * (1 - 1e-9) <= tick <= high * (1 + 1e-9)]
        if len(ticks) >= 3:
            break
    return ticks


def _plain_number(value: float, _: int) -> str:
    """Return a tick's text: a plain number where that is short, else a power of ten."""
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:,g}"
    exponent = int(np.floor(np.log10(abs(value))))
    factor = value / 10.0**exponent
    return rf"$10^{{{exponent}}}$" if np.isclose(factor, 1) else rf"${factor:g}\cdot 10^{{{exponent}}}$"


def _legend_columns(width: float) -> int:
    """Return how many entries fit beside each other."""
    return max(2, int(width / 1.35))


def _legend_handles(info: EfficiencyInfo, strategies: list[str]) -> list[Line2D | Patch]:
    """Return a line for each strategy, and one entry that says what line, band and n are."""
    curves = info.curves
    common = curves["n"].nunique() == 1
    handles: list[Line2D | Patch] = []
    for strategy in strategies:
        look = method_look(strategy)
        n = _range(curves.loc[curves["strategy"] == strategy, "n"])
        handles.append(
            Line2D(
                [],
                [],
                color=look.color,
                linestyle=look.linestyle,
                marker=look.marker,
                markeredgecolor="white",
                markeredgewidth=0.3,
                label=strategy if common else f"{strategy} ($n$ = {n})",
            )
        )
    band = rf"mean, {100 * info.level:g} % band"
    if common:
        band += rf", $n$ = {_range(curves['n'])}"
    return [*handles, Patch(color="0.5", alpha=0.3, linewidth=0, label=band)]


def _range(n: pd.Series[int]) -> str:
    fewest, most = int(n.min()), int(n.max())
    return f"{most}" if fewest == most else f"{fewest}–{most}"
