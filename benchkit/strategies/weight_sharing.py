"""Defines the trainer-facing protocol, by which a method trains a supernet before it searches it.

A weight-sharing strategy is a `SearchStrategy`: once the supernet is trained, the same ask / tell loop that
reads tables scores architectures with inherited weights. Before that, the trainer walks over the images, and
the strategy does the mathematics:

=========================================  ================================================================
the trainer calls                          the strategy says
=========================================  ================================================================
``bind(supernet, weights)``                what it trains; its own parameters are made here
``begin_epoch(epoch, epochs)``             what changes from epoch to epoch, such as a temperature
``architecture_step(closure, train, valid)``  how its own parameters move (only where `uses_validation`)
``weight_step(closure, train)``            how the shared weights move
``end_epoch(epoch, evaluate)``             what it scores during training
=========================================  ================================================================

Both steps are given ``closure(batch)``, which runs `forward` on the images, adds `extra_loss` to the
loss of the data and returns it with its gradients. It changes nothing, so a step may call it as often as
its equation asks: with other weights, with another sample, on the same batch again.

Deviations and choices
----------------------
- On every batch the architecture's parameters move first and the weights second, as in DARTS, Algorithm 1.
- Gradients of weights that took no part are None, and their optimizer leaves them alone.
- A strategy whose own parameters learn from validation images gets a new batch of them in each step; no other
  sees any. One that learns from training images alone moves its parameters in `weight_step`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from benchkit.spaces.base import Batch, Space
from benchkit.strategies.protocol import Scores, SearchStrategy

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class ImageBatch(NamedTuple):
    """Images, float[b, channels, height, width], and their labels, int64[b]."""

    images: Tensor
    labels: Tensor


class Gradients(NamedTuple):
    """A loss and its gradients.

    Attributes
    ----------
    loss : Scalar loss, detached.
    weights : Gradient of each of ``Weights.parameters``, None where it took no part; empty if not asked for.
    architecture : Gradients of the strategy's own parameters, likewise.
    """

    loss: Tensor
    weights: Sequence[Tensor | None]
    architecture: Sequence[Tensor | None]


class Closure(Protocol):
    """``closure(batch)``: the loss of the current sample on a batch, and its gradients."""

    def __call__(self, batch: ImageBatch, *, weights: bool = True, architecture: bool = False) -> Gradients:
        """Return the gradients that are asked for, averaged over the batch, and change nothing."""
        ...


class Unrolled(NamedTuple):
    """The weights to which one step would lead.

    Attributes
    ----------
    parameters : Weights after the step.
    rate : Distance by which a unit of gradient moves them, xi of DARTS.
    """

    parameters: list[Tensor]
    rate: float


class Weights(Protocol):
    """The shared weights with their optimizer, which is the trainer's."""

    @property
    def parameters(self) -> Sequence[Tensor]:
        """Every trainable parameter of the supernet."""
        ...

    @property
    def learning_rate(self) -> float:
        """Learning rate of the next step."""
        ...

    @property
    def images(self) -> int:
        """Number N of training images, against which a prior is weighed."""
        ...

    @property
    def validation_images(self) -> int:
        """Number of validation images, against which the prior of what learns from them is weighed."""
        ...

    def step(self, gradients: Sequence[Tensor | None]) -> None:
        """Clip the gradients and move the weights."""
        ...

    def unroll(self, gradients: Sequence[Tensor | None]) -> Unrolled:
        """Return the weights to which a step without clipping would lead, and change nothing."""
        ...


Evaluate = Callable[..., Scores]
"""``evaluate(batch, images, part=None)`` returns float64[n], accuracies in percent of int8[n, d] with the
present weights, on so many validation images, or on all where there are fewer (None is all). With
``part=(k, parts)`` it uses the k-th of so many equal parts of these images alone, k from 0."""


