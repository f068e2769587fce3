"""Trains one network from scratch by a full recipe, and keeps where it stands after every epoch.

A training that was stopped at any moment goes on from its last finished epoch and ends with the weights of
one that was not, bit for bit on the same kind of device and number of threads. With nothing added to the
recipe it is the training of `benchkit.training.standalone.StandaloneTrainer`, bit for bit.

Deviations and choices
----------------------
- The last two checkpoints are kept: one an epoch of 600 would fill a disk, and one alone may be damaged.
- The loss is looked at every 16 steps and at the end of an epoch, so that a GPU need not wait for it.
- Batch normalisation is scored by its running averages.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchkit.base.devices import explain_memory
from benchkit.base.errors import InputError
from benchkit.spaces.base import Architecture
from benchkit.spaces.engine import set_dropout
from benchkit.strategies.weight_sharing import optimizer_tensors, restore_optimizer
from benchkit.training import checkpoint as checkpoints
from benchkit.training.checkpoint import Checkpoint
from benchkit.training.checkpoint_check import history_of, loading
from benchkit.training.final_data import FinalData
from benchkit.training.final_loss import MixedBatches, has_auxiliary, with_auxiliary_loss
from benchkit.training.final_recipe import FinalRecipe
from benchkit.training.standalone import sequences_of
from benchkit.training.streams import state_as_text, state_from_text, torch_generator
from benchkit.training.trainer import Progress
from benchkit.training.training_loop import EpochOfBatches, accuracy, cross_entropy, exact, train_epoch
from benchkit.training.weights import sgd_of

__all__ = ["FinalStreams", "FinalTrainer"]

_LOOK_EVERY = 16
_KEPT = 2


@dataclass(frozen=True, slots=True)
class FinalStreams:
    """Independent generators of one (architecture, seed).

    Attributes
    ----------
    weights, batches : of the first weights, and of order and augmentation; those of `seeds_of`.
    dropout : of drop path and dropout, on the network's device.
    mixup : of shares and partners.
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


