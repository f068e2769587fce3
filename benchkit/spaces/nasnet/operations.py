"""The operations of cells of the NASNet and DARTS kind, as candidates.

Liu et al., "DARTS: Differentiable Architecture Search", ICLR 2019, section 3.1: a separable convolution is
ReLU, depthwise convolution, 1 x 1 convolution and batch normalisation, twice; a dilated one the same once,
with dilation 2; pooling is 3 x 3; a skip of stride 2 is a factorised reduction. On edges from a reduction
cell's inputs they have stride 2.

Deviations and choices
----------------------
- DARTS normalises pooled values in the search network, whose normalisation has no scale and shift, and does
  not in the evaluation network, whose has. So it is here: pooling is normalised where the `BatchNormPolicy`
  is not affine. A stand-alone network that inherits a supernet's weights inherits its policy.
- Sides may be odd: the second half of a factorised reduction then sees zeros beyond the edge. For even sides,
  all that is published, it is the published one.
- Drop path is for each image and edge; a skip of stride 1 is never dropped (as in DARTS's code).
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from benchkit.base.errors import unknown
from benchkit.spaces.engine.batchnorm import BatchNormPolicy
from benchkit.spaces.engine.dropout import DropPath
from benchkit.spaces.engine.layers import Candidate, Skip, Source, Term, conv_bn, normalise
from benchkit.spaces.engine.pooling import average_pool
from benchkit.spaces.nasnet.encoding import CONVOLUTIONS, NONE


def strided_average_pool(value: Tensor) -> Tensor:
    """Return the mean over every second pixel's 3 x 3 window, without the padding."""
    return F.avg_pool2d(value, 3, stride=2, padding=1, count_include_pad=False)


def max_pool(value: Tensor) -> Tensor:
    """Return the maximum over each pixel's 3 x 3 window."""
    return F.max_pool2d(value, 3, stride=1, padding=1)


def strided_max_pool(value: Tensor) -> Tensor:
    """Return the maximum over every second pixel's 3 x 3 window."""
    return F.max_pool2d(value, 3, stride=2, padding=1)


_POOLS = {
    "avg_pool_3x3": {1: average_pool, 2: strided_average_pool},
    "max_pool_3x3": {1: max_pool, 2: strided_max_pool},
}


class Pool(Candidate):
    """3 x 3 pooling, shared by all edges that leave a node; normalised where the policy is not affine.

    Parameters
    ----------
    name : ``avg_pool_3x3`` or ``max_pool_3x3``.
    """

    def __init__(
        self, name: str, channels: int, stride: int, policy: BatchNormPolicy, drop: DropPath
    ) -> None:
        super().__init__()
        self.function = _POOLS[name][stride]
        self.bn = None if policy.affine else policy.layer(channels)
        self.drop = drop

    def forward(self, source: Source, scale: Tensor | None = None) -> Term:
        value = source.shared(self.function)
        if self.bn is None:
            return self.drop(value), scale
        return self.drop(normalise(self.bn, value, scale)), None


class SeparableConv(Candidate):
    """ReLU, depthwise convolution, 1 x 1 convolution, batch normalisation; once or several times.

    Parameters
    ----------
    kernel, dilation : Side and dilation of the depthwise kernels.
    times : Number of repetitions; the stride is that of the first.
    """

    def __init__(
        self,
        channels: int,
        kernel: int,
        dilation: int,
        times: int,
        stride: int,
        policy: BatchNormPolicy,
        drop: DropPath,
    ) -> None:
        super().__init__()
        padding, conv = dilation * (kernel // 2), partial(nn.Conv2d, channels, channels, bias=False)
        self.depthwise, self.pointwise, self.bn = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for time in range(times):
            step = 1 if time else stride
            each = conv(kernel, step, padding, dilation, groups=channels)
            self.depthwise.append(each)
            self.pointwise.append(conv(1))
            self.bn.append(policy.layer(channels))
        self.drop = drop

    def forward(self, source: Source, scale: Tensor | None = None) -> Term:
        value, last = source.shared(F.relu), len(self.bn) - 1
        for time, (depthwise, pointwise, bn) in enumerate(
            zip(self.depthwise, self.pointwise, self.bn, strict=True)
        ):
            rectified = F.relu(value) if time else value
            value = normalise(bn, pointwise(depthwise(rectified)), scale if time == last else None)  # type: ignore[arg-type]
        return self.drop(value), None


class FactorizedReduce(nn.Module):
    """Two 1 x 1 convolutions of stride 2, one of them shifted by a pixel, side by side; batch normalisation.

    What enters is rectified already.
    """

    def __init__(self, inputs: int, outputs: int, policy: BatchNormPolicy) -> None:
        super().__init__()
        self.even = nn.Conv2d(inputs, outputs // 2, 1, stride=2, bias=False)
        self.odd = nn.Conv2d(inputs, outputs - outputs // 2, 1, stride=2, bias=False)
        self.bn = policy.layer(outputs)

    def forward(self, value: Tensor, scale: Tensor | None = None) -> Tensor:
        """Return float[batch, outputs, height / 2, width / 2], rounded up."""
        height, width = value.shape[2:]
        padded = F.pad(value, (0, width % 2, 0, height % 2)) if height % 2 or width % 2 else value
        both = torch.cat([self.even(value), self.odd(padded[:, :, 1:, 1:])], dim=1)
        return normalise(self.bn, both, scale)


class StridedSkip(Candidate):
    """A skip that halves: a factorised reduction."""

    def __init__(self, channels: int, policy: BatchNormPolicy, drop: DropPath) -> None:
        super().__init__()
        self.reduce = FactorizedReduce(channels, channels, policy)
        self.drop = drop

    def forward(self, source: Source, scale: Tensor | None = None) -> Term:
        return self.drop(self.reduce(source.shared(F.relu), scale)), None


def cell_operation(
    name: str, channels: int, stride: int, policy: BatchNormPolicy, drop: DropPath
) -> Candidate | None:
    """Return the candidate of that name; None where it is the operation ``none``.

    Parameters
    ----------
    channels : Channels of the nodes where the edge starts and ends.
    stride : 1, or 2 on the edges that leave the inputs of a reduction cell.
    drop : Drop path, one module for all of a network.

    Raises
    ------
    InputError : there is no such operation; it lists those there are.
    """
    if name == NONE:
        return None
    if name == "skip_connect":
        return Skip() if stride == 1 else StridedSkip(channels, policy, drop)
    if name in _POOLS:
        return Pool(name, channels, stride, policy, drop)
    if name in CONVOLUTIONS:
        return SeparableConv(channels, *CONVOLUTIONS[name], stride, policy, drop)
    raise unknown("operation", name, (NONE, "skip_connect", *_POOLS, *CONVOLUTIONS), "cells")


def preprocessing(inputs: int, channels: int, halve: bool, policy: BatchNormPolicy) -> nn.Module:
    """Return what brings an input of a cell to the cell's channels, and to half its side where asked for."""
    if halve:
        return nn.Sequential(nn.ReLU(), FactorizedReduce(inputs, channels, policy))
    return nn.Sequential(nn.ReLU(), *conv_bn(inputs, channels, 1, policy))
