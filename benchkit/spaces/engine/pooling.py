"""3 x 3 average pooling over the pixels that exist, quick on a processor.

torch's own pooling visits nine neighbours of every pixel, in both directions. A sum over 3 x 3 is one over
rows of a sum over columns, so two passes of shifted additions do the same in about half the time; the
gradient is the same sum of the gradient, since the window is symmetric. On other devices, in half
precision (where sums should be kept in single) and where a compiler looks on, torch's own is used.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812


def average_pool(value: Tensor) -> Tensor:
    """Return the mean over each pixel's 3 x 3 window, without the padding; the shape stays.

    Parameters
    ----------
    value : float[batch, channels, height, width].
    """
    plain = torch.compiler.is_compiling() or value.device.type != "cpu"
    if plain or value.dtype not in (torch.float32, torch.float64):
        return F.avg_pool2d(value, 3, stride=1, padding=1, count_include_pad=False)
    summed: Tensor = _WindowSum.apply(value)  # type: ignore[no-untyped-call]
    ones = torch.ones_like(value[:1])  # of every channel: a broadcast along channels is slower
    counts: Tensor = _WindowSum.apply(ones)  # type: ignore[no-untyped-call]
    return summed * counts.reciprocal_()  # 1 / 9 inside, 1 / 6 at an edge, 1 / 4 in a corner


class _WindowSum(torch.autograd.Function):
    """The sum over each pixel's window, whose gradient is the sum over each pixel's window."""

    @staticmethod
    def forward(value: Tensor) -> Tensor:
        return _window_sum(value)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        """Keep nothing: the gradient asks for no value."""

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        gradient: Tensor = _WindowSum.apply(gradients[0])  # type: ignore[no-untyped-call]
        return gradient

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int, ...], value: Tensor) -> tuple[Tensor, int]:
        """Sum a batch of batches as one: gradients image by image run through here."""
        several = value.movedim(in_dims[0], 0)
        summed: Tensor = _WindowSum.apply(several.flatten(0, 1))  # type: ignore[no-untyped-call]
        return summed.reshape(several.shape), 0


def _window_sum(value: Tensor) -> Tensor:
    for dimension in (2, 3):
        length = value.shape[dimension] - 1
        summed = torch.empty_like(value)
        before, after = value.narrow(dimension, 0, length), value.narrow(dimension, 1, length)
        torch.add(before, after, out=summed.narrow(dimension, 0, length))
        summed.narrow(dimension, length, 1).copy_(value.narrow(dimension, length, 1))
        summed.narrow(dimension, 1, length).add_(before)
        value = summed
    return value
