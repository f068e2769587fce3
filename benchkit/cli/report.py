"""``benchkit report``: finished studies as one page for the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report_command(
    folders: Annotated[
        list[Path],
        typer.Argument(
            metavar="DIR...", help="Of finished studies: leaderboards, correlations, posterior fading."
        ),
    ],
    out: Annotated[Path, typer.Option(help="The page: one HTML file that needs no network.")] = Path(
        "report.html"
    ),
    title: Annotated[str, typer.Option(help="Of the page; else the study's own.", show_default=False)] = "",
) -> None:
    """Write studies as one HTML page: leaderboards to sort, figures to point at, and their origin."""
    from benchkit.reports.page import write_report_page

    sections = write_report_page(folders, out, title)
    for section in sections:
        typer.echo(f"{section.kind}: {section.title}", err=True)
    typer.echo(str(out))
