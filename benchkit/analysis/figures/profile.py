"""Performance profiles: the share of runs above each score, and the aggregates beside them.

Source: Agarwal et al. (2021), section 4.2 and figure 4; see `benchkit.analysis.statistics.aggregates`.
`profile_info` computes, `draw_profiles` draws what it is given.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import seaborn
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from benchkit.analysis.figures.style import legend_below, method_looks, venue_style
from benchkit.analysis.figures.text import method_texts, name_text
from benchkit.analysis.statistics.aggregates import aggregate, performance_profiles, task_scores

__all__ = ["ProfileInfo", "draw_profiles", "profile_info"]

_SHOWN = "interquartile mean"


class ProfileInfo(NamedTuple):
    """What the figure shows.

    Attributes
    ----------
    profiles : see `benchkit.analysis.statistics.aggregates.performance_profiles`.
    aggregates : see `benchkit.analysis.statistics.aggregates.aggregate`.
    strategies : in the order of their interquartile means, the best first.
    tasks : number of data sets.
    baseline : the strategy whose mean regret is the unit.
    level : coverage of the bands.
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
    trials : a row per (strategy, dataset, seed) (see `benchkit.analysis.statistics.frames`).
    baseline : see `benchkit.analysis.statistics.aggregates.task_scores`.

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
        ax.plot(
            rows["threshold"],
            rows["share"],
            color=look.color,
            linestyle=look.linestyle,
            marker=look.marker,
            markevery=(number * every // max(1, len(info.strategies)), every),
            markeredgecolor="white",
            markeredgewidth=0.3,
        )
    ax.axvline(0, color="0.5", linewidth=0.6, linestyle=(0, (2, 2)), zorder=1)
    ax.set_xlabel(f"score $s$ (0: mean of {name_text(info.baseline)}, 1: best)")
    ax.set_ylabel("share of runs above $s$")
    ax.set_ylim(-0.02, 1.02)
    ax.set_xlim(info.profiles["threshold"].min(), 1)
    ax.grid(axis="y", color="0.9")
    ax.set_axisbelow(True)
    seaborn.despine(ax=ax)


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
    ax.grid(axis="x", color="0.9")
    ax.set_axisbelow(True)
    seaborn.despine(ax=ax)


def _handles(info: ProfileInfo) -> list[Artist]:
    handles: list[Artist] = []
    texts = method_texts(info.strategies)
    for strategy, look in method_looks(info.strategies).items():
        handles.append(
            Line2D(
                [],
                [],
                color=look.color,
                linestyle=look.linestyle,
                marker=look.marker,
                markeredgecolor="white",
                markeredgewidth=0.3,
                label=texts[strategy],
            )
        )
    runs = sorted(set(info.profiles["n"]))
    n = f"{runs[0]}" if len(runs) == 1 else f"{runs[0]} to {runs[-1]}"
    plural = "" if info.tasks == 1 else "s"
    label = f"{100 * info.level:g} % interval, $n$ = {n} runs on {info.tasks} data set{plural}"
    handles.append(Patch(color="0.5", alpha=0.3, linewidth=0, label=label))
    return handles
