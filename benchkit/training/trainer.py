"""The trainer: walks a weight-sharing strategy over the images, epoch by epoch.

It owns data, device, precision, schedule, checkpoints and progress; every formula is the strategy's
(`benchkit.strategies.weight_sharing`). All randomness comes from the `Streams` of one seed. A training that
was stopped at any moment goes on from its last finished epoch and ends with the weights of one that was
not, bit for bit on the same device and number of threads.

Deviations and choices
----------------------
- The learning rate follows its cosine from step to step, as the published scripts of NAS-Bench-201 do.
- Validation batches, for strategies that learn from them, are augmented like training batches (DARTS' code).
- The loss is looked at every 16 steps and at the end of an epoch, so that a GPU need not wait for it.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from benchkit.images.augment import Augmentation
from benchkit.images.device_set import DeviceImages, TrainingBatches
from benchkit.images.splits import SearchImages
from benchkit.searching.supernet_evaluator import SupernetEvaluator
from benchkit.spaces import InputError
from benchkit.spaces.base import Batch
from benchkit.strategies.protocol import Scores
from benchkit.strategies.weight_sharing import Gradients, ImageBatch, WeightSharingStrategy
from benchkit.training import checkpoint as checkpoints
from benchkit.training.checkpoint import Checkpoint
from benchkit.training.devices import explain_memory
from benchkit.training.recipe import TrainingRecipe
from benchkit.training.weights import SharedWeights

__all__ = ["Progress", "Streams", "Trainer"]

_LOOK_EVERY = 16


@dataclass(frozen=True, slots=True)
class Streams:
    """Independent generators of one seed: whoever draws more or less changes nothing for the others."""

    strategy: np.random.Generator
    evaluator: np.random.Generator
    network: torch.Generator
    train: torch.Generator
    valid: torch.Generator

    @classmethod
    def of(cls, seed: int) -> Streams:
        """Return the streams of a seed, at their start."""
        children = np.random.SeedSequence(seed).spawn(5)
        first, second = (np.random.default_rng(child) for child in children[:2])
        return cls(first, second, *(_torch_generator(child) for child in children[2:]))


def _torch_generator(sequence: np.random.SeedSequence) -> torch.Generator:
    return torch.Generator().manual_seed(int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1)))


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a training stands.

    Attributes
    ----------
    step, steps : done, of the whole training.
    epoch, epochs : the current one, from 1, of how many.
    loss : mean of the epoch so far.
    eta_seconds : until the end, at the mean speed so far.
    """

    step: int
    steps: int
    epoch: int
    epochs: int
    loss: float
    eta_seconds: float


