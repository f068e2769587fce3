"""Figures of what was run and kept: a reader for each kind, from which ``benchkit plot`` is made.

A new figure is a file in `benchkit.analysis.figures`, a reader here, and its line in `FIGURES`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchkit.reports.figure_files import Drawn, write_plot
from benchkit.reports.figures.cell import cell
from benchkit.reports.figures.correlation import correlation
from benchkit.reports.figures.fading import fading
from benchkit.reports.figures.heatmap import heatmap
from benchkit.reports.figures.plot import Plot
from benchkit.reports.figures.searches import collapse, stability
from benchkit.reports.figures.space import space
from benchkit.reports.figures.studies import efficiency, ranks, reaching
from benchkit.reports.figures.tasks import profile, winrate

__all__ = ["FIGURES", "draw_figure"]

FIGURES: dict[str, Callable[..., Plot]] = {
    "cell": cell,
    "collapse": collapse,
    "correlation": correlation,
    "efficiency": efficiency,
    "fading": fading,
    "heatmap": heatmap,
    "profile": profile,
    "ranks": ranks,
    "reaching": reaching,
    "space": space,
    "stability": stability,
    "winrate": winrate,
}
"""Name of a kind of figure -> its reader."""


def draw_figure(
    kind: str, *given: Any, out: Path, formats: Sequence[str] = ("pdf", "png"), **options: Any
) -> Drawn:
    """Draw a figure and write it with its numbers.

    Parameters
    ----------
    kind : Name in `FIGURES`.
    given, options : Arguments of its reader.
    out, formats : see `write_plot`.

    Raises
    ------
    InputError : what the reader refuses, or a place that cannot be written to.
    """
    plot = FIGURES[kind](*given, **options)
    paths, notes = write_plot(plot.figure, out, plot.frames, formats, plot.notes)
    stem = paths[0].with_suffix("")
    for ending, other in plot.beside.items():
        place = stem.with_name(f"{stem.name}-{ending}.{formats[0]}")
        paths += write_plot(other.figure, place, other.frames, formats).paths
    return Drawn(paths, notes)
