"""Plans the chain of ShuffleNetV2 blocks, and counts its parameters and multiply-adds.

Widths, stages and blocks are those of Guo et al., "Single Path One-Shot Neural Architecture Search with
Uniform Sampling", ECCV 2020; without squeeze-and-excitation, the multiply-adds of every block at 224 pixels
equal the look-up table that public searches on it use. The network is built from the same plan.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchkit.spaces.base import Batch, Space
from benchkit.spaces.counts_layers import (
    Counts,
    classifier,
    conv_bn,
    depthwise,
    halved,
    normalisation,
    squeeze_excitation,
)
from benchkit.spaces.shufflenet.encoding import BLOCKS, STAGES, ShuffleBlock
from benchkit.spaces.sizes import StagesSize

STEM, WIDTHS, FEATURES = 16, (64, 160, 320, 640), 1024
"""Channels of the stem, of the four stages, and before the classifier."""


@dataclass(frozen=True)
class ShuffleNetSize(StagesSize):
    """A chain of ShuffleNetV2 blocks (Guo et al., 2020), in four stages that all start with stride 2.

    Widths: 16 of the stem, 64, 160, 320 and 640 of the stages, 1,024 at the end.
    """


@dataclass(frozen=True)
class PlannedLayer:
    """Where a layer of the chain stands.

    Attributes
    ----------
    inputs, outputs : Channels.
    stride : 1 or 2.
    first : Whether it is the first of its stage, in which all channels are computed and none passed on.
    """

    inputs: int
    outputs: int
    stride: int
    first: bool

    @property
    def entering(self) -> int:
        """Channels that the main branch sees: all, or the half that is not passed on."""
        return self.inputs if self.first else self.inputs // 2

    @property
    def hidden(self) -> int:
        """Channels inside the main branch."""
        return self.outputs // 2

    @property
    def made(self) -> int:
        """Channels that the main branch gives, beside as many as enter it."""
        return self.outputs - self.entering


def planned_layers(size: ShuffleNetSize) -> Iterator[PlannedLayer]:
    """Yield the twenty layers, first layer first."""
    inputs = STEM // size.divisor
    still = len(STAGES) - size.strided_stages
    for stage, (layers, width) in enumerate(zip(STAGES, WIDTHS, strict=True)):
        for layer in range(layers):
            outputs = width // size.divisor
            yield PlannedLayer(inputs, outputs, 2 if not layer and stage >= still else 1, layer == 0)
            inputs = outputs


def count_shuffle_chain(
    space: Space, rows: Batch, size: ShuffleNetSize, classes: int, side: int, image_channels: int
) -> Counts:
    """Count stem, twenty layers, last convolution and classifier."""
    side = halved(side) if size.stem_stride == 2 else side
    total = conv_bn(image_channels, STEM // size.divisor, 3, side)
    last = 0
    for position, layer in enumerate(planned_layers(size)):
        wide, side = side, halved(side) if layer.stride == 2 else side
        for operation, block in enumerate(BLOCKS):
            total += _block(block, layer, wide, side) * (rows[:, position] == operation)
        last = layer.outputs
    features = FEATURES // size.divisor
    return total + conv_bn(last, features, 1, side) + classifier(features, classes)


def _block(block: ShuffleBlock, layer: PlannedLayer, wide: int, side: int) -> Counts:
    """Count one block, from an image of side `wide` to one of `side`."""
    entering, hidden, made = layer.entering, layer.hidden, layer.made
    if block.xception:
        total = _depthwise_bn(entering, block.kernel, side) + conv_bn(entering, hidden, 1, side)
        total += _depthwise_bn(hidden, block.kernel, side) + conv_bn(hidden, hidden, 1, side)
    else:
        total = conv_bn(entering, hidden, 1, wide)
    total += _depthwise_bn(hidden, block.kernel, side) + conv_bn(hidden, made, 1, side)
    if layer.first:
        total += _depthwise_bn(entering, block.kernel, side) + conv_bn(entering, entering, 1, side)
    return total + squeeze_excitation(made) if block.squeeze else total


def _depthwise_bn(channels: int, kernel: int, side: int) -> Counts:
    return depthwise(channels, kernel, side) + normalisation(channels)
