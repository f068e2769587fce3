"""Draws predicted against true accuracy, and correlation over the epochs of a training."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, NullLocator

from benchkit.analysis.figures.style import (
    Look,
    finish_axes,
    legend_below,
    line_handle,
    line_style,
    method_look,
    method_looks,
    panel_grid,
    venue_style,
)
from benchkit.analysis.figures.text import MEASURES, method_texts, name_text, range_text, share_text
from benchkit.analysis.statistics.rank_correlation import correlate
from benchkit.analysis.statistics.resolution import (
    CORRELATION,
    UNRESOLVED,
    ceiling_text,
    figure_text,
    told_from_zero,
)
from benchkit.analysis.statistics.training_mean import mean_over_trainings

_TAU = r"$\tau_b$"
_CURVE = ("strategy", "training", "epoch", "n", "value", "low", "high")
_MARKERS = 8
_TITLE = 32  # characters a line of a title, over the narrowest panel
_PANELS_A_ROW = 3
_MARGIN = 0.12  # of the panel: the strip of counts along each side
_LEGEND = 16  # characters a line of the legend, an inch of the page


class ScatterInfo(NamedTuple):
    """What one panel shows.

    Attributes
    ----------
    title : Text over the panel; empty for none.
    predicted, truth : Accuracies, float64[n], in percent.
    correlations : Frame that `correlate` returns.
    ceiling : Frame that `noise_ceiling` returns, or None where the truth has no runs to compare.
    level : Coverage of the intervals.
    """

    title: str
    predicted: npt.NDArray[np.float64]
    truth: npt.NDArray[np.float64]
    correlations: pd.DataFrame
    ceiling: pd.DataFrame | None
    level: float


class CurveInfo(NamedTuple):
    """What the curves show.

    Attributes
    ----------
    curves : Row a training and checkpoint: strategy, training, epoch, n, value, low, high.
    means : Row a strategy and checkpoint that all its trainings have, of strategies with several:
        strategy, epoch, trainings, mean, sd, low, high, values.
    measure : Measure of the correlations.
    fraction : Share of the truth's best within which it is; 1 is overall.
    ceiling : Noise ceiling: n, value, low, high; or None.
    level : Coverage of the bands.
    """

    curves: pd.DataFrame
    means: pd.DataFrame
    measure: str
    fraction: float
    ceiling: pd.Series[float] | None
    level: float


def scatter_info(
    predicted: npt.ArrayLike,
    truth: npt.ArrayLike,
    rng: np.random.Generator | None = None,
    title: str = "",
    fractions: Sequence[float] = (1.0, 0.1),
    ceiling: pd.DataFrame | None = None,
    level: float = 0.95,
    resamples: int = 1_000,
) -> ScatterInfo:
    """Return a panel's points and their tau-b, overall and within the best (see `correlate`)."""
    x, y = np.asarray(predicted, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    correlations = correlate(x, y, rng, fractions, ("kendall_tau",), level, resamples)
    return ScatterInfo(title, x, y, correlations, ceiling, level)


def curve_info(
    curves: pd.DataFrame,
    measure: str = "kendall_tau",
    fraction: float = 1.0,
    ceiling: pd.DataFrame | None = None,
    level: float = 0.95,
) -> CurveInfo:
    """Return one measure's curves: one a training, and their mean where a strategy has several.

    Parameters
    ----------
    curves : Frame that `correlation_curve` returns, with two more columns: strategy and training.
    ceiling : Frame that `noise_ceiling` returns.
    level : Coverage that the frame was made with.

    Raises
    ------
    ValueError : no curves, or a frame without that measure and fraction.
    """
    shown = _rows_of(curves, measure, fraction)[list(_CURVE)].reset_index(drop=True)
    means = mean_over_trainings(shown, ("strategy", "epoch"), level=level, bounds=CORRELATION)
    trainings = shown.groupby("strategy")["training"].nunique()
    wanted = means["strategy"].map(trainings)
    means = means[(means["trainings"] == wanted) & (wanted > 1)].reset_index(drop=True)
    line = None
    if ceiling is not None:
        line = _rows_of(ceiling, measure, fraction).iloc[0][["n", "value", "low", "high"]].astype(np.float64)
    return CurveInfo(shown, means, measure, fraction, line, level)


def _rows_of(frame: pd.DataFrame, measure: str, fraction: float) -> pd.DataFrame:
    rows = frame[(frame["measure"] == measure) & (frame["fraction"] == fraction)]
    if len(rows) == 0:
        raise ValueError(f"there is no {measure} at fraction {fraction:g} in a frame that is to be drawn")
    return rows


def draw_scatter(
    panels: Sequence[ScatterInfo],
    venue: str = "neurips",
    predicted_label: str = "predicted accuracy (%)",
    truth_label: str = "true accuracy (%)",
    columns: int | None = None,
) -> Figure:
    """Draw predicted against true accuracy, a panel each, with how often each value occurs along the sides.

    The panel says n and tau-b with its interval for each fraction that it was given, and the noise ceiling
    of each.

    Parameters
    ----------
    columns : Number of panels a row; None is up to three.

    Raises
    ------
    ValueError : an unknown venue, or no panels.
    """
    if not panels:
        raise ValueError("there are no panels to draw")
    with venue_style(venue) as page:
        columns = min(len(panels), columns or _PANELS_A_ROW)
        rows = -(-len(panels) // columns)
        width = page.column if columns == 1 else page.text
        side = min(width / columns, 3.0)
        captions = [_caption(panel) for panel in panels]
        caption_height = 0.14 * max(caption.count("\n") + 1 for caption in captions)
        titles = max(_titled(panel.title).count("\n") + 1 for panel in panels)
        height = side + caption_height + 0.3 + 0.2 * max(0, titles - 2)  # 0.3 has room for two lines
        figure = Figure(figsize=(width, height * rows), layout="constrained")
        axes = panel_grid(figure, len(panels), columns)
        for ax, panel, caption in zip(axes, panels, captions, strict=True):
            _draw_points(ax, panel)
            ax.set_xlabel(f"{predicted_label}\n{caption}", linespacing=1.3)
        for ax in axes[::columns]:
            ax.set_ylabel(truth_label)
    return figure


def _draw_points(ax: Axes, panel: ScatterInfo) -> None:
    """Draw one panel: points, and a strip of counts above and to the right."""
    n = len(panel.truth)
    look = method_look("regularized-evolution").color
    size, alpha = (9.0, 0.7) if n <= 300 else (3.0, 0.35) if n <= 3_000 else (1.0, 0.2)
    ax.scatter(panel.predicted, panel.truth, s=size, alpha=alpha, color=look, linewidth=0, rasterized=True)
    ax.set_box_aspect(1)
    above = ax.inset_axes((0, 1.02, 1, _MARGIN), sharex=ax)
    beside = ax.inset_axes((1.02, 0, _MARGIN, 1), sharey=ax)
    bins = 25 if n <= 300 else 50
    above.hist(panel.predicted, bins=bins, color="0.6", log=True)
    beside.hist(panel.truth, bins=bins, color="0.6", log=True, orientation="horizontal")
    above.set_ylim(bottom=0.5)  # one architecture is seen, too
    beside.set_xlim(left=0.5)
    for strip, counts in ((above, above.yaxis), (beside, beside.xaxis)):
        counts.set_major_locator(NullLocator())
        counts.set_minor_locator(NullLocator())
        strip.axis("off")
    if panel.title:
        above.set_title(_titled(panel.title), linespacing=1.0)
    seaborn.despine(ax=ax)


def _titled(title: str) -> str:
    """Return a title in lines that fit over the narrowest panel; a training's name may be long."""
    title = name_text(title, 3 * _TITLE)
    name, _, rest = title.partition(", ")
    if len(title) > _TITLE and max(len(name), len(rest)) <= _TITLE:
        return f"{name}\n{rest}"
    return textwrap.fill(title, _TITLE)


def _caption(panel: ScatterInfo) -> str:
    """Return short lines for each fraction, which fit under a narrow panel: n, tau-b, interval, ceiling."""
    lines = []
    rows = panel.correlations[panel.correlations["measure"] == "kendall_tau"]
    columns = (rows[name].tolist() for name in ("fraction", "n", "value", "low", "high"))
    for fraction, n, value, low, high in zip(*columns, strict=True):
        lines += [f"{share_text(fraction)}, $n$ = {n:,}", f"{_TAU} = {figure_text(value, low, high)}"]
        if panel.ceiling is not None:
            top = _rows_of(panel.ceiling, "kendall_tau", fraction).iloc[0]
            said = ceiling_text(top["value"], top["low"], top["high"])
            lines.append(f"noise ceiling{chr(10) if said.startswith(UNRESOLVED) else ' '}{said}")
    return "\n".join(lines)


def draw_curves(info: CurveInfo, venue: str = "neurips") -> Figure:
    """Draw correlation against epochs, the noise ceiling as a level.

    A strategy with one training has its curve with the interval over architectures; one with several has
    their mean with the interval over trainings, and each training as a thin line. Where an interval or the
    ceiling is not resolvable it is not drawn, and the legend says so.

    Raises
    ------
    ValueError : an unknown venue.
    """
    with venue_style(venue) as page:
        figure = Figure(figsize=(page.column, 0.55 * page.column + 0.2), layout="constrained")
        ax = figure.subplots()
        handles: list[Line2D | Patch] = []
        lowest = 0.0
        looks = method_looks(info.curves["strategy"])
        texts = method_texts(info.curves["strategy"])
        for strategy, look in looks.items():
            curves = info.curves[info.curves["strategy"] == strategy]
            means = info.means[info.means["strategy"] == strategy]
            single = curves["training"].nunique() == 1
            drawn = curves.rename(columns={"value": "mean"}) if single else means
            over = "architectures" if single else f"{curves['training'].nunique()} trainings"
            if not single:
                for _, curve in curves.groupby("training", sort=False):
                    dot: dict[str, Any] = {"marker": "."} if len(curve) == 1 else {}
                    ax.plot(curve["epoch"], curve["value"], color=look.color, lw=0.4, alpha=0.6, **dot)
            what = f"{100 * info.level:g} % interval over {over}"
            if not drawn["low"].notna().any():
                thin = "a dot" if len(drawn) == 1 else "as a thin line"
                what = f"interval {UNRESOLVED}" if single else f"mean of {over}, each {thin}"
            label = f"{texts[strategy]} ($n$ = {range_text(curves['n'], ',')}), {what}"
            handles.append(_draw_curve(ax, drawn, look, textwrap.fill(label, int(_LEGEND * page.column))))
            lowest = float(np.nanmin([lowest, curves["value"].min(), drawn["low"].min()]))
        if info.ceiling is not None:
            handles.append(_draw_ceiling(ax, info.ceiling))
        ax.set_xlabel("epochs")
        share = "" if info.fraction == 1 else f", {share_text(info.fraction)}"
        ax.set_ylabel(f"{MEASURES[info.measure]}{share}")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
        ax.set_ylim(max(1.1 * lowest, -1.0), 1.0)
        finish_axes(ax)
        lines = sum(str(handle.get_label()).count("\n") + 1 for handle in handles)
        figure.set_figheight(figure.get_figheight() + 0.15 * max(0, lines - 2))  # the legend squeezes nothing
        legend_below(figure, handles, int(page.column / 2.7))
    return figure


def _draw_curve(ax: Axes, curve: pd.DataFrame, look: Look, label: str) -> Line2D:
    """Draw a line with its band; few checkpoints have a marker each, many share four, one has a bar."""
    if len(curve) == 1 and curve["low"].notna().all():
        ax.vlines(curve["epoch"], curve["low"], curve["high"], color=look.color, lw=0.8)
    ax.fill_between(curve["epoch"], curve["low"], curve["high"], color=look.color, alpha=0.15, linewidth=0)
    every = max(1, len(curve) // _MARKERS)
    return ax.plot(curve["epoch"], curve["mean"], markevery=every, label=label, **line_style(look))[0]


def _draw_ceiling(ax: Axes, ceiling: pd.Series[float]) -> Line2D:
    if not told_from_zero(ceiling["low"]):
        said = f"noise ceiling {UNRESOLVED} ($n$ = {int(ceiling['n']):,})"
        return line_handle(said, linestyle="")
    ax.axhspan(ceiling["low"], ceiling["high"], color="0.3", alpha=0.15, linewidth=0)
    label = f"noise ceiling {ceiling['value']:.2f} ($n$ = {int(ceiling['n']):,})"
    return ax.axhline(ceiling["value"], color="0.3", linestyle=(0, (1.0, 1.2)), label=label)
