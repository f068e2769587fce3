"""Draws posterior fading against the number of models that share weights.

`benchkit.analysis.figures.intervals` has the figure along a search that shrinks its space.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from benchkit.analysis.figures.style import (
    Look,
    band_handle,
    finish_axes,
    legend_below,
    method_look,
    panel_grid,
    venue_style,
)
from benchkit.analysis.figures.text import MEASURES, range_text
from benchkit.analysis.statistics.resolution import FEWEST
from benchkit.analysis.statistics.training_mean import values_of

_COLUMNS = 3
_SIDE = 1.75  # inches, of one panel
_MANY_DECADES = 50.0
_SINGLE_COLUMN = 4  # entries of a legend


class Line(NamedTuple):
    """One curve with its band.

    Attributes
    ----------
    label : Text in the legend.
    x, mean, low, high : Curve and band, float64[points]; low and high are NaN without an interval.
    look : Look of the line; None takes the next of the palette.
    n : Number of random sets of models a mean is over, float64[points]; None where it is something else.
    single : Points (x, y) of single values, where means are over too few for an interval.
    """

    label: str
    x: npt.NDArray[np.float64]
    mean: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    look: Look | None = None
    n: npt.NDArray[np.float64] | None = None
    single: tuple[tuple[float, float], ...] = ()


class Panel(NamedTuple):
    """One pair of axes.

    Attributes
    ----------
    title, xlabel, ylabel : Texts of the axes.
    lines : Lines of the panel; where there are none, the panel says so.
    level : Horizontal line with its label, or None.
    models : Whether x is a number of models, on a logarithmic axis.
    signed : Whether y may be negative over many decades.
    least, most : Smallest and largest y, which the axis does not pass. None is no bound.
    """

    title: str
    xlabel: str
    ylabel: str
    lines: list[Line]
    level: tuple[str, float] | None = None
    models: bool = True
    signed: bool = False
    least: float | None = None
    most: float | None = None


def study_info(frames: Mapping[str, pd.DataFrame], start: str = "shared") -> list[Panel]:
    """Return the panels of a study of fading.

    Parameters
    ----------
    frames : Tables of the study by name: divergence-mean, function_space-mean, correlation-mean and floor.
    start : First weights of the stand-alone trainings that are shown.
    """
    divergence, functions, correlation, floor = (
        frames[name][frames[name]["start"] == start]
        for name in ("divergence-mean", "function_space-mean", "correlation-mean", "floor")
    )
    models = "models that share weights, $K$"
    per = "nats a parameter"
    searched = divergence[divergence["layer"] == "searched"]

    def chosen(frame: pd.DataFrame, *wanted: str) -> pd.DataFrame:
        return frame[(frame[["approximation", "law", "measure"]] == list(wanted)).all(axis=1)]

    def posteriors(*wanted: tuple[str, str, str, str]) -> list[Line]:
        rows = {label: chosen(searched, *which) for label, *which in wanted}
        return _known(_line(label, each, "models", each["parameters"]) for label, each in rows.items())

    paper = posteriors(
        ("Laplace, prior $K$ times", "laplace", "product", "paper"),
        ("Laplace, prior once", "laplace", "prior-once", "paper"),
        ("over seeds", "seeds", "product", "paper"),
    )
    exact = posteriors(
        ("Laplace, Eq. 5", "laplace", "product", "exact"),
        ("concentration", "laplace", "product", "concentration"),
        ("displacement", "laplace", "product", "displacement"),
        ("Laplace, prior once", "laplace", "prior-once", "exact"),
        ("Laplace, Eq. 4", "laplace", "mean", "exact"),
        ("over seeds, Eq. 5", "seeds", "product", "exact"),
    )
    operators = chosen(divergence, "laplace", "product", "exact")
    operators = operators[
        ~operators["layer"].isin(["searched", "all"])
        & ((operators["layer"] != "fixed") | operators["operator"].fillna("").eq(""))  # the sum alone
    ]
    layers = [
        _line(_group(layer, operator), rows, "models", rows["parameters"])
        for (layer, operator), rows in operators.fillna({"operator": ""}).groupby(
            ["layer", "operator"], sort=True
        )
    ]
    level = floor[floor["measure"] == "prediction_kl"]["mean"]
    agreement = functions[functions["measure"] == "prediction_kl"]
    distance = functions[(functions["measure"] == "distance") & (functions["layer"] != "fixed")]
    ranks = [
        _line(MEASURES[str(measure)] + (", two seeds alone" if of == "ceiling" else ""), rows, "models")
        for (of, measure), rows in correlation.groupby(["of", "measure"], sort=False)
    ]
    return [
        Panel("Eq. 10 as printed", models, per, paper, signed=True),
        Panel("exact, with the normaliser", models, per, exact),
        Panel("exact, by layer and operator", models, per, _known(layers)),
        Panel(
            "predictions",
            models,
            "KL(alone || inherited), nats",
            _known([_line("inherited weights", agreement, "models")]),
            ("two seeds, alone", float(level.iloc[0])) if len(level) else None,
            least=0.0,
        ),
        Panel(
            "parameters",
            models,
            "relative distance to alone",
            _known(
                _line(_group(layer, operator), rows, "models")
                for (layer, operator), rows in distance.groupby(["layer", "operator"], sort=True)
            ),
            least=0.0,
        ),
        Panel("rank correlation", models, "correlation with alone", _known(ranks), least=-1.0, most=1.0),
    ]


def draw_study(panels: Sequence[Panel], venue: str = "neurips") -> Figure:
    """Draw the panels of `study_info`, three a row; the legend below all of them says what the bands are.

    Raises
    ------
    ValueError : an unknown venue, or no panels.
    """
    if not panels:
        raise ValueError("there are no panels to draw")
    with venue_style(venue) as page:
        rows = -(-len(panels) // _COLUMNS)
        figure = Figure(figsize=(page.text, (_SIDE + 0.75) * rows), layout="constrained")
        for ax, panel in zip(panel_grid(figure, len(panels), _COLUMNS), panels, strict=True):
            draw_panel(ax, panel)
        counts = [
            line.n[np.isfinite(line.low)] for panel in panels for line in panel.lines if line.n is not None
        ]
        known = np.concatenate(counts) if counts else np.empty(0)
        if len(known):
            text = f"mean over $n$ random sets of $K$ models, 95 % interval; $n$ = {range_text(known, 'g')}"
            if any(line.single for panel in panels for line in panel.lines):
                text += f"; dots: each set of fewer than {FEWEST}"
            legend_below(figure, [band_handle(text)], 1, fontsize=7)
    return figure


def draw_panel(ax: Axes, panel: Panel, legend: bool = True) -> None:
    """Draw the lines of a panel with their bands, and its legend below."""
    looks = iter(palette())
    for line in panel.lines:
        look = line.look or next(looks)
        if np.isfinite(line.low).any():
            ax.fill_between(line.x, line.low, line.high, color=look.color, alpha=0.15, linewidth=0)
        ax.plot(
            line.x,
            line.mean,
            color=look.color,
            linestyle=look.linestyle,
            marker=look.marker,
            markersize=2.8,
            markeredgewidth=0,
            label=line.label,
        )
        if line.single:
            x, y = np.array(line.single).T
            ax.scatter(x, y, s=3, color=look.color, linewidth=0, alpha=0.5)
    if panel.level is not None:
        label, value = panel.level
        ax.axhline(value, color="0.3", linestyle=(0, (1.0, 1.2)), label=label)
    ax.set_title(panel.title)
    ax.set_xlabel(panel.xlabel)
    ax.set_ylabel(panel.ylabel)
    if panel.models:
        _model_axis(ax, panel)
    else:
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
    bottom, top = ax.get_ylim()
    if panel.least is not None:
        ax.set_ylim(bottom=max(bottom, panel.least))
    if panel.most is not None:
        ax.set_ylim(top=min(top, panel.most))
    finish_axes(ax)
    if not panel.lines:
        ax.text(0.5, 0.5, "no such figures", ha="center", va="center", transform=ax.transAxes, color="0.4")
        return
    if not legend:
        return
    ax.legend(
        loc="upper center",
        bbox_to_anchor=(0.5, -0.28),
        frameon=False,
        fontsize=6,
        handlelength=1.8,
        handletextpad=0.4,
        columnspacing=0.8,
        labelspacing=0.2,
        borderpad=0,
        ncols=2 if len(panel.lines) > _SINGLE_COLUMN else 1,
    )


def _model_axis(ax: Axes, panel: Panel) -> None:
    """Give numbers of models a logarithmic axis, and divergences one where they span decades."""
    values = np.concatenate([line.mean for line in panel.lines]) if panel.lines else np.ones(1)
    ax.set_xscale("log", base=2)
    ticks = sorted({float(x) for line in panel.lines for x in line.x})
    if ticks:
        ax.set_xticks(ticks[:: -(-len(ticks) // 5)] if len(ticks) > 6 else ticks)
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    known = np.abs(values[np.isfinite(values) & (values != 0)])  # K = 1 is 0: it has no logarithm
    if not len(known) or known.max() < _MANY_DECADES * known.min():
        return
    if panel.signed and (values < 0).any():
        ax.set_yscale("symlog", linthresh=1.0)
        return
    ax.set_yscale("log", nonpositive="mask")
    # an interval may reach close to 0, far down on a logarithm: what is seen is decided by the means
    ax.set_ylim(bottom=known.min() / 3)


def _line(label: str, rows: pd.DataFrame, x: str, scale: pd.Series[float] | None = None) -> Line | None:
    """Return the curve of a frame's mean, low and high, each over `scale`; None without rows."""
    if not len(rows):
        return None
    # sets without such parameters have no divergence, of no parameters
    by = np.ones(len(rows)) if scale is None else np.maximum(scale.to_numpy(dtype=np.float64), 1.0)
    mean, low, high = (rows[name].to_numpy(dtype=np.float64) / by for name in ("mean", "low", "high"))
    n = rows["draws"].to_numpy(dtype=np.float64) if "draws" in rows else None
    places = rows[x].to_numpy(dtype=np.float64)
    texts = rows["values"] if "values" in rows else [""] * len(rows)
    single = tuple(
        (float(at), float(value / scale))
        for at, text, scale in zip(places, texts, by, strict=True)
        for value in values_of(text)
    )
    return Line(label, places, mean, low, high, n=n, single=single)


def _group(layer: object, operator: object) -> str:
    """Return a short name of theta_{l,o}: layer, then operator."""
    return f"{layer}: {operator}".replace("nor_", "").replace("_", " ") if operator else "fixed"


def _known(lines: Iterable[Line | None]) -> list[Line]:
    return [line for line in lines if line is not None]


def palette() -> list[Look]:
    """Return looks that stay apart in grey: colour, marker and line style all change."""
    names = ("regularized-evolution", "vaenas-g", "local-search", "reinforce", "sivdnas", "bohb", "rsps",
             "fairnas", "random-search", "bananas")  # fmt: skip
    return [method_look(name) for name in names]
