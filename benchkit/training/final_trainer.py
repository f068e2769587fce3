"""Trains one network from scratch by a full recipe, on the engine of training.

With nothing added to the recipe it is the training of `benchkit.training.standalone.StandaloneTrainer`, bit
for bit.

Deviations and choices
----------------------
- The last two checkpoints are kept: one an epoch of 600 would fill a disk, and one alone may be damaged.
- Batch normalisation is scored by its running averages.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchkit.base.devices import explain_memory
from benchkit.base.errors import InputError
from benchkit.spaces.base import Architecture
from benchkit.spaces.engine import set_dropout
from benchkit.training.checkpoint import Checkpoint
from benchkit.training.engine import Engine, EpochOfBatches, Progress, exact
from benchkit.training.final_data import FinalData
from benchkit.training.losses import MixedBatches, has_auxiliary, step_of
from benchkit.training.recipe import TrainingRecipe
from benchkit.training.standalone import accuracy, sequences_of
from benchkit.training.streams import state_as_text, state_from_text, torch_generator
from benchkit.training.weights import SgdWeights


@dataclass(frozen=True, slots=True)
class FinalStreams:
    """Independent generators of one (architecture, seed).

    Attributes
    ----------
    weights, batches : Generators of the first weights, and of order and augmentation; see `seeds_of`.
    dropout : Generator of drop path and dropout, on the network's device.
    mixup : Generator of shares and partners.
    """

    weights: torch.Generator
    batches: torch.Generator
    dropout: torch.Generator
    mixup: np.random.Generator

    @classmethod
    def of(cls, architecture: Architecture, seed: int, device: torch.device) -> FinalStreams:
        """Return the streams at their start."""
        weights, batches, dropout, mixup = sequences_of(architecture, seed, 4)
        return cls(
            torch_generator(weights),
            torch_generator(batches),
            torch_generator(dropout, device),
            np.random.default_rng(mixup),
        )


class FinalTrainer(Engine):
    """Trains one network.

    Parameters
    ----------
    network : Network from ``build_network`` with `streams.weights`; moved to the device here.
    data : Images, made with `streams.batches`.
    recipe : Recipe decided for the images, see `TrainingRecipe.for_images`.
    device : Device to train on.
    streams : Generators of the seed.
    folder : Folder for checkpoints; None keeps none.
    on_progress, on_epoch : see `Engine`.

    Attributes
    ----------
    history : One mapping an epoch: epoch, loss, learning_rate, drop_path, seconds, and valid (percent) where
        there are validation images.

    Raises
    ------
    InputError : The network lacks what the recipe wants to train or to drop.
    """

    compared = ("network", "training", "data", "device")  # generators on a GPU have states of their own
    kept = 2

    def __init__(
        self,
        network: Any,
        data: FinalData,
        recipe: TrainingRecipe,
        device: torch.device,
        streams: FinalStreams,
        *,
        folder: Path | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        on_epoch: Callable[[Mapping[str, float]], None] | None = None,
    ) -> None:
        _check_parts(network, recipe, streams)
        self.streams, self._data = streams, data
        with explain_memory(recipe.batch_size):
            network = network.to(device)
        batches: EpochOfBatches = data.train
        if recipe.mixup:
            batches = MixedBatches(data.train, data.seen.classes, recipe.mixup, streams.mixup)
        weights = SgdWeights(network, recipe)
        super().__init__(
            network,
            batches,
            recipe,
            device,
            weights,
            folder=folder,
            on_progress=on_progress,
            on_epoch=on_epoch,
        )
        self._step = step_of(network, weights, recipe)

    def score(self, batches: Any) -> float:
        """Return the accuracy in percent on images in order, with the weights as they are."""
        with exact(self.recipe.threads):
            return accuracy(self.network, batches, self.recipe.bfloat16)

    def begin_epoch(self) -> None:
        rate = self.recipe.drop_path_at(self.epoch)
        set_dropout(self.network, self.streams.dropout, path=rate, features=self.recipe.dropout)

    def step(self, images: Tensor, labels: Tensor) -> Iterable[Tensor]:
        return self._step(images, labels)

    def end_epoch(self, started: float) -> dict[str, float]:
        seconds, valid = round(time.monotonic() - started, 3), self._data.valid
        row = {"drop_path": self.recipe.drop_path_at(self.epoch), "seconds": seconds}
        return row if valid is None else {**row, "valid": self.score(valid)}

    def advice(self) -> str:
        return f"try a lower --learning-rate than {self.recipe.learning_rate}"

    def facts(self) -> dict[str, Any]:
        return {
            "network": self.network.recipe.describe(),
            "training": self.recipe.describe_final(),
            "data": self._data.seen.identity,
            "device": self._device.type,
        }

    def random_states(self) -> dict[str, Any]:
        return {
            "batches": state_as_text(self._data.train.state_dict()),
            "dropout": state_as_text({"generator": self.streams.dropout.get_state()}),
            "mixup": self.streams.mixup.bit_generator.state,
        }

    def restore(self, checkpoint: Checkpoint, path: Path) -> None:
        random = checkpoint.facts["random"]
        self._data.train.load_state_dict(state_from_text(random["batches"]))
        self.streams.dropout.set_state(state_from_text(random["dropout"])["generator"])
        self.streams.mixup.bit_generator.state = random["mixup"]


def _check_parts(network: Any, recipe: TrainingRecipe, streams: FinalStreams) -> None:
    """Say at once what the network lacks, not in the epoch that first needs it."""
    space = network.recipe.space.name
    if recipe.auxiliary and not has_auxiliary(network):
        raise InputError(f"the network of {space} has no auxiliary classifier; give --auxiliary 0")
    for option, rates in (
        ("--drop-path", {"path": recipe.drop_path}),
        ("--dropout", {"features": recipe.dropout}),
    ):
        try:
            set_dropout(network, streams.dropout, **rates)
        except InputError as error:
            raise InputError(f"the network of {space}: {error} ({option} 0)") from error
