"""RSPS is random search with parameter sharing.

Li and Talwalkar, "Random Search and Reproducibility for Neural Architecture Search", UAI 2019
(arXiv:1902.07638), is the baseline that every other weight-sharing method should beat. Every training step
runs one architecture alone, drawn uniformly. Afterwards, uniformly drawn architectures are scored with the
weights that they inherit, and the best is the answer.

=================================================  ============================================
paper, section 3                                   here
=================================================  ============================================
training: one random architecture a minibatch      `SinglePathStrategy.weight_step`
search: random architectures, shared weights       `RSPS.propose`
the best validation score                          ``recommend``
=================================================  ============================================

Deviations and choices
----------------------
- NAS-Bench-201's number of architectures, 100, is scored on all validation images that the study names. The
  paper scores 1,000 and more on a part of the images, and then again on all of them.
- No architecture is scored twice; a small space is searched whole.
- The paper goes on to train the best few alone, which is left to the reader of the result.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchkit.spaces.base import Space
from benchkit.strategies.evolution import Evolution, EvolutionHyperparameters
from benchkit.strategies.hyperparameters import require
from benchkit.strategies.protocol import Ask
from benchkit.strategies.single_path import SinglePathStrategy


@dataclass(frozen=True)
class RSPSHyperparameters:
    """As NAS-Bench-201 runs it.

    Attributes
    ----------
    architectures : Number of architectures that are drawn and scored.
    """

    architectures: int = 100

    def __post_init__(self) -> None:
        require(self, "be at least 1", "architectures")


class RSPS(SinglePathStrategy):
    """One uniform path a batch; the best of random architectures over inherited weights."""

    name = "rsps"
    citation = "Li and Talwalkar (2019), Random Search and Reproducibility for NAS, UAI"
    Hyperparameters = RSPSHyperparameters

    def __init__(self, space: Space, rng: np.random.Generator, **hyperparameters: Any) -> None:
        super().__init__(space, rng, **hyperparameters)
        # random search is the first population of an evolution that has no other
        only = EvolutionHyperparameters(population=self.hyperparameters.architectures, iterations=1)
        self._population = Evolution(space, rng, only)

    @property
    def default_queries(self) -> int:
        return int(self.hyperparameters.architectures)

    def propose(self) -> Ask:
        return Ask(self._population.propose())
