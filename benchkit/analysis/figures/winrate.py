"""Draws who beats whom: a matrix of the shares of seeds that a row's strategy wins against a column's.

`benchkit.analysis.statistics.pairwise` says what a cell is. A cell is printed bold where Wilcoxon's
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

from benchkit.analysis.figures.style import luminance, venue_style
from benchkit.analysis.figures.text import method_texts, name_text, range_text

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
    pairs : Frame of pairs, see `benchkit.analysis.statistics.pairwise.pairwise`.
    alpha : Level of the family of all pairs of a data set.

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
    wins = info.pairs.groupby("row", sort=False)["wins"].mean().sort_values(ascending=False, kind="stable")
    names = [str(name) for name in wins.index]  # those that win most on all data sets together first
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
            pairs = info.pairs[info.pairs["dataset"] == dataset]
            _draw_matrix(ax, pairs, names, info.alpha)
            shown = name_text(str(dataset).replace(": ", ":\n"))
            ax.set_title(f"{shown} ($n$ = {range_text(pairs['n'], to=' to ')})")
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
            color="white" if luminance(colours(float(value))) < 0.179 else "black",
        )
    texts = list(method_texts(names).values())
    ax.set_xticks(range(len(names)), texts, rotation=45, ha="right", rotation_mode="anchor")
    ax.set_yticks(range(len(names)), texts)
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
