"""``benchkit plot cell``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchkit.cli.plots.options import Formats, Out, Venue, tell

__all__ = ["command"]


def command(
    out: Out,
    architecture: Annotated[
        str | None, typer.Argument(help="In the space's notation; else give --from.")
    ] = None,
    space: Annotated[str | None, typer.Option(help="Space of the architecture.")] = None,
    found: Annotated[
        Path | None, typer.Option("--from", help="Folder of a search, for what it recommends.")
    ] = None,
    venue: Venue = "neurips",
    formats: Formats = None,
) -> None:
    """Draw an architecture's cells as graphs, with the operations on their edges or in their nodes."""
    from benchkit.base.errors import InputError
    from benchkit.spaces import get_space

    if found is None:
        if architecture is None or space is None:
            raise InputError("give an architecture and --space, or --from with the folder of a search")
    else:
        if architecture is not None or space is not None:
            raise InputError("--from names space and architecture: leave those out")
        from benchkit.training.final_settings import found_by

        facts = found_by(found)
        space, architecture = str(facts["space"]), str(facts["architecture"])
    whole = get_space(space)
    diagrams = whole.diagrams(whole.parse(architecture))
    from benchkit.analysis.figures.cell import cell_info, draw_cells
    from benchkit.reports.figure_files import formats_of, write_plot

    try:
        figure = draw_cells(cell_info(diagrams, venue), venue)
    except ValueError as error:
        raise InputError(str(error)) from error
    tell(write_plot(figure, out, {}, formats_of(out, formats)))
