"""Evaluates architectures with the weights that they inherit from a supernet.

Scores are accuracies on validation images, in percent. A fidelity is a number of images: the first so many
of one random order, drawn once, so that every architecture is scored on the same ones and a lower fidelity
on a part of them. A strategy that scores during training may ask for one of several equal parts of these
images alone (PC-NAS's mini-batches). Nothing is measured in seconds, so that traces are reproducible.

Batch normalisation
-------------------
The network's own policy decides. A network without running averages is scored by batch statistics; the
batches are of equal size (but for one image), so that a small last one does not count as much as a large.
A network with them has them estimated anew before each architecture is scored, on the same unaugmented
training images for all.

Many subnets
------------
Where the supernet offers ``paths``, parts that architectures share are computed once for all that are asked
together; the scores are the same, bit for bit. Recalibration, which changes the network for every
architecture, goes one by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from benchkit.base.errors import InputError
from benchkit.searching.table_evaluator import Evaluation
from benchkit.spaces.base import Batch


class ScoringImages(Protocol):
    """Labelled images by index: `DeviceImages`, or `StreamImages` of a data set that stays on disk."""

    device: torch.device

    def __len__(self) -> int: ...

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Return float[b, c, h, w], normalised and not augmented, and int64[b], on the device."""
        ...


class SupernetEvaluator:
    """Scores with inherited weights.

    Parameters
    ----------
    supernet : Network as ``benchkit.spaces.engine.Supernet``; each call uses and restores its present state.
    valid : Validation images, on the network's device.
    rng : Generator of their order, and of the images for recalibration.
    images : Number of validation images at full fidelity; None is all.
    batch_size : Largest batch.
    calibration : Training images for recalibration; only where the network keeps running averages.
    calibration_batches : Number of batches of `batch_size` of them; at least 1 there, 0 elsewhere.
    bfloat16 : Whether scores are computed under autocast with bfloat16.

    Attributes
    ----------
    full_fidelity : Number of validation images at full fidelity.

    Raises
    ------
    InputError : More images are asked for than there are, or calibration does not fit the network's policy.
    """

    has_seconds = False

    def __init__(
        self,
        supernet: Any,
        valid: ScoringImages,
        rng: np.random.Generator,
        *,
        images: int | None = None,
        batch_size: int = 512,
        calibration: ScoringImages | None = None,
        calibration_batches: int = 0,
        bfloat16: bool = False,
    ) -> None:
        self.space = supernet.recipe.space
        self.full_fidelity = len(valid) if images is None else images
        if not 1 <= self.full_fidelity <= len(valid):
            raise InputError(
                f"cannot score on {self.full_fidelity} validation images: there are {len(valid):,}"
            )
        if batch_size < 1:
            raise InputError(f"the batch size of scoring must be at least 1, got {batch_size}")
        running = supernet.recipe.policy.running
        if running and (calibration is None or calibration_batches < 1):
            raise InputError(
                "this supernet keeps running averages, which describe no single architecture: give at least "
                "one batch of training images to recalibrate them"
            )
        if not running and calibration_batches:
            raise InputError(
                "this supernet normalises by batch statistics: there is nothing to recalibrate, so "
                "calibration_batches must be 0"
            )
        self._supernet = supernet
        self._valid = valid
        self._batch_size = batch_size
        self._bfloat16 = bfloat16
        self._order = _permutation(rng, valid)[: self.full_fidelity]
        self._calibration: list[Tensor] = []
        if calibration is not None and running:
            order = _permutation(rng, calibration)
            starts = range(0, min(calibration_batches * batch_size, len(order)), batch_size)
            self._calibration = [calibration.batch(order[at : at + batch_size])[0] for at in starts]

    def evaluate(
        self, batch: Batch, fidelity: int | None = None, part: tuple[int, int] | None = None
    ) -> Evaluation:
        """Return scores for int8[n, d].

        Parameters
        ----------
        fidelity : Number of images; None is all.
        part : Pair (k, parts) to score on the k-th of so many equal parts of these images alone, k from 0.

        Raises
        ------
        ArchitectureError : An architecture is not in the supernet's space.
        InputError : The fidelity is not in 1..full_fidelity, or there is no such part.
        """
        images = self.full_fidelity if fidelity is None else fidelity
        if not 1 <= images <= self.full_fidelity:
            raise InputError(f"a fidelity is a number of images in 1..{self.full_fidelity}, got {images}")
        rows = self.space.validate(batch)
        order = self._order[:images]
        if part is not None:
            number, parts_in_all = part
            if not 0 <= number < parts_in_all <= images:
                raise InputError(
                    f"part {number} of {parts_in_all}, counted from 0, is no part of {images} images"
                )
            order = order.tensor_split(parts_in_all)[number]
            images = len(order)
        parts = order.tensor_split(-(-images // self._batch_size))
        device = self._valid.device
        correct = torch.zeros(len(rows), dtype=torch.int64, device=device)
        with (
            _as_it_was(self._supernet),
            torch.inference_mode(),
            torch.autocast(device.type, dtype=torch.bfloat16, enabled=self._bfloat16),
        ):
            self._supernet.eval()
            if self._calibration:
                for number, row in enumerate(rows):
                    self._recalibrate(row)
                    for each in parts:
                        x, y = self._valid.batch(each)
                        correct[number] += _right(self._supernet.path(x, row), y)
            else:  # every batch is made once for all architectures
                for each in parts if len(rows) else ():
                    correct += self._count(each, rows)
        scores = correct.cpu().numpy().astype(np.float64) * (100 / images)
        return Evaluation(scores, None)

    def _recalibrate(self, row: Any) -> None:
        from benchkit.spaces.engine import recalibrate

        recalibrate(self._supernet, lambda x: self._supernet.path(x, row), self._calibration)

    def _count(self, part: Tensor, rows: Batch) -> Tensor:
        """Return int64[n], how many of these images each row gets right; the device is waited for once."""
        x, y = self._valid.batch(part)
        right: list[Tensor] = []
        whose = np.empty(len(rows), dtype=np.int64)
        for numbers, logits in self._logits(x, rows):
            whose[numbers] = len(right)
            right.append(_right(logits, y))
        return torch.stack(right)[torch.from_numpy(whose).to(y.device)]

    def _logits(self, x: Tensor, rows: Batch) -> Iterator[tuple[list[int], Tensor]]:
        """Yield the numbers of rows that have the same logits, each row once, and these logits."""
        if hasattr(self._supernet, "paths"):
            yield from self._supernet.paths(x, rows)
        else:
            for number, row in enumerate(rows):
                yield [number], self._supernet.path(x, row)

    def describe(self) -> dict[str, int]:
        """Return the settings of scoring, JSON-ready: images, batch_size, calibration_batches."""
        return {
            "images": self.full_fidelity,
            "batch_size": self._batch_size,
            "calibration_batches": len(self._calibration),
        }


def _right(logits: Tensor, labels: Tensor) -> Tensor:
    """Return how many images are classified as labelled."""
    return (logits.argmax(dim=1) == labels).sum()


def _permutation(rng: np.random.Generator, images: ScoringImages) -> Tensor:
    return torch.from_numpy(rng.permutation(len(images))).to(images.device)


@contextmanager
def _as_it_was(supernet: Any) -> Iterator[None]:
    """Restore the network's modes and running averages afterwards."""
    modes = [(module, module.training) for module in supernet.modules()]
    buffers = {name: value.clone() for name, value in supernet.named_buffers()}
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
        with torch.no_grad():
            for name, value in supernet.named_buffers():
                value.copy_(buffers[name])
