"""Prints a finished study that trains supernets."""

from __future__ import annotations

import textwrap

import typer

from benchkit.cli.output import show_json, show_rows, width
from benchkit.studies.store import StudyDirectory


def show_supernet_study(study: StudyDirectory, form: str) -> None:
    """Print the table of a finished study as ``table``, ``csv``, ``json``, ``latex`` or ``markdown``."""
    from benchkit.analysis.tables.published import layout
    from benchkit.reports.supernet_report import read_table, supernet_spec

    spec = supernet_spec(study)
    table = read_table(study)
    if form == "json":
        rows = table.astype(object).where(table.notna(), None).to_dict(orient="records")
        return show_json({"study": spec.model_dump(mode="json"), "table": rows})
    endings = {"csv": ".csv", "latex": ".tex", "markdown": ".md"}
    if form in endings:
        return typer.echo(study.read_text(study.table.with_suffix(endings[form])), nl=False)
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
