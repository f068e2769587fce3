"""A matrix of rank correlations as a heat map; on the diagonal what two trainings of one column agree in.

`heatmap_info` chooses the rows, `draw_heatmap` draws them. One hue from light to dark, with the figures
printed in the cells, so that it can be read in grey.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import seaborn
from matplotlib.figure import Figure

from benchkit.analysis.style import venue_style

__all__ = ["HeatmapInfo", "draw_heatmap", "heatmap_info"]

_NAMES = {
    "kendall_tau": r"Kendall's $\tau_b$",
    "spearman": r"Spearman's $\rho$",
    "pearson": "Pearson's $r$",
    "weighted_tau": r"weighted $\tau$",
}
_SIDE = 0.42
"""Least width of a cell that has its interval printed, in inches."""


class HeatmapInfo(NamedTuple):
    """What the figure shows.

    Attributes
    ----------
    names : of the columns, in their order.
    value, low, high : float64[names, names]; the diagonal is the ceiling, NaN where there is none.
    n : smallest and largest number of architectures of a pair.
    measure, fraction : of the figures.
    level : coverage of the intervals.
    """

    names: tuple[str, ...]
    value: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    n: tuple[int, int]
    measure: str
    fraction: float
    level: float


def heatmap_info(
    matrix: pd.DataFrame, measure: str = "kendall_tau", fraction: float = 1.0, level: float = 0.95
) -> HeatmapInfo:
    """Return one measure of a matrix.

    Parameters
    ----------
    matrix : see `benchkit.analysis.correlation_matrix.correlation_matrix`.
    level : with which it was made.

    Raises
    ------
    ValueError : it has no such measure or fraction.
    """
    chosen = matrix[(matrix["measure"] == measure) & (matrix["fraction"] == fraction) & matrix["k"].isna()]
    if len(chosen) == 0:
        raise ValueError(f"the matrix has no {measure} within the best {100 * fraction:g} %")
    names = tuple(dict.fromkeys([*chosen["row"], *chosen["column"]]))
    value, low, high = (
        chosen.pivot(index="row", columns="column", values=each)
        .reindex(index=names, columns=names)
        .to_numpy(dtype=np.float64)
        for each in ("value", "low", "high")
    )
    pairs = chosen[chosen["row"] != chosen["column"]]["n"]
    n = (int(pairs.min()), int(pairs.max()))
    return HeatmapInfo(names, value, low, high, n, measure, fraction, level)


def draw_heatmap(info: HeatmapInfo, venue: str = "neurips") -> Figure:
    """Draw the matrix; intervals stand in the cells where there is room for them.

    Raises
    ------
    ValueError : an unknown venue.
    """
    k = len(info.names)
    with venue_style(venue) as page:
        labels = 0.052 * max(map(len, info.names)) + 0.15
        side = min(0.62, (page.column - labels - 0.55) / k)
        width = page.column
        if side < _SIDE and page.text > page.column:
            width, side = page.text, min(0.62, (page.text - labels - 0.55) / k)
        width = min(width, labels + side * k + 0.75)
        figure = Figure(figsize=(width, side * k + 0.72 * labels + 0.55), layout="constrained")
        ax = figure.subplots()
        lowest = float(np.nanmin(info.value))
        image = ax.imshow(
            info.value,
            cmap=seaborn.light_palette("#4c78a8", as_cmap=True),
            vmin=min(0.0, lowest),
            vmax=1,
            aspect="equal",
        )
        roomy = side >= _SIDE
        for (i, j), value in np.ndenumerate(info.value):
            if np.isnan(value):
                continue
            text = f"{value:.2f}"
            if roomy:
                text += f"\n[{info.low[i, j]:.2f}, {info.high[i, j]:.2f}]"
            ax.text(
                *(j, i, text),
                ha="center",
                va="center",
                fontsize=5 if roomy else max(3.5, min(6.0, 30 * side)),
                fontstyle="italic" if i == j else "normal",
                color="white" if value > 0.65 else "black",
                linespacing=1.15,
            )
        ax.set_xticks(range(k), info.names, rotation=45, ha="right", rotation_mode="anchor")
        ax.set_yticks(range(k), info.names)
        ax.tick_params(length=0)
        for spine in ax.spines.values():
            spine.set_visible(False)
        bar = figure.colorbar(image, ax=ax, fraction=0.04, pad=0.02)
        within = "" if info.fraction == 1 else f", best {100 * info.fraction:g} % of the row"
        bar.set_label(f"{_NAMES.get(info.measure, info.measure)}{within}")
        bar.outline.set_visible(False)
        low, high = info.n
        n = f"{low:,}" if low == high else f"{low:,} to {high:,}"
        said = f"$n$ = {n} architectures"
        if roomy:
            said += f"; [{100 * info.level:g} % interval]"
        if not np.isnan(np.diag(info.value)).all():
            said += "; diagonal: run against run"
        ax.set_title(said)
    return figure
