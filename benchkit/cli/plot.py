"""``benchkit plot``: figures of studies that are finished, and of single architectures."""

from __future__ import annotations

import typer

from benchkit.cli.plots import cell, fading, searches

__all__ = ["app"]

app = typer.Typer(help="Draw figures of finished studies, and of cells.", no_args_is_help=True)
app.command("cell")(cell.command)
app.command("collapse")(searches.collapse)
app.command("fading")(fading.command)
app.command("stability")(searches.stability)
