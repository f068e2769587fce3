"""Plans the chain of mobile operators, and counts its parameters and multiply-adds.

The network is built from the same plan (`benchkit.spaces.mobile.network`, which says where it comes from).
At full size, with 1,000 classes and images of 224 pixels, the chains hold

================  ===================================================  =======================================
space             millions of parameters                               billions of multiply-adds
================  ===================================================  =======================================
``mobile-small``  2.16 to 6.66, 95 % of them 3.2 to 5.5, median 4.2    0.12 to 0.74, median 0.39
``mobile-large``  2.16 to 76.7, 95 % of them 5.5 to 34.0, median 12.2  0.12 to 8.64, median 1.43
================  ===================================================  =======================================

Squeeze-and-excitation adds up to 0.17 million. PC-NAS-S has 5.1 million parameters and PC-NAS-L 15.3 (Table
1): of random chains with squeeze-and-excitation, 85 % have fewer than the first, 67 % fewer than the second.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchkit.spaces.base import Batch
from benchkit.spaces.counts_layers import Counts, bottleneck, classifier, conv_bn, halved, squeeze_excitation
from benchkit.spaces.mobile.encoding import Mobile, Operator, mb_conv
from benchkit.spaces.sizes import StagesSize, check_choice

STEM, FIRST, FEATURES = 32, 16, 1280
"""Channels of the stem's convolution, of the block after it, and before the classifier."""
FIRST_BLOCK, BETWEEN = mb_conv(1, 3), mb_conv(3, 3)
"""What stands before all stages, and at the start of each, where width and resolution change."""
_WIDTHS = (24, 40, 80, 96, 192, 320)
_STRIDES = (2, 2, 2, 1, 2, 1)


@dataclass(frozen=True)
class MobileSize(StagesSize):
    """A chain of mobile operators (PC-NAS, section 3.2), in six stages of which four start with stride 2.

    Widths: 32 and 16 of the stem, 24, 40, 80, 96, 192 and 320 of the stages, 1,280 at the end.

    Attributes
    ----------
    squeeze : 1 puts squeeze-and-excitation at the end of every operator, as section 4.1 does in the network
        that is trained in the end; 0 leaves it out.
    """

    squeeze: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("squeeze", self.squeeze, (0, 1))


@dataclass(frozen=True)
class PlannedStage:
    """Where a stage of the chain stands.

    Attributes
    ----------
    inputs, outputs : Channels that enter the fixed block at its start, and those of all its layers.
    stride : Stride of that block, 1 or 2.
    layers : Mixed operators after it.
    """

    inputs: int
    outputs: int
    stride: int
    layers: int


def planned_stages(space: Mobile, size: MobileSize) -> Iterator[PlannedStage]:
    """Yield the six stages, first stage first."""
    still = _STRIDES.count(2) - size.strided_stages
    inputs = FIRST // size.divisor
    for width, stride, layers in zip(_WIDTHS, _STRIDES, space.stages, strict=True):
        if stride == 2 and still:
            stride, still = 1, still - 1
        outputs = width // size.divisor
        yield PlannedStage(inputs, outputs, stride, layers)
        inputs = outputs


def count_mobile_chain(
    space: Mobile, rows: Batch, size: MobileSize, classes: int, side: int, image_channels: int
) -> Counts:
    """Count stem, six stages with a fixed block before each, last convolution and classifier."""
    side = halved(side) if size.stem_stride == 2 else side
    stem, first = STEM // size.divisor, FIRST // size.divisor
    total = conv_bn(image_channels, stem, 3, side) + _operator(FIRST_BLOCK, stem, first, side, side)
    position, width = 0, first
    for stage in planned_stages(space, size):
        wide, side = side, halved(side) if stage.stride == 2 else side
        width = stage.outputs
        total += _operator(BETWEEN, stage.inputs, width, wide, side)
        for operation, operator in enumerate(space.operators):
            if operator is None:
                continue
            each = _operator(operator, width, width, side, side)
            if size.squeeze:
                each += squeeze_excitation(width)
            total += each * (rows[:, position : position + stage.layers] == operation).sum(axis=1)
        position += stage.layers
    features = FEATURES // size.divisor
    return total + conv_bn(width, features, 1, side) + classifier(features, classes)


def _operator(operator: Operator, inputs: int, outputs: int, wide: int, side: int) -> Counts:
    """Count one operator, from an image of side `wide` to one of `side`."""
    hidden = operator.expansion * inputs
    return bottleneck(inputs, hidden, outputs, operator.kernels, wide, side, grouped=operator.depthwise)
