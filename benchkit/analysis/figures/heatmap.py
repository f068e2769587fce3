"""Draws a matrix of rank correlations as a heat map; its diagonal is the agreement of two trainings.

`heatmap_info` chooses the rows, `draw_heatmap` draws them. One hue from light to dark, with the figures
printed in the cells, so that it can be read in grey; they are black or white, whichever stands out more
(WCAG 2.1, relative luminance). A cell without a figure says why where there is room, else it is empty.
"""

from __future__ import annotations

import textwrap
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import seaborn
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchkit.analysis.figures.style import luminance, venue_style
from benchkit.analysis.figures.text import MEASURES, name_text, range_text
from benchkit.analysis.statistics.resolution import UNDEFINED, UNRESOLVED, figure_text, told_from_zero

_INTERVAL_SIDE = 0.46
"""Least width of a cell that has its interval printed, in inches."""
_FIGURE_SIDE = 0.16
"""Least width of a cell that has its figure printed, in inches."""
_LARGEST = 0.8
_NAME_WIDTH = 26  # characters of a line of a name
_GAP, _BAR, _BAR_LABELS = 0.08, 0.11, 0.45  # inches: beside the cells, of the colour bar, of what it says
_PALETTE = seaborn.light_palette("#17446b", as_cmap=True)


class HeatmapInfo(NamedTuple):
    """What the figure shows.

    Attributes
    ----------
    names : Names of the columns, in their order.
    value, low, high : Correlations, float64[names, names]; the diagonal is the ceiling, or NaN.
    n : Smallest and largest number of architectures of a pair.
    measure, fraction : Measure of the figures, and the share of the best within which it is.
    level : Coverage of the intervals.
    unresolved : Names of the columns whose ceiling is not resolvable, and so has no value.
    """

    names: tuple[str, ...]
    value: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    n: tuple[int, int]
    measure: str
    fraction: float
    level: float
    unresolved: tuple[str, ...] = ()


def heatmap_info(
    matrix: pd.DataFrame, measure: str = "kendall_tau", fraction: float = 1.0, level: float = 0.95
) -> HeatmapInfo:
    """Return one measure of a matrix.

    Parameters
    ----------
    matrix : Frame of pairs, see `benchkit.analysis.statistics.correlation_matrix.correlation_matrix`.
    level : Coverage of its intervals.

    Raises
    ------
    ValueError : it has no such measure or fraction.
    """
    chosen = matrix[(matrix["measure"] == measure) & (matrix["fraction"] == fraction) & matrix["k"].isna()]
    if len(chosen) == 0:
        raise ValueError(f"the matrix has no {measure} within the best {100 * fraction:g} %")
    names = tuple(dict.fromkeys([*chosen["row"], *chosen["column"]]))
    value, low, high = (
        chosen.pivot(index="row", columns="column", values=each)
        .reindex(index=names, columns=names)
        .to_numpy(dtype=np.float64, copy=True)
        for each in ("value", "low", "high")
    )
    doubtful = [i for i in range(len(names)) if value[i, i] == value[i, i] and not told_from_zero(low[i, i])]
    value[doubtful, doubtful] = np.nan
    pairs = chosen[chosen["row"] != chosen["column"]]["n"]
    n = (int(pairs.min()), int(pairs.max()))
    unresolved = tuple(names[i] for i in doubtful)
    return HeatmapInfo(names, value, low, high, n, measure, fraction, level, unresolved)


