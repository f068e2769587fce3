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

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from benchkit.building.standalone_recipe import StandaloneRecipe
from benchkit.images.augment import Augmentation
from benchkit.images.device_set import DeviceImages, TrainingBatches
from benchkit.images.image_set import LabelledImages
from benchkit.images.splits import SearchImages
from benchkit.spaces import InputError, Space
from benchkit.spaces.base import Architecture
from benchkit.spaces.networks import build_network
from benchkit.training.recipe import TrainingRecipe

__all__ = ["StandaloneRun", "StandaloneTrainer", "cpu_capability", "seeds_of"]

_SCORING_BATCH = 512


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


def seeds_of(architecture: Architecture, seed: int) -> tuple[torch.Generator, torch.Generator]:
    """Return the generators of the first weights and of the batches of one (architecture, seed)."""
    own = np.random.SeedSequence(seed, spawn_key=tuple(architecture.tolist()))
    weights, batches = (
        torch.Generator().manual_seed(int(child.generate_state(1, np.uint64)[0] >> np.uint64(1)))
        for child in own.spawn(2)
    )
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
        self._batches(torch.Generator())  # says at once where the batch does not fit

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
        if seed < 0:
            raise InputError(f"a seed is a whole number of at least 0; got {seed}")
        row = self.space.validate(architecture)[0]
        sgd = replace(self.recipe.sgd, epochs=self.epochs if epochs is None else epochs)
        weights, order = seeds_of(row, seed)
        batches = self._batches(order)
        scored = [self._valid] if self._test is None else [self._valid, self._test]
        losses: list[float] = []
        accuracies: list[list[float]] = []
        seconds = 0.0
        with _exact(self._device):
            classes, channels = self._shape
            network = build_network(self.space, row, classes, channels, generator=weights, **self._size)
            network = network.to(self._device)
            optimizer = torch.optim.SGD(
                network.parameters(),
                lr=sgd.learning_rate,
                momentum=sgd.momentum,
                nesterov=sgd.nesterov,
                weight_decay=sgd.weight_decay,
            )
            for epoch in range(sgd.epochs):
                began = _clock(self._device)
                losses.append(_train_epoch(network, optimizer, batches, sgd, epoch))
                seconds += _clock(self._device) - began
                if not np.isfinite(losses[-1]):
                    raise InputError(
                        f"the loss of {self.space.format(row)} became {losses[-1]} in epoch {epoch + 1} of "
                        f"{sgd.epochs} (seed {seed}): try a lower learning rate than {sgd.learning_rate}"
                    )
                accuracies.append([_accuracy(network, part, sgd.bfloat16) for part in scored])
        curves = np.array(accuracies).T
        return StandaloneRun(np.array(losses), curves[0], curves[1] if len(curves) > 1 else None, seconds)

    def _batches(self, generator: torch.Generator) -> TrainingBatches:
        recipe = self.recipe
        augmentation = Augmentation(recipe.padding or 0, bool(recipe.flip), recipe.sgd.cutout)
        return TrainingBatches(self._train, recipe.sgd.batch_size, augmentation, generator)


def _train_epoch(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: TrainingBatches,
    sgd: TrainingRecipe,
    epoch: int,
) -> float:
    """Train for one epoch; return the mean loss of its batches."""
    network.train()
    steps = len(batches)
    total = torch.zeros((), device=batches.images.device)
    for number, (x, y) in enumerate(batches.epoch()):
        optimizer.param_groups[0]["lr"] = sgd.rate_at(epoch * steps + number, sgd.epochs * steps)
        with torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=sgd.bfloat16):
            logits = network(x)
        loss = F.cross_entropy(logits.float(), y, label_smoothing=sgd.label_smoothing)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if sgd.clip is not None:
            nn.utils.clip_grad_norm_(network.parameters(), sgd.clip)
        optimizer.step()
        total += loss.detach()
    return float(total) / steps


@torch.no_grad()
def _accuracy(network: nn.Module, images: DeviceImages, bfloat16: bool) -> float:
    """Return the percentage of images that the network gets right."""
    network.eval()
    correct: Tensor = torch.zeros((), dtype=torch.int64, device=images.device)
    with torch.autocast(images.device.type, dtype=torch.bfloat16, enabled=bfloat16):
        for x, y in images.batches(_SCORING_BATCH):
            correct += (network(x).argmax(dim=1) == y).sum()
    return 100 * int(correct) / len(images)


def _clock(device: torch.device) -> float:
    """Return seconds: of this thread's core, which other work does not lengthen; of the clock on a GPU."""
    if device.type == "cpu":
        return time.thread_time()
    torch.cuda.synchronize(device)
    return time.perf_counter()


@contextmanager
def _exact(device: torch.device) -> Iterator[None]:
    """Run on one thread, and with kernels that cuDNN does not choose anew in each run."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
            yield
    finally:
        torch.set_num_threads(threads)
