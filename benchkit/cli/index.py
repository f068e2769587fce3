"""``benchkit leaderboard index``: the page of kept results."""

from __future__ import annotations

from pathlib import Path

import typer

__all__ = ["index_command"]


def index_command(
    results: Path = typer.Argument(metavar="RESULTS", help="Folder of the folders of kept studies."),
    check: bool = typer.Option(False, "--check", help="Write nothing; exit 1 where the page is out of date."),
) -> None:
    """Write RESULTS/README.md from the studies' about.md, leaderboards and key figures."""
    from benchkit.reports.results_page import PAGE, first_difference, write_results_page

    if not check:
        return typer.echo(str(write_results_page(results)))
    line = first_difference(results)
    if line is not None:
        typer.echo(
            f"benchkit: {results / PAGE} is out of date (line {line}); "
            f"run benchkit leaderboard index {results}",
            err=True,
        )
        raise typer.Exit(1)
    return typer.echo(f"{results / PAGE} is up to date")
