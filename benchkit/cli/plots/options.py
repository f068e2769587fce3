"""What all kinds of ``benchkit plot`` have in common: where the figure goes, how it looks, what is told."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from benchkit.reports.figure_files import Drawn

__all__ = ["Dataset", "Datasets", "Formats", "Out", "Split", "TableName", "Venue", "tell"]

Out = Annotated[
    Path,
    typer.Option(help="The figure: .pdf, .png, .svg or .pgf; without suffix PDF and PNG. Data go beside it."),
]
Venue = Annotated[str, typer.Option(help="Whose column widths: neurips, iclr, icml, cvpr, aaai.")]
Formats = Annotated[
    str | None, typer.Option("--format", help="pdf, png, svg, pgf; several with commas.", show_default=False)
]
Dataset = Annotated[str | None, typer.Option(help="Data set of the table.")]
Datasets = Annotated[
    str | None, typer.Option(help="Only these data sets: x,y; by default all.", show_default=False)
]
Split = Annotated[str, typer.Option(help="Accuracy to show: valid or test. Nothing is chosen by it.")]
TableName = Annotated[
    str | None, typer.Option("--table", help="Table, by name or path; that of the space by default.")
]


def tell(drawn: Drawn) -> None:
    """Print the notes on stderr and the files on stdout."""
    for note in drawn.notes:
        typer.echo(f"note: {note}", err=True)
    for path in drawn.paths:
        typer.echo(str(path))
