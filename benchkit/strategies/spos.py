"""SPOS: uniform single-path training, then evolutionary search.

Guo, Zhang, Mu, Heng, Liu, Wei and Sun, "Single Path One-Shot Neural Architecture Search with Uniform
Sampling", ECCV 2020 (arXiv:1904.00420). Every training step runs one architecture alone, drawn uniformly, so
that the shared weights serve all architectures equally and no weight adapts to its neighbours. Training
knows nothing of the search. Afterwards an evolutionary search ranks architectures by the accuracy that they
reach on validation images with the weights they inherit.

====================================  ==============================================
paper                                 here
====================================  ==============================================
W = argmin E over paths of the loss   `EvolvedPathStrategy.weight_step`, one path a batch
uniform sampling of the path          `EvolvedPathStrategy.draw`
Algorithm 1                           `benchkit.strategies.evolution`
Algorithm 1, last line                ``recommend``, the best accuracy seen
====================================  ==============================================

Deviations and choices
----------------------
- Those of the search stand in `benchkit.strategies.evolution`, those of the sampling in
  `benchkit.strategies.single_path`.
- A constraint holds for the search; training knows nothing of it, and draws paths from the whole space.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchkit.spaces.base import Space
from benchkit.strategies.evolution import Evolution, EvolutionHyperparameters
from benchkit.strategies.single_path import EvolvedPathStrategy

__all__ = ["SPOS"]


class SPOS(EvolvedPathStrategy):
    """One uniform path a batch; evolution over inherited weights."""

    name = "spos"
    citation = (
        "Guo et al. (2020), Single Path One-Shot Neural Architecture Search with Uniform Sampling, ECCV"
    )
    Hyperparameters = EvolutionHyperparameters
    takes_constraint = True

    def __init__(self, space: Space, rng: np.random.Generator, **hyperparameters: Any) -> None:
        super().__init__(space, rng, **hyperparameters)
        self.evolution = Evolution(space, rng, self.hyperparameters)
