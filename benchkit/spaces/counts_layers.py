"""What single layers hold and compute: the parts of every count.

`benchkit.spaces.counts` says what is counted. Channels may be one integer or one a row (``int64[n]``); the
figures broadcast alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = [
    "Counts",
    "Integers",
    "classifier",
    "conv_bn",
    "convolution",
    "depthwise",
    "halved",
    "normalisation",
]

Integers = npt.NDArray[np.int64]


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
    inputs: int | Integers, outputs: int | Integers, kernel: int, side: int, groups: int | Integers = 1
) -> Counts:
    """Count a convolution without bias; `side` is that of its output."""
    weights = np.asarray(outputs * (inputs // groups) * kernel**2, dtype=np.int64)
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


def halved(side: int) -> int:
    """Return the side of what a stride of 2 leaves of a square."""
    return (side + 1) // 2
