"""What single-path methods share: every training step runs one architecture alone; some evolve afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from benchkit.spaces.base import Architecture, Batch, Space
from benchkit.strategies.constraint import Constraint
from benchkit.strategies.evolution import Evolution
from benchkit.strategies.protocol import Ask, Scores
from benchkit.strategies.weight_sharing import Closure, ImageBatch, WeightSharingStrategy

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["EvolvedPathStrategy", "SinglePathStrategy"]


class SinglePathStrategy(WeightSharingStrategy):
    """Trains one path a batch, drawn uniformly unless a method says otherwise.

    "Uniform" is the space's own sampling law, which is uniform over the rows of a product space. Paths are
    drawn from the strategy's generator; the search that follows goes on with it.

    Attributes
    ----------
    path : int8[d], the architecture that `forward` runs; None before the first draw.
    """

    def __init__(self, space: Space, rng: np.random.Generator, **hyperparameters: Any) -> None:
        super().__init__(space, rng, **hyperparameters)
        self.path: Architecture | None = None

    def draw(self) -> Architecture:
        """Draw the path of the next batch."""
        self.path = self.space.sample(self.rng, 1)[0]
        return self.path

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.supernet.path(images, self.draw() if self.path is None else self.path)
        return logits

    def weight_step(self, closure: Closure, train: ImageBatch) -> Tensor:
        self.draw()
        gradients = closure(train)
        self.weights.step(gradients.weights)
        return gradients.loss


class EvolvedPathStrategy(SinglePathStrategy):
    """One that afterwards searches by evolution over inherited weights (SPOS, Algorithm 1).

    Attributes
    ----------
    evolution : the search, made by the method.
    """

    evolution: Evolution

    @property
    def default_queries(self) -> int:
        return int(self.hyperparameters.queries)

    def constrain(self, constraint: Constraint) -> None:
        super().constrain(constraint)
        self.evolution.constrain(constraint)

    def propose(self) -> Ask:
        return Ask(self.evolution.propose())

    def observe(self, batch: Batch, scores: Scores) -> None:
        self.evolution.observe(batch, scores)
