"""Squeeze-and-excitation: channels weighed by what all of them show on average."""

from __future__ import annotations

from torch import Tensor, nn

from benchkit.spaces.counts_layers import squeezed

__all__ = ["SqueezeExcitation"]


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
