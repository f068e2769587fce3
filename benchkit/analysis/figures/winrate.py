"""Who beats whom: a matrix of the shares of seeds that a row's strategy wins against a column's.

What a cell says is told by `benchkit.analysis.statistics.pairwise`. A cell is printed bold where Wilcoxon's
signed-rank test, after Holm's correction over all pairs of the data set, tells the two apart. The colours go
from white to dark through one hue, so that the order survives in grey.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchkit.analysis.figures.style import venue_style
from benchkit.analysis.figures.text import method_texts, name_text

__all__ = ["WinInfo", "draw_wins", "win_info"]

_DARK = "#1f4e79"
_SIDE, _LARGEST, _PANEL = 0.175, 0.35, 1.2
"""Least width of a cell, for its digits, its largest, and the least of a panel, for its title; inches."""


class WinInfo(NamedTuple):
    """What the figure shows: `pairs` (see `pairwise`), the `datasets` as panels, and the level `alpha`."""

    pairs: pd.DataFrame
    datasets: tuple[str, ...]
    alpha: float


def win_info(pairs: pd.DataFrame, alpha: float = 0.05) -> WinInfo:
    """Return what the figure shows of the pairs.

    Parameters
    ----------
    pairs : see `benchkit.analysis.statistics.pairwise.pairwise`.
    alpha : level of the family of all pairs of a data set.

    Raises
    ------
    ValueError : no pairs, or a level out of range.
    """
    if len(pairs) == 0:
        raise ValueError("a matrix of wins needs two strategies that share a seed")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie strictly between 0 and 1, got {alpha}")
    return WinInfo(pairs, tuple(dict.fromkeys(pairs["dataset"])), alpha)


def draw_wins(info: WinInfo, venue: str = "neurips") -> Figure:
    """Draw a matrix for every data set, as many beside each other as can be read, all in one order.

    Raises
    ------
    ValueError : an unknown venue.
    """
    names = _names(info.pairs)
    with venue_style(venue) as page:
        labels = 0.052 * max(len(text) for text in method_texts(names).values()) + 0.15
        columns, side, room = 1, 0.0, page.text
        if len(info.datasets) == 1 and (page.column - labels - 0.1) / len(names) >= _SIDE:
            room = page.column
        for columns in range(min(len(info.datasets), 4), 0, -1):
            side = min(_LARGEST, (room - labels - 0.1 * columns) / (columns * len(names)))
            if side >= _SIDE and side * len(names) >= _PANEL:
                break
        rows = -(-len(info.datasets) // columns)
        width = labels + columns * (side * len(names) + 0.1)
        width = page.column if width <= page.column else page.text
        height = rows * (side * len(names) + 0.32) + 0.65 * labels + 0.3
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        for ax, dataset in zip(axes.ravel(), info.datasets, strict=False):
            _draw_matrix(ax, info.pairs[info.pairs["dataset"] == dataset], names, info.alpha)
            shown = name_text(str(dataset).replace(": ", ":\n"))
            ax.set_title(f"{shown} ($n$ = {_range(info.pairs[info.pairs['dataset'] == dataset]['n'])})")
        for ax in axes.ravel()[len(info.datasets) :]:
            ax.axis("off")
        figure.supxlabel(
            f"% of seeds won by the row's strategy; bold: $p$ < {info.alpha:g} after Holm", fontsize=7.5
        )
        _trim(figure)
    return figure


def _trim(figure: Figure) -> None:
    """Take away the height that the square cells leave empty."""
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    used = figure.get_tightbbox(canvas.get_renderer()).height
    figure.set_figheight(min(figure.get_figheight(), used + 0.06))


def _luminance(colour: tuple[float, float, float, float]) -> float:
    """Return relative luminance (WCAG 2.1); black and white stand out alike where it is 0.179."""
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour[:3]
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _names(pairs: pd.DataFrame) -> list[str]:
    """Return the strategies, those that win most on all data sets together first."""
    wins = pairs.groupby("row", sort=False)["wins"].mean().sort_values(ascending=False, kind="stable")
    return [str(name) for name in wins.index]


def _range(numbers: pd.Series[int]) -> str:
    low, high = int(numbers.min()), int(numbers.max())
    return f"{low}" if low == high else f"{low} to {high}"


def _draw_matrix(ax: Axes, pairs: pd.DataFrame, names: list[str], alpha: float) -> None:
    wins, p_values = (
        pairs.pivot(index="row", columns="column", values=each)
        .reindex(index=names, columns=names)
        .to_numpy(dtype=np.float64)
        for each in ("wins", "p_holm")
    )
    colours = seaborn.light_palette(_DARK, as_cmap=True)
    ax.imshow(wins, cmap=colours, vmin=0, vmax=1, aspect="equal")
    for (i, j), value in np.ndenumerate(wins):
        if np.isnan(value):
            continue
        ax.text(
            *(j, i, f"{100 * value:.0f}"),
            ha="center",
            va="center",
            fontsize=6,
            fontweight="bold" if p_values[i, j] < alpha else "normal",
            color="white" if _luminance(colours(float(value))) < 0.179 else "black",
        )
    texts = list(method_texts(names).values())
    ax.set_xticks(range(len(names)), texts, rotation=45, ha="right", rotation_mode="anchor")
    ax.set_yticks(range(len(names)), texts)
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
