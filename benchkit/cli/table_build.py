"""``benchkit table build``: train architectures alone and make a table of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import typer

from benchkit.cli.chosen import chosen
from benchkit.cli.output import JSON_OPTION, progress_bar, show_json


def build_command(
    context: typer.Context,
    space: str = typer.Option(..., help="Space whose architectures to train."),
    data: str = typer.Option(..., help="Image data to train on (benchkit data list)."),
    name: str | None = typer.Option(None, "--as", help="Name of the new table, among your own."),
    out: Path | None = typer.Option(None, help="Write it to this .arrow file instead."),
    seeds: int = typer.Option(3, help="Runs of each architecture."),
    n: int | None = typer.Option(None, "--n", help="Train so many, drawn at random; else all."),
    rows: Path | None = typer.Option(None, help="Train those of this file, one a line; else all."),
    jobs: int = typer.Option(1, help="Processes; -1 for all cores. No accuracy depends on it."),
    epochs: int | None = typer.Option(None, help="Length of a training."),
    batch_size: int | None = typer.Option(None, help="Training images a batch."),
    learning_rate: float | None = typer.Option(None, help="Rate of the first step; a cosine takes it to 0."),
    weight_decay: float | None = typer.Option(None, help="Weight decay of SGD."),
    padding: int | None = typer.Option(None, help="Pixels around an image before the random crop."),
    flip: bool | None = typer.Option(None, "--flip/--no-flip", help="Mirror half of the training images."),
    channels: int | None = typer.Option(None, help="Width of the network."),
    cells: int | None = typer.Option(None, help="Depth of the network: cells a stage."),
    stacks: int | None = typer.Option(None, help="For nasbench101: stacks of cells."),
    features: int | None = typer.Option(None, help="For nasbench-macro: channels before the classifier."),
    split: str | None = typer.Option(None, help="nasbench201, or a number of validation images."),
    image_size: int | None = typer.Option(None, help="Average the images to this many pixels a side."),
    limit: int | None = typer.Option(None, help="Use so many training images."),
    device: str = typer.Option("cpu", help="auto, cpu, cuda or cuda:N."),
    replace_table: bool = typer.Option(False, "--replace", help="Take the place of a table of that name."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Train architectures alone, from scratch, by one recipe, and make a table of the results.

    Interrupted, it goes on from its last finished training when the same command is given again.
    """
    from benchkit.base.errors import InputError
    from benchkit.spaces import get_space

    searched = get_space(space)  # an unknown name costs no import of torch
    if n is not None and rows is not None:
        raise InputError("give either --n or --rows")
    target, title = _target(name, out, replace_table)
    from benchkit.studies.building.table_build import BuildSettings, build_table, chosen_rows
    from benchkit.training.recipe import STANDALONE, TrainingRecipe

    sizes = {"channels": channels, "cells": cells, "stacks": stacks, "features": features}
    settings = BuildSettings(
        recipe=replace(STANDALONE, **_given(chosen(TrainingRecipe, context))),
        size=tuple(_given(sizes).items()),
        **chosen(BuildSettings, context),
    )
    batch = chosen_rows(searched, n, None if rows is None else _read_rows(rows))
    with progress_bar(f"trainings of {len(batch):,} architectures") as update:
        build_table(settings, batch, seeds, target, title, jobs, update)
    _show(target, as_json)


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if value is not None}


def _target(name: str | None, out: Path | None, replace_table: bool) -> tuple[Path, str]:
    """Return the file to write, and the table's name."""
    from benchkit.base.errors import InputError
    from benchkit.base.files import is_special
    from benchkit.data.tables.catalogue import imported_path

    if (name is None) == (out is None):
        raise InputError("give either --as NAME or --out FILE.arrow")
    if out is not None and out.suffix != ".arrow":
        raise InputError(f"a table file ends in .arrow; got --out {out}")
    target = imported_path(name) if out is None and name is not None else out or Path()
    if is_special(target):
        raise InputError(f"a table is a regular file, and {target} is none")
    if target.exists() and not replace_table:
        raise InputError(f"there is a table at {target} already: choose another, or give --replace")
    return target, target.stem


def _read_rows(path: Path) -> list[str]:
    """Return the architectures that a file names, one a line; empty lines and those after # do not count."""
    from benchkit.base.errors import InputError

    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"cannot read {path}: not UTF-8 text") from error
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]


def _show(target: Path, as_json: bool) -> None:
    from benchkit.data.tables import open_table

    table = open_table(target)
    if as_json:
        return show_json(
            {"name": table.name, "path": str(target), "entries": len(table), "sha256": table.sha256}
        )
    typer.echo(
        f"table {table.name}: {len(table):,} architectures of {table.base_space.name}, kept at {target}"
    )
    return None
