"""``benchkit plot``: figures of studies that are finished, and of single architectures."""

from __future__ import annotations

from pathlib import Path

import typer

__all__ = ["app"]

_VENUES = "Whose column widths: neurips, iclr, icml, cvpr, aaai."

app = typer.Typer(help="Draw figures of finished studies, and of cells.", no_args_is_help=True)


@app.command("fading")
def fading_command(
    folders: list[Path] = typer.Argument(help="Folders of benchkit fading run, or of fading intervals."),
    out: Path = typer.Option(..., help="Name of the figure; it is written as PDF and as PNG."),
    start: str = typer.Option("shared", help="Stand-alone trainings to show: shared or independent."),
    venue: str = typer.Option("neurips", help=_VENUES),
) -> None:
    """Draw divergence and correlation against the number of models, or against the intervals of PC-NAS."""
    from benchkit.fading.figures import plot_fading

    for path in plot_fading(folders, out, start, venue):
        typer.echo(str(path))


@app.command("cell")
def cell_command(
    architecture: str | None = typer.Argument(None, help="In the space's notation; else give --from."),
    space: str | None = typer.Option(None, help="Space of the architecture."),
    out: Path = typer.Option(..., help="Name of the figure; it is written as PDF and as PNG."),
    found: Path | None = typer.Option(None, "--from", help="Folder of a search, for what it recommends."),
    venue: str = typer.Option("neurips", help=_VENUES),
) -> None:
    """Draw an architecture's cells as graphs, with the operations on their edges or in their nodes."""
    from benchkit.spaces import InputError, get_space

    if found is None:
        if architecture is None or space is None:
            raise InputError("give an architecture and --space, or --from with the folder of a search")
    else:
        if architecture is not None or space is not None:
            raise InputError("--from names space and architecture: leave those out")
        from benchkit.building.final_settings import found_by

        facts = found_by(found)
        space, architecture = str(facts["space"]), str(facts["architecture"])
    whole = get_space(space)
    diagrams = whole.diagrams(whole.parse(architecture))
    from benchkit.analysis.cell_figure import cell_info, draw_cells
    from benchkit.files import write_figure

    try:
        figure = draw_cells(cell_info(diagrams, venue), venue)
    except ValueError as error:
        raise InputError(str(error)) from error
    for path in write_figure(figure, out):
        typer.echo(str(path))
