"""Random search draws architectures independently from the space's own sampling law and keeps the best.

Bergstra and Bengio, "Random Search for Hyper-Parameter Optimization", JMLR 13 (2012); the baseline of
Li and Talwalkar (2019) and of every tabular NAS benchmark.

Deviations and choices
----------------------
- Draws are with replacement: a repeated architecture is paid for again, as in published protocols.
- Under a constraint, draws that break it are rejected and not paid for: the law is the space's own,
  conditioned on being feasible (`benchkit.strategies.rejection`).
"""

from __future__ import annotations

from dataclasses import dataclass

from benchkit.strategies.hyperparameters import require
from benchkit.strategies.protocol import Ask, SearchStrategy
from benchkit.strategies.rejection import draw_feasible


@dataclass(frozen=True)
class RandomSearchHyperparameters:
    """Hyperparameters of random search.

    Attributes
    ----------
    batch : Number of draws asked at once; it changes the speed, never the distribution of draws.
    """

    batch: int = 64

    def __post_init__(self) -> None:
        require(self, "be at least 1", "batch")


class RandomSearch(SearchStrategy):
    """Independent draws from the space."""

    name = "random-search"
    citation = "Bergstra and Bengio (2012), Random Search for Hyper-Parameter Optimization, JMLR 13"
    Hyperparameters = RandomSearchHyperparameters
    takes_constraint = True

    def propose(self) -> Ask:
        return Ask(draw_feasible(self.space, self.rng, self.hyperparameters.batch, self.constraint))
