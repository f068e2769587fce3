"""``benchkit correlate``: hold a supernet's ranking against stand-alone accuracy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from benchkit.cli.chosen import chosen
from benchkit.cli.output import JSON_OPTION, progress_bar, show_facts, show_json, show_rows

_MEASURES = {"kendall_tau": "tau-b", "pearson": "Pearson", "spearman": "Spearman"}


def correlate_command(
    context: typer.Context,
    checkpoint: list[Path] = typer.Option(
        ..., help="A checkpoint, a folder of them, or the folder of a search; give it again for each."
    ),
    out: Path = typer.Option(..., help="Folder of the study: new, or of the same study to go on with."),
    space: str | None = typer.Option(None, help="Space; else the checkpoints say it."),
    data: str | None = typer.Option(None, help="Image data; else the checkpoints say it."),
    strategy: str | None = typer.Option(None, help="Strategy of the supernet; else the checkpoints say it."),
    n: int | None = typer.Option(None, "--n", help="Architectures to score; 1,000 unless given."),
    everything: bool = typer.Option(False, "--all", help="Score every architecture of the table."),
    images: int | None = typer.Option(None, help="Validation images for every checkpoint; 1,000."),
    final_images: int | None = typer.Option(None, help="For the last checkpoint of each training; 5,000."),
    every: int = typer.Option(1, help="Epochs from one scored checkpoint to the next, and to the last."),
    seed: int = typer.Option(0, help="Seed of the sample of architectures, the images and the intervals."),
    scoring_batch: int = typer.Option(500, help="Images a batch of scoring."),
    table: str | None = typer.Option(None, help="Name or path; else the table that bears the space's name."),
    dataset: str | None = typer.Option(None, help="Data set of the table; else that of the images' name."),
    quantity: str = typer.Option("accuracy", help="Quantity of the table to rank by, in its own direction."),
    split: str | None = typer.Option(None, help="nasbench201, or a number of validation images."),
    image_size: int | None = typer.Option(None, help="As it was in training."),
    limit: int | None = typer.Option(None, help="As it was in training."),
    device: str = typer.Option("auto", help="auto, cpu, cuda or cuda:N."),
    threads: int = typer.Option(1, help="Threads of torch while scoring."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Score architectures with inherited weights, and correlate with their stand-alone accuracy.

    Interrupted, it goes on from the last scored checkpoint when the same command is given again.
    """
    from benchkit.reports.finished import write_figures
    from benchkit.studies.correlation.kept import checkpoint_figures
    from benchkit.studies.correlation.study import CorrelationSettings, run_correlation

    settings = CorrelationSettings(tuple(checkpoint), **chosen(CorrelationSettings, context))
    with progress_bar("architectures scored") as update:
        result = run_correlation(settings, out, device, threads, update)
    write_figures(out)
    checkpoints = checkpoint_figures(out)
    if as_json:
        return show_json({**result, "checkpoints": checkpoints})
    _show(result, checkpoints)
    typer.echo(f"\nresults: {out}")
    return None


def _show(result: dict[str, Any], checkpoints: list[dict[str, Any]]) -> None:
    """Print the correlations of every checkpoint beside the noise ceiling."""
    from benchkit.analysis.statistics.resolution import ceiling_text, figure_text
    from benchkit.studies.correlation.truth import ANY_SPLIT, named

    show_facts(
        {
            "supernet": f"{result['strategy']} on {result['space']}, {result['data']['name']}",
            "truth": [
                f"{named(truth['split'] or ANY_SPLIT, truth['quantity'])} on {result['dataset']}"
                + (f" after {truth['epochs']} epochs" if truth["epochs"] is not None else "")
                + (f" (run {truth['run']})" if truth["run"] is not None else "")
                + (", lower is better" if truth.get("better") == "lower" else "")
                + f", table {result['table']['name']}"
                for truth in result["truths"]
            ],
            "architectures": f"{result['n']:,}",
        }
    )
    ceiling = {
        (row["truth"], row["fraction"]): row
        for row in result["noise_ceiling"]
        if row["measure"] == "kendall_tau"
    }
    rows = []
    for each in checkpoints:
        cells: dict[tuple[str, float], dict[str, dict[str, Any]]] = {}
        for row in each["correlations"]:
            cells.setdefault((row["truth"], row["fraction"]), {})[row["measure"]] = row
        for (truth, fraction), found in cells.items():
            rows.append(
                [
                    each["training"],
                    str(each["epoch"]),
                    f"{each['images']:,}",
                    f"{each['mean_supernet_accuracy']:.1f}",
                    truth,
                    "all" if fraction == 1 else f"top {100 * fraction:g} %",
                    f"{found['kendall_tau']['n']:,}",
                    *(_text(found[name], figure_text) for name in _MEASURES),
                    _text(ceiling.get((truth, fraction)), ceiling_text),
                ]
            )
    header = ["training", "epoch", "images", "mean acc. %", "truth", "within", "n", *_MEASURES.values()]
    typer.echo()
    show_rows([*header, "noise ceiling"], rows, "correlation [95 % interval]; the ceiling is tau-b")


def _text(row: dict[str, Any] | None, form: Callable[[Any, Any, Any], str]) -> str:
    return "" if row is None else form(row["value"], row["low"], row["high"])
