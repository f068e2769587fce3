"""DARTS searches architectures by gradient descent, of first or of second order.

Liu, Simonyan and Yang, "DARTS: Differentiable Architecture Search", ICLR 2019 (arXiv:1806.09055). Every
position runs the mixture of all its operations, weighted by a softmax over parameters alpha. Alpha descends
the validation loss and the weights descend the training loss in turn, which approximates a bilevel problem.
Afterwards each position keeps its strongest operation.

======================================  ================================================
paper                                   here
======================================  ================================================
eq. (2): mixture by softmax             `DARTS.forward`, ``supernet.mixture``
eq. (3), (4): bilevel problem           `DARTS.architecture_step`, ``weight_step``
eq. (6) with xi = 0: first order        `DARTS.architecture_step`
eq. (6): one unrolled step              `SecondOrderDARTS.architecture_step`
eq. (7): chain rule                     `second_order_gradient`
eq. (8): finite difference, epsilon     `hessian_vector_product`
appendix A.1: Adam on alpha             `DifferentiableStrategy.move_alpha`
Algorithm 1, last line: derivation      `DifferentiableStrategy.derive`
======================================  ================================================

Deviations and choices
----------------------
- `benchkit.strategies.architecture_parameters` describes alpha, its optimizer and the derivation.
- w' is a step of the weight optimizer with its momentum (Nesterov too) and weight decay, but without
  clipping; xi is the distance by which such a step moves a weight for a unit of gradient. The paper's
  footnote allows it and its code does so.
- All gradients of one step use one training and one validation batch; the weight step uses the same training
  batch, as the published code does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchkit.base.errors import InputError
from benchkit.strategies.architecture_parameters import DifferentiableStrategy
from benchkit.strategies.weight_sharing import Closure, ImageBatch, Weights, displaced

if TYPE_CHECKING:
    from torch import Tensor


def hessian_vector_product(
    closure: Closure, train: ImageBatch, weights: Sequence[Tensor], vector: Sequence[Tensor]
) -> list[Tensor]:
    """Return d2 L_train / (d alpha d w) times `vector`, one tensor for each parameter of alpha (eq. 8).

    Parameters
    ----------
    weights : Shared weights w, which are moved by epsilon both ways and put back.
    vector : Tensors of the same shapes; epsilon is 0.01 over their norm.
    """
    import torch

    norm = torch.sqrt(sum((v.square().sum() for v in vector), torch.zeros((), device=vector[0].device)))
    epsilon = 0.01 / float(norm) if norm > 0 else 0.01
    sides = []
    for sign in (1, -1):
        moved = [w.detach() + sign * epsilon * v for w, v in zip(weights, vector, strict=True)]
        with displaced(weights, moved):
            sides.append(closure(train, weights=False, architecture=True).architecture)
    return [
        (_or_zero(plus, minus) - _or_zero(minus, plus)) / (2 * epsilon)
        for plus, minus in zip(*sides, strict=True)
    ]


def _or_zero(gradient: Tensor | None, like: Tensor | None) -> Tensor:
    if gradient is not None:
        return gradient
    if like is None:
        raise InputError("the loss does not depend on the architecture's parameters")
    return like.new_zeros(like.shape)


def second_order_gradient(
    closure: Closure, train: ImageBatch, valid: ImageBatch, weights: Weights
) -> list[Tensor]:
    """Return the gradient of L_valid(w'(alpha), alpha) by alpha (eq. 7)."""
    import torch

    unrolled = weights.unroll(closure(train).weights)
    with displaced(weights.parameters, unrolled.parameters):
        outer = closure(valid, architecture=True)
    vector = [
        torch.zeros_like(w) if g is None else g
        for w, g in zip(weights.parameters, outer.weights, strict=True)
    ]
    implicit = hessian_vector_product(closure, train, weights.parameters, vector)
    return [
        _or_zero(direct, product) - unrolled.rate * product
        for direct, product in zip(outer.architecture, implicit, strict=True)
    ]


class DARTS(DifferentiableStrategy):
    """Softmax mixtures; alpha descends the validation loss at the current weights (first order)."""

    name = "darts"
    citation = "Liu, Simonyan and Yang (2019), DARTS: Differentiable Architecture Search, ICLR"
    uses_validation = True

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.supernet.mixture(images, self.logits.softmax(dim=1))
        return logits

    def architecture_gradient(self, closure: Closure, train: ImageBatch, valid: ImageBatch) -> Tensor:
        """Return the gradient of the validation loss by alpha at the present weights (xi = 0)."""
        gradient = closure(valid, weights=False, architecture=True).architecture[0]
        return _or_zero(gradient, self.alpha.detach())

    def architecture_step(self, closure: Closure, train: ImageBatch, valid: ImageBatch) -> None:
        self.move_alpha(self.architecture_gradient(closure, train, valid))


class SecondOrderDARTS(DARTS):
    """The same, with alpha descending the validation loss after one unrolled weight step."""

    name = "darts-v2"

    def architecture_gradient(self, closure: Closure, train: ImageBatch, valid: ImageBatch) -> Tensor:
        return second_order_gradient(closure, train, valid, self.weights)[0]
