"""Draws the critical-difference diagram (Demsar 2006, figure 1): average ranks, a panel a data set.

A panel's blocks are the seeds that all strategies of the data set share; what follows from such blocks, and
what does not, is said in `benchkit.analysis.statistics.ranking`. The diagram is drawn here because
`scikit_posthocs.critical_difference_diagram` stacks its bars in the order of a set of strings, which changes
from one process to the next; figures here are the same bytes every time.
"""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

from benchkit.analysis.figures.style import method_looks, venue_style
from benchkit.analysis.figures.text import method_texts, name_text
from benchkit.analysis.statistics.frames import check_trials
from benchkit.analysis.statistics.ranking import (
    Friedman,
    average_ranks,
    critical_difference,
    friedman_test,
    indistinct_groups,
    regret_by_seed,
)

_LABEL_SIZE = 7.5  # points
_SHORTEST_AXIS = 1.5  # inches
_ROW = 0.145  # inches between two labels
_BAR = 0.07  # inches between two bars of a group
_TITLE = 0.22  # inches of the heading; where it takes a second line, as much again, less the gap
_SECOND_LINE = 0.15
_AXIS = 0.34  # inches of the critical difference's bar and the axis' numbers


class RankPanel(NamedTuple):
    """One data set's ranks.

    Attributes
    ----------
    dataset : Name of the data set.
    blocks : Number of seeds that all strategies share.
    strategies, ranks : Names and average ranks, from the best average rank to the worst.
    friedman : Test of all strategies at once.
    critical_difference : Critical difference of Nemenyi's test.
    groups : Positions (first, last) of strategies that Nemenyi's test does not tell apart.
    """

    dataset: str
    blocks: int
    strategies: tuple[str, ...]
    ranks: tuple[float, ...]
    friedman: Friedman
    critical_difference: float
    groups: tuple[tuple[int, int], ...]


class RankInfo(NamedTuple):
    """What the figure shows: its `panels`, and the level `alpha` of Nemenyi's test."""

    panels: tuple[RankPanel, ...]
    alpha: float


def rank_info(trials: pd.DataFrame, alpha: float = 0.05) -> RankInfo:
    """Return ranks, tests and groups of every data set, in order of first appearance.

    A data set on which fewer than two strategies share a seed has no ranks, and is left out.

    Parameters
    ----------
    trials : Row per (strategy, dataset, seed) (see `benchkit.analysis.statistics.frames`).

    Raises
    ------
    ValueError : a malformed frame, or no data set is left.
    """
    check_trials(trials, ("strategy", "dataset", "seed", "regret"))
    panels = []
    for dataset in dict.fromkeys(trials["dataset"]):
        table = regret_by_seed(trials[trials["dataset"] == dataset])
        blocks, k = table.shape
        if k < 2 or blocks < 1:
            continue
        ranks = pd.Series(average_ranks(table), index=table.columns).sort_values(kind="stable")
        difference = critical_difference(k, blocks, alpha)
        panels.append(
            RankPanel(
                dataset=str(dataset),
                blocks=blocks,
                strategies=tuple(ranks.index),
                ranks=tuple(ranks.tolist()),
                friedman=friedman_test(table),
                critical_difference=difference,
                groups=tuple(indistinct_groups(ranks.tolist(), difference)),
            )
        )
    if not panels:
        raise ValueError("ranks need a data set on which two strategies share a seed")
    return RankInfo(tuple(panels), alpha)


def rank_frame(info: RankInfo) -> pd.DataFrame:
    """Return the figure's numbers: a row for each strategy and data set, with the data set's tests."""
    return pd.DataFrame(
        [
            {
                "dataset": panel.dataset,
                "strategy": strategy,
                "n": panel.blocks,
                "rank": rank,
                "friedman_statistic": panel.friedman.statistic,
                "friedman_p": panel.friedman.p_value,
                "critical_difference": panel.critical_difference,
                "alpha": info.alpha,
            }
            for panel in info.panels
            for strategy, rank in zip(panel.strategies, panel.ranks, strict=True)
        ]
    )


def draw_ranks(info: RankInfo, venue: str = "neurips") -> Figure:
    """Draw a diagram a data set, one below the other, the best rank at the left.

    Labels stand on both sides where the column is wide enough, else all at the left.

    Raises
    ------
    ValueError : an unknown venue, or no panels.
    """
    if not info.panels:
        raise ValueError("there are no ranks to draw")
    with venue_style(venue) as page:
        longest = max(_text_width(_label(panel, i)) for panel in info.panels for i in range(len(panel.ranks)))
        apart = max(
            _text_width(f"{name_text(panel.dataset)}{_note(panel, info.alpha)}") for panel in info.panels
        )
        second_line = _SECOND_LINE if apart + 0.25 > page.column else 0.0
        layout = _layout(page.column, longest, _TITLE + second_line)
        heights = [
            layout.title + _AXIS + _bars_height(panel) + _ROW * _at_left(panel, layout) + 0.1
            for panel in info.panels
        ]
        total = sum(heights)
        figure = Figure(figsize=(page.column, total))
        above = 0.0
        for panel, height in zip(info.panels, heights, strict=True):
            above += height
            ax = figure.add_axes((0.0, 1 - above / total, 1.0, height / total))
            ax.set_xlim(0, page.column)
            ax.set_ylim(height, 0)
            ax.axis("off")
            _draw_heading(ax, panel, info.alpha, page.column, second_line)
            _draw_panel(ax, panel, layout)
    return figure


