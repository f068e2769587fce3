"""Who beats whom: a matrix of the shares of seeds that a row's strategy wins against a column's.

What a cell says is told by `benchkit.analysis.pairwise`. A cell is printed bold where Wilcoxon's signed-rank
test, after Holm's correction over all pairs of the data set, tells the two apart. The colours go from white
to dark through one hue, so that the order survives in grey.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchkit.analysis.style import venue_style

__all__ = ["WinInfo", "draw_wins", "win_info"]

_SIDE, _PANEL = 0.175, 1.2
"""Least width of a cell, for its digits, and of a panel, for its title; inches."""


class WinInfo(NamedTuple):
    """What the figure shows: `pairs` (see `pairwise`), the `datasets` as panels, and the level `alpha`."""

    pairs: pd.DataFrame
    datasets: tuple[str, ...]
    alpha: float


def win_info(pairs: pd.DataFrame, alpha: float = 0.05) -> WinInfo:
    """Return what the figure shows of the pairs.

    Parameters
    ----------
    pairs : see `benchkit.analysis.pairwise.pairwise`.
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
        labels = 0.052 * max(len(name) for name in names) + 0.15
        columns, side = 1, 0.0
        for columns in range(min(len(info.datasets), 4), 0, -1):
            side = min(0.5, (page.text - labels - 0.1 * columns) / (columns * len(names)))
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
            shown = str(dataset).replace(": ", ":\n")
            ax.set_title(f"{shown} ($n$ = {_range(info.pairs[info.pairs['dataset'] == dataset]['n'])})")
        for ax in axes.ravel()[len(info.datasets) :]:
            ax.axis("off")
        figure.supxlabel(
            f"% of seeds won by the row's strategy; bold: $p$ < {info.alpha:g} after Holm", fontsize=7.5
        )
    return figure


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
    colours = seaborn.light_palette("#4c78a8", as_cmap=True)
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
            color="white" if value > 0.65 else "black",
        )
    ax.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
    ax.set_yticks(range(len(names)), names)
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
