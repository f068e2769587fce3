"""FairNAS trains a supernet with strict fairness, then searches by evolution.

Chu, Zhang and Xu, "FairNAS: Rethinking Evaluation Fairness of Weight Sharing Neural Architecture Search",
ICCV 2021 (arXiv:1907.01845). Uniform paths train all choices equally often only in expectation. Here a
training step runs m paths that together use every choice of every position exactly once, and moves the
weights once, by the sum of their gradients: no choice is ever ahead of another, and the order of the paths
does not matter. The weights then rank architectures for a search.

=============================================================  ====================================
paper                                                          here
=============================================================  ====================================
strict fairness: every choice is updated equally at any time   `fair_paths`
Algorithm 1: a permutation of the m choices of every layer     `fair_paths`
Algorithm 1: build the k-th model from the permutations        `FairNAS.weight_step`, loop
Algorithm 1: accumulate gradients, then update once            `FairNAS.weight_step`
pipeline: search with the trained supernet                     `benchkit.strategies.evolution`
=============================================================  ====================================

Deviations and choices
----------------------
- The paper searches with NSGA-II for several objectives. Here accuracy is the only one, and the search is the
  evolution of SPOS, with its numbers.
- Where positions have different numbers of choices, m is the largest. A position with a < m choices uses each
  of them floor(m / a) times, and m mod a of them, drawn without replacement, once more. Within a step the
  uses differ by at most one; over the steps they are even in expectation, and exactly even where a divides m.
  With equal numbers everywhere this is the paper's permutation.
- Where not every combination is an architecture, the m paths of a step are drawn again, all together, until
  each is a member, so that fairness stays strict and no path is repaired. The law is then that of fair sets
  conditioned on membership. A space in which none turns up in 12,800 draws is refused.
- The m paths of a step see the same batch, as in Algorithm 1, so that a step costs m passes. Their gradients
  are summed, not averaged; the reported loss is their mean.
- A constraint holds for the search alone, not for training.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from benchkit.base.errors import InputError
from benchkit.spaces.base import Batch, Space
from benchkit.strategies.single_path import EvolvedPathStrategy
from benchkit.strategies.weight_sharing import Closure, ImageBatch, Weights

if TYPE_CHECKING:
    from torch import Tensor

_ROUNDS = 200
_DRAWS = 64


def fair_paths(space: Space, rng: np.random.Generator) -> Batch:
    """Return int8[m, d]: m members that use every choice of every position equally often.

    m is the largest number of choices. A position with m choices holds each of them exactly once.

    Raises
    ------
    InputError : The space has no such set of members, or hardly any.
    """
    m = max(space.arity)
    for draws in (1, *[_DRAWS] * _ROUNDS):  # in a product space the first draw is good
        sets = np.stack([_fair_column(rng, arity, m, draws) for arity in space.arity], axis=2)
        good = space.is_valid(sets.reshape(-1, space.length)).reshape(draws, m).all(axis=1)
        if good.any():
            chosen: Batch = sets[good.argmax()]
            return chosen
    raise InputError(
        f"fairnas found no {m} architectures of {space.name} that use every choice equally often; use spos"
    )


def _fair_column(rng: np.random.Generator, arity: int, m: int, draws: int) -> Batch:
    """Return int8[draws, m]: in each row every choice, as evenly as m allows, in random order."""
    choices = np.tile(np.arange(arity, dtype=np.int8), (draws, 1))
    rest = rng.permuted(choices, axis=1)[:, : m % arity]
    column: Batch = rng.permuted(np.concatenate([*[choices] * (m // arity), rest], axis=1), axis=1)
    return column


def accumulate(total: list[Tensor | None], gradients: list[Tensor | None]) -> list[Tensor | None]:
    """Return the sums of two lists of gradients; None is a weight that took no part."""
    return [
        new if old is None else old if new is None else old + new
        for old, new in zip(total, gradients, strict=True)
    ]


class FairNAS(EvolvedPathStrategy):
    """Strictly fair steps of m paths; evolution over inherited weights."""

    name = "fairnas"
    citation = (
        "Chu, Zhang and Xu (2021), FairNAS: Rethinking Evaluation Fairness of Weight Sharing Neural "
        "Architecture Search, ICCV"
    )

    def bind(self, supernet: Any, weights: Weights) -> None:
        fair_paths(self.space, np.random.default_rng(0))  # refuses now, not in the middle of a training
        super().bind(supernet, weights)

    def weight_step(self, closure: Closure, train: ImageBatch) -> Tensor:
        paths = fair_paths(self.space, self.rng)
        self.path = paths[0]
        first = closure(train)
        loss, total = first.loss, list(first.weights)
        for self.path in paths[1:]:
            gradients = closure(train)
            loss, total = loss + gradients.loss, accumulate(total, list(gradients.weights))
        self.weights.step(total)
        return loss / len(paths)
