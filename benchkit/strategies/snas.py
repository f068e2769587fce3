"""SNAS trains stochastic architectures in the same round of back-propagation as the weights.

Xie, Zheng, Liu and Lin, "SNAS: Stochastic Neural Architecture Search", ICLR 2019 (arXiv:1812.09926). An
architecture is a draw Z of a one-hot for each position from softmax(log alpha). The draw is relaxed to the
concrete distribution, so that weights and alpha descend the same expected training loss together, without a
second level. The temperature falls until the relaxed draws are close to one-hot, which makes the supernet
that was searched close to the network that is derived from it.

=====================================================  =========================================
paper                                                  here
=====================================================  =========================================
section 2.1: edges sum Z^T O(x)                        `SNAS.forward`, ``supernet.mixture``
section 2.2: Z = softmax((log alpha + G) / lambda)     `GumbelStrategy.relaxed_sample`
section 2.2: E over Z of the training loss             `SNAS.weight_step`, one draw a batch
section 2.2: gradients of theta and alpha together     `SNAS.weight_step`
lambda annealed towards zero                           `GumbelStrategy.begin_epoch`
derivation: argmax of alpha                            `DifferentiableStrategy.derive`
=====================================================  =========================================

Deviations and choices
----------------------
- ``alpha`` here holds the paper's log alpha. `benchkit.strategies.architecture_parameters` describes it, its
  optimizer, draws and derivation.
- Details that the paper's text leaves open are those of the released code: the temperature goes from 1 to
  0.03, linear over the epochs; log alpha starts with a spread of 0.01 (around 1 there and around 0 here,
  which no softmax can tell apart). Adam on alpha is that of the code's distributed runs.
- Both gradients come from one call of the closure, at the same weights and the same draw; then both move.
- The resource constraint and the code's drop path are left out: the loss is the training loss.
- Validation images take no part in training. They only score the derived architecture, with the weights it
  inherits: the paper needs no retraining to validate it.
- The paper trains 150 epochs on its own space; here the number of epochs is the preset's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchkit.strategies.architecture_parameters import GumbelHyperparameters, GumbelStrategy
from benchkit.strategies.weight_sharing import Closure, ImageBatch

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class SNASHyperparameters(GumbelHyperparameters):
    """Hyperparameters of Adam as in DARTS; temperatures and initial scale of the released code."""

    initial_scale: float = 1e-2
    initial_temperature: float = 1.0
    final_temperature: float = 0.03


class SNAS(GumbelStrategy):
    """Concrete draws; weights and alpha descend the training loss together."""

    name = "snas"
    citation = "Xie, Zheng, Liu and Lin (2019), SNAS: Stochastic Neural Architecture Search, ICLR"
    Hyperparameters = SNASHyperparameters

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.supernet.mixture(images, self.relaxed_sample())
        return logits

    def weight_step(self, closure: Closure, train: ImageBatch) -> Tensor:
        self.draw()
        gradients = closure(train, architecture=True)
        self.weights.step(gradients.weights)
        self.move_alpha(gradients.architecture[0])
        return gradients.loss
