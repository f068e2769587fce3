"""``benchkit plot``: figures of studies that are finished, and of single architectures."""

from __future__ import annotations

import typer

from benchkit.cli.plots import cell, compare, correlations, fading, searches, space, studies

__all__ = ["app"]

app = typer.Typer(help="Draw figures of finished studies, and of cells.", no_args_is_help=True)
app.command("cell")(cell.command)
app.command("collapse")(searches.collapse)
app.command("correlation")(correlations.correlation)
app.command("efficiency")(studies.efficiency)
app.command("fading")(fading.command)
app.command("heatmap")(correlations.heatmap)
app.command("profile")(compare.profile)
app.command("ranks")(studies.ranks)
app.command("reaching")(studies.reaching)
app.command("space")(space.command)
app.command("stability")(searches.stability)
app.command("winrate")(compare.winrate)
