"""What a final training adds to the usual loss: mixed images, and an auxiliary classifier.

Mixup (Zhang et al., 2018, section 2 and its Figure 1(a)): each image becomes lambda x + (1 - lambda) x', with
x' another of the same batch and lambda ~ Beta(alpha, alpha), once a batch; the target becomes
lambda y + (1 - lambda) y', both as one-hot vectors. The cross-entropy is linear in its target, so that is
lambda CE(., y) + (1 - lambda) CE(., y').

Deviations and choices
----------------------
- Batches are mixed as a whole, before they are run in parts, so accumulation changes no draw.
- An image may be its own partner; the permutation is uniform, as in the published code.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from benchkit.training.training_loop import EpochOfBatches, Loss

__all__ = ["MixedBatches", "has_auxiliary", "mixed", "with_auxiliary_loss"]


class _WithAuxiliary(Protocol):
    def with_auxiliary(self, images: Tensor) -> tuple[Tensor, Tensor]: ...


def mixed(x: Tensor, y: Tensor, partner: Tensor, share: float, classes: int) -> tuple[Tensor, Tensor]:
    """Return mixed images, shaped as `x`, and their targets, float[b, classes], rows of sum 1.

    Parameters
    ----------
    x : float[b, ...], images.
    y : int64[b], labels.
    partner : int64[b], the position of the image that each is mixed with.
    share : lambda, in [0, 1], what is kept of each image.
    """
    one_hot = F.one_hot(y, classes).to(torch.float32)
    return share * x + (1 - share) * x[partner], share * one_hot + (1 - share) * one_hot[partner]


class MixedBatches:
    """Batches whose images are mixed.

    Parameters
    ----------
    batches : to mix.
    classes : of their labels.
    alpha : of Beta(alpha, alpha), above 0.
    rng : source of shares and partners.
    """

    def __init__(self, batches: EpochOfBatches, classes: int, alpha: float, rng: np.random.Generator) -> None:
        self._batches, self._classes, self._alpha, self._rng = batches, classes, alpha, rng

    def __len__(self) -> int:
        """Batches an epoch."""
        return len(self._batches)

    def epoch(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the next epoch: images, and targets as `mixed` makes them."""
        for x, y in self._batches.epoch():
            share = float(self._rng.beta(self._alpha, self._alpha))
            partner = torch.from_numpy(self._rng.permutation(len(y))).to(y.device)
            yield mixed(x, y, partner, share, self._classes)


def has_auxiliary(network: nn.Module) -> bool:
    """Return whether a network has an auxiliary classifier."""
    return hasattr(network, "with_auxiliary") and getattr(network, "auxiliary", None) is not None


def with_auxiliary_loss(
    network: Any, weight: float, label_smoothing: float = 0.0, bfloat16: bool = False
) -> Loss:
    """Return the loss CE(logits) + weight x CE(auxiliary logits) of a network that `has_auxiliary`.

    Parameters
    ----------
    weight : of the auxiliary classifier.
    label_smoothing, bfloat16 : see `benchkit.training.training_loop.cross_entropy`.
    """
    both: _WithAuxiliary = network

    def loss(images: Tensor, labels: Tensor) -> Tensor:
        with torch.autocast(images.device.type, dtype=torch.bfloat16, enabled=bfloat16):
            logits, auxiliary = both.with_auxiliary(images)
        first, second = (
            F.cross_entropy(each.float(), labels, label_smoothing=label_smoothing)
            for each in (logits, auxiliary)
        )
        return first + weight * second

    return loss
