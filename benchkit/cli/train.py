"""``benchkit train``: train one architecture from scratch, by a paper's full recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from benchkit.cli.chosen import chosen
from benchkit.cli.output import JSON_OPTION, assignments, progress_bar, shortened, show_facts, show_json


def train_command(
    context: typer.Context,
    architecture: str | None = typer.Argument(None, help="Architecture to train; else give --from."),
    space: str | None = typer.Option(None, help="Space of the architecture."),
    data: str | None = typer.Option(None, help="Image data to train on (benchkit data list)."),
    out: Path = typer.Option(..., help="Folder of the training: new, or of the same one to go on with."),
    found: Path | None = typer.Option(
        None, "--from", help="Folder of a search: its space, data and architecture."
    ),
    preset: str = typer.Option("small", help="small (minutes on a core), or a published one."),
    seed: int = typer.Option(0, help="Seed of everything random, but for the split of the data."),
    device: str = typer.Option("auto", help="auto, cpu, cuda or cuda:N."),
    images: str = typer.Option(
        "all", help="all: every training image, as the search is over; train: the search's own."
    ),
    split: str | None = typer.Option(
        None, help="Division for --images train: nasbench201, or a number of validation images."
    ),
    epochs: int | None = typer.Option(None, help="Epochs; else the preset's, as all that follows."),
    batch_size: int | None = typer.Option(None, help="Training images a step."),
    learning_rate: float | None = typer.Option(None, help="Rate of the first step."),
    schedule: str | None = typer.Option(None, help="Schedule of the learning rate: cosine or linear."),
    warmup_epochs: int | None = typer.Option(None, help="Epochs in which the learning rate rises."),
    weight_decay: float | None = typer.Option(None, help="Weight decay of SGD."),
    label_smoothing: float | None = typer.Option(None, help="Share of the target that all classes divide."),
    cutout: int | None = typer.Option(None, help="Side of the square that is cut out; 0 for none."),
    auxiliary: float | None = typer.Option(None, help="Weight of the auxiliary classifier; 0 for none."),
    drop_path: float | None = typer.Option(None, help="Probability of drop path in the end; 0 for none."),
    dropout: float | None = typer.Option(None, help="Dropout before the classifier; 0 for none."),
    mixup: float | None = typer.Option(None, help="Alpha of the Beta distribution of mixup; 0 for none."),
    accumulate: int = typer.Option(1, help="Run each batch in so many parts, to save memory."),
    bfloat16: bool = typer.Option(False, "--bfloat16", help="Run the network in bfloat16."),
    threads: int = typer.Option(1, help="Threads of torch on the CPU; results depend on it."),
    workers: int = typer.Option(2, min=0, help="Workers that read a data set streamed from disk."),
    image_size: int | None = typer.Option(None, help="Average the images to this many pixels a side."),
    limit: int | None = typer.Option(None, help="Use so many training images."),
    size: list[str] = typer.Option([], help="NAME=VALUE of the network, such as channels=16."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Train one architecture from scratch, and read its test accuracy once, at the end.

    Interrupted, it goes on from its last finished epoch when the same command is given again.
    """
    from benchkit.base.errors import InputError
    from benchkit.spaces import get_space

    if (architecture is None) == (found is None):
        raise InputError("give either an architecture, or --from with the folder of a search")
    if found is None and (space is None or data is None):
        raise InputError("give --space and --data, or --from with the folder of a search")
    if space is not None:
        get_space(space)  # an unknown name costs no import of torch
    from benchkit.training.final_training import FinalSettings, train_finally

    given = {"architecture": architecture, "space": space, "data": data, "split": split}
    settings = FinalSettings(
        **(given if found is None else _with_found(found, given, images)),
        **chosen(FinalSettings, context, but=(*given, "size")),
        size=assignments(size, "--size"),
    )
    with progress_bar("training steps") as update:
        result = train_finally(
            settings,
            out,
            device,
            lambda at: update(at.step, at.steps),
            lambda line: typer.echo(line, err=True),
            workers=workers,
        )
    if as_json:
        return show_json(result)
    show_facts(_facts(result))
    typer.echo(f"\nresults: {out}")
    return None


def _with_found(folder: Path, given: dict[str, Any], images: str) -> dict[str, Any]:
    """Return what was given, and what a search found where nothing was; its split where its data is kept.

    Raises
    ------
    InputError : no finished search there, or one of another space.
    """
    from benchkit.base.errors import InputError
    from benchkit.training.kept_search import found_by

    found = found_by(folder)
    if given["space"] not in (None, found["space"]):
        raise InputError(f"{folder} searched {found['space']}, not {given['space']}: leave --space out")
    if images != "train" or given["data"] not in (None, found["data"]):
        found["split"] = None
    return {name: found[name] if value is None else value for name, value in given.items()}


def _facts(result: dict[str, Any]) -> dict[str, Any]:
    valid, test, images = result["valid"], result["test"], result["images"]
    facts = {
        "architecture": shortened(result["architecture"]),
        "parameters": f"{result['parameters'] / 1e6:.3f} M",
        "multiply-adds": f"{result['flops'] / 1e6:.1f} M",
        "training": f"{result['epochs']} epochs of {images['train']:,} images, loss {result['loss']:.3f}",
        "test images": "none" if test is None else f"{test['accuracy']:.2f} % of {test['images']:,}",
        "seconds": f"{result['seconds']:.0f}",
    }
    if valid is not None:
        facts["validation"] = f"{valid['accuracy']:.2f} % of {valid['images']:,} images"
    return facts
