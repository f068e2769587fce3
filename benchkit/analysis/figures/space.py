"""Draws a whole table: how good architectures are at a cost, the Pareto front, the ways of searches.

Deviations and choices
----------------------
- Thousands of architectures are shown as a density, on a grid in the axes' own scales, few as points. The
  density is rasterised also in vector files, which stay small; all else is lines.
- The y axis says accuracy as a rule, else any quantity in its unit (`benchkit.analysis.figures.score_scale`).
  It is never turned over: where lower is better, the front and the best are below.
- The front is drawn as the stairs of what can be had at a cost, which is what no architecture passes.
- The way of a search goes over its incumbents, in the order in which they were found. It may go down: a
  search sees one column of the table, the figure may show another.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, NullLocator

from benchkit.analysis.figures.cost_axis import logarithmic_axis, logarithmic_ticks, plain_number
from benchkit.analysis.figures.score_scale import ScoreScale, score_scale
from benchkit.analysis.figures.style import (
    Look,
    legend_below,
    line_handle,
    line_style,
    method_looks,
    venue_style,
)
from benchkit.analysis.figures.text import method_texts
from benchkit.analysis.statistics.pareto import pareto_front

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_FEW = 1_000
"""Up to so many architectures are shown as points."""
_CELLS = (90, 70)
"""Columns and rows of the density."""
_FAR_COSTS = 5.0
"""From this largest over smallest cost on the axis is logarithmic."""
_PATH_COLUMNS = ("strategy", "seed", "queries", "cost", "accuracy")
_GREYS = LinearSegmentedColormap.from_list("cloud", ["0.93", "0.45"])


class Density(NamedTuple):
    """How many architectures lie where.

    Attributes
    ----------
    cost_edges, accuracy_edges : Edges of cells, float64[c + 1], float64[r + 1], ascending.
    counts : Architectures in each cell, int64[c, r]; they sum to the architectures that are shown.
    """

    cost_edges: Floats
    accuracy_edges: Floats
    counts: Ints


class SpaceInfo(NamedTuple):
    """What the figure shows.

    Attributes
    ----------
    cost, accuracy : Values, float64[n], of the architectures that have both; `accuracy` is on the y axis.
    density : Density, where there are too many architectures for points, else None.
    front : Places, int64[m], in `cost` of the Pareto front; empty to leave it out.
    best : Place of the best on the y axis, of equals the cheapest.
    paths : Strategy, seed, queries, cost, accuracy: a row for each incumbent of each search, in order.
    cost_label, accuracy_label : Texts of the axes.
    source : Origin of the numbers, for the legend.
    unknown : Number of further architectures that lack one of the two.
    unit : Unit of the y axis, for the legend.
    higher_is_better : Whether higher is better on the y axis.
    lower_cost : Whether lower is better on the x axis.
    """

    cost: Floats
    accuracy: Floats
    density: Density | None
    front: Ints
    best: int
    paths: pd.DataFrame
    cost_label: str
    accuracy_label: str
    source: str
    unknown: int
    unit: str = "%"
    higher_is_better: bool = True
    lower_cost: bool = True

    @property
    def scale(self) -> ScoreScale:
        """The scale of the y axis."""
        return score_scale(self.accuracy, self.unit, self.higher_is_better)


def space_info(
    cost: npt.ArrayLike,
    accuracy: npt.ArrayLike,
    paths: pd.DataFrame | None = None,
    *,
    pareto: bool = True,
    cost_label: str = "cost",
    accuracy_label: str = "accuracy (%)",
    source: str = "",
    unit: str = "%",
    higher_is_better: bool = True,
    lower_cost: bool = True,
) -> SpaceInfo:
    """Return what a figure of a whole table shows.

    Parameters
    ----------
    cost, accuracy : Values, float[n]; NaN where unknown. `accuracy` may be any quantity.
    paths : Frame of strategy, seed, queries, cost, accuracy: a row for each incumbent, in the order found.
    pareto : Whether the front is shown.
    unit : Unit of the quantity on the y axis.
    higher_is_better, lower_cost : Better direction of each.

    Raises
    ------
    ValueError : arrays of different shapes, no architecture with both values, or paths without a column.
    """
    x, y = np.asarray(cost, dtype=np.float64), np.asarray(accuracy, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"needs a cost and a value each, got shapes {x.shape}, {y.shape}")
    known = np.isfinite(x) & np.isfinite(y)
    if not known.any():
        raise ValueError("no architecture has both the cost and what is drawn against it")
    ways = pd.DataFrame(columns=list(_PATH_COLUMNS)) if paths is None else paths
    missing = [column for column in _PATH_COLUMNS if column not in ways.columns]
    if missing:
        raise ValueError(f"paths lack the columns {', '.join(missing)}")
    x, y = x[known], y[known]
    front = pareto_front(x, y, lower_cost=lower_cost, higher_value=higher_is_better)
    return SpaceInfo(
        cost=x,
        accuracy=y,
        density=_density(x, y, score_scale(y, unit, higher_is_better)) if len(x) > _FEW else None,
        front=front if pareto else np.empty(0, dtype=np.int64),
        best=int(np.lexsort((x if lower_cost else -x, -y if higher_is_better else y))[0]),
        paths=ways.reset_index(drop=True),
        cost_label=cost_label,
        accuracy_label=accuracy_label,
        source=source,
        unknown=int((~known).sum()),
        unit=unit,
        higher_is_better=higher_is_better,
        lower_cost=lower_cost,
    )


def _density(cost: Floats, accuracy: Floats, scale: ScoreScale) -> Density:
    """Count architectures on a grid that is even in the axes' scales."""
    columns, rows = _CELLS
    x = np.log10(cost) if _far_costs(cost) else cost
    counts, x_edges, y_edges = np.histogram2d(x, scale.place(accuracy), bins=(columns, rows))
    return Density(
        10.0**x_edges if _far_costs(cost) else x_edges,
        scale.value(y_edges),
        counts.astype(np.int64),
    )


