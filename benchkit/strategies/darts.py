"""DARTS: differentiable architecture search, first and second order.

Liu, Simonyan and Yang, "DARTS: Differentiable Architecture Search", ICLR 2019 (arXiv:1806.09055). Every
position runs the mixture of all its operations, weighted by a softmax over parameters alpha. Alpha descends
the validation loss and the weights descend the training loss, in turn, an approximation of a bilevel problem.
Afterwards each position keeps its strongest operation.

======================================  ================================================
paper                                   here
======================================  ================================================
eq. (2): mixture by softmax             `DARTS.forward`, ``supernet.mixture``
eq. (3), (4): bilevel problem           `DARTS.architecture_step`, `DARTS.weight_step`
eq. (6) with xi = 0: first order        `DARTS.architecture_step`
eq. (6): one unrolled step              `SecondOrderDARTS.architecture_step`
eq. (7): chain rule                     `second_order_gradient`
eq. (8): finite difference, epsilon     `hessian_vector_product`
Algorithm 1, last line: derivation      `DARTS.derive`
======================================  ================================================

Deviations and choices
----------------------
- Derivation keeps the strongest of all operations of a position, ``none`` included, as NAS-Bench-201 runs
  DARTS; the paper's choice of two inputs for each node is for its own cells.
- w' is a step of the weight optimizer as it is, with momentum (Nesterov too) and weight decay, but without
  clipping; xi is what such a step moves a weight by for a unit of gradient. The paper's footnote allows it
  and its code does so.
- All gradients of one step use one training and one validation batch; the weight step uses the same training
  batch, as the published code does.
- Weight decay on alpha is added to the gradient (Adam, not AdamW), as the published code does.
- Algorithm 1 never queries. Here the derived architecture alone is scored, so that it has a trace.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchkit.spaces.base import Architecture, Space
from benchkit.spaces.errors import InputError
from benchkit.strategies.protocol import Ask
from benchkit.strategies.weight_sharing import (
    Closure,
    ImageBatch,
    Weights,
    WeightSharingStrategy,
    displaced,
    optimizer_tensors,
    restore_optimizer,
)

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["DARTS", "SecondOrderDARTS", "hessian_vector_product", "second_order_gradient"]


@dataclass(frozen=True)
class DARTSHyperparameters:
    """Appendix A.1; NAS-Bench-201 uses the same.

    Attributes
    ----------
    initial_scale : alpha starts as this times a standard normal draw.
    learning_rate, beta1, beta2, weight_decay : of Adam on alpha.
    """

    initial_scale: float = 1e-3
    learning_rate: float = 3e-4
    beta1: float = 0.5
    beta2: float = 0.999
    weight_decay: float = 1e-3

    def __post_init__(self) -> None:
        if self.initial_scale < 0 or self.weight_decay < 0 or not self.learning_rate > 0:
            raise ValueError("initial_scale and weight_decay must not be negative, learning_rate positive")
        if not (0 <= self.beta1 < 1 and 0 <= self.beta2 < 1):
            raise ValueError(f"beta1 and beta2 must be in [0, 1), got {self.beta1} and {self.beta2}")


def hessian_vector_product(
    closure: Closure, train: ImageBatch, weights: Sequence[Tensor], vector: Sequence[Tensor]
) -> list[Tensor]:
    """Return d2 L_train / (d alpha d w) times `vector`, one tensor for each parameter of alpha (eq. 8).

    Parameters
    ----------
    weights : the shared weights w, moved by epsilon both ways and put back.
    vector : of the same shapes; epsilon is 0.01 over its norm.
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


class DARTS(WeightSharingStrategy):
    """Softmax mixtures; alpha descends the validation loss at the current weights (first order)."""

    name = "darts"
    citation = "Liu, Simonyan and Yang (2019), DARTS: Differentiable Architecture Search, ICLR"
    Hyperparameters = DARTSHyperparameters
    uses_validation = True

    def __init__(self, space: Space, rng: np.random.Generator, **hyperparameters: Any) -> None:
        super().__init__(space, rng, **hyperparameters)
        self._asked = False

    def bind(self, supernet: Any, weights: Weights) -> None:
        import torch

        super().bind(supernet, weights)
        if not hasattr(supernet, "mixture"):
            raise InputError(
                f"{self.name} mixes all candidates of a position, which the supernet of "
                f"{self.space.name} cannot; use spos"
            )
        shape = supernet.present.shape
        if shape != (self.space.length, max(self.space.arity)):
            raise InputError(
                f"{self.name} needs one operation a position; {self.space.name} is not so encoded"
            )
        setting = self.hyperparameters
        start = setting.initial_scale * self.rng.standard_normal(shape)
        device = next(iter(weights.parameters)).device
        self.alpha = torch.tensor(start, dtype=torch.float32, device=device, requires_grad=True)
        self._optimizer = torch.optim.Adam(
            [self.alpha],
            lr=setting.learning_rate,
            betas=(setting.beta1, setting.beta2),
            weight_decay=setting.weight_decay,
        )

    @property
    def parameters(self) -> Mapping[str, Tensor]:
        return {"alpha": self.alpha}

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.supernet.mixture(images, self.alpha.softmax(dim=1))
        return logits

    def architecture_gradient(self, closure: Closure, train: ImageBatch, valid: ImageBatch) -> Tensor:
        """Return the gradient of the validation loss by alpha at the weights as they are (xi = 0)."""
        gradient = closure(valid, weights=False, architecture=True).architecture[0]
        return _or_zero(gradient, self.alpha.detach())

    def architecture_step(self, closure: Closure, train: ImageBatch, valid: ImageBatch) -> None:
        self.alpha.grad = self.architecture_gradient(closure, train, valid)
        self._optimizer.step()
        self.alpha.grad = None

    def weight_step(self, closure: Closure, train: ImageBatch) -> Tensor:
        gradients = closure(train)
        self.weights.step(gradients.weights)
        return gradients.loss

    def derive(self) -> Architecture:
        """Return int8[d]: the strongest operation of every position."""
        row: Architecture = self.alpha.detach().argmax(dim=1).cpu().numpy().astype(np.int8)
        return row

    # -- search -------------------------------------------------------------------------------

    @property
    def default_queries(self) -> int:
        return 1

    def propose(self) -> Ask:
        row = self.derive()[None]
        first, self._asked = not self._asked, True
        return Ask(row if first else row[:0])

    def recommend(self) -> Architecture:
        return self.derive()

    # -- interruption -------------------------------------------------------------------------

    def state_tensors(self) -> dict[str, Tensor]:
        return {"alpha": self.alpha.detach(), **optimizer_tensors(self._optimizer, self.parameters)}

    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        self.alpha.data.copy_(tensors["alpha"])
        remembered = {name: value for name, value in tensors.items() if "/" in name}
        restore_optimizer(self._optimizer, self.parameters, remembered)


class SecondOrderDARTS(DARTS):
    """The same, with alpha descending the validation loss after one unrolled weight step."""

    name = "darts-v2"

    def architecture_gradient(self, closure: Closure, train: ImageBatch, valid: ImageBatch) -> Tensor:
        return second_order_gradient(closure, train, valid, self.weights)[0]
