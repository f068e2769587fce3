"""Candidate operations, which share what they compute from one node.

A candidate maps the value of a node to a contribution, scaled where the supernet is a mixture. What makes
mixtures fast:

* What several candidates need of one node, its ReLU or its pooled value, is computed once (`Source`).
* A scale that follows batch normalisation is folded into its weight and bias, which is exact:
  ``s * (weight * x_hat + bias) = (s * weight) * x_hat + s * bias`` (`normalise`).
* Any other scale is applied while the terms of a node are added up (`total`).
* Everything is channels-last.

Deviations and choices
----------------------
- One convolution with the filters of all edges that leave a node is not used: in channels-last, on a
  processor, it gained nothing over one convolution an edge, and taking its channels apart again cost
  more than it saved.

A new operation is a new `Candidate`; one that shares nothing is any module inside `Whole`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from benchkit.spaces.engine.batchnorm import BatchNormPolicy
from benchkit.spaces.engine.pooling import average_pool

Function = Callable[[Tensor], Tensor]
Term = tuple[Tensor, Tensor | None]
"""A value and the scalar that it is to be multiplied with; None is 1."""


class Source:
    """The value of a node, and the functions of it that were asked for.

    Parameters
    ----------
    value : float[batch, channels, height, width].
    """

    def __init__(self, value: Tensor) -> None:
        self.value = value
        self._shared: dict[Function, Tensor] = {}

    def shared(self, function: Function) -> Tensor:
        """Return ``function(value)``, computed once however often it is asked for."""
        if function not in self._shared:
            self._shared[function] = function(self.value)
        return self._shared[function]


class Candidate(nn.Module, ABC):
    """One operation that a position of a supernet may choose."""

    @abstractmethod
    def forward(self, source: Source, scale: Tensor | None = None) -> Term:
        """Return the contribution: a value, and what it is still to be multiplied with.

        Parameters
        ----------
        source : Node where the operation starts.
        scale : Scalar, the candidate's weight in a mixture; None is 1.
        """


class Skip(Candidate):
    """The node itself."""

    def forward(self, source: Source, scale: Tensor | None = None) -> Term:
        return source.value, scale


class AveragePool(Candidate):
    """3 x 3 average pooling, stride 1; padding does not count."""

    def forward(self, source: Source, scale: Tensor | None = None) -> Term:
        return source.shared(average_pool), scale


class ReluConvBN(Candidate):
    """ReLU, convolution without bias, batch normalisation; the shape stays."""

    def __init__(self, channels: int, kernel: int, policy: BatchNormPolicy) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, kernel, padding=kernel // 2, bias=False)
        self.bn = policy.layer(channels)

    def forward(self, source: Source, scale: Tensor | None = None) -> Term:
        return normalise(self.bn, self.conv(source.shared(F.relu)), scale), None


class Whole(Candidate):
    """Any module as a candidate.

    Parameters
    ----------
    module : Module from float[batch, channels, height, width] to a contribution.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, source: Source, scale: Tensor | None = None) -> Term:
        return self.module(source.value), scale


def total(terms: Sequence[Term]) -> Tensor:
    """Return the sum of value x scale over at least one term, in one pass a term."""
    plain = torch.compiler.is_compiling()  # a compiler fuses the products itself
    if plain or all(scale is None for _, scale in terms):
        values = [value if scale is None else value * scale for value, scale in terms]
        result = values[0]
        for value in values[1:]:
            result = result + value
        return result
    values, scales = [value for value, _ in terms], [scale for _, scale in terms]
    summed: Tensor = _WeightedSum.apply(len(terms), *values, *scales)  # type: ignore[no-untyped-call]
    return summed


class _WeightedSum(torch.autograd.Function):
    """The sum of value x scale, without keeping or writing any of the products."""

    @staticmethod
    def forward(ctx: Any, n: int, *inputs: Tensor | None) -> Tensor:
        values, scales = inputs[:n], inputs[n:]
        ctx.n = n
        # a value is needed again only for the gradient of its scale
        wanted = ctx.needs_input_grad[1 + n :]
        kept = [value if want else None for value, want in zip(values, wanted, strict=True)]
        ctx.save_for_backward(*kept, *scales)
        result: Tensor | None = None
        for value, scale in zip(values, scales, strict=True):
            if value is None:
                continue
            if result is None:
                result = value.clone() if scale is None else value * scale
            else:
                result = result.add_(value) if scale is None else result.addcmul_(value, scale)
        if result is None:
            raise ValueError("a sum needs at least one term")
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        values, scales = ctx.saved_tensors[: ctx.n], ctx.saved_tensors[ctx.n :]
        wanted = ctx.needs_input_grad[1 : 1 + ctx.n]
        to_values = [
            (gradient if scale is None else gradient * scale) if want else None
            for scale, want in zip(scales, wanted, strict=True)
        ]
        to_scales = [
            None if value is None else _dot(gradient, value).to(scale.dtype)
            for value, scale in zip(values, scales, strict=True)
        ]
        return None, *to_values, *to_scales


def _dot(first: Tensor, second: Tensor) -> Tensor:
    """Return the sum of products of two tensors [batch, channels, height, width]."""
    if first.dtype == second.dtype and first.dtype in (torch.float32, torch.float64):
        # as the memory lies in channels-last, so that flattening copies nothing
        return torch.dot(*(tensor.permute(0, 2, 3, 1).reshape(-1) for tensor in (first, second)))
    return (first * second).sum(dtype=torch.float32)


def normalise(layer: nn.BatchNorm2d, value: Tensor, scale: Tensor | None = None) -> Tensor:
    """Return ``scale * layer(value)`` in one pass over `value`; a `scale` of None is 1.

    A `value` with fewer channels than the layer uses the layer's first ones.
    """
    width = value.shape[1]
    weight: Tensor | None = None
    bias: Tensor | None = None
    if layer.affine:
        weight, bias = layer.weight[:width], layer.bias[:width]
    if scale is not None:
        # a stride of zero, as expand leaves it, is not what the kernels read
        weight = scale.expand(width).contiguous() if weight is None else weight * scale
        bias = None if bias is None else bias * scale
    mean, variance = layer.running_mean, layer.running_var
    if mean is None or variance is None:
        return F.batch_norm(value, None, None, weight, bias, training=True, eps=layer.eps)
    momentum = layer.momentum
    if layer.training and layer.num_batches_tracked is not None:
        layer.num_batches_tracked.add_(1)
        if momentum is None:  # the cumulative average of recalibration
            momentum = 1 / int(layer.num_batches_tracked)
    return F.batch_norm(
        value, mean[:width], variance[:width], weight, bias, layer.training, momentum or 0.0, layer.eps
    )


def conv_bn(
    inputs: int,
    outputs: int,
    kernel: int | tuple[int, int],
    policy: BatchNormPolicy,
    *,
    stride: int = 1,
    groups: int = 1,
    relu: bool = False,
) -> nn.Sequential:
    """Return convolution without bias and batch normalisation, then ReLU where asked for.

    Parameters
    ----------
    kernel : Odd side, or (height, width).
    """
    height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
    padding = height // 2, width // 2
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, (height, width), stride, padding, groups=groups, bias=False),
        policy.layer(outputs),
    ]
    return nn.Sequential(*layers, nn.ReLU()) if relu else nn.Sequential(*layers)
