"""SETN trains a template network, and an evaluator that learns which of its candidates to keep.

Dong and Yang, "One-Shot Neural Architecture Search via Self-Evaluated Template Network", ICCV 2019
(arXiv:1910.05733), as the same authors run it on NAS-Bench-201 (Dong and Yang, "NAS-Bench-201", ICLR 2020;
D-X-Y/AutoDL-Projects, ``exps/algos/SETN.py``). The template is the supernet. Its weights are trained on
candidates that are drawn uniformly, so that none is trained more for looking good early. The evaluator is a
parameter for each operation of each position, trained on validation images; it selects the candidates that
are worth scoring.

=========================================================  ==========================================
paper, section 3                                           here
=========================================================  ==========================================
stochastic training: a uniform candidate a batch           `SETN.weight_step`, ``supernet.path``
evaluator: softmax over operations, validation loss        `SETN.architecture_step`, ``supernet.mixture``
log-probability of a candidate: a sum over positions       `most_probable`
the K most probable, scored with the template's weights    `SETN.propose`
the best of them                                           ``recommend``
=========================================================  ==========================================

Deviations and choices
----------------------
- `benchkit.strategies.architecture_parameters` describes alpha (of the evaluator) and its optimizer.
- The evaluator learns from the full mixture of all operations, as the NAS-Bench-201 run has it.
- On a batch the evaluator moves before the weights, as for all methods here; the published code has it the
  other way round.
- NAS-Bench-201's number of candidates, 100, each scored on all validation images that the study names; the
  published code scores each on one batch of 512, another for each.
- The K most probable are found exactly, without listing the space: the first positions of one of the K best
  rows are among the K best ways to choose these positions. Where choices depend on one another (``darts``:
  two inputs a node) that does not hold, and the space is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from benchkit.base.errors import InputError
from benchkit.spaces.base import Architecture, Batch, ProductSpace, Space
from benchkit.spaces.restricted import whole_space
from benchkit.strategies.architecture_parameters import AlphaHyperparameters, DifferentiableStrategy
from benchkit.strategies.hyperparameters import require
from benchkit.strategies.protocol import Ask, SearchStrategy
from benchkit.strategies.weight_sharing import Closure, ImageBatch, Weights

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class SETNHyperparameters(AlphaHyperparameters):
    """Hyperparameters of the NAS-Bench-201 run.

    Attributes
    ----------
    architectures : Number K of candidates that are scored.
    """

    architectures: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "be at least 1", "architectures")


def most_probable(log_probabilities: npt.NDArray[np.float64], k: int) -> Batch:
    """Return int8[min(k, n), d]: the k rows with the largest sums, best first; the first among equals.

    Parameters
    ----------
    log_probabilities : float64[d, operations]; -inf where a position has no such operation. The sum of a row
        is the logarithm of its probability; n is the number of rows that the positions allow.
    """
    d, operations = log_probabilities.shape
    rows, sums = np.zeros((1, 0), dtype=np.int8), np.zeros(1)
    for position in range(d):
        extended = sums[:, None] + log_probabilities[position]
        best = np.argsort(-extended, axis=None, kind="stable")[:k]
        best = best[np.isfinite(extended.ravel()[best])]
        before, choice = np.divmod(best, operations)
        rows = np.concatenate([rows[before], choice[:, None].astype(np.int8)], axis=1)
        sums = extended.ravel()[best]
    return rows


class SETN(DifferentiableStrategy):
    """Uniform paths for the weights, a mixture for alpha; the best of the most probable architectures.

    Attributes
    ----------
    path : int8[d], the candidate that `forward` runs; None for the mixture of all.
    """

    name = "setn"
    citation = "Dong and Yang (2019), One-Shot NAS via Self-Evaluated Template Network, ICCV"
    Hyperparameters = SETNHyperparameters
    uses_validation = True

    def __init__(self, space: Space, rng: np.random.Generator, **hyperparameters: Any) -> None:
        super().__init__(space, rng, **hyperparameters)
        self.path: Architecture | None = None

    def bind(self, supernet: Any, weights: Weights) -> None:
        if not isinstance(whole_space(self.space), ProductSpace):
            raise InputError(
                f"setn ranks architectures whose choices are free; those of {self.space.name} depend on one "
                "another: use spos"
            )
        super().bind(supernet, weights)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor
        if self.path is None:
            logits = self.supernet.mixture(images, self.logits.softmax(dim=1))
        else:
            logits = self.supernet.path(images, self.path)
        return logits

    def architecture_step(self, closure: Closure, train: ImageBatch, valid: ImageBatch) -> None:
        self.path = None
        self.move_alpha(closure(valid, weights=False, architecture=True).architecture[0])

    def weight_step(self, closure: Closure, train: ImageBatch) -> Tensor:
        self.path = self.space.sample(self.rng, 1)[0]
        return super().weight_step(closure, train)

    # -- search -------------------------------------------------------------------------------

    def candidates(self) -> Batch:
        """Return int8[K, d]: the most probable architectures by the evaluator, the best first."""
        log_probabilities = self.logits.detach().double().log_softmax(dim=1).cpu().numpy()
        return most_probable(log_probabilities, self.hyperparameters.architectures)

    @property
    def default_queries(self) -> int:
        return int(self.hyperparameters.architectures)

    def propose(self) -> Ask:
        first, self._asked = not self._asked, True
        rows = self.candidates()
        return Ask(rows if first else rows[:0])

    def recommend(self) -> Architecture:
        """Return the best of the candidates that were scored."""
        return SearchStrategy.recommend(self)
