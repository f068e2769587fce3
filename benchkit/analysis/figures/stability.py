"""Draws what searches would have returned, epoch by epoch: is it stable, and does it collapse?

The stability figure is Figure 3 of Xue et al., "Rethinking Bi-Level Optimization in Neural Architecture
Search: A Gibbs Sampling Perspective", AAAI 2021: the accuracy, trained alone, of the architecture derived
after each epoch. The collapse figure shows beside it the share of skip connections in that architecture, and
the entropy of what it was derived from: Wang et al., "SI-VDNAS: Semi-Implicit Variational Dropout for
Hierarchical One-shot Neural Architecture Search", 2020, claims that long searches do not fill with skip
connections.

Deviations and choices
----------------------
- The line of a method is the mean over its seeds. From five seeds on it has a band, the interval of the mean
  (`mean_over_trainings`), which stays within what the quantity can be; of fewer, which resolve no interval,
  each seed is drawn, thin, and the tables have their values. Where all seeds are equal the band has no width.
- Nothing is smoothed. A method that draws what it derives jumps from epoch to epoch, so of long searches
  (`LONG_SEARCH`) the panels stand above each other, as wide as the text; single seeds are points, and means
  are thin steps, solid, which only markers and colours tell apart. Of more than two methods these would
  still cover each other: each has panels of its own, on the same axes.
- A band may pass the best accuracy in the table; the axis cuts it off there, the tables keep it whole.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from benchkit.analysis.figures.style import (
    Look,
    band_handle,
    finish_axes,
    legend_below,
    line_handle,
    line_style,
    method_looks,
    venue_style,
)
from benchkit.analysis.figures.text import method_texts
from benchkit.analysis.statistics.resolution import FEWEST, PERCENT, SHARE, UNBOUNDED, Bounds
from benchkit.analysis.statistics.training_mean import mean_over_trainings

Axis = Literal["epochs", "updates"]
"""What x is: epochs of the search, or weight updates."""

BAND_SEEDS = FEWEST
"""Seeds from which a mean has a band; of fewer every seed is drawn."""

LONG_SEARCH = 50
"""Epochs above which lines would be too crowded: points and steps are drawn in their place."""

_COLUMNS: dict[Axis, str] = {"epochs": "epoch", "updates": "updates"}
_AXIS_LABELS: dict[Axis, str] = {"epochs": "epochs", "updates": "weight updates"}
_KEYS = ("method", "epoch", "updates")
_BOUNDS: dict[str, Bounds] = {"skips": SHARE, "entropy": SHARE, "accuracy": PERCENT}
_MARKERS = 5
_MARGIN = 0.05
_BEST: dict[str, Any] = {"color": "0.35", "linewidth": 0.7, "linestyle": (0, (6, 2))}


class EpochPanel(NamedTuple):
    """One panel.

    Attributes
    ----------
    measure : Column of the points that it shows.
    label : Text of its y axis.
    means : Row for each method and epoch: see `means_over_seeds`.
    low, high : Ends of its axis.
    line : Value to draw across it, or None.
    """

    measure: str
    label: str
    means: pd.DataFrame
    low: float
    high: float
    line: float | None = None


class SearchesInfo(NamedTuple):
    """What a figure shows.

    Attributes
    ----------
    points : Row for each search and epoch: method, seed, epoch, updates, and a column for each panel.
    panels : Panels from left to right.
    axis : Quantity on the x axis.
    level : Coverage of the bands.
    """

    points: pd.DataFrame
    panels: list[EpochPanel]
    axis: Axis
    level: float


def means_over_seeds(points: pd.DataFrame, measure: str, level: float = 0.95) -> pd.DataFrame:
    """Return the mean over seeds of one column, for each method and epoch.

    Parameters
    ----------
    points : Row for each method, seed and epoch, with the updates until then.
    measure : Column; rows where it is NaN are left out.
    level : Coverage of the interval.

    Returns
    -------
    A frame: method, epoch, updates, trainings (seeds), mean, sd, low, high, values; see
    `mean_over_trainings`. A column of other figures, or with values that are no percentages, has no bounds.
    """
    bounds = _BOUNDS.get(measure, UNBOUNDED)
    if not points[measure].dropna().between(*bounds).all():
        bounds = UNBOUNDED
    named = points.rename(columns={"seed": "training"})
    return mean_over_trainings(named, _KEYS, measure, level, bounds=bounds)


def stability_info(
    points: pd.DataFrame, label: str, optimum: float, axis: Axis = "epochs", level: float = 0.95
) -> SearchesInfo:
    """Return the stability figure's one panel.

    Parameters
    ----------
    points : Row for each method, seed and epoch: method, seed, epoch (from 1), updates, and accuracy
        (percent) of the architecture derived then, trained alone.
    label : Text of what the accuracy is.
    optimum : Best accuracy in the table, percent.
    axis : Quantity on the x axis.
    level : Coverage of the bands.

    Raises
    ------
    ValueError : no points, or a method with two figures for one seed and epoch.
    """
    _need_points(points)
    return SearchesInfo(points, [_accuracy_panel(points, label, optimum, level)], axis, level)


def collapse_info(
    points: pd.DataFrame,
    label: str = "",
    optimum: float | None = None,
    axis: Axis = "epochs",
    level: float = 0.95,
) -> SearchesInfo:
    """Return the panels of the collapse figure: skip connections, entropy, accuracy.

    Parameters
    ----------
    points : Frame as in `stability_info`, with skips and entropy, both shares in [0, 1]. Where no row has
        skips (a space without such an operation), that panel is left out.
    label, optimum : Values as in `stability_info`; where `optimum` is None (a space without a table), the
        accuracy is left out.

    Raises
    ------
    ValueError : as in `stability_info`.
    """
    _need_points(points)
    names = {"skips": "share of\nskip connections", "entropy": "entropy\n(share of largest)"}
    panels = [
        EpochPanel(measure, name, means_over_seeds(points, measure, level), -_MARGIN, 1 + _MARGIN)
        for measure, name in names.items()
        if points[measure].notna().any()
    ]
    if optimum is not None:
        panels.append(_accuracy_panel(points, label, optimum, level))
    return SearchesInfo(points, panels, axis, level)


def draw_searches(info: SearchesInfo, venue: str = "neurips") -> Figure:
    """Draw the panels, and one legend below.

    They stand beside each other; of long searches above each other, and of more than two methods of such
    every method has its own.

    Raises
    ------
    ValueError : an unknown venue.
    """
    methods = list(dict.fromkeys(info.points["method"]))
    with venue_style(venue) as page:
        cells = _cells(info, methods)
        grid = len(cells) > 1 and len(cells[0]) > 1
        width = page.column if len(info.panels) == 1 else page.text
        handles = _legend_handles(info, methods)
        most = max(2, int(width / 1.3))
        one = len(info.panels) == 1
        body = (2.3 if one else 1.8) if len(cells) == 1 else (1.1 if one else 1.45) * len(cells)
        figure = Figure(figsize=(width, body + 0.16 * -(-len(handles) // most)), layout="constrained")
        axes = figure.subplots(len(cells), len(cells[0]), squeeze=False)
        for ax, (panel, shown) in zip(axes.ravel(), [cell for row in cells for cell in row], strict=True):
            _draw_panel(ax, panel, info, {method: methods.index(method) / len(methods) for method in shown})
            ax.xaxis.set_major_locator(MaxNLocator(3 if grid else 5, integer=True, steps=[1, 2, 5, 10]))
            if len(cells) > 1:
                ax.label_outer()
        if grid:
            for ax, method in zip(axes[0], methods, strict=True):
                ax.set_title(method_texts(methods)[method])
        figure.align_ylabels(axes)
        legend_below(figure, handles, most, handlelength=2.6)
    return figure


def _cells(info: SearchesInfo, methods: list[str]) -> list[list[tuple[EpochPanel, list[str]]]]:
    """Return the rows of the figure: in each place a panel, and the methods that it shows."""
    if not _is_long(info):
        return [[(panel, methods) for panel in info.panels]]
    if len(methods) <= 2:
        return [[(panel, methods)] for panel in info.panels]
    if len(info.panels) == 1:
        return [[(info.panels[0], [method])] for method in methods]
    return [[(panel, [method]) for method in methods] for panel in info.panels]


def _is_long(info: SearchesInfo) -> bool:
    return int(info.points["epoch"].max()) > LONG_SEARCH


def _need_points(points: pd.DataFrame) -> None:
    if len(points) == 0:
        raise ValueError("there are no epochs of a search to draw")


def _accuracy_panel(points: pd.DataFrame, label: str, optimum: float, level: float) -> EpochPanel:
    lowest = float(points["accuracy"].min())
    room = _MARGIN * max(optimum - lowest, 1.0)
    means = means_over_seeds(points, "accuracy", level)
    return EpochPanel("accuracy", label, means, lowest - room, optimum + room, optimum)


def _draw_panel(ax: Axes, panel: EpochPanel, info: SearchesInfo, offsets: dict[str, float]) -> None:
    """Draw some methods into one place, each with the shift of its markers."""
    x, long = _COLUMNS[info.axis], _is_long(info)
    looks = method_looks(info.points["method"])
    for method, offset in offsets.items():
        look = looks[method]
        mean = panel.means[panel.means["method"] == method]
        single = info.points[info.points["method"] == method]
        seeds = single["seed"].nunique()
        if seeds >= BAND_SEEDS:
            low, high = (mean[end].fillna(mean["mean"]) for end in ("low", "high"))
            ax.fill_between(mean[x], low, high, color=look.color, alpha=0.15, linewidth=0)
        elif seeds > 1:
            for _, path in single.groupby("seed"):
                ax.plot(path[x], path[panel.measure], **_single_style(look.color, long))
        ax.plot(
            mean[x],
            mean["mean"],
            **_mean_style(look, long),
            drawstyle="steps-mid" if long else "default",
            markevery=_marker_places(len(mean), offset),
            zorder=3,
        )
    if panel.line is not None:
        ax.axhline(panel.line, zorder=1, **_BEST)
    largest = float(info.points[x].max())
    ax.set_xlim(0, largest * 1.02)
    ax.set_ylim(panel.low, panel.high)
    ax.set_xlabel(_AXIS_LABELS[info.axis])
    ax.set_ylabel(panel.label)
    finish_axes(ax)


def _single_style(color: str, long: bool) -> dict[str, Any]:
    if long:
        dots = {"linestyle": "", "marker": ".", "markersize": 2.8, "markeredgewidth": 0}
        return {"color": color, "alpha": 0.6, **dots}
    return {"color": color, "linewidth": 0.5, "alpha": 0.5}


def _mean_style(look: Look, long: bool) -> dict[str, Any]:
    thin = {"linestyle": "-", "linewidth": 0.7, "markersize": 5} if long else {}
    return line_style(look) | thin


def _marker_places(points: int, offset: float) -> list[int]:
    """Return a few indices spread over a line, shifted by `offset` (0 to 1) of their spacing."""
    shares = (np.arange(_MARKERS) + offset) / _MARKERS
    return sorted(set((shares * points).astype(int).tolist()))


def _legend_handles(info: SearchesInfo, methods: list[str]) -> list[Artist]:
    """Return a line for each method, and what the band, the thin lines and the line across are."""
    long = _is_long(info)
    seeds = info.points.groupby("method")["seed"].nunique()
    common = seeds.nunique() == 1
    handles: list[Artist] = []
    looks = method_looks(info.points["method"])
    texts = method_texts(methods)
    for method in methods:
        label = texts[method] if common else f"{texts[method]} ($n$ = {seeds[method]})"
        handles.append(line_handle(label, **_mean_style(looks[method], long)))
    said = f", $n$ = {seeds.iloc[0]}" if common else ""
    if (seeds >= BAND_SEEDS).any():
        handles.append(band_handle(f"mean, {100 * info.level:g} % band{said}"))
        said = ""
    if ((seeds > 1) & (seeds < BAND_SEEDS)).any():
        label = f"single seeds{said}; the line is their mean" if long else f"single seeds{said}, mean thick"
        handles.append(line_handle(label, **_single_style("0.5", long)))
    if any(panel.line is not None for panel in info.panels):
        handles.append(line_handle("best in the table", **_BEST))
    return handles
