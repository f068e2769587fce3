"""``benchkit plot profile`` and ``benchkit plot winrate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchkit.cli.output import words_or_none
from benchkit.cli.plots.options import Datasets, Formats, Out, Venue, tell

__all__ = ["profile", "winrate"]

Folders = Annotated[list[Path], typer.Argument(help="Folders of finished studies; several are more tasks.")]


def profile(
    folders: Folders,
    out: Out,
    baseline: Annotated[str, typer.Option(help="Strategy whose mean regret is the unit.")] = "random-search",
    datasets: Datasets = None,
    venue: Venue = "neurips",
    formats: Formats = None,
) -> None:
    """Draw performance profiles: the share of runs above each score, and interquartile means."""
    from benchkit.reports.figure_files import formats_of
    from benchkit.reports.plots.compare import plot_profile

    tell(plot_profile(folders, out, baseline, words_or_none(datasets), venue, formats_of(out, formats)))


def winrate(
    folders: Folders, out: Out, datasets: Datasets = None, venue: Venue = "neurips", formats: Formats = None
) -> None:
    """Draw the share of seeds that each strategy wins against each other."""
    from benchkit.reports.figure_files import formats_of
    from benchkit.reports.plots.compare import plot_winrate

    tell(plot_winrate(folders, out, words_or_none(datasets), venue, formats_of(out, formats)))
