"""Makes a table of finished trainings: its columns, and all that a reader must know of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchkit.data.images.image_set import ImageSet
from benchkit.data.tables.metric import Metric
from benchkit.data.tables.write import Column, TableSource, write_table
from benchkit.spaces import Space
from benchkit.spaces.base import Batch
from benchkit.spaces.counts import count
from benchkit.training.standalone import StandaloneRun

_DECIMALS = 5


@dataclass(frozen=True)
class BuiltTable:
    """Finished trainings that make a table.

    Attributes
    ----------
    name : Name of the table.
    space : Space of the architectures.
    images : Data set that they were trained on.
    rows : Architectures, int8[n, d].
    runs : Run of each row, for each seed.
    identity : Facts that all trainings have in common: data, recipe, network, versions.
    """

    name: str
    space: Space
    images: ImageSet
    rows: Batch
    runs: Sequence[Sequence[StandaloneRun]]
    identity: Mapping[str, Any]


def write_built(path: Path, built: BuiltTable) -> None:
    """Write the table, whole or not at all.

    Raises
    ------
    InputError : the disk is full, or the place cannot be written to.
    """
    write_table(path, _source(built), built.rows, _columns(built))


def build_command(name: str, seeds: int, rows: int, space: Space, identity: Mapping[str, Any]) -> str:
    """Return the command that trains the same again, with every setting spelled out."""
    data, recipe = identity["data"], identity["recipe"]
    words = ["benchkit table build", f"--space {space.name}", f"--data {data['name']}", f"--seeds {seeds}"]
    words += [f"--{key.replace('_', '-')} {data[key]}" for key in ("image_size", "limit") if key in data]
    words.append(f"--split {data.get('valid', data['split'])}")
    for option in ("epochs", "batch_size", "learning_rate", "weight_decay", "padding"):
        words.append(f"--{option.replace('_', '-')} {recipe[option]}")
    words.append("--flip" if recipe["flip"] else "--no-flip")
    words += [f"--{option} {value}" for option, value in identity["network"].items()]
    if rows < space.size:
        words.append("--rows FILE")  # of the architectures that the table lists
    return " ".join([*words, f"--out {name}.arrow"])


def _columns(built: BuiltTable) -> dict[Metric, Column]:
    runs, data, counted = built.runs, built.images.name, built.identity["images"]
    epochs = len(runs[0][0].loss)
    axis = tuple(range(1, epochs + 1))
    curves = {
        ("valid", "accuracy"): [[run.valid for run in seed] for seed in runs],
        ("test", "accuracy"): [[_test(run) for run in seed] for seed in runs],
        ("train", "loss"): [[run.loss for run in seed] for seed in runs],
    }
    notes = {
        "valid": f"{counted['valid']:,} images set aside from the training images",
        "test": f"{counted['test']:,} test images; never used to choose anything",
        "train": "mean cross-entropy of the epoch's augmented batches, while the weights moved",
    }
    mean = f"mean over {len(runs)} seed{'s' if len(runs) > 1 else ''}"
    columns: dict[Metric, Column] = {}
    for (split, quantity), found in curves.items():
        values = np.array(found)
        for seed, each in [*enumerate(values), (None, values.mean(axis=0))]:
            note = f"{notes[split]}; {mean if seed is None else f'seed {seed}'}"
            rounded = np.round(each, _DECIMALS).astype(np.float32)
            columns[Metric(data, split, epochs, seed, quantity)] = Column(rounded, note, axis)
    seconds = np.array([[run.train_seconds for run in seed] for seed in runs])
    timed = "seconds of one core" if built.identity["device"] == "cpu" else "seconds of the clock"
    measured = f"{timed}, of training without scoring; measured, so another build has others"
    for seed, each in [*enumerate(seconds), (None, seconds.mean(axis=0))]:
        note = f"{timed}, mean over the seeds" if seed is None else measured
        columns[Metric(data, None, epochs, seed, "train_seconds")] = Column(np.round(each, 4), note)
    height, _, channels = built.images.size
    network = built.identity["network"]
    counts = count(built.space, built.rows, built.images.classes, height, channels, **network)
    for quantity, numbers, note in (
        ("parameters", counts.parameters, "trainable parameters, counted"),
        ("flops", counts.flops, "multiply-adds of one image, counted"),
    ):
        columns[Metric(data, None, None, None, quantity)] = Column(numbers.astype(float), note)
    return columns


def _test(run: StandaloneRun) -> npt.NDArray[np.float64]:
    if run.test is None:
        raise TypeError("a table is built by a trainer that has test images")
    return run.test


def _source(built: BuiltTable) -> TableSource:
    identity, images = built.identity, built.images
    counted, seeds, n = identity["images"], len(built.runs), len(built.rows)
    command = build_command(built.name, seeds, n, built.space, identity)
    every = "all" if n == built.space.size else f"{n:,} of"
    epochs = identity["recipe"]["epochs"]
    small = ", ".join(f"{option} {value}" for option, value in identity["network"].items())
    return TableSource(
        name=built.name,
        space=built.space.name,
        title=f"{every} {built.space.size:,} architectures of {built.space.name}, trained alone on "
        f"{images.name}: {seeds} seeds, {epochs} epochs",
        source=f"trained by benchkit {identity['benchkit']} with torch {identity['torch']} on "
        f"{identity['platform']}; again by: {command}",
        licence=f"figures: Apache-2.0 (benchkit); images of {images.name}: {images.licence}",
        source_sha256={images.name: images.sha256},
        warnings=(
            f"trained on {counted['train']:,} images, validated on {counted['valid']:,}, tested on "
            f"{counted['test']:,}: one image is {100 / counted['valid']:.2f} % of validation and "
            f"{100 / counted['test']:.2f} % of test accuracy",
            f"networks of {small}: compare figures only with those of the same size, recipe and split",
            *_reductions(images),
        ),
        cost=f"train_seconds at {epochs} epochs, mean over the seeds, scaled by epochs/{epochs}; no scoring",
        extra={"build": {**identity, "seeds": list(range(seeds)), "command": command}},
    )


def _reductions(images: ImageSet) -> tuple[str, ...]:
    if not images.changes:
        return ()
    changes = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in images.changes.items())
    return (f"the data set was reduced before training: {changes}",)
