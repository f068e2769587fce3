"""Prints a finished study on a table."""

from __future__ import annotations

import textwrap
from typing import Any

import typer

from benchkit.base.errors import InputError, blamed_on
from benchkit.base.measure import ACCURACY, Measure
from benchkit.cli.output import show_json, show_rows, width
from benchkit.studies.store import StudyDirectory

_WIDE = 150
"""Characters that a row of all these columns takes, with the longest of our names."""


_FEW_SEEDS = 6
"""Below this many seeds no signed-rank test can reach 0.05."""


def show_table_study(study: StudyDirectory, form: str) -> None:
    """Print a leaderboard as ``table``, ``csv``, ``json`` or ``latex``."""
    if form == "markdown":
        raise InputError("--format markdown is for studies that train supernets")
    study.spec()
    with blamed_on(f"the study in {study.path}"):
        manifest = study.read_manifest()
        if form == "json":
            return show_json(_document(study, manifest))
        if form == "csv":
            return typer.echo(study.read_text(study.leaderboard), nl=False)
        if form == "latex":
            from benchkit.reports.report import latex_of

            return typer.echo(latex_of(study, manifest), nl=False)
        return _show_table(study, manifest)


def _document(study: StudyDirectory, manifest: dict[str, Any]) -> dict[str, Any]:
    from benchkit.studies.wording import study_measure

    return {
        "study": study.spec().model_dump(mode="json"),
        "table": manifest["table"],
        "not_applicable": manifest["not_applicable"],
        "remarks": manifest.get("remarks", {}),
        "studied": manifest.get("studied", {}),
        "measure": study_measure(manifest)._asdict(),
        "constraint": manifest.get("constraint", {}),
        "leaderboard": study.read_leaderboard().to_dict(orient="records"),
        **(
            {}
            if study.spec().best_of_k is None
            else {"best_of_k": study.read_best_of_k().to_dict(orient="records")}
        ),
    }


def _show_table(study: Any, manifest: dict[str, Any]) -> None:
    from benchkit.analysis.statistics.resolution import lacks_intervals
    from benchkit.analysis.tables.leaderboard import BOARD
    from benchkit.studies.wording import after_epochs, study_measure

    spec = study.spec()
    board = study.read_leaderboard()
    table = manifest["table"]
    measure = study_measure(manifest)
    see = spec.search
    # the data set is the title, and what has no splits has no test
    columns = [each for each in BOARD[1:] if see.split is not None or each.name != "test"]
    budget = (
        f"{spec.budget.queries:g} queries"
        if spec.budget.queries is not None
        else f"{spec.budget.simulated_seconds:g} simulated seconds"
    )
    typer.echo(f"{spec.name}: {spec.title or spec.table}")
    typer.echo(
        f"table {table['name']} ({table['entries']:,} entries, sha256 {table['sha256'][:12]}), "
        f"budget {budget}, search sees {_seen(spec)}{after_epochs(see.epochs, 'at')}, score {see.score}"
    )
    limits = manifest.get("constraint", {})
    for dataset, limit in limits.items():
        typer.echo(
            f"limit on {dataset}: {limit['cost']} at most {limit['max']:g} {limit['unit']}, which "
            f"{limit['feasible']:,} of {limit['entries']:,} entries keep"
        )
    best = "the best within the limit" if limits else "the table's optimum"
    typer.echo(f"{_values_text(measure)}, mean [95 % interval over seeds]; {_regret_text(measure, best)}\n")
    for dataset, rows in board.groupby("dataset", sort=False):
        digits = measure.decimals([*rows["valid"], *rows["test"]])
        regrets = measure.difference_decimals(rows["regret"])
        cells = [[each.text(dict(row), digits, regrets) for each in columns] for _, row in rows.iterrows()]
        header = [each.heading for each in columns]
        last = 1 + [each.name for each in columns].index("rank")  # what was found ends there
        if see.split is None:
            header[2] = measure.words
        if width() >= _WIDE:
            show_rows(header, cells, title=str(dataset))
        else:  # what was found, then what it took; each interval below its mean
            found = [[row[0], *(cell.replace(" [", "\n[") for cell in row[2:last])] for row in cells]
            show_rows([header[0], *header[2:last]], found, title=str(dataset))
            typer.echo()
            show_rows([*header[:2], *header[last:]], [[*row[:2], *row[last:]] for row in cells])
        typer.echo()
    query = "A query is an evaluation."
    if see.epochs is not None:
        query = f"A query is an evaluation at {see.epochs} epochs; one at fewer counts as its share."
    legend = (
        f"{query} Seconds are simulated. Distinct: different architectures, and up to isomorphism. Wins: "
        "share of seeds better than random search. Rows are in the order of rank."
    )
    if spec.seeds < _FEW_SEEDS:
        legend += f" With {spec.seeds} seeds p can say nothing."
    if lacks_intervals(board, ("valid", "test", "regret")):
        legend += " No interval: not resolvable, of fewer than 5 seeds or of seeds that are all equal."
    typer.echo(textwrap.fill(legend, width()))
    if spec.best_of_k is not None:
        _show_best_of_k(study, measure)
    for label, reason in manifest["not_applicable"].items():
        typer.echo(f"not applicable: {label}: {reason}")
    for label, remark in manifest.get("remarks", {}).items():
        typer.echo(f"note: {label}: {remark}")
    for note in [f"{s.label}: {s.note.strip()}" for s in spec.strategies if s.note] + list(spec.notes):
        typer.echo(f"note: {note}")
    for warning in table.get("warnings", ()):
        typer.echo(f"table: {warning}")


def _seen(spec: Any) -> str:
    """Return what a search sees: its split, and its quantity where that is not accuracy."""
    see = spec.search
    words = [see.split, "" if see.quantity == "accuracy" else see.quantity.replace("_", " ")]
    return " ".join(word for word in words if word)


def _values_text(measure: Measure) -> str:
    if measure == ACCURACY:
        return "accuracy in %"
    unit = f" in {measure.unit}" if measure.unit else ""
    return f"{measure.words}{unit}, {'higher' if measure.higher_is_better else 'lower'} is better"


def _regret_text(measure: Measure, best: str) -> str:
    return f"regret to {best}{f' in {measure.difference}' if measure.difference else ''}"


def _show_best_of_k(study: Any, measure: Measure) -> None:
    from benchkit.analysis.tables.best_of_k import best_of_k_layout

    summary = study.read_best_of_k()
    for dataset in dict.fromkeys(summary["dataset"]):
        typer.echo()
        header, rows = best_of_k_layout(summary, str(dataset), measure)
        what = measure.labelled(f"best {measure.named('valid')} of K samples")
        show_rows(header, rows, title=f"{dataset}: {what}")
    legend = (
        "Mean over seeds [95 % interval, where it is resolvable]; below a method its gain over random search"
        f"{f', in {measure.difference},' if measure.difference else ''} with K "
        "queries and with as many as the method had in all; of evolution, over one with a random start. "
        "* p < 0.05, signed-rank test, Holm-corrected."
    )
    typer.echo("\n" + textwrap.fill(legend, width()))
