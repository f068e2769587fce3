"""``benchkit plot efficiency``, ``benchkit plot reaching`` and ``benchkit plot ranks``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchkit.cli.output import words_or_none
from benchkit.cli.plots.options import Datasets, Formats, Out, Venue, tell

__all__ = ["efficiency", "ranks", "reaching"]

Folders = Annotated[list[Path], typer.Argument(help="Folders of finished leaderboard studies.")]
AxisName = Annotated[
    str | None,
    typer.Option("--axis", help="queries, seconds (simulated) or real-seconds; by default what was limited."),
]


def efficiency(
    folders: Folders,
    out: Out,
    axis: AxisName = None,
    datasets: Datasets = None,
    venue: Venue = "neurips",
    formats: Formats = None,
) -> None:
    """Draw the regret of the incumbent against what was spent, mean and band over seeds."""
    from benchkit.reports.figure_files import formats_of
    from benchkit.reports.plots.studies import plot_efficiency

    tell(plot_efficiency(folders, out, axis, words_or_none(datasets), venue, formats_of(out, formats)))


def reaching(
    folders: Folders,
    out: Out,
    target: Annotated[float, typer.Option(help="Regret to reach, in percent points or the quantity's unit.")],
    axis: AxisName = None,
    datasets: Datasets = None,
    venue: Venue = "neurips",
    formats: Formats = None,
) -> None:
    """Draw the share of trials that reached a regret, against what was spent (Kaplan-Meier)."""
    from benchkit.reports.figure_files import formats_of
    from benchkit.reports.plots.studies import plot_reaching

    tell(plot_reaching(folders, out, target, axis, words_or_none(datasets), venue, formats_of(out, formats)))


def ranks(
    folders: Folders, out: Out, datasets: Datasets = None, venue: Venue = "neurips", formats: Formats = None
) -> None:
    """Draw average ranks over seeds, and which strategies the tests do not tell apart."""
    from benchkit.reports.figure_files import formats_of
    from benchkit.reports.plots.studies import plot_ranks

    tell(plot_ranks(folders, out, words_or_none(datasets), venue, formats_of(out, formats)))
