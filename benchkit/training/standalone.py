"""Train one architecture alone, from scratch: the truth that supernets are compared with.

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

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from benchkit.base.errors import InputError
from benchkit.base.limits import check_number
from benchkit.data.images.device_set import DeviceImages, TrainingBatches
from benchkit.data.images.image_set import LabelledImages
from benchkit.data.images.splits import SearchImages
from benchkit.spaces import Space
from benchkit.spaces.base import Architecture
from benchkit.spaces.engine import build_network
from benchkit.training.standalone_recipe import StandaloneRecipe
from benchkit.training.streams import torch_generator
from benchkit.training.training_loop import SCORING_BATCH, accuracy, clock, cross_entropy, exact, train_epoch
from benchkit.training.weights import sgd_of

__all__ = ["StandaloneRun", "StandaloneTrainer", "cpu_capability", "seeds_of", "sequences_of"]


@dataclass(frozen=True, eq=False)
class StandaloneRun:
    """What one training gave, epoch by epoch.

    Attributes
    ----------
    loss : float64[epochs], mean training cross-entropy of each epoch, in nats.
    valid : float64[epochs], validation accuracy in percent after each epoch.
    test : float64[epochs], test accuracy in percent; None where the trainer was given no test images.
    train_seconds : of training, without scoring: seconds of one core, or of the clock on a GPU.
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
    space : of the architectures.
    images : to train and to validate on.
    recipe : the same for all.
    size : width and depth of the networks, see `benchkit.spaces.sizes`; the published ones by default.
    test : test images, for the maker of a table; a search must not have them.
    device : where to train.

    Attributes
    ----------
    epochs : length of the recipe's schedule.

    Raises
    ------
    InputError : a batch is larger than the training images.
    """

    def __init__(
        self,
        space: Space,
        images: SearchImages,
        recipe: StandaloneRecipe,
        *,
        size: Mapping[str, Any] = MappingProxyType({}),
        test: LabelledImages | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.space = space
        self.recipe = recipe.for_images(images.size)
        self.epochs = self.recipe.sgd.epochs
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
        architecture : int8[d], a member of the space.
        seed : of its own streams, at least 0.
        epochs : length of its schedule; None is the recipe's.

        Raises
        ------
        InputError : not a member, a number out of range, or a loss that is not finite.
        """
        check_number("seed", seed)
        row = self.space.validate(architecture)[0]
        sgd = replace(self.recipe.sgd, epochs=self.epochs if epochs is None else epochs)
        weights, order = seeds_of(row, seed)
        batches = self.batches(order)
        scored = [self._valid] if self._test is None else [self._valid, self._test]
        losses: list[float] = []
        accuracies: list[list[float]] = []
        seconds = 0.0
        classes, channels = self._shape
        network = build_network(self.space, row, classes, channels, generator=weights, **self._size)
        for loss, passed in self.fit(network.to(self._device), batches, sgd.epochs):
            losses.append(loss)
            seconds += passed
            if not np.isfinite(loss):
                raise InputError(
                    f"the loss of {self.space.format(row)} became {loss} in epoch {len(losses)} of "
                    f"{sgd.epochs} (seed {seed}): try a lower learning rate than {sgd.learning_rate}"
                )
            accuracies.append(
                [accuracy(network, part.batches(SCORING_BATCH), sgd.bfloat16) for part in scored]
            )
        curves = np.array(accuracies).T
        return StandaloneRun(np.array(losses), curves[0], curves[1] if len(curves) > 1 else None, seconds)

    def fit(
        self, network: nn.Module, batches: TrainingBatches, epochs: int | None = None
    ) -> Iterator[tuple[float, float]]:
        """Train a network in place by the recipe; yield the mean loss and the seconds of each epoch.

        Parameters
        ----------
        network : on the trainer's device; gives logits for images.
        batches : from `batches`.
        epochs : length of the schedule; None is the recipe's.
        """
        sgd = replace(self.recipe.sgd, epochs=self.epochs if epochs is None else epochs)
        optimizer = sgd_of(network, sgd)
        loss, steps = cross_entropy(network, sgd.label_smoothing, sgd.bfloat16), len(batches)

        def rate_at(step: int) -> float:
            return sgd.rate_at(step, sgd.epochs * steps)

        with exact():
            for epoch in range(sgd.epochs):
                began = clock(self._device)
                mean = train_epoch(
                    network, optimizer, batches, loss, rate_at, first=epoch * steps, clip=sgd.clip
                )
                yield mean, clock(self._device) - began

    def batches(self, generator: torch.Generator) -> TrainingBatches:
        """Return augmented training batches in an order drawn from `generator`."""
        return TrainingBatches(self._train, self.recipe.sgd.batch_size, self.recipe.augmentation, generator)
