"""What figures against a cost have in common: the axis of the cost, and where a curve bears its markers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, NullFormatter

from benchkit.analysis.figures.style import method_looks
from benchkit.analysis.figures.text import method_texts, name_text
from benchkit.base.measure import Measure

__all__ = [
    "axis_label",
    "counted_title",
    "first_shown",
    "from_cost",
    "legend_columns",
    "logarithmic_ticks",
    "marker_places",
    "method_handles",
    "plain_number",
    "regret_floor",
    "scale_cost",
]

_LABELS = {"queries": "queries", "seconds": "simulated time (s)", "real_seconds": "real time (s)"}
_MARKERS = 4
_FINEST = 0.01  # percent points: one image of ten thousand


def axis_label(axis: str) -> str:
    """Return what an axis is called: a column of traces in words."""
    return _LABELS.get(axis, axis.replace("_", " "))


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
    curve : one curve, ascending in the column x.
    start : in the unit of x; a curve that begins later is returned as it is.
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
        ax.set_xticks(logarithmic_ticks(smallest, largest))
        ax.xaxis.set_major_formatter(FuncFormatter(plain_number))
        ax.xaxis.set_minor_formatter(NullFormatter())
    if largest > smallest:
        ax.set_xlim(smallest, largest)


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


def regret_floor(smallest: float, highest: float, measure: Measure | None) -> float:
    """Return the power of ten below which an axis of regrets is linear.

    Parameters
    ----------
    smallest, highest : Least and largest regret above 0.
    measure : Quantity of the regrets; a hundredth of a percentage point is one image of ten thousand, and
        of other quantities a thousandth of the largest regret is no longer told apart.
    """
    percent = measure is not None and measure.is_percent
    finest = _FINEST if percent else 10.0 ** np.floor(np.log10(1e-3 * highest))
    return float(max(finest, 10.0 ** np.floor(np.log10(smallest))))


def legend_columns(width: float) -> int:
    """Return how many entries fit beside each other in a figure of that width in inches."""
    return max(2, int(width / 1.35))


def method_handles(curves: pd.DataFrame, strategies: Sequence[str], band: str) -> list[Line2D | Patch]:
    """Return a legend's line for each strategy, and one entry that says what line, band and n are.

    Parameters
    ----------
    curves : a frame with the columns strategy, dataset and n.
    band : what line and band are; n is added where all curves have the same. Where those of each panel have,
        `counted_title` says it, else each strategy's entry.
    """
    same = curves["n"].nunique() == 1
    common = same or _same_within_panels(curves)
    handles: list[Line2D | Patch] = []
    texts = method_texts(strategies)
    for strategy, look in method_looks(strategies).items():
        n = _range(curves.loc[curves["strategy"] == strategy, "n"])
        handles.append(
            Line2D(
                [],
                [],
                color=look.color,
                linestyle=look.linestyle,
                marker=look.marker,
                markeredgecolor="white",
                markeredgewidth=0.3,
                label=texts[strategy] if common else f"{texts[strategy]} ($n$ = {n})",
            )
        )
    text = rf"{band}, $n$ = {_range(curves['n'])}" if same else band
    return [*handles, Patch(color="0.5", alpha=0.3, linewidth=0, label=text)]


def counted_title(panel: str, curves: pd.DataFrame) -> str:
    """Return a panel's title, with its n where the panels differ in it.

    Parameters
    ----------
    panel : a data set of the curves.
    curves : a frame with the columns dataset and n.
    """
    if curves["n"].nunique() == 1 or not _same_within_panels(curves):
        return name_text(panel)
    return f"{name_text(panel)}, $n$ = {_range(curves.loc[curves['dataset'] == panel, 'n'])}"


def _same_within_panels(curves: pd.DataFrame) -> bool:
    return bool((curves.groupby("dataset")["n"].nunique() == 1).all())


def _range(n: pd.Series[int]) -> str:
    fewest, most = int(n.min()), int(n.max())
    return f"{most}" if fewest == most else f"{fewest}–{most}"
