"""Computes the loss of a batch and its gradients: in parts, at a precision, as a mean over processes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from benchkit.strategies.weight_sharing import Gradients, ImageBatch, Weights, WeightSharingStrategy
from benchkit.training.distributed import Processes
from benchkit.training.recipe import TrainingRecipe


class LossClosure:
    """The closure that the steps of a strategy are given (`benchkit.strategies.weight_sharing.Closure`).

    Parameters
    ----------
    strategy : Strategy that runs the network on its last sample, and may add to the loss.
    weights : Shared weights.
    recipe : Recipe with precision, label smoothing, and the number of parts in which a batch is run.
    processes : Processes over which loss and gradients are averaged; each runs its share of the batch.
    """

    def __init__(
        self,
        strategy: WeightSharingStrategy,
        weights: Weights,
        recipe: TrainingRecipe,
        processes: Processes,
    ) -> None:
        self._strategy, self._weights = strategy, weights
        self._recipe, self._processes = recipe, processes

    def __call__(self, batch: ImageBatch, *, weights: bool = True, architecture: bool = False) -> Gradients:
        shared = list(self._weights.parameters) if weights else []
        own = list(self._strategy.parameters.values()) if architecture else []
        loss, gradients = self._accumulated(batch, [*shared, *own])
        if self._processes.count > 1:
            (mean, *gradients) = self._processes.mean([loss, *gradients])
            loss = loss if mean is None else mean
        return Gradients(loss, gradients[: len(shared)], gradients[len(shared) :])

    def _accumulated(self, batch: ImageBatch, wanted: Sequence[Tensor]) -> tuple[Tensor, list[Tensor | None]]:
        """Return loss and gradients as means over the batch, run part by part."""
        # a larger batch, of validation, is run in more parts of the same size
        times = math.ceil(len(batch.labels) * self._processes.count / self._recipe.batch_size)
        parts = self._recipe.accumulate * times
        if parts == 1:
            return self._of_part(batch.images, batch.labels, wanted)
        loss = torch.zeros((), device=batch.labels.device)
        summed: list[Tensor | None] = [None] * len(wanted)
        for images, labels in zip(batch.images.chunk(parts), batch.labels.chunk(parts), strict=True):
            share = len(labels) / len(batch.labels)
            of_part, gradients = self._of_part(images, labels, wanted)
            loss = loss + share * of_part
            for index, gradient in enumerate(gradients):
                if gradient is not None:
                    before = summed[index]
                    summed[index] = share * gradient if before is None else before.add_(gradient, alpha=share)
        return loss, summed

    def _of_part(
        self, images: Tensor, labels: Tensor, wanted: Sequence[Tensor]
    ) -> tuple[Tensor, list[Tensor | None]]:
        with torch.autocast(labels.device.type, dtype=torch.bfloat16, enabled=self._recipe.bfloat16):
            logits = self._strategy.forward(images)
        loss = self._strategy.data_loss(logits.float(), labels, self._recipe.label_smoothing)
        extra = self._strategy.extra_loss()
        if extra is not None:
            loss = loss + extra
        return loss.detach(), list(torch.autograd.grad(loss, wanted, allow_unused=True))
