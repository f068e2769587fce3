"""Draws panels of curves against a cost: their layout, the axis of the cost, markers and legend."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from benchkit.analysis.figures.style import (
    band_handle,
    legend_below,
    line_handle,
    line_style,
    method_looks,
    panel_grid,
    venue_style,
)
from benchkit.analysis.figures.text import method_texts, name_text, range_text
from benchkit.base.measure import Measure

_LABELS = {"queries": "queries", "seconds": "simulated time (s)", "real_seconds": "real time (s)"}
_MARKERS = 4
_PANELS_A_ROW = 3
_FINEST = 0.01  # percent points: one image of ten thousand


def draw_cost_panels(
    curves: pd.DataFrame,
    axis: str,
    venue: str,
    draw: Callable[[Axes, str, list[str]], None],
    ylabel: str,
    band: str,
    entries: Iterable[Artist] = (),
    one_scale: bool = False,
) -> Figure:
    """Draw a panel for each data set, with one legend below.

    Parameters
    ----------
    curves : Frame with the columns strategy, dataset and n.
    axis : Cost on the x axis, a column of traces.
    draw : Function that draws a data set with the strategies of all panels.
    band : Text of what line and band are.
    entries : Further entries of the legend.
    one_scale : Whether all panels have the same y, which then only the first of a row says; their legend
        has room for one more entry.

    Raises
    ------
    ValueError : an unknown venue, or no curves.
    """
    datasets, strategies = (list(dict.fromkeys(curves[column])) for column in ("dataset", "strategy"))
    if not datasets:
        raise ValueError("there are no curves to draw")
    with venue_style(venue) as page:
        columns = min(len(datasets), _PANELS_A_ROW)
        rows = -(-len(datasets) // columns)
        width = page.column if columns == 1 else page.text
        across = max(2, int(width / 1.35))
        legend_rows = -(-(len(strategies) + 1 + one_scale) // across)
        figure = Figure(figsize=(width, 1.75 * rows + 0.16 * legend_rows + 0.1), layout="constrained")
        axes = panel_grid(figure, len(datasets), columns)
        for number, (ax, dataset) in enumerate(zip(axes, datasets, strict=True)):
            draw(ax, dataset, strategies)
            ax.set_title(counted_title(dataset, curves), linespacing=1.1)
            if one_scale and number % columns:
                ax.tick_params(labelleft=False)
        for ax in axes[::columns]:
            ax.set_ylabel(ylabel)
        for ax in axes[-columns:]:
            ax.set_xlabel(_LABELS.get(axis, axis.replace("_", " ")))
        handles = [*method_handles(curves, strategies, band), *entries]
        legend_below(figure, handles, across, handlelength=2.6)
    return figure


def first_shown(axis: str, smallest: float) -> float:
    """Return where an axis of costs begins: against queries at 1, else at the smallest cost.

    Evaluations at a low fidelity cost a fraction of a query; on a logarithmic axis these fractions would take
    the room of everything after.
    """
    return max(smallest, 1.0) if axis == "queries" else smallest


def from_cost(curve: pd.DataFrame, start: float) -> pd.DataFrame:
    """Return the part of one step function from a cost on, beginning with its value there.

    Parameters
    ----------
    curve : Frame of one curve, ascending in the column x.
    start : Cost in the unit of x; a curve that begins later is returned as it is.
    """
    before = int((curve["x"] <= start).sum())
    if before == 0:
        return curve
    part = curve.iloc[before - 1 :]
    return part.assign(x=part["x"].clip(lower=start))


def marker_places(x: npt.NDArray[np.float64], offset: float) -> list[int]:
    """Return a few indices spread over a logarithmic axis, shifted by `offset` (0 to 1) of their spacing."""
    if len(x) <= _MARKERS or x[0] <= 0:
        return list(range(0, len(x), max(1, len(x) // _MARKERS)))
    shares = (np.arange(_MARKERS) + 0.25 + 0.7 * offset) / _MARKERS
    places = np.searchsorted(x, x[0] * (x[-1] / x[0]) ** shares, side="right") - 1
    return sorted(set(places.tolist()))


def scale_cost(ax: Axes, smallest: float, largest: float) -> None:
    """Set the limits of the axis of costs; it is logarithmic where they are far enough apart."""
    if smallest > 0 and largest > 5 * smallest:
        ax.set_xscale("log")
        logarithmic_axis(ax.xaxis, logarithmic_ticks(smallest, largest))
    if largest > smallest:
        ax.set_xlim(smallest, largest)


def logarithmic_axis(axis: Axis, ticks: Sequence[float]) -> None:
    """Write plain numbers at some ticks of an axis, and nothing between them."""
    axis.set_ticks(ticks)
    axis.set_major_formatter(FuncFormatter(plain_number))
    axis.set_minor_formatter(NullFormatter())


def logarithmic_ticks(low: float, high: float) -> list[float]:
    """Return the powers of ten in a range, with more between where those are fewer than three."""
    exponents = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    ticks: list[float] = []
    for steps in ((1,), (1, 3), (1, 2, 5)):
        ticks = [step * 10.0**exponent for exponent in exponents for step in steps]
        ticks = [tick for tick in ticks if low * (1 - 1e-9) <= tick <= high * (1 + 1e-9)]
        if len(ticks) >= 3:
            break
    return ticks


def plain_number(value: float, _: int) -> str:
    """Return a tick's text: a plain number where that is short, else a power of ten."""
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:,g}"
    exponent = int(np.floor(np.log10(abs(value))))
    factor = value / 10.0**exponent
    return rf"$10^{{{exponent}}}$" if np.isclose(factor, 1) else rf"${factor:g}\cdot 10^{{{exponent}}}$"


