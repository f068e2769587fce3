"""The trainer-facing protocol: how a method trains a supernet before it searches it.

A weight-sharing strategy is a `SearchStrategy`: once the supernet is trained, the same ask / tell loop that
reads tables scores architectures with inherited weights. Before that, the trainer walks over the images and
the strategy does the mathematics:

=========================================  ================================================================
the trainer calls                          the strategy says
=========================================  ================================================================
``bind(supernet, weights)``                what it trains; its own parameters are made here
``begin_epoch(epoch, epochs)``             what changes from epoch to epoch, such as a temperature
``architecture_step(closure, train, valid)``  how its own parameters move (only where `uses_validation`)
``weight_step(closure, train)``            how the shared weights move
``end_epoch(epoch, evaluate)``             what it scores inside training
=========================================  ================================================================

Both steps are given ``closure(batch)``, which runs `forward` on the images, adds `extra_loss` to the
loss of the data and returns it with its gradients. It applies nothing, so a step may call it as often as
its equation asks: on other weights, on another sample, on the same batch again.

Deviations and choices
----------------------
- On every batch the architecture's parameters move first and the weights second, as in DARTS, Algorithm 1.
- Gradients of weights that took no part are None, and their optimizer leaves them alone.
- A strategy whose own parameters learn from validation images gets a fresh batch of them a step; no other
  sees any. One that learns all from training images moves its parameters in `weight_step`.
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

__all__ = [
    "Closure",
    "Evaluate",
    "Gradients",
    "ImageBatch",
    "Unrolled",
    "WeightSharingStrategy",
    "Weights",
    "displaced",
    "optimizer_tensors",
    "restore_optimizer",
]


class ImageBatch(NamedTuple):
    """Images, float[b, channels, height, width], and their labels, int64[b]."""

    images: Tensor
    labels: Tensor


class Gradients(NamedTuple):
    """A loss and its gradients.

    Attributes
    ----------
    loss : scalar, detached.
    weights : one for each of ``Weights.parameters``, None where it took no part; empty if not asked for.
    architecture : the same for the strategy's own parameters.
    """

    loss: Tensor
    weights: Sequence[Tensor | None]
    architecture: Sequence[Tensor | None]


class Closure(Protocol):
    """``closure(batch)``: the loss of the current sample on a batch, and its gradients."""

    def __call__(self, batch: ImageBatch, *, weights: bool = True, architecture: bool = False) -> Gradients:
        """Return the gradients that are asked for, averaged over the batch; nothing is changed."""
        ...


class Unrolled(NamedTuple):
    """Where one step would lead.

    Attributes
    ----------
    parameters : the weights after the step.
    rate : what a unit of gradient moves them by, xi of DARTS.
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
        """Of the next step."""
        ...

    @property
    def images(self) -> int:
        """N, the number of training images: what a prior is weighed against."""
        ...

    @property
    def validation_images(self) -> int:
        """The number of validation images: the same for what learns from those."""
        ...

    def step(self, gradients: Sequence[Tensor | None]) -> None:
        """Clip the gradients and move the weights."""
        ...

    def unroll(self, gradients: Sequence[Tensor | None]) -> Unrolled:
        """Return where a step without clipping would lead; nothing is changed."""
        ...


Evaluate = Callable[..., Scores]
"""``evaluate(batch, images, part=None)``: accuracies in percent, float64[n], of int8[n, d] with the weights
as they are, on so many validation images, or on all where there are fewer (None is all). With
``part=(k, parts)`` on the k-th of so many equal parts of these images alone, k from 0."""


