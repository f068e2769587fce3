"""Local search climbs hills and restarts.

White, Nolen and Savani, "Exploring the Loss Landscape in Neural Architecture Search", UAI 2021
(arXiv:2005.02960; first posted as "Local Search is State of the Art for NAS Benchmarks"). The search starts
from a random architecture, evaluates the architectures one step away, moves to a better one, and stops where
there is none. It then starts again elsewhere until the budget is spent.

=====================================  ===========================
Algorithm 1                            here
=====================================  ===========================
pick a random architecture             `LocalSearch._start`
evaluate all of its neighbours         `LocalSearch._surround`
move to the best if it is better       `LocalSearch.observe`
=====================================  ===========================

Deviations and choices
----------------------
- ``variant="best"``, the default, is Algorithm 1: the whole neighbourhood is one batch, and the search moves
  to its best. ``variant="first"`` moves to the first neighbour that is better ("query until improvement", the
  paper's variant and the default of the authors' later code, naszilla). Neighbours come in random order.
- Restarts are not in Algorithm 1. The paper's experiments restart until the budget is spent, and so does
  this, each time from the best of `starts` new random architectures (1 in Algorithm 1, 10 in naszilla).
- An architecture that this trial has evaluated (by the space's `key`, the entry of the table) is never asked
  for again: no descent can gain from a repetition, and naszilla keeps the same memory. So a restart that
  reaches the slope of an earlier descent stops there. A restart draws until it finds something new.
- "Better" is strictly better: a plateau is a minimum, and a constant score gives a chain of restarts.
- The paper's third variant, which goes on at the best architecture not yet expanded, is left out.
- Where nothing new is left to draw (every entry known, or some 260,000 draws in a row), the trial ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from benchkit.spaces.base import Architecture, Batch, Space
from benchkit.strategies.hyperparameters import require, require_known
from benchkit.strategies.novelty import new_places
from benchkit.strategies.protocol import Ask, Scores, SearchStrategy

_VARIANTS = ("best", "first")
_MOST_DRAWS = 2**18  # draws for a restart double up to here; then the space counts as exhausted


@dataclass(frozen=True)
class LocalSearchHyperparameters:
    """Hyperparameters of local search.

    Attributes
    ----------
    variant : ``"best"`` evaluates the whole neighbourhood, ``"first"`` stops at the first improvement.
    starts : Number of random architectures evaluated before a descent, which begins at their best.
    """

    variant: str = "best"  # Algorithm 1
    starts: int = 1  # Algorithm 1

    def __post_init__(self) -> None:
        require_known(self, "variant", _VARIANTS)
        require(self, "be at least 1", "starts")


class LocalSearch(SearchStrategy):
    """Move to a better neighbour; start again where there is none."""

    name = "local-search"
    citation = "White et al. (2021), Exploring the Loss Landscape in Neural Architecture Search, UAI"
    Hyperparameters = LocalSearchHyperparameters
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        # White et al., Algorithm 1
        "paper": {"variant": "best", "starts": 1},
        # naszilla, nas_algorithms.py: num_init 10, query_full_nbhd False, stop_at_minimum True
        "naszilla": {"variant": "first", "starts": 10},
    }
    needs_complete = True  # neighbourhoods that are cut off by a table make false minima

    def __init__(self, space: Space, rng: np.random.Generator, **hyperparameters: Any) -> None:
        super().__init__(space, rng, **hyperparameters)
        self._known: set[Any] = set()  # keys of everything asked for
        self._current: Architecture | None = None  # None: the next batch is a start
        self._current_score = -np.inf
        self._pending = np.empty((0, space.length), dtype=np.int8)  # new neighbours of the current one
        self._pending_keys: list[Any] = []
        self._next = 0  # the first of them not yet asked for

    def propose(self) -> Ask:
        if self._next == len(self._pending):
            self._current = None
            batch, keys = self._start()
            self._known.update(keys)
            return Ask(batch)
        first = self._next
        self._next = first + 1 if self.hyperparameters.variant == "first" else len(self._pending)
        self._known.update(self._pending_keys[first : self._next])
        return Ask(self._pending[first : self._next])

    def observe(self, batch: Batch, scores: Scores) -> None:
        if not len(scores):
            return
        best = int(scores.argmax())
        if self._current is None or scores[best] > self._current_score:
            self._current, self._current_score = batch[best].copy(), float(scores[best])
            self._pending, self._pending_keys = self._surround(self._current)
            self._next = 0

    def _surround(self, architecture: Architecture) -> tuple[Batch, list[Any]]:
        """Return the neighbours that are new to this trial, in random order, and their keys."""
        neighbors = self.space.neighbors(architecture)
        return self._unknown(neighbors[self.rng.permutation(len(neighbors))])

    def _start(self) -> tuple[Batch, list[Any]]:
        """Return `starts` new random architectures; fewer, or none, where the space runs out."""
        wanted = draws = self.hyperparameters.starts
        rows = np.empty((0, self.space.length), dtype=np.int8)
        keys: list[Any] = []
        while len(keys) < wanted and len(self._known) + len(keys) < self.space.size and draws < _MOST_DRAWS:
            trial = np.concatenate([rows, self.space.sample(self.rng, draws)])
            rows, keys = self._unknown(trial)
            rows, keys = rows[:wanted], keys[:wanted]
            draws *= 2
        return rows, keys

    def _unknown(self, batch: Batch) -> tuple[Batch, list[Any]]:
        """Return the rows that are neither known nor repeated, in their order, and their keys."""
        keys = self.space.key(batch).tolist()
        kept = new_places(keys, self._known)
        return batch[kept], [keys[row] for row in kept]
