"""Counts parameters and multiply-adds of the networks of NAS-Bench-Macro, of any size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchkit.spaces.base import Batch, Space
from benchkit.spaces.counts_layers import Counts, bottleneck, classifier, conv_bn, halved
from benchkit.spaces.sizes import NetworkSize

STAGES = (2, 3, 3)
"""Layers of the three stages of NAS-Bench-Macro; the first of each doubles channels and has stride 2."""
BLOCKS = (None, (3, 3), (6, 5))
"""(expansion, kernel size) of each operation of NAS-Bench-Macro; the first is the identity."""


@dataclass(frozen=True)
class NASBenchMacroSize(NetworkSize):
    """NAS-Bench-Macro (Su et al., 2021, appendix).

    Attributes
    ----------
    channels : Channels of the stem; each of the three stages doubles them.
    features : Channels before the classifier.
    """

    channels: int = 32
    features: int = 1280


def planned_layers(size: NASBenchMacroSize) -> Iterator[tuple[int, int, int]]:
    """Yield (input channels, output channels, stride) of the eight layers, first layer first."""
    inputs = size.channels
    for stage, layers in enumerate(STAGES):
        outputs = size.channels * 2 ** (stage + 1)
        for layer in range(layers):
            yield inputs, outputs, 1 if layer else 2
            inputs = outputs


def count_macro_chain(
    space: Space, rows: Batch, size: NASBenchMacroSize, classes: int, side: int, image_channels: int
) -> Counts:
    """Count stem, eight layers, last convolution and classifier."""
    total = conv_bn(image_channels, size.channels, 3, side)
    last = size.channels
    for position, (inputs, outputs, stride) in enumerate(planned_layers(size)):
        wide, side = side, halved(side) if stride == 2 else side
        for operation, block in enumerate(BLOCKS):
            chosen = rows[:, position] == operation
            if block is not None:
                expansion, kernel = block
                hidden = inputs * expansion
                layer = bottleneck(inputs, hidden, outputs, (kernel,), wide, side, grouped=True)
            elif stride == 1 and inputs == outputs:
                continue  # nothing at all where the shape stays
            else:
                layer = conv_bn(inputs, outputs, 1, side)
            total += layer * chosen
        last = outputs
    return total + conv_bn(last, size.features, 1, side) + classifier(size.features, classes)