def _far_costs(cost: Floats) -> bool:
    return bool(cost.min() > 0 and cost.max() > _FAR_COSTS * cost.min())


def draw_space(info: SpaceInfo, venue: str = "neurips") -> Figure:
    """Draw one panel with all architectures, the front, the best, and the searches; a legend below.

    Raises
    ------
    ValueError : an unknown venue.
    """
    with venue_style(venue) as page:
        width = page.column
        handles = _handles(info)
        rows = -(-len(handles) // _columns(width))
        figure = Figure(figsize=(width, 0.55 * min(width, 4.6) + 0.5 + 0.16 * rows), layout="constrained")
        ax = figure.subplots()
        _scale(ax, info)
        _draw_cloud(figure, ax, info)
        if len(info.front):
            gain = info.accuracy[info.front] if info.higher_is_better else -info.accuracy[info.front]
            front = info.front[np.unique(gain, return_index=True)[1]]
            end = ax.get_xlim()[1 if info.lower_cost else 0]
            x, y = [*info.cost[front], end], [*info.accuracy[front], info.accuracy[front[-1]]]
            ax.plot(x, y, drawstyle="steps-post", color="white", linewidth=2.2, zorder=3)
            ax.plot(x, y, drawstyle="steps-post", **_FRONT, zorder=3.1)
        best = (info.cost[info.best], info.accuracy[info.best])
        looks = method_looks(info.paths["strategy"].astype(str))
        for (strategy, _), way in info.paths.groupby(["strategy", "seed"], sort=False):
            _draw_path(ax, looks[str(strategy)], way)
        ax.plot(*best, zorder=6, **_BEST)
        ax.set_xlabel(info.cost_label)
        ax.set_ylabel(info.accuracy_label)
        seaborn.despine(ax=ax)
        legend_below(figure, handles, _columns(width), handlelength=2.6)
    return figure


_FRONT: dict[str, Any] = {"color": "black", "linewidth": 0.9, "linestyle": "-"}
_BEST: dict[str, Any] = {
    "color": "black",
    "linestyle": "",
    "marker": "o",
    "markersize": 7.5,
    "fillstyle": "none",
    "markeredgewidth": 1.0,
    "clip_on": False,
}


def _columns(width: float) -> int:
    return 2 if width > 4 else 1


def _scale(ax: Axes, info: SpaceInfo) -> None:
    """Set both scales, with a little room around all that is shown."""
    low, high = float(info.cost.min()), float(info.cost.max())
    if _far_costs(info.cost):
        ax.set_xscale("log")
        room = (high / low) ** 0.02
        ax.set_xlim(low / room, high * room)
        logarithmic_axis(ax.xaxis, logarithmic_ticks(low / room, high * room))
    else:
        room = 0.02 * (high - low) or 0.02 * abs(high) or 1.0
        ax.set_xlim(low - room, high + room)
    info.scale.set_up(ax, float(info.accuracy.min()), float(info.accuracy.max()))


def _draw_cloud(figure: Figure, ax: Axes, info: SpaceInfo) -> None:
    density = info.density
    if density is None:
        ax.plot(info.cost, info.accuracy, **_POINT, zorder=1)
        return
    shown = np.ma.masked_equal(density.counts, 0)
    norm = LogNorm(1, max(2, int(density.counts.max())))
    edges = (density.cost_edges, density.accuracy_edges)
    ax.pcolormesh(*edges, shown.T, norm=norm, cmap=_GREYS, rasterized=True, zorder=1)
    bar = figure.colorbar(ScalarMappable(norm, _GREYS), ax=ax, pad=0.02, fraction=0.04, aspect=30)
    bar.set_label("architectures in a cell")
    bar.set_ticks([tick for tick in (1, 10, 100, 1_000, 10_000) if tick <= max(2, density.counts.max())])
    bar.ax.yaxis.set_major_formatter(FuncFormatter(plain_number))
    bar.ax.yaxis.set_minor_locator(NullLocator())
    bar.outline.set_linewidth(0.4)


_POINT: dict[str, Any] = {
    "linestyle": "",
    "marker": "o",
    "markersize": 2.6,
    "markerfacecolor": "0.7",
    "markeredgecolor": "0.5",
    "markeredgewidth": 0.3,
}


def _draw_path(ax: Axes, look: Look, way: pd.DataFrame) -> None:
    """Draw one search: a line over its incumbents, the last one larger."""
    ax.plot(way["cost"], way["accuracy"], color="white", linewidth=2.0, zorder=4)
    ax.plot(way["cost"], way["accuracy"], zorder=4.1, **line_style(look))
    large: dict[str, Any] = {"markersize": 6.5, "markeredgewidth": 0.5, "linestyle": "", "clip_on": False}
    ax.plot(way["cost"].iloc[-1:], way["accuracy"].iloc[-1:], zorder=5, **(line_style(look) | large))


def _best_label(info: SpaceInfo) -> str:
    value = float(info.accuracy[info.best])
    if info.unit == "%" and info.higher_is_better:
        return f"best: {value:.2f} %"
    which = "highest" if info.higher_is_better else "lowest"
    return f"best ({which}): {value:.4g} {info.unit}".strip()


def _handles(info: SpaceInfo) -> list[Line2D | Patch]:
    """Return what the legend says: which numbers, how many, and of each method which searches."""
    n = f"{len(info.cost):,}"
    total = f" of {len(info.cost) + info.unknown:,}" if info.unknown else ""
    cloud = f"$n$ = {n}{total} architectures{', ' if info.source else ''}{info.source}"
    handles: list[Line2D | Patch] = []
    if info.density is None:
        handles.append(line_handle(cloud, **_POINT))
    else:
        handles.append(Patch(color=_GREYS(0.6), linewidth=0, label=cloud))
    if len(info.front):
        handles.append(line_handle(f"Pareto front ({len(info.front)})", **_FRONT))
    handles.append(line_handle(_best_label(info), **_BEST))
    looks = method_looks(info.paths["strategy"].astype(str))
    texts = method_texts(looks)
    for strategy, ways in info.paths.groupby("strategy", sort=False):
        seeds = list(dict.fromkeys(ways["seed"].astype(int)))
        which = f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {', '.join(map(str, seeds))}"
        label = f"{texts[str(strategy)]}, {which}"
        handles.append(line_handle(label, **line_style(looks[str(strategy)])))
    return handles
