"""Trains one architecture from scratch by a paper's full recipe, and measures what it is worth.

The folder of a training
------------------------
``training.json``   what is trained and how; claims the folder
``checkpoints/``    the last two epochs (`benchkit.training.final_trainer`)
``training.csv``    loss, learning rate, drop path, seconds and validation accuracy of every epoch
``network.safetensors``, ``network.json``   the weights after the last epoch, and whose they are
``manifest.json``   what a reader needs to run it again: settings, recipe, data, versions, hash of the weights
``result.json``     parameters, multiply-adds, and the accuracy on test images; written last

A training that was interrupted goes on from its last finished epoch when it is started again with the same
settings; a finished one is not run again. Test images are opened once, after the last epoch
(`benchkit.training.final_data.open_test`): no epoch is chosen by them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchkit.base.devices import explain_memory, parse_device
from benchkit.base.environment import versions
from benchkit.base.run_folder import RunFolder
from benchkit.spaces import Space, get_space
from benchkit.spaces.base import Architecture
from benchkit.spaces.counts import count
from benchkit.spaces.engine import build_network
from benchkit.training import checkpoint as checkpoints
from benchkit.training.final_data import FinalData, open_test, seen_images
from benchkit.training.final_settings import FinalSettings
from benchkit.training.final_trainer import FinalStreams, FinalTrainer
from benchkit.training.found import save_network
from benchkit.training.history import write_history
from benchkit.training.kept_search import read_final_result
from benchkit.training.standalone import cpu_capability
from benchkit.training.trainer import Progress

__all__ = ["FinalSettings", "train_finally"]


def train_finally(
    settings: FinalSettings,
    folder: Path,
    device: str = "auto",
    on_progress: Callable[[Progress], None] | None = None,
    say: Callable[[str], None] | None = None,
    *,
    workers: int = 0,
) -> dict[str, Any]:
    """Train an architecture, or go on with it, and return its result.

    Parameters
    ----------
    folder : Folder that is new, empty, or of the same training.
    device : ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    on_progress : Called now and then while the network trains.
    say : Told in a line where a training goes on, or that it is finished already.
    workers : Workers that read a streamed data set; they change nothing but the speed.

    Returns
    -------
    What ``result.json`` holds.

    Raises
    ------
    InputError : A name or number cannot be used, the folder is of something else, there is no such device or
        no memory left, the loss is not finite, or a checkpoint is damaged.
    """
    tell = say or (lambda line: None)
    run = RunFolder(folder, "training")
    if run.finished:
        run.claim(asdict(settings))
        result = read_final_result(folder)
        tell(f"the training in {folder} is finished: this is its result, nothing was run")
        return result
    space = get_space(settings.space)
    row = np.asarray(space.validate(space.parse(settings.architecture))[0])
    where = parse_device(device)
    trainer, data = _prepare(settings, space, row, folder, where, on_progress, workers)
    run.claim(asdict(settings))
    last = checkpoints.latest(folder / "checkpoints")
    if last is not None:
        trainer.resume(last)
        tell(f"going on after epoch {trainer.epoch} of {trainer.recipe.epochs}")
    trainer.fit()
    write_history(folder / "training.csv", trainer.history)
    weights = save_network(folder, trainer.network, row)
    result = _result(settings, space, row, trainer, data)
    run.finish(_manifest(settings, trainer, data, weights, where), result)
    return result


def _prepare(
    settings: FinalSettings,
    space: Space,
    row: Architecture,
    folder: Path,
    device: torch.device,
    on_progress: Callable[[Progress], None] | None,
    workers: int,
) -> tuple[FinalTrainer, FinalData]:
    """Return the trainer of an architecture, at its start, and the images that it sees."""
    size: dict[str, Any] = dict(settings.network())
    recipe = settings.recipe()
    seen = seen_images(settings)
    recipe = recipe.for_images(seen.size)
    streams = FinalStreams.of(row, settings.seed, device)
    network = build_network(space, row, seen.classes, seen.size[2], generator=streams.weights, **size)
    with explain_memory(recipe.batch_size):
        data = FinalData(seen, recipe, streams.batches, device, workers)

    def keep_curves(row: Mapping[str, float]) -> None:
        if row is trainer.history[-1]:
            write_history(folder / "training.csv", trainer.history)

    trainer = FinalTrainer(
        network,
        data,
        recipe,
        device,
        streams,
        folder=folder / "checkpoints",
        on_progress=on_progress,
        on_epoch=keep_curves,
    )
    return trainer, data


def _result(
    settings: FinalSettings, space: Space, row: Architecture, trainer: FinalTrainer, data: FinalData
) -> dict[str, Any]:
    seen, last = data.seen, trainer.history[-1]
    size = trainer.network.recipe.size.options()
    counted = count(space, row[None], seen.classes, seen.size[0], seen.size[2], **size)
    result: dict[str, Any] = {
        "space": space.name,
        "data": settings.data,
        "preset": settings.preset,
        "seed": settings.seed,
        "architecture": space.format(row),
        "row": row.tolist(),
        "epochs": trainer.epoch,
        "images": {"which": settings.images, "train": len(seen.train)},
        "parameters": int(counted.parameters[0]),
        "flops": int(counted.flops[0]),
        "loss": last["loss"],
        "valid": None,
        "test": None,
        "seconds": round(sum(epoch["seconds"] for epoch in trainer.history), 3),
    }
    if seen.valid is not None:
        result["valid"] = {"accuracy": last["valid"], "images": len(seen.valid)}
    test = open_test(settings, data)
    if test is not None:
        batches, images = test
        result["test"] = {"accuracy": trainer.score(batches), "images": images}
    return result


def _manifest(
    settings: FinalSettings, trainer: FinalTrainer, data: FinalData, weights: str, device: torch.device
) -> dict[str, Any]:
    return {
        **versions(),
        "training": asdict(settings),
        "data": data.seen.identity,
        "network": trainer.network.recipe.describe(),
        "recipe": trainer.recipe.describe_final(),
        "device": str(device),
        "processor": cpu_capability() if device.type == "cpu" else torch.cuda.get_device_name(device),
        "weights": weights,
    }
