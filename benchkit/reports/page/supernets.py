"""Makes the sections of a study of supernet searches: its table beside published ones, and its queries."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchkit.base.errors import InputError
from benchkit.reports.page.leaderboards import leaderboard_section
from benchkit.reports.page.origin import command, facts_of, kept_files, leaderboard_commands, read_json
from benchkit.reports.page.parts import Cell, Column, DataTable, Row, Section, choice, number_cell, text_cell
from benchkit.reports.supernet_report import read_table, supernet_spec
from benchkit.studies.spec import SupernetStudySpec
from benchkit.studies.store import StudyDirectory

_FIGURES = ("valid", "test", "published_valid", "published_test")


def supernet_sections(folder: Path, name: str) -> list[Section]:
    """Return the section of a finished study of supernet searches, and that of its query-backed block.

    Parameters
    ----------
    name : Name of the folder, on the page and in its commands.

    Raises
    ------
    InputError : the study has not finished, or a file is damaged.
    """
    directory = StudyDirectory(folder)
    spec = supernet_spec(directory)
    frame = read_table(directory)
    manifest = read_json(folder / "manifest.json")
    try:
        records: Any = frame.to_dict(orient="records")
        rows = tuple(Row(_cells(row), (str(row["dataset"]),)) for row in records)
    except KeyError as error:
        raise InputError(f"{folder / 'table.csv'} is damaged: it has no column {error}") from error
    columns = (
        Column("strategy", False),
        Column("data set", False),
        Column("block", False, "whether a method trains a supernet, or queries the table"),
        Column("n", about="seeds"),
        Column("valid", about="validation accuracy of what was found, trained alone, %"),
        Column("test", about="test accuracy of the same, %; nothing is chosen by it"),
        Column("valid, published"),
        Column("test, published"),
    )
    table = DataTable(
        caption="Accuracy in %: mean ± standard deviation over n seeds, beside the published figures.",
        columns=columns,
        rows=rows,
        filters=(choice("Data set", list(dict.fromkeys(row.keys[0] for row in rows)), everything="all"),),
        commands=(command("leaderboard", "show", name),),
    )
    section = Section(
        title=spec.title or spec.name,
        kind="Weight sharing",
        lead=(_lead(spec, manifest),),
        tables=(table,),
        notes=_notes(spec),
        facts=facts_of(manifest),
        commands=leaderboard_commands(name),
        files=kept_files(folder, ("study.yaml", "manifest.json")),
    )
    queries = folder / "queries"
    if spec.queries is None or not (queries / "manifest.json").is_file():
        return [section]
    return [section, leaderboard_section(queries, f"{name}/queries")]


def _lead(spec: SupernetStudySpec, manifest: Mapping[str, Any]) -> str:
    searches = spec.searches
    settings = "".join(f", {name} {value}" for name, value in searches.settings.items())
    sha256 = str(dict(manifest.get("table") or {}).get("sha256", "unknown"))[:12]
    return (
        f"Supernets trained on {searches.data}, preset {searches.preset}{settings}; {searches.seeds} seeds. "
        f"What they found is looked up in table {spec.table} (SHA-256 {sha256})."
    )


def _notes(spec: SupernetStudySpec) -> tuple[str, ...]:
    source = [f"Published: {spec.source}"] if spec.source else []
    return (
        *source,
        *(f"{each.label}: {each.note}" for each in spec.searches.strategies if each.note),
        *spec.notes,
    )


def _cells(row: Mapping[str, Any]) -> tuple[Cell, ...]:
    numbers = []
    for name in _FIGURES:
        shown, spread = number_cell(row[name], ".2f"), row[f"{name}_sd"]
        numbers.append(shown if spread != spread else Cell(shown.text, shown.sort, f"± {spread:.2f}"))
    names = (text_cell(row[name]) for name in ("strategy", "dataset", "block"))
    return (*names, number_cell(row["n"] or float("nan"), ".0f"), *numbers)
