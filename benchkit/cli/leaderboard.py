"""``benchkit leaderboard``: run a study, show it, verify it."""

from __future__ import annotations

import textwrap
from enum import StrEnum
from pathlib import Path
from typing import Any

import typer

from benchkit.base.measure import ACCURACY, Measure
from benchkit.cli.chains import chains_command
from benchkit.cli.compare import compare_command
from benchkit.cli.efficiency import efficiency_command
from benchkit.cli.output import JSON_OPTION, progress_bar, show_json, show_rows, width, words_or_none
from benchkit.cli.supernet_leaderboard import holds_supernets, run_searches, show_searches

app = typer.Typer(help="Run, show and verify a leaderboard.", no_args_is_help=True)
app.command("chains")(chains_command)
app.command("compare")(compare_command)
app.command("efficiency")(efficiency_command)


class Format(StrEnum):
    """How a leaderboard is printed."""

    table = "table"
    csv = "csv"
    json = "json"
    latex = "latex"
    markdown = "markdown"


_WIDE = 150
"""Characters that a row of all these columns takes, with the longest of our names."""


_FEW_SEEDS = 6
"""Below this many seeds no signed-rank test can reach 0.05."""


@app.command("run")
def run_study(
    study: Path | None = typer.Argument(None, metavar="[STUDY.yaml]", help="A study; or name a --preset."),
    preset: str | None = typer.Option(
        None, help="A study that comes with benchkit: quick, full, nb201-12k, ..."
    ),
    out: Path = typer.Option(..., help="Directory of the results; the same study there is resumed."),
    strategies: str | None = typer.Option(None, help="Only these strategies: a,b."),
    datasets: str | None = typer.Option(None, help="Only these data sets: x,y."),
    seeds: int | None = typer.Option(None, help="Number of seeds."),
    queries: float | None = typer.Option(None, help="Budget in queries."),
    jobs: int = typer.Option(-1, help="Processes; -1 for all cores. Results do not depend on it."),
    backend: str = typer.Option("loky", help="loky (this machine) or dask (a cluster)."),
    scheduler: str | None = typer.Option(None, help="Address of the Dask scheduler."),
    device: str = typer.Option("auto", help="Of studies that train supernets: auto, cpu, cuda or cuda:N."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Run a study and write its traces, leaderboard, figures and manifest."""
    from benchkit.base.errors import InputError
    from benchkit.reports.api import run_study as run
    from benchkit.studies.api import load_study
    from benchkit.studies.spec import StudySpec

    if (study is None) == (preset is None):
        raise InputError("give either a STUDY.yaml or a --preset")
    spec = load_study(study if study is not None else preset or "")
    if not isinstance(spec, StudySpec):
        if queries is not None:
            raise InputError(f"study {spec.name} trains supernets: no --queries")
        replaced = spec.replaced(words_or_none(strategies), words_or_none(datasets), seeds)
        return run_searches(replaced, out, jobs, backend, scheduler, device, as_json)
    spec = spec.replaced(words_or_none(strategies), words_or_none(datasets), seeds, queries)
    with progress_bar("trials") as update:
        directory: Any = run(spec, out, jobs, backend, scheduler, update)
    if as_json:
        return show_json(_document(directory.path))
    _show_table(directory, directory.read_manifest())
    typer.echo(f"\nresults: {directory.path}\nfigures:")
    for path in sorted(directory.figures.glob("*.png")):
        typer.echo(f"  {path}")
    return None


def _document(directory: Path) -> dict[str, Any]:
    from benchkit.studies.store import StudyDirectory
    from benchkit.studies.wording import study_measure

    study = StudyDirectory(directory)
    manifest = study.read_manifest()
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


@app.command("presets")
def presets(as_json: bool = JSON_OPTION) -> None:
    """List the studies that come with benchkit."""
    from benchkit.studies.spec import load_preset, preset_names
    from benchkit.studies.supernet_spec import load_supernet_preset, supernet_preset_names

    studies = [load_preset(name) for name in preset_names()]
    training = [load_supernet_preset(name) for name in supernet_preset_names()]
    if as_json:
        return show_json([study.model_dump(mode="json") for study in (*studies, *training)])
    rows = [[study.name, study.table, str(study.seeds), study.title] for study in studies]
    rows += [[study.name, study.table, str(study.searches.seeds), study.title] for study in training]
    return show_rows(["preset", "table", "seeds", "title"], rows)


@app.command("show")
def show(
    directory: Path = typer.Argument(metavar="DIR", help="Directory of a finished study."),
    form: Format = typer.Option(Format.table, "--format", help="How to print it."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Print a leaderboard."""
    from benchkit.base.errors import InputError, blamed_on
    from benchkit.studies.store import StudyDirectory

    if holds_supernets(directory):
        return show_searches(directory, "json" if as_json else form.value)
    if form is Format.markdown:
        raise InputError("--format markdown is for studies that train supernets")
    study = StudyDirectory(directory)
    study.spec()
    with blamed_on(f"the study in {directory}"):
        manifest = study.read_manifest()
        if as_json or form is Format.json:
            return show_json(_document(directory))
        if form is Format.csv:
            return typer.echo(study.read_text(study.leaderboard), nl=False)
        if form is Format.latex:
            from benchkit.reports.report import latex_of

            return typer.echo(latex_of(study, manifest), nl=False)
        return _show_table(study, manifest)


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


@app.command("verify")
def verify_study(
    directory: Path = typer.Argument(metavar="DIR", help="Directory of a finished study."),
    sample: int | None = typer.Option(None, help="Run only this many trials again, drawn at random."),
    jobs: int = typer.Option(-1, help="Processes; -1 for all cores."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Run the trials again; exit 1 and name the first whose trace differs."""
    from benchkit.studies.verify import verify

    run_again: Any = verify
    if holds_supernets(directory):
        from benchkit.studies.supernet_study import verify_supernet_study as run_again
    with progress_bar("trials") as update:
        found = run_again(directory, sample, jobs, progress=update)
    if as_json:
        show_json(
            {
                "checked": found.checked,
                "trials": found.total,
                "different": None if found.different is None else str(found.different),
                "difference": found.difference,
            }
        )
    elif found.different is None:
        typer.echo(f"verified: {found.checked} of {found.total} trials have the same traces, bit for bit")
    if found.different is not None:
        typer.echo(f"benchkit: {found.different} differs: {found.difference}", err=True)
        raise typer.Exit(1)
