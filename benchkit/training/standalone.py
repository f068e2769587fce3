"""Trains one architecture alone, from scratch: the truth that supernets are compared with.

Every (architecture, seed) has its own streams for the first weights and for the batches, made of nothing but
these two. What a training gives does not depend on what was trained before, beside it, or in which order, and
since it runs on one thread it is the same bit for bit on one platform.

Deviations and choices
----------------------
- Images that do not fill a last batch are left out of an epoch; each epoch draws which.
- Batch normalisation is scored by its running averages, as the published benchmarks do.
- A shorter training is one with a schedule of its own, not the first part of a longer one.
- Several seeds are not trained as one stacked network: ``vmap`` was slower than a loop on a processor, and
  with grouped convolutions, faster by less than two, the last bits depend on how many are stacked
  (``benchmarks/bench_standalone.py``). Processes use idle cores as well, and change no bit.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from benchkit.base.errors import InputError
from benchkit.base.limits import check_number
from benchkit.data.images.device_set import DeviceImages, TrainingBatches
from benchkit.data.images.image_set import LabelledImages
from benchkit.data.images.splits import SearchImages
from benchkit.spaces import Space
from benchkit.spaces.base import Architecture
from benchkit.spaces.engine import build_network
from benchkit.training.engine import exact, train_epoch
from benchkit.training.losses import step_of
from benchkit.training.recipe import TrainingRecipe
from benchkit.training.streams import torch_generator
from benchkit.training.weights import SgdWeights

SCORING_BATCH = 512
"""Images a batch of scoring; with running averages it decides no result."""


@dataclass(frozen=True, eq=False)
class StandaloneRun:
    """The outcome of one training, epoch by epoch.

    Attributes
    ----------
    loss : Mean training cross-entropy of each epoch in nats, float64[epochs].
    valid : Validation accuracy in percent after each epoch, float64[epochs].
    test : Test accuracy in percent, float64[epochs]; None where the trainer was given no test images.
    train_seconds : Seconds of training without scoring: of one core, or of the clock on a GPU.
    """

    loss: npt.NDArray[np.float64]
    valid: npt.NDArray[np.float64]
    test: npt.NDArray[np.float64] | None
    train_seconds: float


def cpu_capability() -> str:
    """Return the widest vectors that torch uses here, such as ``AVX512``: they decide the last bits."""
    return str(torch.backends.cpu.get_cpu_capability())


def sequences_of(architecture: Architecture, seed: int, n: int) -> list[np.random.SeedSequence]:
    """Return n independent sources of randomness of one (architecture, seed); the first ones at any n."""
    return np.random.SeedSequence(seed, spawn_key=tuple(architecture.tolist())).spawn(n)


def seeds_of(architecture: Architecture, seed: int) -> tuple[torch.Generator, torch.Generator]:
    """Return the generators of the first weights and of the batches of one (architecture, seed)."""
    weights, batches = map(torch_generator, sequences_of(architecture, seed, 2))
    return weights, batches


class StandaloneTrainer:
    """Trains architectures of one space on one data set by one recipe.

    Parameters
    ----------
    space : Space of the architectures.
    images : Images to train and to validate on.
    recipe : Recipe of all trainings; they run on one thread, in one piece.
    size : Width and depth of the networks, see `benchkit.spaces.sizes`; the published ones by default.
    test : Test images, for the maker of a table; a search must not have them.
    device : Device to train on.

    Attributes
    ----------
    epochs : Length of the recipe's schedule.

    Raises
    ------
    InputError : a batch is larger than the training images.
    """

    def __init__(
        self,
        space: Space,
        images: SearchImages,
        recipe: TrainingRecipe,
        *,
        size: Mapping[str, Any] = MappingProxyType({}),
        test: LabelledImages | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.space = space
        self.recipe = recipe.for_images(images.size)
        self.epochs = self.recipe.epochs
        self._size: dict[str, Any] = dict(size)
        self._shape = (images.classes, images.size[2])
        self._device = torch.device(device)
        self._train, self._valid = (
            DeviceImages(part, images.normalisation, self._device) for part in (images.train, images.valid)
        )
        self._test = None if test is None else DeviceImages(test, images.normalisation, self._device)
        self.batches(torch.Generator())  # says at once where the batch does not fit

    @property
    def has_test(self) -> bool:
        """Whether test images are scored too."""
        return self._test is not None

    def train(self, architecture: Architecture, seed: int, epochs: int | None = None) -> StandaloneRun:
        """Train one architecture from scratch.

        Parameters
        ----------
        architecture : Member of the space, int8[d].
        seed : Seed of its own streams, at least 0.
        epochs : Length of its schedule; None is the recipe's.

        Raises
        ------
        InputError : not a member, a number out of range, or a loss that is not finite.
        """
        check_number("seed", seed)
        row = self.space.validate(architecture)[0]
        length = self.epochs if epochs is None else epochs
        weights, order = seeds_of(row, seed)
        batches = self.batches(order)
        scored = [self._valid] if self._test is None else [self._valid, self._test]
        losses: list[float] = []
        accuracies: list[list[float]] = []
        seconds = 0.0
        classes, channels = self._shape
        network = build_network(self.space, row, classes, channels, generator=weights, **self._size)
        for loss, passed in self.fit(network.to(self._device), batches, length):
            losses.append(loss)
            seconds += passed
            if not np.isfinite(loss):
                raise InputError(
                    f"the loss of {self.space.format(row)} became {loss} in epoch {len(losses)} of "
                    f"{length} (seed {seed}): try a lower learning rate than {self.recipe.learning_rate}"
                )
            accuracies.append(
                [accuracy(network, part.batches(SCORING_BATCH), self.recipe.bfloat16) for part in scored]
            )
        curves = np.array(accuracies).T
        return StandaloneRun(np.array(losses), curves[0], curves[1] if len(curves) > 1 else None, seconds)

    def fit(
        self, network: nn.Module, batches: TrainingBatches, epochs: int | None = None
    ) -> Iterator[tuple[float, float]]:
        """Train a network in place by the recipe; yield the mean loss and the seconds of each epoch.

        Parameters
        ----------
        network : Network on the trainer's device; gives logits for images.
        batches : Batches from `batches`.
        epochs : Length of the schedule; None is the recipe's.
        """
        recipe = replace(self.recipe, epochs=self.epochs if epochs is None else epochs, accumulate=1)
        weights = SgdWeights(network, recipe)
        step = step_of(network, weights, recipe)
        with exact():
            for epoch in range(recipe.epochs):
                began = _clock(self._device)
                mean = train_epoch(network, weights, batches, recipe, step, epoch)
                yield mean, _clock(self._device) - began

    def batches(self, generator: torch.Generator) -> TrainingBatches:
        """Return augmented training batches in an order drawn from `generator`."""
        return TrainingBatches(self._train, self.recipe.batch_size, self.recipe.augmentation, generator)


@torch.no_grad()
def accuracy(network: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], bfloat16: bool = False) -> float:
    """Return the percentage of images that the network gets right, by its running averages.

    Parameters
    ----------
    batches : Batches of at least one image, on the network's device.
    """
    network.eval()
    correct: Tensor = torch.zeros((), dtype=torch.int64, device=next(network.parameters()).device)
    images = 0
    with torch.autocast(correct.device.type, dtype=torch.bfloat16, enabled=bfloat16):
        for x, y in batches:
            correct += (network(x).argmax(dim=1) == y).sum()
            images += len(y)
    return 100 * int(correct) / images


def _clock(device: torch.device) -> float:
    """Return seconds: of this thread's core, which other work does not lengthen; of the clock on a GPU."""
    if device.type == "cpu":
        return time.thread_time()
    torch.cuda.synchronize(device)
    return time.perf_counter()
