"""GDAS descends the gradient on architectures that are sampled one at a time.

Dong and Yang, "Searching for A Robust Neural Architecture in Four GPU Hours", CVPR 2019 (arXiv:1910.04465).
Every position draws one operation from the softmax of its parameters A by the Gumbel-max trick, and only the
drawn operations are computed. Backwards the hard draw counts as its softmax of temperature tau, so that the
loss of a single path gives every parameter of A a gradient. As in DARTS, A descends the validation loss and
the weights descend the training loss, in turn; tau falls while they train.

===================================================  ==========================================
paper, section 3                                     here
===================================================  ==========================================
one_hot(argmax_k(log Pr_k + o_k)), o Gumbel noise    `hard_one_hot` of the relaxed draw
its relaxation, softmax((log Pr + o) / tau)          `GumbelStrategy.relaxed_sample`
forward: the argmax of h alone is computed           `GDAS.forward`, ``supernet.sampled``
backward: the gradient of h is that of its softmax   `hard_one_hot`
Algorithm 1: W by the training set                   `GDAS.weight_step`
Algorithm 1: A by the validation set                 `GDAS.architecture_step`
section 4: tau from 10 to 0.1, linear                `GumbelStrategy.begin_epoch`
derivation: argmax of A                              `DifferentiableStrategy.derive`
===================================================  ==========================================

Deviations and choices
----------------------
- `benchkit.strategies.architecture_parameters` describes alpha (A), its optimizer, draws and derivation. A
  itself stands for log Pr, from which it differs by a constant for each position, which no softmax can tell.
- The step of A and the step of W each draw their own architecture, as the published code does. The order on a
  batch is A before W, as for DARTS here.
- Only the drawn operation's weight has a gradient, see ``benchkit.spaces.engine.network``. An operation
  ``none`` computes nothing and passes none on: where every drawn operation that leads to an output is
  ``none``, A stays where it was.
- The paper's reduction cell is fixed by hand; here the space defines what is searched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchkit.strategies.architecture_parameters import GumbelHyperparameters, GumbelStrategy
from benchkit.strategies.relaxed_sampling import hard_one_hot
from benchkit.strategies.weight_sharing import Closure, ImageBatch

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class GDASHyperparameters(GumbelHyperparameters):
    """Hyperparameters of section 4, search setup; NAS-Bench-201 uses the same."""

    initial_temperature: float = 10.0
    final_temperature: float = 0.1


class GDAS(GumbelStrategy):
    """One sampled operation a position; the gradient of its relaxation."""

    name = "gdas"
    citation = "Dong and Yang (2019), Searching for A Robust Neural Architecture in Four GPU Hours, CVPR"
    Hyperparameters = GDASHyperparameters
    uses_validation = True

    def forward(self, images: Tensor) -> Tensor:
        sample = hard_one_hot(self.relaxed_sample())
        row = sample.detach().argmax(dim=1).cpu().numpy().astype(np.int8)
        logits: Tensor = self.supernet.sampled(images, row, sample)
        return logits

    def architecture_step(self, closure: Closure, train: ImageBatch, valid: ImageBatch) -> None:
        self.draw()
        self.move_alpha(closure(valid, weights=False, architecture=True).architecture[0])

    def weight_step(self, closure: Closure, train: ImageBatch) -> Tensor:
        self.draw()
        return super().weight_step(closure, train)