class Trainer:
    """Trains the shared weights of one supernet.

    Parameters
    ----------
    strategy : not bound yet.
    supernet : from ``build_supernet``; moved to the device here.
    images : what a search may see.
    recipe : of the training.
    device : where to train.
    streams : of the seed; `strategy` and `network` are what strategy and supernet were made with.
    folder : for checkpoints, one an epoch; None keeps none.
    scoring : options of the `SupernetEvaluator` that strategies may use inside training and that
        `evaluator` is: images, batch_size, calibration_batches.
    on_progress : called now and then.

    Attributes
    ----------
    epoch : finished epochs.
    history : one mapping an epoch: epoch, loss, learning_rate, seconds.
    evaluator : scores architectures with the weights as they are.

    Raises
    ------
    InputError : images and supernet do not fit each other, or a batch is larger than the data.
    """

    def __init__(
        self,
        strategy: WeightSharingStrategy,
        supernet: Any,
        images: SearchImages,
        recipe: TrainingRecipe,
        device: torch.device,
        streams: Streams,
        *,
        folder: Path | None = None,
        scoring: dict[str, Any] | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> None:
        network = supernet.recipe
        if (network.classes, network.image_channels) != (images.classes, images.size[2]):
            raise InputError(
                f"the supernet takes {network.classes} classes and {network.image_channels} image channels; "
                f"the data has {images.classes} and {images.size[2]}"
            )
        self.strategy, self.recipe, self.streams = strategy, recipe, streams
        self.epoch = 0
        self.history: list[dict[str, float]] = []
        self._folder, self._device, self._on_progress = folder, device, on_progress
        self._identity = dict(images.identity)
        with explain_memory(recipe.batch_size):
            self.supernet = supernet.to(device)
            train, valid = (
                DeviceImages(part, images.normalisation, device, channels_last=recipe.channels_last)
                for part in (images.train, images.valid)
            )
        augmentation = Augmentation.standard(images.size[0], recipe.cutout)
        self._train = TrainingBatches(train, recipe.batch_size, augmentation, streams.train)
        self._valid = TrainingBatches(valid, min(recipe.batch_size, len(valid)), augmentation, streams.valid)
        self.weights = SharedWeights(self.supernet, recipe)
        self.evaluator = SupernetEvaluator(
            self.supernet,
            valid,
            streams.evaluator,
            calibration=train if network.policy.running else None,
            bfloat16=recipe.bfloat16,
            **(scoring or {}),
        )
        strategy.bind(self.supernet, self.weights)

    # -- training -----------------------------------------------------------------------------

    def fit(self) -> None:
        """Train until the recipe's last epoch.

        Raises
        ------
        InputError : the loss is not finite any more, or the device has no memory left; finished epochs
            are kept.
        """
        began, first = time.monotonic(), self.epoch
        valid = self._endless_valid()
        # cuDNN must not choose other kernels in another run
        exact = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True)
        with explain_memory(self.recipe.batch_size), exact:
            while self.epoch < self.recipe.epochs:
                self._run_epoch(valid, began, first)
                self.epoch += 1
                if self._folder is not None:
                    checkpoints.write(self._folder, self._state())

    def _run_epoch(self, valid: Iterator[ImageBatch], began: float, first: int) -> None:
        epoch, recipe, steps = self.epoch, self.recipe, len(self._train)
        self.supernet.train()
        self.strategy.begin_epoch(epoch, recipe.epochs)
        total = torch.zeros((), device=self._device)
        started = time.monotonic()
        for number, (x, y) in enumerate(self._train.epoch(), start=1):
            done = epoch * steps + number
            self.weights.learning_rate = recipe.rate_at(done - 1, recipe.epochs * steps)
            batch = ImageBatch(x, y)
            if self.strategy.uses_validation:
                self.strategy.architecture_step(self._closure, batch, next(valid))
            total += self.strategy.weight_step(self._closure, batch)
            if number % _LOOK_EVERY == 0 or number == steps:
                loss = float(total) / number
                self._check(loss, number)
                if self._on_progress is not None:
                    speed = (time.monotonic() - began) / (done - first * steps)
                    left = (recipe.epochs * steps - done) * speed
                    self._on_progress(
                        Progress(done, recipe.epochs * steps, epoch + 1, recipe.epochs, loss, left)
                    )
        self.strategy.end_epoch(epoch, self._evaluate)
        self.history.append(
            {
                "epoch": epoch + 1,
                "loss": float(total) / steps,
                "learning_rate": self.weights.learning_rate,
                "seconds": round(time.monotonic() - started, 3),
            }
        )

    def _closure(self, batch: ImageBatch, *, weights: bool = True, architecture: bool = False) -> Gradients:
        shared = list(self.weights.parameters) if weights else []
        own = list(self.strategy.parameters.values()) if architecture else []
        with torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=self.recipe.bfloat16):
            logits = self.strategy.forward(batch.images)
        loss = F.cross_entropy(logits.float(), batch.labels, label_smoothing=self.recipe.label_smoothing)
        extra = self.strategy.extra_loss()
        if extra is not None:
            loss = loss + extra
        gradients = torch.autograd.grad(loss, [*shared, *own], allow_unused=True)
        return Gradients(loss.detach(), gradients[: len(shared)], gradients[len(shared) :])

    def _endless_valid(self) -> Iterator[ImageBatch]:
        while True:
            for x, y in self._valid.epoch():
                yield ImageBatch(x, y)

    def _evaluate(self, batch: Batch, images: int | None) -> Scores:
        return self.evaluator.evaluate(batch, images).scores

    def _check(self, loss: float, step: int) -> None:
        if np.isfinite(loss):
            return
        kept = checkpoints.latest(self._folder) if self._folder is not None else None
        where = f"; the last good checkpoint is {kept}" if kept else ""
        raise InputError(
            f"the loss became {loss} in epoch {self.epoch + 1}, by step {step}: try a lower learning rate "
            f"than {self.recipe.learning_rate} or clipping{where}"
        )

    # -- interruption -------------------------------------------------------------------------

    def _state(self) -> Checkpoint:
        groups = {
            "network": self.supernet.state_dict(),
            "momentum": self.weights.state_tensors(),
            "strategy": self.strategy.state_tensors(),
        }
        tensors = {
            f"{group}.{name}": value for group, named in groups.items() for name, value in named.items()
        }
        facts = {
            "epoch": self.epoch,
            "strategy": self.strategy.name,
            "network": self.supernet.recipe.describe(),
            "training": self.recipe.describe(),
            "data": self._identity,
            "history": self.history,
            "random": {
                "strategy": self.streams.strategy.bit_generator.state,
                "train": _as_text(self._train.state_dict()),
                "valid": _as_text(self._valid.state_dict()),
            },
        }
        return Checkpoint(tensors, facts)

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint of the same training.

        Raises
        ------
        InputError : the checkpoint cannot be read, or is of another network, strategy, data set or recipe.
        """
        checkpoint = checkpoints.read(path)
        facts = checkpoint.facts
        checkpoints.check_same_network(facts, self.supernet.recipe.describe(), path)
        for key, mine in (
            ("strategy", self.strategy.name),
            ("data", self._identity),
            ("training", self.recipe.describe()),
        ):
            if facts.get(key) != mine:
                raise InputError(f"checkpoint {path} is of another {key}: {facts.get(key)}, not {mine}")
        checkpoints.load_weights(checkpoint, self.supernet)
        self.weights.load_state_tensors(checkpoint.group("momentum"))
        self.strategy.load_state_tensors(checkpoint.group("strategy"))
        self.streams.strategy.bit_generator.state = facts["random"]["strategy"]
        self._train.load_state_dict(_from_text(facts["random"]["train"]))
        self._valid.load_state_dict(_from_text(facts["random"]["valid"]))
        self.history = list(facts["history"])
        self.epoch = int(facts["epoch"])


def _as_text(state: dict[str, Any]) -> dict[str, Any]:
    generator: Tensor = state["generator"]
    return {**state, "generator": base64.b64encode(generator.numpy().tobytes()).decode()}


def _from_text(state: dict[str, Any]) -> dict[str, Any]:
    raw = np.frombuffer(base64.b64decode(state["generator"]), dtype=np.uint8).copy()
    return {**state, "generator": torch.from_numpy(raw)}
