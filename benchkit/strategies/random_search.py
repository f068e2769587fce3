"""Random search.

Bergstra and Bengio, "Random Search for Hyper-Parameter Optimization", JMLR 13 (2012); the baseline of
Li and Talwalkar (2019) and of every tabular NAS benchmark. Draw architectures from the space's own
sampling law, independently, and keep the best.

Deviations and choices
----------------------
- Draws are with replacement: a repeated architecture is paid for again, as published protocols do.
- Under a constraint, draws that break it are dumped and drawn again, and are not paid for: the law is the
  space's own, conditioned on being feasible (`benchkit.strategies.rejection`).
"""

from __future__ import annotations

from dataclasses import dataclass

from benchkit.strategies.protocol import Ask, SearchStrategy
from benchkit.strategies.rejection import draw_feasible

__all__ = ["RandomSearch"]


@dataclass(frozen=True)
class RandomSearchHyperparameters:
    """`batch`: draws per ask; it changes speed, never what is drawn from."""

    batch: int = 64

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise ValueError(f"batch must be at least 1, got {self.batch}")


class RandomSearch(SearchStrategy):
    """Independent draws from the space."""

    name = "random-search"
    citation = "Bergstra and Bengio (2012), Random Search for Hyper-Parameter Optimization, JMLR 13"
    Hyperparameters = RandomSearchHyperparameters
    takes_constraint = True

    def propose(self) -> Ask:
        return Ask(draw_feasible(self.space, self.rng, self.hyperparameters.batch, self.constraint))
