"""The trainer: walks a weight-sharing strategy over the images, epoch by epoch.

It owns data (`benchkit.training.batches`), device, precision and processes (`benchkit.training.gradients`),
schedule, checkpoints and progress; every formula is the strategy's (`benchkit.strategies.weight_sharing`).
All randomness comes from the `Streams` of one seed. A training that
was stopped at any moment goes on from its last finished epoch and ends with the weights of one that was
not, bit for bit on the same device and number of threads.

Deviations and choices
----------------------
- The learning rate follows its schedule from step to step, as the published scripts of NAS-Bench-201 do.
- The loss is looked at every 16 steps and at the end of an epoch, so that a GPU need not wait for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchkit.base.devices import explain_memory, intra_op_threads
from benchkit.base.errors import InputError
from benchkit.data.images.splits import SearchImages
from benchkit.data.images.streamed import SearchStream
from benchkit.searching.supernet_evaluator import ScoringImages, SupernetEvaluator
from benchkit.spaces.base import Batch
from benchkit.strategies.protocol import Scores
from benchkit.strategies.weight_sharing import ImageBatch, WeightSharingStrategy
from benchkit.training import checkpoint as checkpoints
from benchkit.training.batches import open_data
from benchkit.training.checkpoint import Checkpoint
from benchkit.training.checkpoint_check import check_group, history_of, loading
from benchkit.training.distributed import ALONE, Processes, SharedScoring
from benchkit.training.gradients import LossClosure
from benchkit.training.recipe import TrainingRecipe
from benchkit.training.streams import Streams, state_as_text, state_from_text
from benchkit.training.weights import SharedWeights

__all__ = ["Progress", "Streams", "Trainer"]

_LOOK_EVERY = 16


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
    images : what a search may see, on the device as a whole or streamed from disk.
    recipe : of the training.
    device : where to train.
    streams : of the seed; `strategy` and `network` are what strategy and supernet were made with.
    folder : for checkpoints, one an epoch; None keeps none.
    scoring : options of the `SupernetEvaluator` that strategies may use inside training and that
        `evaluator` is: images, batch_size, calibration_batches.
    on_progress : called now and then.
    on_epoch : called with every entry of `history`, those of a training that is resumed too.
    processes : that train together (`benchkit.training.distributed`); only the first writes.
    workers : that read streamed images.

    Attributes
    ----------
    epoch : finished epochs.
    history : one mapping an epoch: epoch, loss, learning_rate, seconds, images_per_second, and what the
        strategy reports of itself, as ``strategy/name``.
    evaluator : scores architectures with the weights as they are.

    Raises
    ------
    InputError : images and supernet do not fit each other, or a batch is larger than the data.
    """

    def __init__(
        self,
        strategy: WeightSharingStrategy,
        supernet: Any,
        images: SearchImages | SearchStream,
        recipe: TrainingRecipe,
        device: torch.device,
        streams: Streams,
        *,
        folder: Path | None = None,
        scoring: dict[str, Any] | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        on_epoch: Callable[[Mapping[str, float]], None] | None = None,
        processes: Processes = ALONE,
        workers: int = 0,
    ) -> None:
        network = supernet.recipe
        if (network.classes, network.image_channels) != (images.classes, images.size[2]):
            raise InputError(
                f"the supernet takes {network.classes} classes and {network.image_channels} image channels; "
                f"the data has {images.classes} and {images.size[2]}"
            )
        if strategy.regularises_weights:
            recipe = replace(recipe, weight_decay=0.0)
        self.strategy, self.recipe, self.streams = strategy, recipe, streams
        self.epoch = 0
        self.history: list[dict[str, float]] = []
        self._folder, self._device, self._processes = folder, device, processes
        self._on_progress, self._on_epoch = on_progress, on_epoch
        self._identity, self._image_size = dict(images.identity), list(images.size[:2])
        with explain_memory(recipe.batch_size):
            self.supernet = supernet.to(device)
            self._data = open_data(images, recipe, device, streams, processes, workers)
        if recipe.compile_cells:
            self._compile()
        self.weights = SharedWeights(self.supernet, recipe, len(images.train), len(images.valid))
        self._closure = LossClosure(strategy, self.weights, recipe, processes)
        evaluator = SupernetEvaluator(
            self.supernet,
            self.valid_images,
            streams.evaluator,
            calibration=self.train_images if network.policy.running else None,
            bfloat16=recipe.bfloat16,
            **(scoring or {}),
        )
        self.evaluator = evaluator if processes.count == 1 else SharedScoring(evaluator, processes)
        strategy.bind(self.supernet, self.weights)

    def _compile(self) -> None:
        from benchkit.spaces.engine import compile_cells

        compile_cells(self.supernet)

    @property
    def train_images(self) -> ScoringImages:
        """The training images by index, without augmentation."""
        return self._data.train_images

    @property
    def valid_images(self) -> ScoringImages:
        """The validation images by index, without augmentation."""
        return self._data.valid_images

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
        for row in self.history:
            self._tell(row)
        with explain_memory(self.recipe.batch_size), exact, intra_op_threads(self.recipe.threads):
            while self.epoch < self.recipe.epochs:
                self._run_epoch(valid, began, first)
                self.epoch += 1
                if self._folder is not None and self._processes.first:
                    checkpoints.write(self._folder, self._state())
                self._tell(self.history[-1])

    def _run_epoch(self, valid: Iterator[ImageBatch], began: float, first: int) -> None:
        epoch, recipe, steps = self.epoch, self.recipe, len(self._data.train)
        self.supernet.train()
        self.strategy.begin_epoch(epoch, recipe.epochs)
        total = torch.zeros((), device=self._device)
        started = time.monotonic()
        for number, (x, y) in enumerate(self._data.train.epoch(), start=1):
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
        seconds = time.monotonic() - started
        row = {
            "epoch": epoch + 1,
            "loss": float(total) / steps,
            "learning_rate": self.weights.learning_rate,
            "seconds": round(seconds, 3),
            "images_per_second": round(self._data.images_an_epoch / seconds, 1),
        }
        row |= {f"strategy/{name}": float(value) for name, value in self.strategy.report().items()}
        self.history.append(row)

    def _tell(self, row: Mapping[str, float]) -> None:
        if self._on_epoch is not None:
            self._on_epoch(row)

    def _endless_valid(self) -> Iterator[ImageBatch]:
        while True:
            for x, y in self._data.valid.epoch():
                yield ImageBatch(x, y)

    def _evaluate(self, batch: Batch, images: int | None, part: tuple[int, int] | None = None) -> Scores:
        most = self.evaluator.full_fidelity
        return self.evaluator.evaluate(batch, None if images is None else min(images, most), part).scores

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
            "image_size": self._image_size,
            "processes": self._processes.count,
            "scoring": self.evaluator.describe(),
            "history": self.history,
            "random": {
                "strategy": self.streams.strategy.bit_generator.state,
                "train": state_as_text(self._data.train.state_dict()),
                "valid": state_as_text(self._data.valid.state_dict()),
            },
        }
        return Checkpoint(tensors, facts)

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint of the same training.

        Raises
        ------
        InputError : the checkpoint cannot be read, or is of another network, strategy, image size, data set,
            recipe or number of processes.
        """
        checkpoint = checkpoints.read(path)
        facts = checkpoint.facts
        checkpoints.check_same_network(facts, self.supernet.recipe.describe(), path)
        checkpoints.check_same_images(facts, self._image_size, path)
        for key, mine in (
            ("strategy", self.strategy.name),
            ("data", self._identity),
            ("training", self.recipe.describe()),
            ("processes", self._processes.count),
        ):
            checkpoints.check_same(facts, key, mine, path)
        with loading(path):
            checkpoints.load_weights(checkpoint, self.supernet)
            self.weights.load_state_tensors(checkpoint.group("momentum"))
            learned = checkpoint.group("strategy")
            check_group(learned, self.strategy.state_tensors(), path)
            self.strategy.load_state_tensors(learned)
            self.streams.strategy.bit_generator.state = facts["random"]["strategy"]
            for name, batches in (("train", self._data.train), ("valid", self._data.valid)):
                batches.load_state_dict(state_from_text(facts["random"][name]))
            self.history = history_of(facts)
            self.epoch = int(facts["epoch"])