class _Layout(NamedTuple):
    """Where a panel's rank axis lies, in inches from its left edge, and whether labels stand at its right.

    `title` is the height of the heading.
    """

    left: float
    right: float
    both_sides: bool
    title: float


def _layout(width: float, label: float, title: float) -> _Layout:
    margin = max(label, 0.5) + 0.2  # the critical difference is written there too
    both_sides = width - 2 * margin >= _SHORTEST_AXIS
    return _Layout(margin, width - (margin if both_sides else 0.2), both_sides, title)


def _text_width(text: str) -> float:
    """Return a label's width in inches."""
    path = TextPath((0, 0), text, prop=FontProperties(size=_LABEL_SIZE))
    return float(path.get_extents().width) / 72


def _label(panel: RankPanel, position: int) -> str:
    return f"{_name(panel, position)}  {panel.ranks[position]:.2f}"


def _name(panel: RankPanel, position: int) -> str:
    return method_texts(panel.strategies)[panel.strategies[position]]


def _at_left(panel: RankPanel, layout: _Layout) -> int:
    """Return how many strategies have their label at the left."""
    k = len(panel.ranks)
    return (k + 1) // 2 if layout.both_sides else k


def _bars_height(panel: RankPanel) -> float:
    return 0.1 + _BAR * len(panel.groups)


def _draw_panel(ax: Axes, panel: RankPanel, layout: _Layout) -> None:
    """Draw the axis, the groups and the strategies; lengths in inches, y downwards from the panel's top."""
    k = len(panel.ranks)
    inches = (layout.right - layout.left) / (k - 1)
    line = layout.title + _AXIS

    def place(rank: float) -> float:
        return layout.left + (rank - 1) * inches

    ax.plot([place(1), place(k)], [line, line], color="black", linewidth=0.8)
    for tick in range(1, k + 1):
        ax.plot([place(tick)] * 2, [line, line - 0.05], color="black", linewidth=0.6)
        ax.text(place(tick), line - 0.07, str(tick), ha="center", va="bottom", fontsize=7)
    _draw_difference(ax, panel.critical_difference, inches, layout)
    for number, (first, last) in enumerate(panel.groups):
        y = line + 0.09 + _BAR * number
        ends = [place(panel.ranks[first]) - 0.03, place(panel.ranks[last]) + 0.03]
        ax.plot(ends, [y, y], color="black", linewidth=2.2, solid_capstyle="butt")
    looks = method_looks(panel.strategies)
    for position, (strategy, rank) in enumerate(zip(panel.strategies, panel.ranks, strict=True)):
        left = position < _at_left(panel, layout)
        row = position if left else k - 1 - position  # the outermost on top, so that no lines cross
        y = line + _bars_height(panel) + _ROW * (row + 0.6)
        edge = layout.left - 0.1 if left else layout.right + 0.1
        look = looks[strategy]
        ax.plot([place(rank), place(rank), edge], [line, y, y], color=look.color, linewidth=0.8)
        ax.plot(place(rank), line, color=look.color, marker=look.marker, markersize=4, zorder=3)
        text = _label(panel, position) if left else f"{rank:.2f}  {_name(panel, position)}"
        side, gap = ("right", -0.04) if left else ("left", 0.04)
        ax.text(edge + gap, y, text, ha=side, va="center", fontsize=_LABEL_SIZE)


def _note(panel: RankPanel, alpha: float) -> str:
    """Return what the ranks are over, and the Friedman test."""
    p = panel.friedman.p_value
    test = "Friedman $p$ < 0.001" if p < 0.001 else f"Friedman $p$ = {p:.3f}"
    return f"$n$ = {panel.blocks} seeds; {test}; Nemenyi at {alpha:g}"


def _draw_heading(ax: Axes, panel: RankPanel, alpha: float, width: float, second_line: float) -> None:
    """Write the data set and the note, the note on a line of its own where both do not fit into one."""
    note = _note(panel, alpha)
    longer = f"average rank of regret over {note}"
    if _text_width(longer if second_line else f"{name_text(panel.dataset)}{longer}") + 0.25 < width:
        note = longer
    ax.text(0.05, 0.12, name_text(panel.dataset), ha="left", va="center", fontsize=8)
    edge, side = (0.05, "left") if second_line else (width - 0.05, "right")
    ax.text(edge, 0.12 + second_line, note, ha=side, va="center", fontsize=7)


def _draw_difference(ax: Axes, difference: float, inches: float, layout: _Layout) -> None:
    """Draw the critical difference as a bar from rank 1, no longer than the axis, with its value."""
    y = layout.title + 0.08
    start, end = layout.left, min(layout.left + difference * inches, layout.right)
    if layout.left + difference * inches <= layout.right:
        ax.plot([end, end], [y - 0.03, y + 0.03], color="black", linewidth=0.8)
    ax.plot([start, start], [y - 0.03, y + 0.03], color="black", linewidth=0.8)
    ax.plot([start, end], [y, y], color="black", linewidth=0.8)
    ax.text(start - 0.05, y, f"CD = {difference:.2f}", ha="right", va="center", fontsize=7)
