"""``benchkit fading``: what sharing weights does to the posteriors of the models that share them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import typer

from benchkit.base.errors import shown
from benchkit.cli.chosen import chosen
from benchkit.cli.output import JSON_OPTION, assignments, progress_bar, show_facts, show_json, show_rows

app = typer.Typer(help="Measure posterior fading (PC-NAS, section 3.2).", no_args_is_help=True)


@app.command("run")
def run_command(
    context: typer.Context,
    space: str = typer.Option("nasbench201-3", help="Space whose rows choose one operation a layer."),
    data: str = typer.Option("digits", help="Image data to train on (benchkit data list)."),
    out: Path = typer.Option(..., help="Folder of the study: new, or of the same study to go on with."),
    models: str = typer.Option(
        "1,2,4,8,16,32,64,125", help="Numbers K of models that share weights; the largest are trained alone."
    ),
    subspaces: int = typer.Option(10, help="Random sets of each K."),
    seeds: int = typer.Option(3, help="Stand-alone trainings of each architecture."),
    epochs: int | None = typer.Option(None, help="Epochs of a stand-alone training; 12."),
    supernet_epochs: int | None = typer.Option(None, help="Epochs of a supernet; else five times as many."),
    per_model: bool = typer.Option(False, help="Give a supernet K times as many: equal updates a model."),
    seed: int = typer.Option(0, help="Seed of the first weights, the sets and the supernets."),
    control: bool = typer.Option(False, "--control", help="Repeat with independent first weights."),
    batch_size: int | None = typer.Option(None, help="Training images a batch."),
    learning_rate: float | None = typer.Option(None, help="Rate of the first step; a cosine takes it to 0."),
    weight_decay: float | None = typer.Option(None, help="Weight decay: the prior of every posterior."),
    size: list[str] = typer.Option([], help="NAME=VALUE of the networks, such as channels=16."),
    split: str | None = typer.Option(None, help="nasbench201, or a number of validation images."),
    image_size: int | None = typer.Option(None, help="Average the images to this many pixels a side."),
    limit: int | None = typer.Option(None, help="Use so many training images."),
    device: str = typer.Option("cpu", help="auto, cpu, cuda or cuda:N."),
    jobs: int = typer.Option(1, help="Processes; -1 for all cores. No figure depends on it."),
    keep_weights: bool = typer.Option(False, "--keep-weights", help="Keep the parameters of all trainings."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Train models alone and supernets of random sets of them; compare posteriors, predictions and ranks.

    Interrupted, it goes on from its last finished training when the same command is given again.
    """
    from benchkit.spaces import get_space

    get_space(space)  # an unknown name costs no import of torch
    numbers = _numbers(models)
    from benchkit.reports.finished import write_figures
    from benchkit.studies.building.table_build import BuildSettings
    from benchkit.studies.fading.settings import FadingSettings
    from benchkit.studies.fading.study import run_fading
    from benchkit.training.recipe import STANDALONE, TrainingRecipe

    given = {name: value for name, value in chosen(TrainingRecipe, context).items() if value is not None}
    build = BuildSettings(
        recipe=replace(STANDALONE, **given),
        size=tuple(assignments(size, "--size").items()),
        **chosen(BuildSettings, context, but=("size",)),
    )
    settings = FadingSettings(build, numbers, **chosen(FadingSettings, context, but=("models",)))
    with progress_bar("trainings") as update:
        result = run_fading(settings, out, jobs, update, keep_weights)
    write_figures(out)
    if as_json:
        return show_json(result)
    _show(result, out)
    return None


