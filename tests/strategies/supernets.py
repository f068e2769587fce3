"""A tiny real supernet, and shared weights that only record, for tests of differentiable methods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from benchkit.spaces import get_space
from benchkit.spaces.engine import build_supernet
from benchkit.strategies.architecture_parameters import DifferentiableStrategy
from benchkit.strategies.weight_sharing import Gradients, ImageBatch

S = TypeVar("S", bound=DifferentiableStrategy)


class RecordingWeights:
    """Shared weights under gradient descent of rate 0.1, which keep every gradient."""

    images = 1000
    validation_images = 1000
    learning_rate = 0.1

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        self.parameters = list(parameters)
        self.steps: list[list[Tensor | None]] = []

    def step(self, gradients: Sequence[Tensor | None]) -> None:
        self.steps.append(list(gradients))
        with torch.no_grad():
            for parameter, gradient in zip(self.parameters, gradients, strict=True):
                if gradient is not None:
                    parameter -= 0.1 * gradient

    def unroll(self, gradients: object) -> Any:
        raise NotImplementedError


def bound(kind: type[S], seed: int = 0, **options: Any) -> S:
    """Return a strategy bound to a three-node supernet of four channels."""
    space = get_space("nasbench201-3")
    supernet = build_supernet(space, 10, 1, generator=torch.Generator().manual_seed(0), channels=4, cells=1)
    strategy = kind(space, np.random.default_rng(seed), **options)
    strategy.bind(supernet, RecordingWeights(list(supernet.parameters())))
    return strategy


def closure_of(strategy: DifferentiableStrategy) -> Any:
    """Return the trainer's closure, as plain as it can be: cross-entropy and its gradients."""

    def closure(batch: ImageBatch, *, weights: bool = True, architecture: bool = False) -> Gradients:
        shared = list(strategy.weights.parameters) if weights else []
        own = [strategy.alpha] if architecture else []
        loss = F.cross_entropy(strategy.forward(batch.images), batch.labels)
        found = torch.autograd.grad(loss, [*shared, *own], allow_unused=True)
        return Gradients(loss.detach(), found[: len(shared)], found[len(shared) :])

    return closure


def digits_like(n: int = 6, seed: int = 1) -> ImageBatch:
    """Return random images, float[n, 1, 8, 8], and labels."""
    images = torch.randn(n, 1, 8, 8, generator=torch.Generator().manual_seed(seed))
    return ImageBatch(images, torch.arange(n) % 10)