class WeightSharingStrategy(SearchStrategy):
    """What all methods that train a supernet have in common.

    Attributes
    ----------
    uses_validation : whether the method has parameters of its own, which learn from validation images.
    default_queries : architectures that the search afterwards scores, where the user gives no number.
    regularises_weights : whether `extra_loss` holds a prior of the weights, so that weight decay is off.
    """

    uses_validation: ClassVar[bool] = False
    regularises_weights: bool = False

    supernet: Any
    weights: Weights

    @property
    @abstractmethod
    def default_queries(self) -> int:
        """Architectures that the published search scores with the trained weights."""

    @classmethod
    def planned_epochs(cls, space: Space, options: Mapping[str, Any]) -> int | None:
        """Return how many epochs these hyperparameters make up; None leaves it to the recipe."""
        return None

    def bind(self, supernet: Any, weights: Weights) -> None:
        """Take the network to train, on its device.

        Raises
        ------
        InputError : the method cannot train this kind of supernet.
        """
        self.supernet, self.weights = supernet, weights

    @property
    def parameters(self) -> Mapping[str, Tensor]:
        """The strategy's own trainable parameters by name; none unless it says so."""
        return {}

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        """Prepare for epoch `epoch` of 0..epochs - 1."""
        return None

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """Return float[b, classes]: the logits of what was sampled last."""

    def data_loss(self, logits: Tensor, labels: Tensor, label_smoothing: float) -> Tensor:
        """Return the scalar loss of float[b, classes] logits; the mean cross-entropy, if not overridden."""
        from torch.nn import functional as F  # noqa: N812

        return F.cross_entropy(logits, labels, label_smoothing=label_smoothing)

    def extra_loss(self) -> Tensor | None:
        """Return a scalar that is added to the cross-entropy, or None."""
        return None

    @abstractmethod
    def weight_step(self, closure: Closure, train: ImageBatch) -> Tensor:
        """Move the shared weights; return the loss."""

    def architecture_step(self, closure: Closure, train: ImageBatch, valid: ImageBatch) -> None:
        """Move the strategy's own parameters; called where `uses_validation`."""
        return None

    def end_epoch(self, epoch: int, evaluate: Evaluate) -> None:
        """Look at the weights after epoch `epoch`; most methods do not."""
        return None

    def report(self) -> Mapping[str, float]:
        """Return what the method says of itself after an epoch, by name; most say nothing."""
        return {}

    def findings(self) -> dict[str, Any]:
        """Return what was learned beside the recommended architecture, JSON-ready, such as a posterior."""
        return {}

    def learned_samples(self, n: int, wanted: Callable[[Batch], npt.NDArray[np.bool_]]) -> Batch | None:
        """Return int8[m, d], m <= n: draws of a distribution that was learned, those that are `wanted`.

        None, unless the method has learned one.
        """
        return None

    def state_tensors(self) -> dict[str, Tensor]:
        """Return everything that an exact resume needs, beside weights and generators."""
        return {}

    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what `state_tensors` returned."""
        return None


@contextmanager
def displaced(parameters: Sequence[Tensor], values: Sequence[Tensor]) -> Iterator[None]:
    """Give the parameters other values inside the block, and their own back after it, bit for bit."""
    kept = [parameter.detach().clone() for parameter in parameters]
    try:
        _assign(parameters, values)
        yield
    finally:
        _assign(parameters, kept)


def _assign(parameters: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    for parameter, value in zip(parameters, values, strict=True):
        parameter.data.copy_(value)


def optimizer_tensors(
    optimizer: torch.optim.Optimizer, parameters: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return what an optimizer remembers of each parameter, as ``name/what``."""
    kept: dict[str, Tensor] = {}
    for name, parameter in parameters.items():
        for what, value in optimizer.state.get(parameter, {}).items():
            if hasattr(value, "detach"):
                kept[f"{name}/{what}"] = value.detach()
    return kept


def restore_optimizer(
    optimizer: torch.optim.Optimizer, parameters: Mapping[str, Tensor], kept: Mapping[str, Tensor]
) -> None:
    """Make an optimizer remember what `optimizer_tensors` returned.

    A count of steps stays where it was kept; everything else goes to its parameter's device.

    Raises
    ------
    ValueError : what was kept is of other parameters.
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
