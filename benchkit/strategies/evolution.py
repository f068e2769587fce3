"""Evolutionary search over inherited weights is Algorithm 1 of SPOS, which other methods share here.

Guo et al., "Single Path One-Shot Neural Architecture Search with Uniform Sampling", ECCV 2020
(arXiv:1904.00420). The first population is random. T - 1 times, crossover of the best k architectures seen
then gives half of a population, and their mutation the other half.

====================================  ==============================================
Algorithm 1                           here
====================================  ==============================================
lines 2-3                             `Evolution.propose`, first call
Update_Topk                           `Evolution.observe`, `top_k`
Crossover, Mutation                   ``space.crossover``, `mutate`
====================================  ==============================================

Deviations and choices
----------------------
- A choice that mutates is drawn from all values, its own included. A row that is not a member of the space is
  drawn again.
- No architecture is scored twice, since the same weights and images give the same accuracy; the paper leaves
  this open. Where crossover or mutation finds too few new ones in ten draws for each child, random new ones
  fill the population. Where a small space is used up before the last iteration, the search ends.
- Parents of a crossover are drawn with replacement, and may be the same.
- The paper's FLOPs constraint is left to the caller: `Evolution` takes any constraint. Random rows are then
  drawn by rejection, and a child that is not feasible is drawn again like one that is known.
- Where choices depend on one another (NAS-Bench-101, the two inputs of a DARTS node), a mutation is one step
  of ``space.mutate``, as in appendix A.5 of VAENAS: choices drawn anew seldom leave a cell valid.
  `mutation_probability` has no meaning there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from benchkit.spaces.base import Architecture, Batch, ProductSpace, Space
from benchkit.spaces.restricted import whole_space
from benchkit.strategies.constraint import Constraint
from benchkit.strategies.hyperparameters import require
from benchkit.strategies.protocol import Scores
from benchkit.strategies.rejection import draw_feasible

_TRIES = 10  # draws for each child that is wanted, before random rows fill up
_FILL = 200  # the same for random rows, before the space counts as used up


@dataclass(frozen=True)
class EvolutionHyperparameters:
    """Hyperparameters of Algorithm 1.

    Attributes
    ----------
    population : Number P of architectures in an iteration; half come from crossover, half from mutation.
    iterations : Number T of populations in all.
    top : Number k of parents, which are the best architectures seen.
    mutation_probability : Probability with which each choice of a mutating architecture is drawn anew.
    """

    population: int = 50
    iterations: int = 20
    top: int = 10
    mutation_probability: float = 0.1

    def __post_init__(self) -> None:
        require(self, "be at least 1", "population", "iterations", "top")
        require(self, "be in (0, 1]", "mutation_probability")

    @property
    def queries(self) -> int:
        """Number of architectures that the whole search scores."""
        return self.population * self.iterations


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


class Evolution:
    """The state of one search.

    Parameters
    ----------
    space : Space that is searched.
    rng : Generator of parents and children.
    setting : Hyperparameters of Algorithm 1.
    seeds, draw_seeds : Number of rows of the first population that ``draw_seeds(n)`` gives, int8[n, d]; the
        others are random.
    sample : Function from n to int8[n, d], random rows; None is the space's own law.
    feasible : Function from int8[n, d] to bool[n], a constraint that all rows keep, those of `sample`
        already; None is none.
    one_step : Whether every mutation is one step of ``space.mutate``, on any space.

    Attributes
    ----------
    top, top_scores : Best architectures seen, int8[<= k, d], and their scores, best first.
    """

    def __init__(
        self,
        space: Space,
        rng: np.random.Generator,
        setting: EvolutionHyperparameters,
        *,
        seeds: int = 0,
        draw_seeds: Callable[[int], Batch] | None = None,
        sample: Callable[[int], Batch] | None = None,
        feasible: Callable[[Batch], npt.NDArray[np.bool_]] | None = None,
        one_step: bool = False,
    ) -> None:
        self.space, self.rng, self.setting = space, rng, setting
        self.top: Batch = np.empty((0, space.length), dtype=np.int8)
        self.top_scores: Scores = np.empty(0)
        self._seeds, self._draw_seeds = seeds, draw_seeds
        self._sample, self._feasible = sample, feasible
        self._by_steps = one_step or not isinstance(whole_space(space), ProductSpace)
        self._seen: set[Any] = set()
        self._iteration = 0

    def constrain(self, constraint: Constraint) -> None:
        """Keep a constraint in every population; called before the first `propose`."""
        self._feasible = constraint.feasible
        self._sample = lambda n: draw_feasible(self.space, self.rng, n, constraint)

    def propose(self) -> Batch:
        """Return the next population, int8[<= P, d]; empty when the search is over."""
        setting = self.setting
        if self._iteration == setting.iterations:
            return self.top[:0]
        self._iteration += 1
        new: list[Architecture] = []
        if len(self.top):
            half = setting.population // 2
            self._collect(new, half, _TRIES, self._crossed)
            self._collect(new, setting.population, _TRIES, self._mutated)
        elif self._draw_seeds is not None:
            self._collect(new, min(self._seeds, setting.population), _TRIES, self._draw_seeds)
        self._collect(new, setting.population, _FILL, self._random)
        return np.array(new, dtype=np.int8).reshape(-1, self.space.length)

    def observe(self, batch: Batch, scores: Scores) -> None:
        """Keep the best of what was seen before and of these."""
        everything = np.concatenate([self.top, batch]), np.concatenate([self.top_scores, scores])
        self.top, self.top_scores = top_k(*everything, self.setting.top)

    def _random(self, n: int) -> Batch:
        return self.space.sample(self.rng, n) if self._sample is None else self._sample(n)

    def _crossed(self, n: int) -> Batch:
        parents = self.rng.integers(len(self.top), size=(2, n))
        return self.space.crossover(self.rng, self.top[parents[0]], self.top[parents[1]])

    def _mutated(self, n: int) -> Batch:
        parents = self.top[self.rng.integers(len(self.top), size=n)]
        if self._by_steps:
            return self.space.mutate(self.rng, parents)
        return mutate(self.space, self.rng, parents, self.setting.mutation_probability)

    def _collect(self, new: list[Architecture], until: int, tries: int, draw: Callable[[int], Batch]) -> None:
        """Append rows that were never asked, until there are `until` or so many draws a row were made."""
        wanted = until - len(new)
        for _ in range(tries):
            if len(new) == until:
                return
            rows = draw(wanted)
            if self._feasible is not None:
                rows = rows[self._feasible(rows)]
            if not len(rows):
                continue
            for row, key in zip(rows, self.space.key(rows).tolist(), strict=True):
                if key not in self._seen and len(new) < until:
                    self._seen.add(key)
                    new.append(row)