class RegretScale(NamedTuple):
    """How an axis of regrets is laid out.

    Attributes
    ----------
    floor : Regret below which the axis is linear; None where it is logarithmic all over.
    low, high : Ends of the axis; a symmetric logarithm begins at 0.
    ticks : Regrets to write at the axis.
    """

    floor: float | None
    low: float
    high: float
    ticks: list[float]


def regret_scale(
    means: npt.NDArray[np.float64], lowest: float, highest: float, measure: Measure | None
) -> RegretScale | None:
    """Return a logarithmic scale of regrets, linear near 0 where a curve or a band gets there.

    Parameters
    ----------
    means : Means of all curves; None is returned where none is above 0.
    lowest, highest : Ends of all curves and bands.
    measure : Quantity of the regrets. A hundredth of a percentage point is one image of ten thousand, and of
        other quantities a thousandth of the largest regret is no longer told apart: below these the scale is
        linear.
    """
    if not (means > 0).any():
        return None
    percent = measure is not None and measure.is_percent
    finest = _FINEST if percent else 10.0 ** np.floor(np.log10(1e-3 * highest))
    floor = float(max(finest, 10.0 ** np.floor(np.log10(float(means[means > 0].min())))))
    top = 1.15 * max(highest, floor)
    if lowest < floor:
        return RegretScale(floor, 0.0, top, [0.0, *logarithmic_ticks(floor, top)])
    return RegretScale(None, lowest / 1.15, top, logarithmic_ticks(lowest / 1.15, top))


def method_handles(curves: pd.DataFrame, strategies: Sequence[str], band: str) -> list[Artist]:
    """Return a legend's line for each strategy, and one entry that says what line, band and n are.

    Parameters
    ----------
    curves : Frame with the columns strategy, dataset and n.
    band : Text of what line and band are; n is added where all curves have the same. Where those of each
        panel have, `counted_title` says it, else each strategy's entry.
    """
    same = curves["n"].nunique() == 1
    common = same or _same_within_panels(curves)
    handles: list[Artist] = []
    texts = method_texts(strategies)
    for strategy, look in method_looks(strategies).items():
        n = range_text(curves.loc[curves["strategy"] == strategy, "n"])
        label = texts[strategy] if common else f"{texts[strategy]} ($n$ = {n})"
        handles.append(line_handle(label, **line_style(look)))
    return [*handles, band_handle(rf"{band}, $n$ = {range_text(curves['n'])}" if same else band)]


def counted_title(panel: str, curves: pd.DataFrame) -> str:
    """Return a panel's title, with its n where the panels differ in it.

    Parameters
    ----------
    panel : Data set of the curves.
    curves : Frame with the columns dataset and n.
    """
    if curves["n"].nunique() == 1 or not _same_within_panels(curves):
        return name_text(panel)
    return f"{name_text(panel)}, $n$ = {range_text(curves.loc[curves['dataset'] == panel, 'n'])}"


def _same_within_panels(curves: pd.DataFrame) -> bool:
    return bool((curves.groupby("dataset")["n"].nunique() == 1).all())
