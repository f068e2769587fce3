"""Draws the cells of an architecture, named or found by a search."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchkit.base.errors import InputError
from benchkit.reports.figures.plot import Plot, Venue, refusing


def cell(
    architecture: Annotated[
        str | None, typer.Argument(help="In the space's notation; else give --from.")
    ] = None,
    space: Annotated[str | None, typer.Option(help="Space of the architecture.")] = None,
    found: Annotated[
        Path | None, typer.Option("--from", help="Folder of a search, for what it recommends.")
    ] = None,
    venue: Venue = "neurips",
) -> Plot:
    """Draw an architecture's cells as graphs, with the operations on their edges or in their nodes."""
    from benchkit.spaces import get_space

    if found is None:
        if architecture is None or space is None:
            raise InputError("give an architecture and --space, or --from with the folder of a search")
    else:
        if architecture is not None or space is not None:
            raise InputError("--from names space and architecture: leave those out")
        from benchkit.training.kept_search import found_by

        facts = found_by(found)
        space, architecture = str(facts["space"]), str(facts["architecture"])
    whole = get_space(space)
    diagrams = whole.diagrams(whole.parse(architecture))
    from benchkit.analysis.figures.cell import cell_info, draw_cells

    with refusing():
        return Plot(draw_cells(cell_info(diagrams, venue), venue))
