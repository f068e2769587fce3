"""Decides one mixed operator of PC-NAS: scores its candidates, keeps the best, and records the decision.

Li et al., "Improving One-Shot NAS by Suppressing the Posterior Fading" (arXiv:1910.02543), Algorithms 1 and
2; `benchkit.strategies.pcnas.supernet` lists the choices.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchkit.spaces.base import Batch, Space, row_bytes
from benchkit.strategies.constraint import Constraint
from benchkit.strategies.pcnas.partial_models import (
    Drawn,
    architectures_left,
    best_partial_models,
    potentials,
)
from benchkit.strategies.protocol import Scores
from benchkit.strategies.weight_sharing import Evaluate

if TYPE_CHECKING:
    from torch import Tensor


def accuracies(drawn: Drawn, evaluate: Evaluate, batches: int, images: int) -> Scores:
    """Return float64[m], percent: each completion's accuracy on one of a few fixed mini-batches.

    The completions of every model are dealt in turn to `batches` mini-batches of `images` images.
    """
    scores = np.empty(len(drawn.rows))
    first = np.searchsorted(drawn.whose, drawn.whose)
    mini_batch = (np.arange(len(drawn.rows)) - first) % batches
    for number in np.unique(mini_batch):
        mine = np.flatnonzero(mini_batch == number)
        rows = drawn.rows[mine]
        _, once, which = np.unique(row_bytes(rows), return_index=True, return_inverse=True)
        scores[mine] = evaluate(rows[once], batches * images, part=(int(number), batches))[which]
    return scores


@dataclass(frozen=True, eq=False)
class Decision:
    """The decision of one mixed operator.

    Attributes
    ----------
    epoch : Number of finished epochs of training.
    pool : int8[p, l], the partial models kept, best first; choices in the order of decision.
    potentials : float64[p], percent.
    candidates, completions, dumped : Numbers of extended partial models, of their completions that were
        scored, and of those that broke the constraint.
    costs : Smallest and mean of the constraint's values among the scored completions; empty without one.
    """

    epoch: int
    pool: Batch
    potentials: Scores
    candidates: int
    completions: int
    dumped: int
    costs: tuple[float, ...] = ()

    @classmethod
    def of(cls, epoch: int, candidates: Batch, drawn: Drawn, scores: Scores, pool: int) -> Decision:
        """Return the decision for the P candidates of the highest potential (Algorithm 2, Top).

        `candidates`, int8[n, l], are extended partial models, `drawn` their completions, and `scores`,
        float64[m], those of the completions.
        """
        of_each = potentials(scores, drawn.whose, len(candidates))
        kept, best = best_partial_models(candidates, of_each, pool)
        costs = () if drawn.costs is None else (float(drawn.costs.min()), float(drawn.costs.mean()))
        return cls(epoch, kept, best, len(candidates), len(drawn.rows), drawn.dumped, costs)

    def describe(self, space: Space, order: Sequence[int], constraint: Constraint | None) -> dict[str, Any]:
        """Return the decision, JSON-ready."""
        left, exact = architectures_left(space, order, self.pool)
        facts: dict[str, Any] = {
            "epoch": self.epoch,
            "pool": self.pool.tolist(),
            "potentials": self.potentials.tolist(),
            "candidates": self.candidates,
            "completions": self.completions,
            "left": left,
            "left_log10": math.log10(left),
            "left_exact": exact,
        }
        if constraint is not None:
            facts["dumped"] = self.dumped
            facts["constraint"] = {
                **{"cost": constraint.cost, "unit": constraint.unit, "limit": constraint.limit},
                **dict(zip(("smallest", "mean"), self.costs, strict=True)),
            }
        return facts

    def tensors(self) -> dict[str, Tensor]:
        """Return all fields, for a checkpoint."""
        import torch

        counts = (self.epoch, self.candidates, self.completions, self.dumped)
        return {
            "pool": torch.from_numpy(self.pool.copy()),
            "potentials": torch.from_numpy(self.potentials.copy()),
            "counts": torch.tensor(counts),
            "costs": torch.tensor(self.costs, dtype=torch.float64),
        }

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, Tensor]) -> Decision:
        """Return the decision that `tensors` describes."""
        epoch, candidates, completions, dumped = map(int, tensors["counts"].tolist())
        pool, of_each = tensors["pool"].cpu().numpy(), tensors["potentials"].cpu().numpy()
        costs = tuple(map(float, tensors["costs"].tolist()))
        return cls(epoch, pool, of_each, candidates, completions, dumped, costs)
