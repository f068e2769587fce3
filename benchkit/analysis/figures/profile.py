"""Draws performance profiles: the share of runs above each score, and the aggregates beside them.

Source: Agarwal et al. (2021), section 4.2 and figure 4; see `benchkit.analysis.statistics.aggregates`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchkit.analysis.figures.style import (
    band_handle,
    finish_axes,
    legend_below,
    line_handle,
    line_style,
    method_looks,
    venue_style,
)
from benchkit.analysis.figures.text import method_texts, name_text, range_text
from benchkit.analysis.statistics.aggregates import aggregate, performance_profiles, task_scores

_SHOWN = "interquartile mean"


class ProfileInfo(NamedTuple):
    """What the figure shows.

    Attributes
    ----------
    profiles : Frame, see `benchkit.analysis.statistics.aggregates.performance_profiles`.
    aggregates : Frame, see `benchkit.analysis.statistics.aggregates.aggregate`.
    strategies : Names in the order of their interquartile means, the best first.
    tasks : Number of data sets.
    baseline : Strategy whose mean regret is the unit.
    level : Coverage of the bands.
    """

    profiles: pd.DataFrame
    aggregates: pd.DataFrame
    strategies: tuple[str, ...]
    tasks: int
    baseline: str
    level: float


def profile_info(
    trials: pd.DataFrame, baseline: str = "random-search", level: float = 0.95, resamples: int = 2_000
) -> ProfileInfo:
    """Return profiles and aggregates of all strategies that have trials on every data set.

    Parameters
    ----------
    trials : Row per (strategy, dataset, seed) (see `benchkit.analysis.statistics.frames`).
    baseline : Strategy, see `benchkit.analysis.statistics.aggregates.task_scores`.

    Raises
    ------
    ValueError : as in `task_scores`.
    """
    scores = task_scores(trials, baseline)
    first, second = np.random.default_rng(0).spawn(2)
    profiles = performance_profiles(scores, first, level=level, resamples=resamples)
    aggregates = aggregate(scores, second, level, resamples)
    shown = aggregates[aggregates["measure"] == _SHOWN].sort_values("value", ascending=False, kind="stable")
    tasks = trials["dataset"].nunique()
    return ProfileInfo(profiles, aggregates, tuple(shown["strategy"]), tasks, baseline, level)


def draw_profiles(info: ProfileInfo, venue: str = "neurips") -> Figure:
    """Draw the profiles at the left, the interquartile means at the right, one legend below.

    Raises
    ------
    ValueError : an unknown venue.
    """
    with venue_style(venue) as page:
        width = page.text
        handles = _handles(info)
        most = max(2, int(width / 1.35))
        height = max(2.0, 0.155 * len(info.strategies) + 0.7) + 0.16 * -(-len(handles) // most)
        figure = Figure(figsize=(width, height), layout="constrained")
        left, right = figure.subplots(1, 2, gridspec_kw={"width_ratios": [1.5, 1]})
        _draw_profiles(left, info)
        _draw_aggregates(right, info)
        legend_below(figure, handles, most, handlelength=2.6)
    return figure


def _draw_profiles(ax: Axes, info: ProfileInfo) -> None:
    for number, (strategy, look) in enumerate(method_looks(info.strategies).items()):
        rows = info.profiles[info.profiles["strategy"] == strategy]
        low, high = (rows[end].fillna(rows["share"]) for end in ("low", "high"))
        ax.fill_between(rows["threshold"], low, high, color=look.color, alpha=0.12, linewidth=0)
        every = max(1, len(rows) // 6)
        marked = (number * every // max(1, len(info.strategies)), every)
        ax.plot(rows["threshold"], rows["share"], markevery=marked, **line_style(look))
    ax.axvline(0, color="0.5", linewidth=0.6, linestyle=(0, (2, 2)), zorder=1)
    ax.set_xlabel(f"score $s$ (0: mean of {name_text(info.baseline)}, 1: best)")
    ax.set_ylabel("share of runs above $s$")
    ax.set_ylim(-0.02, 1.02)
    ax.set_xlim(info.profiles["threshold"].min(), 1)
    finish_axes(ax)


def _draw_aggregates(ax: Axes, info: ProfileInfo) -> None:
    shown = info.aggregates[info.aggregates["measure"] == _SHOWN].set_index("strategy")
    for place, (strategy, look) in enumerate(method_looks(info.strategies).items()):
        row = shown.loc[strategy]
        ax.plot([row["low"], row["high"]], [place, place], color=look.color, linewidth=2.2, alpha=0.45)
        ax.plot([row["value"]], [place], color=look.color, marker=look.marker, markeredgecolor="none")
    ax.axvline(0, color="0.5", linewidth=0.6, linestyle=(0, (2, 2)), zorder=1)
    ax.set_yticks(range(len(info.strategies)), list(method_texts(info.strategies).values()))
    ax.set_ylim(len(info.strategies) - 0.5, -0.5)
    ax.set_xlabel(f"{_SHOWN} of the score")
    finish_axes(ax, "x")


def _handles(info: ProfileInfo) -> list[Artist]:
    texts = method_texts(info.strategies)
    looks = method_looks(info.strategies)
    handles: list[Artist] = [line_handle(texts[each], **line_style(look)) for each, look in looks.items()]
    plural = "" if info.tasks == 1 else "s"
    n = range_text(info.profiles["n"], to=" to ")
    label = f"{100 * info.level:g} % interval, $n$ = {n} runs on {info.tasks} data set{plural}"
    return [*handles, band_handle(label)]
