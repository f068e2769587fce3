"""Draws how good the samples of a learned sampler are: VAENAS's Figure 2, as kernel densities.

"VAENAS: Sampling Matters in Neural Architecture Search" (anonymous, under double-blind review), section
5.3: the accuracies of 5,000 samples of each trained sampler beside those of 5,000 random architectures.

The bandwidth is Silverman's rule of thumb (Density Estimation, 1986, eq. 3.31), 0.9 min(s, IQR / 1.34)
n^(-1/5): accuracies have a long tail of failed trainings, and s alone, scipy's own rule, would smear the
peak over several percentage points.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from scipy import stats

from benchkit.analysis.figures.style import method_look, panel_grid, venue_style
from benchkit.base.measure import ACCURACY, Measure

_POINTS = 400
_TAIL = 0.05  # share of the baseline's samples that may lie left of the figure
_PALE = 0.25
_PANELS_A_ROW = 3


class DensityCurve(NamedTuple):
    """One sampler's curve.

    Attributes
    ----------
    label : Name of the sampler.
    n : Number of samples.
    mean : Mean of all samples.
    below : Share of samples beyond the figure, on its worse side.
    density : Density, float64[points]: share of samples a unit, at the figure's x.
    """

    label: str
    n: int
    mean: float
    below: float
    density: npt.NDArray[np.float64]


class DensityInfo(NamedTuple):
    """What the figure shows: `x`, the `curves`, the baseline first, a `title`, and what the values are of."""

    x: npt.NDArray[np.float64]
    curves: tuple[DensityCurve, ...]
    title: str
    measure: Measure = ACCURACY


def density_info(
    samples: Mapping[str, npt.NDArray[np.float64]], title: str = "", measure: Measure = ACCURACY
) -> DensityInfo:
    """Return the densities of each label's values; the first label is the baseline.

    The figure reaches from the best of all samples to the baseline's worst twentieth.

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
    everything = np.concatenate(list(samples.values()))
    worst = float(np.quantile(baseline, _TAIL if measure.higher_is_better else 1 - _TAIL))
    best = float(everything.max() if measure.higher_is_better else everything.min())
    margin = measure.sign * 0.02 * max(abs(best - worst), 1e-6)
    first, last = sorted((worst, best + margin))
    x = np.linspace(first, last, _POINTS)
    finest = 0.01 if measure.is_percent else 1e-3 * float(x[-1] - x[0])
    curves = tuple(
        DensityCurve(
            label,
            len(values),
            float(values.mean()),
            float((measure.sign * values < measure.sign * worst).mean()),
            _density(values, x, finest),
        )
        for label, values in samples.items()
    )
    return DensityInfo(x, curves, title, measure)


def _density(
    values: npt.NDArray[np.float64], x: npt.NDArray[np.float64], finest: float
) -> npt.NDArray[np.float64]:
    """Return the Gaussian kernel density of a sample at x; equal values are given the finest width."""
    deviation = float(values.std(ddof=1))
    lower, upper = np.quantile(values, [0.25, 0.75])
    spread = min([each for each in (deviation, float(upper - lower) / 1.34) if each > 0], default=0.0)
    width = max(0.9 * spread * len(values) ** -0.2, finest)
    if deviation == 0:
        return np.asarray(stats.norm.pdf(x, values[0], width))
    return np.asarray(stats.gaussian_kde(values, bw_method=width / deviation)(x))


def density_frame(info: DensityInfo) -> pd.DataFrame:
    """Return the figure's numbers: a row for each sampler and value of x."""
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "sampler": curve.label,
                    "n": curve.n,
                    "mean": curve.mean,
                    "below": curve.below,
                    info.measure.quantity: info.x,
                    "density": curve.density,
                }
            )
            for curve in info.curves
        ],
        ignore_index=True,
    )


def draw_density(info: DensityInfo, venue: str = "neurips") -> Figure:
    """Draw a panel a sampler, the baseline behind it in each; each says n, mean, and what lies left of it.

    Raises
    ------
    ValueError : an unknown venue, or no sampler beside the baseline.
    """
    if len(info.curves) < 2:
        raise ValueError("there is no sampler to draw beside the baseline")
    baseline, *samplers = info.curves
    columns = min(len(samplers), _PANELS_A_ROW)
    rows = -(-len(samplers) // columns)
    with venue_style(venue) as page:
        figure = Figure(figsize=(page.text, 1.6 * rows + 0.55), layout="constrained")
        axes = panel_grid(figure, len(samplers), columns, sharex=True, sharey=True)
        for ax, curve in zip(axes, samplers, strict=True):
            _draw_panel(ax, info, baseline, curve)
        axes[0].set_ylim(bottom=0)
        for ax in axes[-columns:]:
            ax.set_xlabel(info.measure.labelled(info.measure.named("valid")))
            ax.tick_params(labelbottom=True)  # also where the row below it is shorter
        for ax in axes[::columns]:
            unit = "% point" if info.measure.is_percent else info.measure.unit
            ax.set_ylabel(f"density (1 / {unit})" if unit else "density")
        figure.suptitle(info.title, fontsize="medium")
        look = method_look(baseline.label)
        handles = [
            Patch(
                facecolor=look.color,
                alpha=_PALE,
                label=f"{baseline.label}: {', '.join(_facts(baseline, info))}",
            ),
            Line2D([], [], color=method_look(samplers[0].label).color, label="the panel's sampler"),
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False, borderpad=0.1)
    return figure


def _draw_panel(ax: Axes, info: DensityInfo, baseline: DensityCurve, curve: DensityCurve) -> None:
    x = info.x
    ax.fill_between(x, baseline.density, color=method_look(baseline.label).color, alpha=_PALE, linewidth=0)
    ax.plot(x, curve.density, color=method_look(curve.label).color)
    ax.set_xlim(float(x[0]), float(x[-1]))
    ax.set_title(curve.label)
    ax.text(0.03, 0.97, "\n".join(_facts(curve, info)), transform=ax.transAxes, va="top", fontsize="small")
    seaborn.despine(ax=ax)


def _facts(curve: DensityCurve, info: DensityInfo) -> list[str]:
    digits = info.measure.decimals([each.mean for each in info.curves])
    side = "left" if info.measure.higher_is_better else "right"
    return [
        f"$n$ = {curve.n:,}",
        f"mean {curve.mean:.{digits}f}",
        f"{100 * curve.below:.1f} % further {side}",
    ]
