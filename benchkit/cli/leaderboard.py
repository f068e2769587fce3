"""``benchkit leaderboard``: run a study, show it, verify it."""

from __future__ import annotations

from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from benchkit.cli.chains import chains_command
from benchkit.cli.compare import compare_command
from benchkit.cli.efficiency import efficiency_command
from benchkit.cli.output import JSON_OPTION, progress_bar, show_json, show_rows, words_or_none

if TYPE_CHECKING:
    from benchkit.studies.store import StudyDirectory

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


_SHOW = {"table": ("table_study", "show_table_study"), "supernet": ("supernet_study", "show_supernet_study")}


@app.command("run")
def run(
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
    from benchkit.reports.api import run_study
    from benchkit.studies.spec import load_study

    if (study is None) == (preset is None):
        raise InputError("give either a STUDY.yaml or a --preset")
    spec = load_study(study if study is not None else preset or "")
    spec = spec.replaced(words_or_none(strategies), words_or_none(datasets), seeds, queries)
    with progress_bar("trials") as update:
        directory = run_study(spec, out, jobs, backend, scheduler, update, device)
    if as_json:
        return _show(directory, Format.json)
    _show(directory, Format.table)
    typer.echo(f"\nresults: {directory.path}")
    figures = sorted(directory.figures.glob("*.png"))
    if figures:
        typer.echo("figures:")
    for path in figures:
        typer.echo(f"  {path}")
    return None


def _show(directory: StudyDirectory, form: Format) -> None:
    """Print a finished study by what judges its architectures."""
    module, name = _SHOW[directory.load().evaluator]
    getattr(import_module(f"benchkit.cli.{module}"), name)(directory, form.value)


@app.command("presets")
def presets(as_json: bool = JSON_OPTION) -> None:
    """List the studies that come with benchkit."""
    from benchkit.studies.spec import load_preset, preset_names

    studies = sorted(map(load_preset, preset_names()), key=lambda study: study.evaluator != "table")
    if as_json:
        return show_json([study.model_dump(mode="json") for study in studies])
    rows = [[study.name, study.table, str(study.shown_seeds), study.title] for study in studies]
    return show_rows(["preset", "table", "seeds", "title"], rows)


@app.command("show")
def show(
    directory: Path = typer.Argument(metavar="DIR", help="Directory of a finished study."),
    form: Format = typer.Option(Format.table, "--format", help="How to print it."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Print a leaderboard."""
    from benchkit.studies.store import StudyDirectory

    _show(StudyDirectory(directory), Format.json if as_json else form)


@app.command("verify")
def verify_study(
    directory: Path = typer.Argument(metavar="DIR", help="Directory of a finished study."),
    sample: int | None = typer.Option(None, help="Run only this many trials again, drawn at random."),
    jobs: int = typer.Option(-1, help="Processes; -1 for all cores."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Run the trials again; exit 1 and name the first whose trace differs."""
    from benchkit.studies.verify import verify

    with progress_bar("trials") as update:
        found = verify(directory, sample, jobs, progress=update)
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
