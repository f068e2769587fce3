"""The blocks of mobile networks: two 1 x 1 convolutions with others between, and squeeze-and-excitation."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from benchkit.spaces.counts_layers import squeezed
from benchkit.spaces.engine.batchnorm import BatchNormPolicy
from benchkit.spaces.engine.layers import conv_bn


class Bottleneck(nn.Module):
    """1 x 1 convolution, others, linear 1 x 1 projection; a shortcut where the shape stays.

    With one depthwise convolution in the middle it is the inverted residual of MobileNetV2 (Sandler et al.,
    2018). ReLU follows every convolution but the last.

    Parameters
    ----------
    stride : Stride of the first convolution in the middle.
    expansion : Hidden channels for each input channel.
    kernels : Kernels of the convolutions in the middle, a side or (height, width).
    depthwise : Whether they see every channel by itself.
    squeeze : Whether squeeze-and-excitation follows the projection, before the shortcut is added.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        stride: int,
        expansion: int,
        kernels: Sequence[int | tuple[int, int]],
        policy: BatchNormPolicy,
        *,
        depthwise: bool,
        squeeze: bool = False,
    ) -> None:
        super().__init__()
        hidden = inputs * expansion
        groups = hidden if depthwise else 1
        self.block = nn.Sequential(conv_bn(inputs, hidden, 1, policy, relu=True))
        for number, kernel in enumerate(kernels):
            step = 1 if number else stride
            self.block.append(conv_bn(hidden, hidden, kernel, policy, stride=step, groups=groups, relu=True))
        self.block.append(conv_bn(hidden, outputs, 1, policy))
        if squeeze:
            self.block.append(SqueezeExcitation(outputs))
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, value: Tensor) -> Tensor:
        """Return float[batch, outputs, height / stride, width / stride], rounded up."""
        output: Tensor = self.block(value)
        return value + output if self.shortcut else output


class SqueezeExcitation(nn.Module):
    """Scales every channel by a number in (0, 1) that all channels' means decide.

    Hu et al., "Squeeze-and-Excitation Networks", CVPR 2018: mean, two layers with bias, ReLU and sigmoid. The
    hidden layer has a quarter of the channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        within = squeezed(channels)
        self.weigh = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, within, 1),
            nn.ReLU(),
            nn.Conv2d(within, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, value: Tensor) -> Tensor:
        """Return a tensor of the same shape."""
        weights: Tensor = self.weigh(value)
        return value * weights
