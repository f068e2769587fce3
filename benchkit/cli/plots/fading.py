"""``benchkit plot fading``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchkit.cli.plots.options import Formats, Out, Venue, tell

__all__ = ["command"]


def command(
    folders: Annotated[list[Path], typer.Argument(help="Of benchkit fading run, or of fading intervals.")],
    out: Out,
    start: Annotated[
        str, typer.Option(help="Stand-alone trainings to show: shared or independent.")
    ] = "shared",
    venue: Venue = "neurips",
    formats: Formats = None,
) -> None:
    """Draw divergence and correlation against the number of models, or against the intervals of PC-NAS."""
    from benchkit.reports.figure_files import formats_of
    from benchkit.studies.fading.figures import plot_fading

    tell(plot_fading(folders, out, start, venue, formats_of(out, formats)))