class WeightSharingStrategy(SearchStrategy):
    """A method that trains a supernet before it searches it.

    Attributes
    ----------
    uses_validation : Whether the method has parameters of its own, which learn from validation images.
    default_queries : Number of architectures that the search afterwards scores, where the user gives none.
    regularises_weights : Whether `extra_loss` holds a prior of the weights, so that weight decay is off.
    """

    uses_validation: ClassVar[bool] = False
    regularises_weights: bool = False

    supernet: Any
    weights: Weights

    @property
    @abstractmethod
    def default_queries(self) -> int:
        """Number of architectures that the published search scores with the trained weights."""

    @classmethod
    def planned_epochs(cls, space: Space, options: Mapping[str, Any]) -> int | None:
        """Return the number of epochs that these hyperparameters add up to; None leaves it to the recipe."""
        return None

    def bind(self, supernet: Any, weights: Weights) -> None:
        """Take the network to train, on its device.

        Raises
        ------
        InputError : The method cannot train this kind of supernet.
        """
        self.supernet, self.weights = supernet, weights

    @property
    def parameters(self) -> Mapping[str, Tensor]:
        """The strategy's own trainable parameters by name; none by default."""
        return {}

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        """Prepare for epoch `epoch` of 0..epochs - 1."""
        return None

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """Return float[b, classes], the logits of the last sample."""

    def data_loss(self, logits: Tensor, labels: Tensor, label_smoothing: float) -> Tensor:
        """Return the scalar loss of float[b, classes] logits, by default the mean cross-entropy."""
        from torch.nn import functional as F  # noqa: N812

        return F.cross_entropy(logits, labels, label_smoothing=label_smoothing)

    def extra_loss(self) -> Tensor | None:
        """Return a scalar that is added to the cross-entropy, or None."""
        return None

    def weight_step(self, closure: Closure, train: ImageBatch) -> Tensor:
        """Move the shared weights, by default one step down the gradient; return the loss."""
        gradients = closure(train)
        self.weights.step(gradients.weights)
        return gradients.loss

    def architecture_step(self, closure: Closure, train: ImageBatch, valid: ImageBatch) -> None:
        """Move the strategy's own parameters; called where `uses_validation`."""
        return None

    def end_epoch(self, epoch: int, evaluate: Evaluate) -> None:
        """Look at the weights after epoch `epoch`, by default not at all."""
        return None

    def report(self) -> Mapping[str, float]:
        """Return figures of the method's own after an epoch, by name; none by default."""
        return {}

    def findings(self) -> dict[str, Any]:
        """Return what was learned beside the recommended architecture, such as a posterior, JSON-ready."""
        return {}

    def learned_samples(self, n: int, wanted: Callable[[Batch], npt.NDArray[np.bool_]]) -> Batch | None:
        """Return int8[m, d], m <= n: draws of a learned distribution that are `wanted`; None without one."""
        return None

    def state_tensors(self) -> dict[str, Tensor]:
        """Return everything that an exact resume needs beside weights and generators."""
        return {}

    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what `state_tensors` returned."""
        return None


@contextmanager
def displaced(parameters: Sequence[Tensor], values: Sequence[Tensor]) -> Iterator[None]:
    """Give the parameters other values inside the block, and their own back after it, bit for bit."""
    kept = [parameter.detach().clone() for parameter in parameters]
    try:
        for parameter, value in zip(parameters, values, strict=True):
            parameter.data.copy_(value)
        yield
    finally:
        for parameter, value in zip(parameters, kept, strict=True):
            parameter.data.copy_(value)


def optimizer_tensors(
    optimizer: torch.optim.Optimizer, parameters: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return the state of an optimizer for each parameter, as ``name/what``."""
    kept: dict[str, Tensor] = {}
    for name, parameter in parameters.items():
        for what, value in optimizer.state.get(parameter, {}).items():
            if hasattr(value, "detach"):
                kept[f"{name}/{what}"] = value.detach()
    return kept


def restore_optimizer(
    optimizer: torch.optim.Optimizer, parameters: Mapping[str, Tensor], kept: Mapping[str, Tensor]
) -> None:
    """Give an optimizer the state that `optimizer_tensors` returned.

    A count of steps stays on the device where it was kept; all else goes to its parameter's device.

    Raises
    ------
    ValueError : The state is of other parameters.
    """
    optimizer.state.clear()
    for key, value in kept.items():
        name, what = key.rsplit("/", 1)
        parameter = parameters[name]
        if value.shape != (() if what == "step" else parameter.shape) or not value.is_floating_point():
            raise ValueError(f"what the optimizer keeps of {name} has another shape than the parameter")
        state = optimizer.state[parameter]
        if what == "step":
            state[what] = value.clone()
        else:
            # laid out in memory as its parameter is
            state[what] = parameter.detach().clone().copy_(value)
