"""``benchkit search``: train a supernet and search it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from benchkit.cli.chosen import chosen
from benchkit.cli.output import JSON_OPTION, assignments, progress_bar, shortened, show_facts, show_json


def search_command(
    context: typer.Context,
    strategy: str = typer.Argument(help="Weight-sharing strategy, such as spos."),
    space: str = typer.Option(..., help="Space to search."),
    data: str = typer.Option(..., help="Image data to train on (benchkit data list)."),
    out: Path = typer.Option(..., help="Folder of the search: new, or of the same search to go on with."),
    preset: str = typer.Option("small", help="small (minutes on 2 cores), or a published one."),
    seed: int = typer.Option(0, help="Seed of everything random, but for the split of the data."),
    device: str = typer.Option("auto", help="auto, cpu, cuda or cuda:N."),
    epochs: int | None = typer.Option(None, help="Epochs of training; else the preset's."),
    batch_size: int | None = typer.Option(None, help="Training images a step; else the preset's."),
    learning_rate: float | None = typer.Option(None, help="Rate of the first step; else the preset's."),
    label_smoothing: float | None = typer.Option(None, help="Share of the target that all classes divide."),
    weight_decay: float | None = typer.Option(None, help="Weight decay of the shared weights (SGD)."),
    accumulate: int = typer.Option(1, help="Run each batch in so many parts, to save memory."),
    queries: int | None = typer.Option(None, min=1, help="Architectures to score; else the preset's."),
    images: int | None = typer.Option(None, min=1, help="Validation images to score each on."),
    scoring_batch: int | None = typer.Option(None, min=1, help="Images a batch of scoring."),
    split: str | None = typer.Option(None, help="nasbench201, or a number of validation images."),
    image_size: int | None = typer.Option(None, help="Average the images to this many pixels a side."),
    limit: int | None = typer.Option(None, help="Use so many training images."),
    recalibrate: int = typer.Option(
        0, help="Estimate running averages on so many batches before each is scored; 0: batch statistics."
    ),
    bfloat16: bool = typer.Option(False, "--bfloat16", help="Run networks in bfloat16."),
    compile_cells: bool = typer.Option(False, "--compile", help="Compile the cells: for mixtures (darts)."),
    threads: int = typer.Option(1, help="Threads of torch on the CPU; results depend on it."),
    workers: int = typer.Option(2, min=0, help="Workers that read a data set streamed from disk."),
    tensorboard: bool = typer.Option(False, "--tensorboard", help="Write scalars for TensorBoard, too."),
    option: list[str] = typer.Option(
        [], "--set", help="NAME=VALUE of the strategy (benchkit strategy info)."
    ),
    size: list[str] = typer.Option([], help="NAME=VALUE of the supernet, such as channels=16."),
    maximum: list[str] = typer.Option(
        [], "--max", help="COST=LIMIT of what is found: latency (ms), params or flops (millions)."
    ),
    latency: Path | None = typer.Option(None, help="Look-up table for --max latency (benchkit latency)."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Train a supernet, search it with inherited weights, and report the architecture found.

    Interrupted, it goes on from its last finished epoch when the same command is given again. On several
    GPUs: torchrun --nproc-per-node N -m benchkit search ...
    """
    from benchkit.base.errors import InputError
    from benchkit.data.latency import read_latency
    from benchkit.searching.constraints import check_limits
    from benchkit.strategies import get_weight_sharing

    kind = get_weight_sharing(strategy)  # an unknown name costs no import of torch
    limits = assignments(maximum, "--max")
    check_limits(limits, latency is not None)
    if limits and not kind.takes_constraint:
        raise InputError(f"{strategy} takes no constraint; {_takers()} do")
    from benchkit.training.distributed import is_first
    from benchkit.training.search import SearchSettings, run_search

    settings = SearchSettings(
        **chosen(SearchSettings, context, but=("size", "latency")),
        compile=compile_cells,
        options=assignments(option, "--set"),
        size=assignments(size, "--size"),
        limits=limits,
        latency=None if latency is None else read_latency(latency).document(),
    )
    with progress_bar("training steps") as update:
        result = run_search(
            settings,
            out,
            device,
            lambda at: update(at.step, at.steps),
            tensorboard=tensorboard,
            workers=workers,
        )
    if not is_first():
        return None
    if as_json:
        return show_json(result)
    show_facts(_facts(result))
    typer.echo(f"\nresults: {out}")
    return None


def _takers() -> str:
    """Return the names of the strategies that take a constraint."""
    from benchkit.strategies import get_weight_sharing, weight_sharing_names

    return ", ".join(name for name in weight_sharing_names() if get_weight_sharing(name).takes_constraint)


def _facts(result: dict[str, Any]) -> dict[str, Any]:
    from benchkit.searching.constraints import COSTS

    accuracy = result["supernet_accuracy"]
    test = result["test"]
    facts: dict[str, Any] = {
        "architecture": shortened(result["architecture"]),
        "inherited weights": "not scored"
        if accuracy is None
        else f"{accuracy:.2f} % of {result['images']:,} validation images",
        "test images": "none"
        if test is None
        else f"{test['accuracy']:.2f} % of {test['images']:,}, with inherited weights",
        "queries": f"{result['queries']:,}, {result['distinct']:,} distinct",
        "seconds": f"training {result['seconds']['training']:.0f}, search {result['seconds']['search']:.0f}",
    }
    for cost, value in result.get("costs", {}).items():  # a search kept from before has none
        facts[cost] = f"{value:.4g} {COSTS[cost]}"
    entry = result["table"]
    if entry is None:
        facts["table"] = f"none for {result['space']}"
    elif "missing" in entry:
        facts["table"] = f"{entry['name']}: {entry['missing']}"
    else:
        facts["table"] = [
            f"{each['dataset']} {each['split']} {each['accuracy']:.2f} % (optimum {each['optimum']:.2f}), "
            f"{each['epochs']} epochs, {_runs(each['runs'])}"
            for each in entry["accuracy"]
        ] + [
            f"{each['dataset']} {each['split']} {each['quantity']} {each['value']:.4g} {each['unit']} "
            f"(optimum {each['optimum']:.4g}), {each['epochs']} epochs, {_runs(each['runs'])}"
            for each in entry.get("scores", [])
        ]
    if result["samples"]:
        facts["sampler"] = [line for entry in result["samples"] for line in _best_of_k(entry)]
    return facts


def _best_of_k(entry: dict[str, Any]) -> list[str]:
    """Return a line for each data set of a table: the best of K samples, and of K random ones."""
    lines = []
    for dataset in dict.fromkeys(each["dataset"] for each in entry["best"]):
        cells = [each for each in entry["best"] if each["dataset"] == dataset]
        number = "{:.4g}" if "quantity" in cells[0] else "{:.2f}"
        counts, valid, random = (
            ", ".join(form.format(each[key]) for each in cells)
            for key, form in (("k", "{}"), ("valid", number), ("random_valid", number))
        )
        unit = cells[0].get("unit", "%")
        lines.append(
            f"{entry['name']}, {dataset} valid: best of {counts} samples {valid} {unit}; of random ones "
            f"{random}"
        )
    return lines


def _runs(runs: int | None) -> str:
    if runs == 1:
        return "one run"
    return "mean over its runs" if runs is None else f"mean of up to {runs} runs"
