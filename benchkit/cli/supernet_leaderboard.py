"""``benchkit leaderboard`` for studies whose trials train supernets."""

from __future__ import annotations

import textwrap
from functools import partial
from pathlib import Path
from typing import Any

import typer

from benchkit.cli.output import progress_bar, show_json, show_rows, width

__all__ = ["holds_supernets", "run_searches", "show_searches"]


def holds_supernets(directory: Path) -> bool:
    """Return whether a folder is that of a study of supernet searches."""
    from benchkit.studies.supernet_spec import is_supernet_study

    study = directory / "study.yaml"
    return study.is_file() and is_supernet_study(study)


def run_searches(
    spec: Any, out: Path, jobs: int, backend: str, scheduler: str | None, device: str, as_json: bool
) -> None:
    """Run a study and print its table."""
    from benchkit.reports.api import run_study

    with progress_bar("searches") as update:
        bar = partial(progress_bar, "query-backed trials")
        run_study(spec, out, jobs, backend, scheduler, update, device, bar)
    show_searches(out, "json" if as_json else "table")
    if not as_json:
        typer.echo(f"\nresults: {out}")


def show_searches(out: Path, form: str) -> None:
    """Print the table of a finished study as ``table``, ``csv``, ``json``, ``latex`` or ``markdown``."""
    from benchkit.analysis.tables.published import layout
    from benchkit.reports.supernet_report import read_table
    from benchkit.studies.supernet_spec import load_supernet_study

    spec = load_supernet_study(out / "study.yaml")
    table = read_table(out)
    if form == "json":
        rows = table.astype(object).where(table.notna(), None).to_dict(orient="records")
        return show_json({"study": spec.model_dump(mode="json"), "table": rows})
    files = {"csv": "table.csv", "latex": "table.tex", "markdown": "table.md"}
    if form in files:
        return typer.echo((out / files[form]).read_text(encoding="utf-8"), nl=False)
    searches = spec.searches
    typer.echo(f"{spec.name}: {spec.title or spec.table}")
    trained = ", ".join(f"{name} {value}" for name, value in searches.settings.items())
    typer.echo(
        f"supernets trained on {searches.data}, preset {searches.preset}{', ' if trained else ''}{trained}; "
        f"what they found is looked up in {spec.table}"
    )
    typer.echo("accuracy in %, mean ± standard deviation over n seeds\n")
    header, blocks = layout(table)
    for block, cells in blocks.items():
        show_rows(header, cells, title=block)
        typer.echo()
    if spec.source:
        typer.echo(textwrap.fill(f"published: {spec.source}", width()))
    for note in [f"{each.label}: {each.note}" for each in searches.strategies if each.note] + spec.notes:
        typer.echo(textwrap.fill(f"note: {note}", width()))
    return None