class FinalTrainer:
    """Trains one network.

    Parameters
    ----------
    network : from ``build_network`` with `streams.weights`; moved to the device here.
    data : made with `streams.batches`.
    recipe : decided for the images, see `FinalRecipe.for_images`.
    device : where to train.
    streams : of the seed.
    folder : for checkpoints; None keeps none.
    on_progress : called now and then.
    on_epoch : called with the history after every epoch.

    Attributes
    ----------
    epoch : finished epochs.
    history : one mapping an epoch: epoch, loss, learning_rate, drop_path, seconds, and valid (percent) where
        there are validation images.

    Raises
    ------
    InputError : the network lacks what the recipe wants to train or to drop.
    """

    def __init__(
        self,
        network: Any,
        data: FinalData,
        recipe: FinalRecipe,
        device: torch.device,
        streams: FinalStreams,
        *,
        folder: Path | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        on_epoch: Callable[[list[dict[str, float]]], None] | None = None,
    ) -> None:
        _check_parts(network, recipe, streams)
        self.recipe, self.streams = recipe, streams
        self.epoch = 0
        self.history: list[dict[str, float]] = []
        self._data, self._folder, self._device = data, folder, device
        self._on_progress, self._on_epoch = on_progress, on_epoch
        with explain_memory(recipe.sgd.batch_size):
            self.network = network.to(device)
        self._optimizer = sgd_of(self.network, recipe.sgd)
        self._named: dict[str, Tensor] = dict(self.network.named_parameters())
        sgd = recipe.sgd
        self._loss = (
            with_auxiliary_loss(self.network, recipe.auxiliary, sgd.label_smoothing, sgd.bfloat16)
            if recipe.auxiliary
            else cross_entropy(self.network, sgd.label_smoothing, sgd.bfloat16)
        )
        self._batches: EpochOfBatches = data.train
        if recipe.mixup:
            self._batches = MixedBatches(data.train, data.seen.classes, recipe.mixup, streams.mixup)

    # -- training -----------------------------------------------------------------------------

    def fit(self) -> None:
        """Train until the recipe's last epoch.

        Raises
        ------
        InputError : the loss is not finite any more, or the device has no memory left; finished epochs
            are kept.
        """
        began, first, epochs = time.monotonic(), self.epoch, self.recipe.sgd.epochs
        with explain_memory(self.recipe.sgd.batch_size), exact(self.recipe.sgd.threads):
            while self.epoch < epochs:
                self.history.append(self._run_epoch(began, first))
                self.epoch += 1
                if self._folder is not None:
                    checkpoints.write(self._folder, self._state())
                    checkpoints.keep_last(self._folder, _KEPT)
                if self._on_epoch is not None:
                    self._on_epoch(self.history)

    def score(self, batches: Any) -> float:
        """Return the accuracy in percent on images in order, with the weights as they are."""
        with exact(self.recipe.sgd.threads):
            return accuracy(self.network, batches, self.recipe.sgd.bfloat16)

    def _run_epoch(self, began: float, first: int) -> dict[str, float]:
        recipe, steps = self.recipe, len(self._batches)
        drop_path = recipe.drop_path_at(self.epoch)
        set_dropout(self.network, self.streams.dropout, path=drop_path, features=recipe.dropout)
        started = time.monotonic()
        loss = train_epoch(
            self.network,
            self._optimizer,
            self._batches,
            self._loss,
            partial(recipe.rate_at, steps_an_epoch=steps),
            first=self.epoch * steps,
            clip=recipe.sgd.clip,
            parts=recipe.sgd.accumulate,
            look=partial(self._look, steps, began, first),
        )
        row = {
            "epoch": self.epoch + 1,
            "loss": loss,
            "learning_rate": float(self._optimizer.param_groups[0]["lr"]),
            "drop_path": drop_path,
            "seconds": round(time.monotonic() - started, 3),
        }
        valid = self._data.valid
        return row if valid is None else {**row, "valid": self.score(valid)}

    def _look(self, steps: int, began: float, first: int, number: int, total: Tensor) -> None:
        if number % _LOOK_EVERY and number != steps:
            return
        loss = float(total) / number
        if not np.isfinite(loss):
            raise InputError(
                f"the loss became {loss} in epoch {self.epoch + 1}, by step {number}: try a lower "
                f"--learning-rate than {self.recipe.sgd.learning_rate}"
            )
        if self._on_progress is not None:
            epochs = self.recipe.sgd.epochs
            done = self.epoch * steps + number
            left = (epochs * steps - done) * (time.monotonic() - began) / (done - first * steps)
            self._on_progress(Progress(done, epochs * steps, self.epoch + 1, epochs, loss, left))

    # -- interruption -------------------------------------------------------------------------

    def _state(self) -> Checkpoint:
        groups = {
            "network": self.network.state_dict(),
            "momentum": optimizer_tensors(self._optimizer, self._named),
        }
        tensors = {
            f"{group}.{name}": value for group, named in groups.items() for name, value in named.items()
        }
        streams = self.streams
        facts = {
            "epoch": self.epoch,
            **self._facts(),
            "history": self.history,
            "random": {
                "batches": state_as_text(self._data.train.state_dict()),
                "dropout": state_as_text({"generator": streams.dropout.get_state()}),
                "mixup": streams.mixup.bit_generator.state,
            },
        }
        return Checkpoint(tensors, facts)

    def _facts(self) -> dict[str, Any]:
        """Return what a checkpoint must agree with, beside the network."""
        return {
            "network": self.network.recipe.describe(),
            "training": self.recipe.describe(),
            "data": self._data.seen.identity,
            "device": self._device.type,  # generators on a GPU have states of their own
        }

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint of the same training.

        Raises
        ------
        InputError : the checkpoint cannot be read, or is of another network, data set, recipe or kind of
            device.
        """
        checkpoint = checkpoints.read(path)
        facts: Mapping[str, Any] = checkpoint.facts
        checkpoints.check_same_network(checkpoint.facts, self.network.recipe.describe(), path)
        for key, mine in self._facts().items():
            checkpoints.check_same(checkpoint.facts, key, mine, path)
        with loading(path):
            checkpoints.load_weights(checkpoint, self.network)
            restore_optimizer(self._optimizer, self._named, checkpoint.group("momentum"))
            random = facts["random"]
            self._data.train.load_state_dict(state_from_text(random["batches"]))
            self.streams.dropout.set_state(state_from_text(random["dropout"])["generator"])
            self.streams.mixup.bit_generator.state = random["mixup"]
            self.history = history_of(facts)
            self.epoch = int(facts["epoch"])


def _check_parts(network: Any, recipe: FinalRecipe, streams: FinalStreams) -> None:
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
