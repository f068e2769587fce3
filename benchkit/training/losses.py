"""The loss of a network that is trained alone: cross-entropy, with mixed images and an auxiliary classifier.

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

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from benchkit.training.engine import EpochOfBatches, Step
from benchkit.training.recipe import TrainingRecipe
from benchkit.training.weights import SgdWeights

Loss = Callable[[Tensor, Tensor], Tensor]
"""From images float[b, c, h, w] and labels (int64[b], or float[b, classes]) to their mean loss in nats."""


def mixed(x: Tensor, y: Tensor, partner: Tensor, share: float, classes: int) -> tuple[Tensor, Tensor]:
    """Return mixed images, shaped as `x`, and their targets, float[b, classes], rows of sum 1.

    Parameters
    ----------
    x : Images, float[b, ...].
    y : Labels, int64[b].
    partner : Position of the image that each is mixed with, int64[b].
    share : Share lambda in [0, 1] that is kept of each image.
    """
    one_hot = F.one_hot(y, classes).to(torch.float32)
    return share * x + (1 - share) * x[partner], share * one_hot + (1 - share) * one_hot[partner]


class MixedBatches:
    """Batches whose images are mixed.

    Parameters
    ----------
    batches : Batches to mix.
    classes : Number of classes of their labels.
    alpha : Parameter of Beta(alpha, alpha), above 0.
    rng : Source of shares and partners.
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


def loss_of(network: Any, recipe: TrainingRecipe) -> Loss:
    """Return the recipe's loss of a classifier: CE(logits) + weight x CE(auxiliary logits), where it has one.

    Parameters
    ----------
    network : Gives logits for images; it `has_auxiliary` where the recipe weighs one.
    """

    def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(logits.float(), labels, label_smoothing=recipe.label_smoothing)

    def loss(images: Tensor, labels: Tensor) -> Tensor:
        run = network.with_auxiliary if recipe.auxiliary else network
        with torch.autocast(images.device.type, dtype=torch.bfloat16, enabled=recipe.bfloat16):
            outputs = run(images)
        if not recipe.auxiliary:
            return cross_entropy(outputs, labels)
        logits, auxiliary = outputs
        return cross_entropy(logits, labels) + recipe.auxiliary * cross_entropy(auxiliary, labels)

    return loss


def step_of(network: nn.Module, weights: SgdWeights, recipe: TrainingRecipe) -> Step:
    """Return the step of a network that is trained alone; it runs a batch in the recipe's parts."""
    loss = loss_of(network, recipe)

    def step(images: Tensor, labels: Tensor) -> list[Tensor]:
        losses = []
        for x, y in zip(images.chunk(recipe.accumulate), labels.chunk(recipe.accumulate), strict=True):
            of_part = loss(x, y) * (len(y) / len(labels))
            of_part.backward()  # type: ignore[no-untyped-call]
            losses.append(of_part.detach())
        weights.step([parameter.grad for parameter in weights.parameters])
        return losses

    return step
