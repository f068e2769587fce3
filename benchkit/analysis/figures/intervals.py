"""Draws posterior fading along searches that shrink their space, PC-NAS, beside those that do not.

Several seeds are their mean: from five on with its interval, of fewer with a dot for each seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from benchkit.analysis.figures.fading import Line, Panel, draw_panel
from benchkit.analysis.figures.style import Look, method_look, panel_grid, venue_style
from benchkit.analysis.figures.text import MEASURES
from benchkit.analysis.statistics.resolution import CORRELATION, figure_text
from benchkit.analysis.statistics.training_mean import mean_over_trainings, values_of

_SEEDS_A_ROW = 3
_CURVE = 1.45  # inches of a row of curves
_MEASURES = ("kendall_tau", "pearson")
_LEGEND = 0.25
_SCATTER = 1.95  # inches of a row of scatters


class Scatter(NamedTuple):
    """Accuracy with inherited weights against stand-alone accuracy, in percent.

    Attributes
    ----------
    title : Text over the panel.
    training : Name, ``pcnas`` or ``one-shot``.
    inherited, alone : Accuracies, float64[n].
    caption : Text under the panel.
    """

    title: str
    training: str
    inherited: npt.NDArray[np.float64]
    alone: npt.NDArray[np.float64]
    caption: str


class IntervalInfo(NamedTuple):
    """What `draw_intervals` shows: correlation curves, and pairs of scatters, a row a seed."""

    panels: list[Panel]
    scatters: list[list[Scatter]]


def interval_info(
    correlations: pd.DataFrame, scatter: pd.DataFrame, measure: str = "pearson"
) -> IntervalInfo:
    """Return the panels of an interval study.

    Parameters
    ----------
    correlations : Row for each seed, training (``pcnas`` or ``one-shot``), epoch, sample (``candidates`` or
        ``uniform``) and measure: n, value, low, high.
    scatter : Candidates at the end of training: seed, training, inherited_accuracy, standalone_accuracy.
    measure : Measure in the captions of the scatters; the curves show both.
    """
    panels = []
    samples = {"candidates": "final candidates", "uniform": "uniform sample"}
    for name in _MEASURES:
        for sample, title in samples.items():
            rows = correlations[(correlations["measure"] == name) & (correlations["sample"] == sample)]
            lines = [
                _over_seeds(str(training), each)
                for training, each in rows.groupby("training", sort=False)
                if each["value"].notna().any()
            ]
            panels.append(Panel(title, "epochs", MEASURES[name], lines, models=False, least=-1.0, most=1.0))
    last = correlations[
        (correlations["sample"] == "candidates") & (correlations["measure"] == measure)
    ].sort_values("epoch")
    scatters = []
    for seed, pair in scatter.groupby("seed", sort=True):
        row = []
        for training, points in pair.groupby("training", sort=False):
            figure = last[(last["seed"] == seed) & (last["training"] == training)].iloc[-1]
            caption = f"{MEASURES[measure]} = "
            caption += figure_text(figure["value"], figure["low"], figure["high"])
            row.append(
                Scatter(
                    f"{training}, seed {seed}, $n$ = {len(points)}",
                    str(training),
                    points["inherited_accuracy"].to_numpy(dtype=np.float64),
                    points["standalone_accuracy"].to_numpy(dtype=np.float64),
                    caption,
                )
            )
        scatters.append(row)
    return IntervalInfo(panels, scatters)


def draw_intervals(info: IntervalInfo, venue: str = "neurips") -> Figure:
    """Draw correlation against the epochs of training, and below the scatters: a column a seed.

    Raises
    ------
    ValueError : an unknown venue, or nothing to draw.
    """
    if not info.panels:
        raise ValueError("there are no panels to draw")
    with venue_style(venue) as page:
        upper = -(-len(info.panels) // 2)
        columns = min(len(info.scatters), _SEEDS_A_ROW)
        trainings = max((len(row) for row in info.scatters), default=0)
        lower = -(-len(info.scatters) // columns) * trainings if columns else 0
        heights = [_CURVE * upper + _LEGEND, _SCATTER * lower]
        figure = Figure(figsize=(page.text, sum(heights)), layout="constrained")
        parts = figure.subfigures(
            2 if lower else 1, 1, height_ratios=heights[: 2 if lower else 1], squeeze=False
        )
        top = parts[0, 0]
        cells = panel_grid(top, len(info.panels), 2)
        for ax, panel in zip(cells, info.panels, strict=True):
            draw_panel(ax, panel, legend=False)
        handles = {str(line.get_label()): line for ax in cells for line in ax.get_lines()}
        top.legend(handles=list(handles.values()), loc="outside lower center", ncols=2, frameon=False)
        if lower:
            _draw_scatters(parts[1, 0].subplots(lower, columns, squeeze=False), info.scatters, trainings)
    return figure


def _draw_scatters(axes: Any, scatters: Sequence[Sequence[Scatter]], trainings: int) -> None:
    """Draw each seed's scatters below one another, `trainings` rows of seeds at a time."""
    columns = axes.shape[1]
    used = set()
    for number, pair in enumerate(scatters):
        for row, scatter in enumerate(pair):
            place = (number // columns * trainings + row, number % columns)
            used.add(place)
            _draw_scatter(axes[place], scatter, first=place[1] == 0)
    for place in np.ndindex(axes.shape):
        if place not in used:
            axes[place].remove()


def _draw_scatter(ax: Axes, scatter: Scatter, first: bool) -> None:
    color = _training_look(scatter.training).color
    ax.scatter(scatter.inherited, scatter.alone, s=9, alpha=0.75, color=color, linewidth=0)
    ax.set_title(scatter.title)
    ax.set_xlabel(f"inherited accuracy (%)\n{scatter.caption}", linespacing=1.3)
    if first:
        ax.set_ylabel("accuracy alone (%)")
    ax.xaxis.set_major_locator(MaxNLocator(nbins=4))
    seaborn.despine(ax=ax)


def _training_look(training: str) -> Look:
    return method_look("pcnas" if training == "pcnas" else "spos")


def _over_seeds(training: str, rows: pd.DataFrame) -> Line:
    """Return a training's curve: with its own interval for one seed, the mean of several."""
    look = _training_look(training)
    if rows["seed"].nunique() == 1:
        x, mean, low, high = (
            rows[name].to_numpy(dtype=np.float64) for name in ("epoch", "value", "low", "high")
        )
        return Line(f"{training}, 95 % interval over architectures", x, mean, low, high, look)
    seeds = rows["seed"].nunique()
    named = rows.drop(columns="training").rename(columns={"seed": "training"})
    means = mean_over_trainings(named, ("epoch",), bounds=CORRELATION).sort_values("epoch")
    x, mean, low, high = (means[name].to_numpy(dtype=np.float64) for name in ("epoch", "mean", "low", "high"))
    single = tuple(
        (float(at), float(value))
        for at, text in zip(x, means["values"], strict=True)
        for value in values_of(text)
    )
    said = f"mean of {seeds} seeds (dots)" if single else f"mean and 95 % interval of {seeds} seeds"
    return Line(f"{training}, {said}", x, mean, low, high, look, single=single)
