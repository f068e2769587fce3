"""How good are the samples of a learned sampler: VAENAS's Figure 2, as kernel densities.

"VAENAS: Sampling Matters in Neural Architecture Search" (anonymous, under double-blind review), section
5.3: the accuracies of 5,000 samples of each trained sampler beside those of 5,000 random architectures.
`density_info` computes, `draw_density` draws what it is given.

The bandwidth is Silverman's rule of thumb (Density Estimation, 1986, eq. 3.31), 0.9 min(s, IQR / 1.34)
n^(-1/5): accuracies have a long tail of failed trainings, and s alone, scipy's own rule, would smear the
peak over several percentage points.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import seaborn
from matplotlib.figure import Figure
from scipy import stats

from benchkit.analysis.style import method_look, venue_style

__all__ = ["DensityCurve", "DensityInfo", "density_info", "draw_density"]

_POINTS = 400
_TAIL = 0.05  # share of the baseline's samples that may lie left of the figure
_PALE = 0.25


class DensityCurve(NamedTuple):
    """One sampler's curve.

    Attributes
    ----------
    label : its name.
    n : number of samples.
    mean : of all samples, percent.
    below : share of samples left of the figure.
    density : float64[points], share of samples a percentage point, at the figure's x.
    """

    label: str
    n: int
    mean: float
    below: float
    density: npt.NDArray[np.float64]


class DensityInfo(NamedTuple):
    """What the figure shows: `x` in percent, the `curves`, the baseline first, and a `title`."""

    x: npt.NDArray[np.float64]
    curves: tuple[DensityCurve, ...]
    title: str


def density_info(samples: Mapping[str, npt.NDArray[np.float64]], title: str = "") -> DensityInfo:
    """Return the densities of each label's accuracies in percent; the first label is the baseline.

    The figure reaches from the baseline's fifth percentile to the best of all samples.

    Raises
    ------
    ValueError : no samples, or a label with fewer than two.
    """
    if not samples:
        raise ValueError("there are no samples to draw")
    for label, values in samples.items():
        if len(values) < 2:
            raise ValueError(f"a density needs at least 2 samples, {label} has {len(values)}")
    baseline = next(iter(samples.values()))
    low, high = float(np.quantile(baseline, _TAIL)), max(float(values.max()) for values in samples.values())
    margin = 0.02 * max(high - low, 1e-6)
    x = np.linspace(low, high + margin, _POINTS)
    curves = tuple(
        DensityCurve(
            label, len(values), float(values.mean()), float((values < low).mean()), _density(values, x)
        )
        for label, values in samples.items()
    )
    return DensityInfo(x, curves, title)


def _density(values: npt.NDArray[np.float64], x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the Gaussian kernel density of a sample at x; equal values are given a width of 0.01 points."""
    deviation = float(values.std(ddof=1))
    lower, upper = np.quantile(values, [0.25, 0.75])
    spread = min([each for each in (deviation, float(upper - lower) / 1.34) if each > 0], default=0.0)
    width = max(0.9 * spread * len(values) ** -0.2, 0.01)
    if deviation == 0:
        return np.asarray(stats.norm.pdf(x, values[0], width))
    return np.asarray(stats.gaussian_kde(values, bw_method=width / deviation)(x))


def draw_density(info: DensityInfo, venue: str = "neurips") -> Figure:
    """Draw all curves in one panel, the baseline filled; the legend says each sampler's n and mean.

    Raises
    ------
    ValueError : an unknown venue, or no curves.
    """
    if not info.curves:
        raise ValueError("there are no curves to draw")
    with venue_style(venue) as page:
        figure = Figure(figsize=(page.column, 2.1 + 0.16 * len(info.curves)), layout="constrained")
        ax = figure.subplots()
        for number, curve in enumerate(info.curves):
            look = method_look(curve.label)
            text = f"{curve.label} ($n$ = {curve.n:,}, mean {curve.mean:.2f}, {100 * curve.below:.0f} % left)"
            ax.plot(info.x, curve.density, color=look.color, linestyle=look.linestyle, label=text)
            if number == 0:
                ax.fill_between(info.x, curve.density, color=look.color, alpha=_PALE, linewidth=0)
        ax.set_xlim(float(info.x[0]), float(info.x[-1]))
        ax.set_ylim(bottom=0)
        ax.set_xlabel("validation accuracy (%)")
        ax.set_ylabel("density (1 / % point)")
        ax.set_title(info.title)
        seaborn.despine(ax=ax)
        figure.legend(loc="outside lower center", ncols=1, frameon=False, handlelength=2.6, labelspacing=0.3)
    return figure
