"""Counts the parameters and multiply-adds of single layers, the parts of every count.

`benchkit.spaces.counts` says what is counted. Channels may be one integer or one a row (``int64[n]``); the
figures broadcast alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
_SQUEEZE = 4


@dataclass(frozen=True)
class Counts:
    """Parameters and multiply-adds (one image), each an ``int64[n]``."""

    parameters: Integers
    flops: Integers

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.parameters + other.parameters, self.flops + other.flops)

    def __mul__(self, times: int | Integers | npt.NDArray[np.bool_]) -> Counts:
        return Counts(self.parameters * times, self.flops * times)


def convolution(
    inputs: int | Integers,
    outputs: int | Integers,
    kernel: int | tuple[int, int],
    side: int,
    groups: int | Integers = 1,
) -> Counts:
    """Count a convolution without bias; `side` is that of its output, `kernel` a side or (height, width)."""
    area = kernel**2 if isinstance(kernel, int) else kernel[0] * kernel[1]
    weights = np.asarray(outputs * (inputs // groups) * area, dtype=np.int64)
    return Counts(weights, weights * side**2)


def normalisation(channels: int | Integers) -> Counts:
    """Count the scale and the shift of a batch normalisation."""
    return Counts(np.asarray(2 * channels, dtype=np.int64), np.asarray(0, dtype=np.int64))


def conv_bn(inputs: int | Integers, outputs: int | Integers, kernel: int, side: int) -> Counts:
    """Count a convolution without bias, and the normalisation after it."""
    return convolution(inputs, outputs, kernel, side) + normalisation(outputs)


def classifier(features: int, classes: int) -> Counts:
    """Count a linear layer with bias."""
    weights = np.asarray(features * classes, dtype=np.int64)
    return Counts(weights + classes, weights)


def depthwise(channels: int, kernel: int, side: int) -> Counts:
    """Count a convolution of every channel by itself; `side` is that of its output."""
    return convolution(channels, channels, kernel, side, channels)


def bottleneck(
    inputs: int,
    hidden: int,
    outputs: int,
    kernels: Sequence[int | tuple[int, int]],
    wide: int,
    side: int,
    *,
    grouped: bool,
) -> Counts:
    """Count a 1 x 1 convolution, others of so many hidden channels, and a 1 x 1 one, all normalised.

    Parameters
    ----------
    kernels : Kernels of the convolutions between; the first of them may have a stride.
    wide, side : Sides of the square that enters, and of the square after the stride.
    grouped : Whether the convolutions between see every channel by itself.
    """
    total = conv_bn(inputs, hidden, 1, wide) + conv_bn(hidden, outputs, 1, side)
    for kernel in kernels:
        total += convolution(hidden, hidden, kernel, side, hidden if grouped else 1) + normalisation(hidden)
    return total


def squeezed(channels: int) -> int:
    """Return the hidden units of squeeze-and-excitation on so many channels: a quarter of them."""
    return max(1, channels // _SQUEEZE)


def squeeze_excitation(channels: int) -> Counts:
    """Count squeeze-and-excitation: two layers with bias, on one pixel."""
    within = squeezed(channels)
    biases = np.asarray(within + channels, dtype=np.int64)
    layers = convolution(channels, within, 1, 1) + convolution(within, channels, 1, 1)
    return layers + Counts(biases, np.zeros_like(biases))


def halved(side: int) -> int:
    """Return the side of what a stride of 2 leaves of a square."""
    return (side + 1) // 2