@app.command("intervals")
def intervals_command(
    context: typer.Context,
    searches: list[Path] = typer.Argument(
        help="Folders of finished benchkit search pcnas runs, with and without shrinking."
    ),
    out: Path = typer.Option(..., help="Folder of the study: new, or of the same study to go on with."),
    n: int = typer.Option(500, "--n", help="Architectures of the uniform sample."),
    images: int | None = typer.Option(None, help="Validation images for every checkpoint; else all."),
    scoring_batch: int = typer.Option(500, help="Images a batch of scoring."),
    seed: int = typer.Option(0, help="Seed of the sample, the images and the intervals."),
    table: str | None = typer.Option(None, help="Name or path; else the table that bears the space's name."),
    dataset: str | None = typer.Option(None, help="Data set of the table; else that of the images' name."),
    device: str = typer.Option("auto", help="auto, cpu, cuda or cuda:N."),
    threads: int = typer.Option(1, help="Threads of torch while scoring."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Correlate inherited with stand-alone accuracy after every interval of PC-NAS, beside one-shot training.

    Interrupted, it goes on from the last scored checkpoint when the same command is given again.
    """
    from benchkit.reports.finished import write_figures
    from benchkit.studies.fading.intervals import IntervalSettings, run_intervals

    settings = IntervalSettings(tuple(searches), **chosen(IntervalSettings, context, but=("searches",)))
    with progress_bar("checkpoints scored") as update:
        result = run_intervals(settings, out, device, threads, update)
    write_figures(out)
    if as_json:
        return show_json(result)
    rows = [
        [row["training"], row["sample"], row["measure"].replace("_", " "), str(row["seeds"]), _cell(row, 1)]
        for row in result["mean"]
    ]
    show_facts(
        {
            "study": f"{result['space']}, truth: table {result['table']}, {result['truth']['dataset']} "
            f"{result['truth']['split']}; after interval {result['intervals']}"
        }
    )
    typer.echo()
    show_rows(["training", "sample", "measure", "seeds", "mean [95 % interval], or (the values)"], rows)
    typer.echo(f"\nresults: {out}")
    return None


def _numbers(text: str) -> tuple[int, ...]:
    from benchkit.base.errors import InputError

    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise InputError(f"--models takes numbers such as 1,2,4; got {shown(text)}") from error


def _show(result: dict[str, Any], out: Path) -> None:
    """Print divergences, agreement and correlations against K, of trainings with one start."""
    kept: dict[tuple[str, str, str, int], dict[str, Any]] = {}
    for row in result["divergence"]:
        if row["start"] == "shared" and row["law"] == "product" and row["layer"] == "all":
            kept["divergence", row["approximation"], row["measure"], row["models"]] = row
    for row in result["function_space"]:
        if row["start"] == "shared" and row["measure"] == "prediction_kl":
            kept["function", "", row["measure"], row["models"]] = row
    for row in result["correlation"]:
        if row["start"] == "shared" and row["of"] == "supernet":
            kept["correlation", "", row["measure"], row["models"]] = row
    columns = {
        "Eq. 10, nats": ("divergence", "laplace", "paper"),
        "sums < 0, %": ("divergence", "laplace", "negative_sums"),
        "exact, nats": ("divergence", "laplace", "exact"),
        "displacement": ("divergence", "laplace", "displacement"),
        "predictions, nats": ("function", "", "prediction_kl"),
        "tau-b": ("correlation", "", "kendall_tau"),
        "Pearson": ("correlation", "", "pearson"),
    }
    ks = sorted({key[-1] for key in kept})
    rows = [
        [str(k), *(_cell(kept.get((*key, k)), 100 if "%" in name else 1) for name, key in columns.items())]
        for k in ks
    ]
    show_facts(
        {"study": f"{result['space']} on {result['data']}, posteriors by Laplace, a model's parameters"}
    )
    typer.echo()
    title = "mean over random sets of K models [95 % interval], or (the values) of fewer than 5 sets"
    show_rows(["K", *columns], rows, title)
    typer.echo(f"\nresults: {out}")


def _cell(row: dict[str, Any] | None, factor: float) -> str:
    from benchkit.analysis.statistics.training_mean import values_of

    if row is None or row["mean"] is None:
        return ""
    mean = f"{factor * row['mean']:,.4g}"
    if row["low"] is None:
        values = ", ".join(f"{factor * value:,.4g}" for value in values_of(row.get("values")))
        return f"{mean} ({values})" if values else mean
    return f"{mean} [{factor * row['low']:,.4g}, {factor * row['high']:,.4g}]"
