"""Holds what single-path methods share: a training step runs one architecture; some evolve afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from benchkit.spaces.base import Architecture, Batch, Space
from benchkit.strategies.constraint import Constraint
from benchkit.strategies.evolution import Evolution, EvolutionHyperparameters
from benchkit.strategies.protocol import Ask, Scores
from benchkit.strategies.weight_sharing import Closure, ImageBatch, WeightSharingStrategy

if TYPE_CHECKING:
    from torch import Tensor


class SinglePathStrategy(WeightSharingStrategy):
    """A method that trains one path on each batch, drawn uniformly unless the method says otherwise.

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
        return super().weight_step(closure, train)


class EvolvedPathStrategy(SinglePathStrategy):
    """A method that afterwards searches by evolution over inherited weights (SPOS, Algorithm 1).

    Attributes
    ----------
    evolution : The search.
    """

    Hyperparameters: ClassVar[type[Any]] = EvolutionHyperparameters
    takes_constraint = True

    def __init__(self, space: Space, rng: np.random.Generator, **hyperparameters: Any) -> None:
        super().__init__(space, rng, **hyperparameters)
        self.evolution = Evolution(space, rng, self.hyperparameters)

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
