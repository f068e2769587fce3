"""The trainer of supernets: runs a weight-sharing strategy on the engine of training.

It owns data (`benchkit.training.batches`), device, precision and processes (`benchkit.training.gradients`);
every formula is the strategy's (`benchkit.strategies.weight_sharing`), and the walk over epochs, the schedule
and the checkpoints are those of `benchkit.training.engine`. All randomness comes from the `Streams` of one
seed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchkit.base.devices import explain_memory
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
from benchkit.training.checkpoint_check import check_group
from benchkit.training.distributed import ALONE, Processes, SharedScoring
from benchkit.training.engine import Engine, Progress
from benchkit.training.gradients import LossClosure
from benchkit.training.recipe import TrainingRecipe
from benchkit.training.streams import Streams, state_as_text, state_from_text
from benchkit.training.weights import SgdWeights

__all__ = ["Progress", "Streams", "Trainer"]


class Trainer(Engine):
    """Trains the shared weights of one supernet.

    Parameters
    ----------
    strategy : Strategy that is not bound yet.
    supernet : Network from ``build_supernet``; moved to the device here.
    images : Images that a search may see, on the device as a whole or streamed from disk.
    recipe : Recipe of the training.
    device : Device to train on.
    streams : Generators of the seed; `strategy` and `network` are what strategy and supernet were made with.
    folder : Folder for checkpoints, one an epoch; None keeps none.
    scoring : Options of the `SupernetEvaluator` that strategies may use inside training and that `evaluator`
        is: images, batch_size, calibration_batches.
    on_progress, on_epoch : see `Engine`.
    processes : Processes that train together (`benchkit.training.distributed`); only the first writes.
    workers : Number of workers that read streamed images.

    Attributes
    ----------
    history : One mapping an epoch: epoch, loss, learning_rate, seconds, images_per_second, and what the
        strategy reports of itself, as ``strategy/name``.
    evaluator : Scores architectures with the weights as they are.

    Raises
    ------
    InputError : Images and supernet do not fit each other, or a batch is larger than the data.
    """

    compared = ("strategy", "data", "training", "processes")
    _valid: Iterator[ImageBatch]

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
        self.strategy, self.streams = strategy, streams
        self._checkpoints, self._processes = folder, processes
        self._identity, self._image_size = dict(images.identity), list(images.size[:2])
        with explain_memory(recipe.batch_size):
            supernet = supernet.to(device)
            self._data = open_data(images, recipe, device, streams, processes, workers)
        if recipe.compile_cells:
            from benchkit.spaces.engine import compile_cells

            compile_cells(supernet)
        super().__init__(
            supernet,
            self._data.train,
            recipe,
            device,
            SgdWeights(supernet, recipe, len(images.train), len(images.valid)),
            folder=folder if processes.first else None,
            on_progress=on_progress,
            on_epoch=on_epoch,
        )
        self._closure = LossClosure(strategy, self.weights, recipe, processes)
        evaluator = SupernetEvaluator(
            supernet,
            self.valid_images,
            streams.evaluator,
            calibration=self.train_images if network.policy.running else None,
            bfloat16=recipe.bfloat16,
            **(scoring or {}),
        )
        self.evaluator = evaluator if processes.count == 1 else SharedScoring(evaluator, processes)
        strategy.bind(supernet, self.weights)

    @property
    def supernet(self) -> Any:
        """The network that is trained."""
        return self.network

    @property
    def train_images(self) -> ScoringImages:
        """The training images by index, without augmentation."""
        return self._data.train_images

    @property
    def valid_images(self) -> ScoringImages:
        """The validation images by index, without augmentation."""
        return self._data.valid_images

    def fit(self) -> None:
        """Train until the recipe's last epoch; see `Engine.fit`."""
        self._valid = self._endless_valid()
        super().fit()

    def begin_epoch(self) -> None:
        self.network.train()
        self.strategy.begin_epoch(self.epoch, self.recipe.epochs)

    def step(self, images: Tensor, labels: Tensor) -> list[Tensor]:
        batch = ImageBatch(images, labels)
        if self.strategy.uses_validation:
            self.strategy.architecture_step(self._closure, batch, next(self._valid))
        return [self.strategy.weight_step(self._closure, batch)]

    def end_epoch(self, started: float) -> dict[str, float]:
        self.strategy.end_epoch(self.epoch, self._evaluate)
        seconds = time.monotonic() - started
        return {
            "seconds": round(seconds, 3),
            "images_per_second": round(self._data.images_an_epoch / seconds, 1),
            **{f"strategy/{name}": float(value) for name, value in self.strategy.report().items()},
        }

    def advice(self) -> str:
        kept = None if self._checkpoints is None else checkpoints.latest(self._checkpoints)
        where = f"; the last good checkpoint is {kept}" if kept else ""
        return f"try a lower learning rate than {self.recipe.learning_rate} or clipping{where}"

    def _endless_valid(self) -> Iterator[ImageBatch]:
        while True:
            for x, y in self._data.valid.epoch():
                yield ImageBatch(x, y)

    def _evaluate(self, batch: Batch, images: int | None, part: tuple[int, int] | None = None) -> Scores:
        most = self.evaluator.full_fidelity
        return self.evaluator.evaluate(batch, None if images is None else min(images, most), part).scores

    # -- interruption -------------------------------------------------------------------------

    def learned_tensors(self) -> dict[str, dict[str, Tensor]]:
        return {"strategy": self.strategy.state_tensors()}

    def facts(self) -> dict[str, Any]:
        return {
            "strategy": self.strategy.name,
            "network": self.network.recipe.describe(),
            "training": self.recipe.describe(),
            "data": self._identity,
            "image_size": self._image_size,
            "processes": self._processes.count,
            "scoring": self.evaluator.describe(),
        }

    def random_states(self) -> dict[str, Any]:
        return {
            "strategy": self.streams.strategy.bit_generator.state,
            "train": state_as_text(self._data.train.state_dict()),
            "valid": state_as_text(self._data.valid.state_dict()),
        }

    def restore(self, checkpoint: Checkpoint, path: Path) -> None:
        learned, random = checkpoint.group("strategy"), checkpoint.facts["random"]
        check_group(learned, self.strategy.state_tensors(), path)
        self.strategy.load_state_tensors(learned)
        self.streams.strategy.bit_generator.state = random["strategy"]
        for name, batches in (("train", self._data.train), ("valid", self._data.valid)):
            batches.load_state_dict(state_from_text(random[name]))
