"""The engine of training: walks over epochs and batches, follows the schedule, keeps checkpoints and resumes.

It trains supernets (`benchkit.training.trainer`) and networks alone (`benchkit.training.final_trainer`,
`benchkit.training.standalone`). They say what a batch does to the weights, what happens around an epoch, and
what a checkpoint holds beside the weights. A training that was stopped at any moment goes on from its last
finished epoch and ends with the weights of one that was not, bit for bit on the same device and number of
threads.

Deviations and choices
----------------------
- The learning rate follows its schedule from step to step, as the published scripts of NAS-Bench-201 do.
- The loss is looked at every 16 steps and at the end of an epoch, so that a GPU need not wait for it.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from benchkit.base.devices import explain_memory, intra_op_threads
from benchkit.base.errors import InputError
from benchkit.training import checkpoint as checkpoints
from benchkit.training.checkpoint import Checkpoint
from benchkit.training.checkpoint_check import history_of, loading
from benchkit.training.recipe import TrainingRecipe
from benchkit.training.weights import SgdWeights

_LOOK_EVERY = 16

Step = Callable[[Tensor, Tensor], Iterable[Tensor]]
"""Moves the weights by a batch of images and labels; returns losses of its parts, which sum to its own."""


class EpochOfBatches(Protocol):
    """The batches of an epoch: images with labels, one batch after another."""

    def __len__(self) -> int:
        """Batches an epoch."""
        ...

    def epoch(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of the next epoch."""
        ...


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a training stands.

    Attributes
    ----------
    step, steps : Steps done, and steps of the whole training.
    epoch, epochs : Number of the current epoch, from 1, and of all epochs.
    loss : Mean of the epoch so far.
    eta_seconds : Seconds until the end, at the mean speed so far.
    """

    step: int
    steps: int
    epoch: int
    epochs: int
    loss: float
    eta_seconds: float


@contextmanager
def exact(threads: int = 1) -> Iterator[None]:
    """Run on so many threads, and with kernels that cuDNN does not choose anew in each run."""
    cudnn = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True)
    with intra_op_threads(threads), cudnn:
        yield


def train_epoch(
    network: nn.Module,
    weights: SgdWeights,
    batches: EpochOfBatches,
    recipe: TrainingRecipe,
    step: Step,
    epoch: int,
    look: Callable[[int, Tensor], None] | None = None,
) -> float:
    """Train for one epoch in place; return the mean loss of its batches.

    Parameters
    ----------
    weights : Weights of the network, which `step` moves.
    epoch : Number of the epoch, from 0.
    look : Called after every batch with how many are done and the sum of their losses, a tensor.
    """
    network.train()
    steps = len(batches)
    total = torch.zeros((), device=weights.parameters[0].device)
    for number, (x, y) in enumerate(batches.epoch()):
        weights.learning_rate = recipe.rate_at(epoch * steps + number, recipe.epochs * steps)
        for loss in step(x, y):
            total += loss
        if look is not None:
            look(number + 1, total)
    return float(total) / steps


class Engine(ABC):
    """Trains a network until its recipe's last epoch.

    Parameters
    ----------
    network : Network on its device; its ``recipe`` describes it.
    batches : Training batches.
    recipe : Recipe of the training.
    device : Device of network and batches.
    weights : Weights of the network with their optimizer.
    folder : Folder for checkpoints, one an epoch; None keeps none.
    on_progress : Called now and then.
    on_epoch : Called with every entry of `history`, those of a training that is resumed too.

    Attributes
    ----------
    epoch : Number of finished epochs.
    history : One mapping an epoch: epoch, loss, learning_rate, and what the kind of training adds.
    compared : Facts of a checkpoint that must be this training's, in the order in which they are checked.
    kept : Number of checkpoints that are kept; None keeps all.
    """

    compared: ClassVar[tuple[str, ...]]
    kept: ClassVar[int | None] = None

    def __init__(
        self,
        network: Any,
        batches: EpochOfBatches,
        recipe: TrainingRecipe,
        device: torch.device,
        weights: SgdWeights,
        *,
        folder: Path | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        on_epoch: Callable[[Mapping[str, float]], None] | None = None,
    ) -> None:
        self.network, self.recipe, self.weights = network, recipe, weights
        self.epoch = 0
        self.history: list[dict[str, float]] = []
        self._batches, self._device, self._folder = batches, device, folder
        self._on_progress = on_progress
        self._tell = on_epoch or (lambda row: None)

    # -- what the kinds of training add ---------------------------------------------------------

    @abstractmethod
    def begin_epoch(self) -> None:
        """Prepare for the epoch that is about to start."""

    @abstractmethod
    def step(self, images: Tensor, labels: Tensor) -> Iterable[Tensor]:
        """Move the weights by one batch; see `Step`."""

    @abstractmethod
    def end_epoch(self, started: float) -> dict[str, float]:
        """Finish an epoch that began at `started` (monotonic); return what `history` keeps of it."""

    @abstractmethod
    def advice(self) -> str:
        """Return what to do against a loss that is not finite."""

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """Return what a checkpoint says of the training, JSON-ready."""

    @abstractmethod
    def random_states(self) -> dict[str, Any]:
        """Return where the random generators stand, JSON-ready."""

    @abstractmethod
    def restore(self, checkpoint: Checkpoint, path: Path) -> None:
        """Take from a checkpoint of this training what it holds beside weights and history."""

    def learned_tensors(self) -> dict[str, dict[str, Tensor]]:
        """Return further groups of tensors that a checkpoint holds, by their prefix."""
        return {}

    # -- training -----------------------------------------------------------------------------

    def fit(self) -> None:
        """Train until the recipe's last epoch.

        Raises
        ------
        InputError : The loss is not finite any more, or the device has no memory left; finished epochs are
            kept.
        """
        began, first = time.monotonic(), self.epoch
        for row in self.history:
            self._tell(row)
        with explain_memory(self.recipe.batch_size), exact(self.recipe.threads):
            while self.epoch < self.recipe.epochs:
                self.history.append(self._run_epoch(began, first))
                self.epoch += 1
                if self._folder is not None:
                    checkpoints.write(self._folder, self._state())
                    if self.kept is not None:
                        checkpoints.keep_last(self._folder, self.kept)
                self._tell(self.history[-1])

    def _run_epoch(self, began: float, first: int) -> dict[str, float]:
        self.begin_epoch()
        started = time.monotonic()
        look = partial(self._look, began, first)
        loss = train_epoch(
            self.network, self.weights, self._batches, self.recipe, self.step, self.epoch, look
        )
        more = self.end_epoch(started)
        return {"epoch": self.epoch + 1, "loss": loss, "learning_rate": self.weights.learning_rate, **more}

    def _look(self, began: float, first: int, number: int, total: Tensor) -> None:
        steps = len(self._batches)
        if number % _LOOK_EVERY and number != steps:
            return
        loss = float(total) / number
        if not np.isfinite(loss):
            raise InputError(
                f"the loss became {loss} in epoch {self.epoch + 1}, by step {number}: {self.advice()}"
            )
        if self._on_progress is not None:
            epochs, done = self.recipe.epochs, self.epoch * steps + number
            left = (epochs * steps - done) * (time.monotonic() - began) / (done - first * steps)
            self._on_progress(Progress(done, epochs * steps, self.epoch + 1, epochs, loss, left))

    # -- interruption -------------------------------------------------------------------------

    def _state(self) -> Checkpoint:
        groups = {
            "network": self.network.state_dict(),
            "momentum": self.weights.state_tensors(),
            **self.learned_tensors(),
        }
        tensors = {
            f"{group}.{name}": value for group, named in groups.items() for name, value in named.items()
        }
        facts = {"epoch": self.epoch, **self.facts(), "history": self.history, "random": self.random_states()}
        return Checkpoint(tensors, facts)

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint of the same training.

        Raises
        ------
        InputError : The checkpoint cannot be read, or is of another network or image size, or differs in
            what `compared` names.
        """
        checkpoint = checkpoints.read(path)
        saved, mine = checkpoint.facts, self.facts()
        checkpoints.check_same_network(saved, mine["network"], path)
        if "image_size" in mine:
            checkpoints.check_same_images(saved, mine["image_size"], path)
        for key in self.compared:
            checkpoints.check_same(saved, key, mine[key], path)
        with loading(path):
            checkpoints.load_weights(checkpoint, self.network)
            self.weights.load_state_tensors(checkpoint.group("momentum"))
            self.restore(checkpoint, path)
            self.history = history_of(saved)
            self.epoch = int(saved["epoch"])