def draw_heatmap(info: HeatmapInfo, venue: str = "neurips") -> Figure:
    """Draw the matrix; intervals stand in the cells where there is room for them.

    Raises
    ------
    ValueError : an unknown venue.
    """
    with venue_style(venue) as page:
        names = [_wrapped(name) for name in info.names]
        beside, below = _room(names)
        cells, others = len(names), beside + _GAP + _BAR + _BAR_LABELS
        side = (page.column - others) / cells
        if side < _INTERVAL_SIDE:
            side = (page.text - others) / cells
        side = min(side, _LARGEST)
        title = _title(info, side >= _INTERVAL_SIDE, others + side * cells)
        above = 0.16 * (title.count("\n") + 1) + 0.08
        width, height = others + side * cells, below + side * cells + above
        # placed by hand: constrained layout cuts names off beside square cells with a colour bar
        figure = Figure(figsize=(width, height))
        square = (beside / width, below / height, side * cells / width, side * cells / height)
        ax = figure.add_axes(square)
        lowest = float(np.nanmin(np.append(info.value, 0.0)))
        image = ax.imshow(info.value, cmap=_PALETTE, vmin=lowest, vmax=1, aspect="auto")
        _print_figures(ax, info, side, lowest)
        ax.set_xticks(range(cells), names, rotation=45, ha="right", rotation_mode="anchor")
        ax.set_yticks(range(cells), names)
        ax.set_xticks(np.arange(cells + 1) - 0.5, minor=True)
        ax.set_yticks(np.arange(cells + 1) - 0.5, minor=True)
        ax.grid(which="minor", color="white", linewidth=0.6)
        ax.tick_params(which="both", length=0)
        for spine in ax.spines.values():
            spine.set_visible(False)
        left = (beside + side * cells + _GAP) / width
        bar = figure.colorbar(image, cax=figure.add_axes((left, square[1], _BAR / width, square[3])))
        within = "" if info.fraction == 1 else f", best {100 * info.fraction:g} % of the row"
        bar.set_label(f"{MEASURES.get(info.measure, info.measure)}{within}")
        bar.outline.set_visible(False)
        figure.text(0.5, 1 - 0.04 / height, title, ha="center", va="top")
    return figure


def _room(names: list[str]) -> tuple[float, float]:
    """Return the inches that names take beside the cells, and slanted below them."""
    figure = Figure()
    canvas: Any = FigureCanvasAgg(figure)
    renderer, size = canvas.get_renderer(), rcParams["xtick.labelsize"]
    boxes = [figure.text(0, 0, name, fontsize=size).get_window_extent(renderer) for name in names]
    longest = max(box.width for box in boxes) / figure.dpi
    highest = max(box.height for box in boxes) / figure.dpi
    return longest + 0.1, 0.71 * (longest + highest) + 0.1


def _title(info: HeatmapInfo, intervals: bool, width: float) -> str:
    said = [f"$n$ = {range_text(info.n, ',', ' to ')} architectures"]
    if intervals:
        said.append(f"[{100 * info.level:g} % interval]")
    if not np.isnan(np.diag(info.value)).all():
        said.append("diagonal: run against run")
    return textwrap.fill("; ".join(said), int(17 * width), break_long_words=False)


def _print_figures(ax: Axes, info: HeatmapInfo, side: float, lowest: float) -> None:
    if side < _FIGURE_SIDE:
        return
    roomy = side >= _INTERVAL_SIDE
    size = min(6.5, 12.5 * side) if roomy else min(6.5, 26 * side)
    for (i, j), value in np.ndenumerate(info.value):
        if np.isnan(value):
            if roomy and (i != j or info.names[i] in info.unresolved):
                said = UNDEFINED if i != j else UNRESOLVED.replace(" ", "\n")
                ax.text(j, i, said, ha="center", va="center", fontsize=size, fontstyle="italic", color="0.3")
            continue
        text = f"{value:.2f}"
        if roomy:
            text = figure_text(value, info.low[i, j], info.high[i, j]).replace(" ", "\n", 1)
        ax.text(
            *(j, i, text),
            ha="center",
            va="center",
            fontsize=size,
            fontstyle="italic" if i == j else "normal",
            color="white" if luminance(_PALETTE((value - lowest) / (1 - lowest))) < 0.18 else "black",
            linespacing=1.15,
        )


def _wrapped(name: str) -> str:
    """Return a long name in lines, broken after its study or between its words."""
    lines = name_text(name, 4 * _NAME_WIDTH).replace(":", ":\n").split("\n")
    return "\n".join(each for line in lines for each in textwrap.wrap(line, _NAME_WIDTH) or [line])
