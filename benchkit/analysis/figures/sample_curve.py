"""Draws how good the best of n ranked samples is: NASAS's Table 3(d), as a curve and at single n.

Zhou et al., "One-Shot Neural Architecture Search Through A Posteriori Distribution Guided Sampling", Table
3(d) gives one error for each number of samples. A search that scored C samples says more: every n of them are
as likely to have come first, so the best of n has an expectation over the order, which is exact.

| quantity | function |
| --- | --- |
| expected best of n of C scores, drawn without replacement | `expected_best` |
| best and mean of the first n, as a search of n samples would report | `best_of_first` |
| both for several searches, with their mean over seeds | `sample_curves`, `draw_samples` |

The interval over searches is that of `benchkit.analysis.statistics.training_mean`; of fewer than five each is
shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter
from scipy.special import gammaln

from benchkit.analysis.figures.style import (
    Look,
    finish_axes,
    legend_below,
    line_handle,
    method_looks,
    venue_style,
)
from benchkit.analysis.statistics.resolution import PERCENT
from benchkit.analysis.statistics.training_mean import mean_over_trainings, values_of

Figures = npt.NDArray[np.float64]
_POINTS = 60  # of a curve


class FirstSamples(NamedTuple):
    """The first n samples of a search.

    Attributes
    ----------
    n : Number of samples.
    best, mean : Largest and mean of their scores.
    step : Place of the best, from 0; the first of equals.
    """

    n: int
    best: float
    mean: float
    step: int


class SampleInfo(NamedTuple):
    """What the figure shows.

    Attributes
    ----------
    curves : Row for each search and n: method, training, n, value (expected best score, percent).
    means : Row for each method of several searches, and n: method, n, trainings, mean, sd, low, high,
        values.
    tests : Same columns for each method and n that was tested; empty if none.
    """

    curves: pd.DataFrame
    means: pd.DataFrame
    tests: pd.DataFrame


def expected_best(scores: npt.ArrayLike, sizes: npt.ArrayLike) -> Figures:
    """Return float64[k]: the expected largest of n scores drawn without replacement, for every n in `sizes`.

    Parameters
    ----------
    scores : Finite scores, float[C].
    sizes : Numbers of samples, int[k], each in 1..C.

    Raises
    ------
    ValueError : no scores, or a size out of range.

    Notes
    -----
    The i-th smallest of C is the largest of n with probability binom(i - 1, n - 1) / binom(C, n).
    """
    ordered, n = np.sort(np.asarray(scores, dtype=np.float64)), np.asarray(sizes, dtype=np.int64)
    count = len(ordered)
    if count == 0 or n.min(initial=1) < 1 or n.max(initial=1) > count:
        raise ValueError(f"sizes must be in 1..{count}, the number of scores; got {n.tolist()}")
    rank = np.arange(1, count + 1)
    with np.errstate(invalid="ignore"):
        log_chance = _log_binomial(rank - 1, n[:, None] - 1) - _log_binomial(count, n[:, None])
    chance = np.where(rank >= n[:, None], np.exp(log_chance), 0.0)
    expected: Figures = chance @ ordered
    return expected


def _log_binomial(n: npt.NDArray[np.int64] | int, k: npt.NDArray[np.int64]) -> Figures:
    less = np.maximum(np.asarray(n) - k, 0)  # where k > n the caller has zero
    value: Figures = gammaln(np.asarray(n) + 1.0) - gammaln(k + 1.0) - gammaln(less + 1.0)
    return value


def best_of_first(scores: npt.ArrayLike, n: int) -> FirstSamples:
    """Return best and mean of the first n scores, in the order of the search.

    Raises
    ------
    ValueError : n is not in 1..C.
    """
    values = np.asarray(scores, dtype=np.float64)
    if not 1 <= n <= len(values):
        raise ValueError(f"n must be in 1..{len(values)}, the number of samples; got {n}")
    step = int(values[:n].argmax())
    return FirstSamples(n, float(values[step]), float(values[:n].mean()), step)


def sample_curves(
    searches: Sequence[tuple[str, str, npt.ArrayLike]],
    tests: Mapping[tuple[str, str], Mapping[int, float]] | None = None,
) -> SampleInfo:
    """Return the curves of several searches.

    Parameters
    ----------
    searches : Method, training and scores, float[C], of each; equal methods are seeds of one another.
    tests : (Method, training) -> number of samples -> test accuracy of the best of the first so many.

    Raises
    ------
    ValueError : no searches, or one without scores.
    """
    if not searches:
        raise ValueError("there are no searches to draw")
    fewest = min(len(np.asarray(scores)) for _, _, scores in searches)
    sizes = np.unique(np.geomspace(1, max(fewest, 1), _POINTS).round().astype(np.int64))
    pieces = [
        pd.DataFrame(
            {"method": method, "training": training, "n": sizes, "value": expected_best(scores, sizes)}
        )
        for method, training, scores in searches
    ]
    curves = pd.concat(pieces, ignore_index=True)
    means = mean_over_trainings(curves, ("method", "n"), bounds=PERCENT)
    tested = pd.DataFrame(
        [
            (method, training, n, value)
            for (method, training), by_n in (tests or {}).items()
            for n, value in by_n.items()
        ],
        columns=["method", "training", "n", "value"],
    )
    return SampleInfo(
        curves,
        means[means["trainings"] > 1].reset_index(drop=True),
        mean_over_trainings(tested, ("method", "n"), bounds=PERCENT),
    )


def draw_samples(info: SampleInfo, venue: str = "neurips", ylabel: str = "accuracy (%)") -> Figure:
    """Draw the expected best of n samples against n: methods as bands over seeds, each search thin.

    Test accuracies of the best of the first n stand as open markers at their n, with an upright line for the
    interval over seeds; of fewer than five seeds each is a dot.

    Raises
    ------
    ValueError : an unknown venue.
    """
    with venue_style(venue) as page:
        figure = Figure(figsize=(page.column, 0.6 * page.column), layout="constrained")
        ax = figure.subplots()
        handles: list[Line2D] = []
        for method, look in method_looks(info.curves["method"]).items():
            handles += _draw_method(ax, info, method, look)
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter(FuncFormatter(lambda n, _: f"{n:,.0f}"))
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.set_xlabel("samples ranked, $n$")
        ax.set_ylabel(ylabel)
        finish_axes(ax)
        legend_below(figure, handles, 2)
    return figure


def _draw_method(ax: Axes, info: SampleInfo, method: str, look: Look) -> list[Line2D]:
    curves = info.curves[info.curves["method"] == method]
    means = info.means[info.means["method"] == method]
    trainings = curves["training"].nunique()
    for _, curve in curves.groupby("training", sort=False):
        ax.plot(curve["n"], curve["value"], color=look.color, lw=0.4 if trainings > 1 else 1.0, alpha=0.6)
    label = f"{method}, best on validation"
    if len(means):
        ax.fill_between(means["n"], means["low"], means["high"], color=look.color, alpha=0.15, linewidth=0)
        ax.plot(means["n"], means["mean"], color=look.color, linestyle=look.linestyle)
        resolved = means["low"].notna().any()
        label += f" (95 % over {trainings} trainings)" if resolved else f" (mean of {trainings}, each thin)"
    handles = [line_handle(label, color=look.color, linestyle=look.linestyle)]
    tests = info.tests[info.tests["method"] == method]
    if len(tests):
        hollow: dict[str, Any] = {"linestyle": "", "marker": look.marker, "mfc": "white", "mec": look.color}
        ax.plot(tests["n"], tests["mean"], **hollow)
        several = tests[tests["low"].notna()]
        ax.vlines(several["n"], several["low"], several["high"], color=look.color, lw=0.8)
        for n, text in zip(tests["n"], tests["values"], strict=True):
            single = values_of(text)
            ax.plot([n] * len(single), single, linestyle="", marker=".", ms=3, color=look.color, alpha=0.6)
        dots = ", each a dot" if tests["values"].ne("").any() else ""
        handles.append(line_handle(f"{method}, that one on test{dots}", **hollow))
    return handles
