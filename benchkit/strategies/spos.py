"""SPOS: uniform single-path training, then evolutionary search.

Guo, Zhang, Mu, Heng, Liu, Wei and Sun, "Single Path One-Shot Neural Architecture Search with Uniform
Sampling", ECCV 2020 (arXiv:1904.00420). Every training step runs one architecture alone, drawn uniformly, so
that the shared weights serve all architectures equally and no weight adapts to its neighbours. Training
knows nothing of the search. Afterwards an evolutionary search ranks architectures by the accuracy that they
reach on validation images with the weights they inherit.

====================================  ==============================================
paper                                 here
====================================  ==============================================
W = argmin E over paths of the loss   `SPOS.weight_step`, one path a batch
uniform sampling of the path          `SPOS.draw`
Algorithm 1, lines 2-3                `SPOS.propose`, first ask
Algorithm 1, Update_Topk              `top_k`
Algorithm 1, Crossover, Mutation      ``space.crossover``, `mutate`; `SPOS.propose`
Algorithm 1, last line                ``recommend``, the best accuracy seen
====================================  ==============================================

Deviations and choices
----------------------
- "Uniform" is the space's own sampling law, which is uniform over the rows of a product space.
- A choice that mutates is drawn from all values, its own included. A row that is not a member of the space is
  drawn again.
- No architecture is scored twice, since the same weights and images give the same accuracy; the paper leaves
  this open. Where crossover or mutation finds too few new ones in ten draws a child, random new ones
  fill the population. A small space is used up before the last iteration: then the search ends.
- Parents of a crossover are drawn with replacement, and may be the same.
- The paper's FLOPs constraint is not applied.
- One generator serves both: training draws its paths from it, and the search goes on with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchkit.spaces.base import Architecture, Batch, Space
from benchkit.strategies.protocol import Ask, Scores
from benchkit.strategies.weight_sharing import Closure, ImageBatch, WeightSharingStrategy

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["SPOS", "mutate", "top_k"]

_TRIES = 10  # draws for each child that is wanted, before random rows fill up
_FILL = 200  # the same for random rows, before the space counts as used up


@dataclass(frozen=True)
class SPOSHyperparameters:
    """Algorithm 1, and the hyperparameters given beside it.

    Attributes
    ----------
    population : P, architectures an iteration; half of them from crossover, half from mutation.
    iterations : T, populations in all.
    top : k, the parents: the best architectures seen.
    mutation_probability : with which each choice of a mutating architecture is drawn anew.
    """

    population: int = 50
    iterations: int = 20
    top: int = 10
    mutation_probability: float = 0.1

    def __post_init__(self) -> None:
        for name in ("population", "iterations", "top"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 < self.mutation_probability <= 1:
            raise ValueError(f"mutation_probability must be in (0, 1], got {self.mutation_probability}")


def mutate(space: Space, rng: np.random.Generator, parents: Batch, probability: float) -> Batch:
    """Return int8[m, d], m <= n: each choice drawn anew with `probability`; only members are kept."""
    anew = rng.integers(0, np.array(space.arity), size=parents.shape, dtype=np.int8)
    children = np.where(rng.random(parents.shape) < probability, anew, parents)
    members: Batch = children[space.is_valid(children)]
    return members


def top_k(batch: Batch, scores: Scores, k: int) -> tuple[Batch, Scores]:
    """Return the k best rows and their scores, best first; among equals the earlier row."""
    best = np.argsort(-scores, kind="stable")[:k]
    return batch[best], scores[best]


class SPOS(WeightSharingStrategy):
    """One uniform path a batch; evolution over inherited weights."""

    name = "spos"
    citation = (
        "Guo et al. (2020), Single Path One-Shot Neural Architecture Search with Uniform Sampling, ECCV"
    )
    Hyperparameters = SPOSHyperparameters

    def __init__(self, space: Space, rng: np.random.Generator, **hyperparameters: Any) -> None:
        super().__init__(space, rng, **hyperparameters)
        self.path: Architecture | None = None
        self._top: Batch = np.empty((0, space.length), dtype=np.int8)
        self._top_scores: Scores = np.empty(0)
        self._seen: set[Any] = set()
        self._iteration = 0

    # -- training -----------------------------------------------------------------------------

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

    # -- search -------------------------------------------------------------------------------

    @property
    def default_queries(self) -> int:
        return int(self.hyperparameters.population * self.hyperparameters.iterations)

    def propose(self) -> Ask:
        setting = self.hyperparameters
        if self._iteration == setting.iterations:
            return Ask(self._top[:0])
        self._iteration += 1
        new: list[Architecture] = []
        if len(self._top):
            half = setting.population // 2
            self._collect(new, half, _TRIES, self._crossed)
            self._collect(new, setting.population, _TRIES, self._mutated)
        self._collect(new, setting.population, _FILL, lambda n: self.space.sample(self.rng, n))
        return Ask(np.array(new, dtype=np.int8).reshape(-1, self.space.length))

    def observe(self, batch: Batch, scores: Scores) -> None:
        everything = np.concatenate([self._top, batch]), np.concatenate([self._top_scores, scores])
        self._top, self._top_scores = top_k(*everything, self.hyperparameters.top)

    def _crossed(self, n: int) -> Batch:
        parents = self.rng.integers(len(self._top), size=(2, n))
        return self.space.crossover(self.rng, self._top[parents[0]], self._top[parents[1]])

    def _mutated(self, n: int) -> Batch:
        parents = self._top[self.rng.integers(len(self._top), size=n)]
        return mutate(self.space, self.rng, parents, self.hyperparameters.mutation_probability)

    def _collect(self, new: list[Architecture], until: int, tries: int, draw: Callable[[int], Batch]) -> None:
        """Append rows that were never asked, until there are `until` or so many draws a row were made."""
        wanted = until - len(new)
        for _ in range(tries):
            if len(new) == until:
                return
            rows = draw(wanted)
            if not len(rows):
                continue
            for row, key in zip(rows, self.space.key(rows).tolist(), strict=True):
                if key not in self._seen and len(new) < until:
                    self._seen.add(key)
                    new.append(row)
