"""The layers of multi-branch networks: one module for each kind of node of a layout.

Every layer is called with the values that it reads and a `Gating`, which says how gated convolutions use
their kernel slices; the other layers ignore it. Dropping an input channel of a convolution and masking its
kernel slice are the same thing (Zhou et al., NASAS, Eq. 12 and 13), so a gating does what is cheaper:

=============================  =========================================================================
gating                         what it multiplies
=============================  =========================================================================
`whole`                        nothing: every slice is used
`Scaled`, gates of each image  the convolution's input, since images differ
`Scaled`, gates of all images  the kernel, which is smaller than a batch of inputs
`Masked`                       the kernel too; a convolution without an open slice is not computed
`kept`                         nothing: closed slices do not exist (a network of one architecture)
=============================  =========================================================================

To compute with the open input channels alone would save multiplications, but on a processor the copy of these
channels costs more than that at the widths that are searched there (8 to 32); zeros in the kernel are free.

A convolution whose slices are all closed gives zeros, which its batch normalisation maps to its shift: the
variance of zero has an epsilon added, so nothing is divided by zero.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import reduce

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from benchkit.spaces.base import Architecture
from benchkit.spaces.branches.layout import (
    Concatenation,
    Convolution,
    Node,
    Normalisation,
    Pool,
    Rectifier,
    TwoPath,
)
from benchkit.spaces.engine.batchnorm import BatchNormPolicy
from benchkit.spaces.engine.layers import Source, normalise
from benchkit.spaces.engine.pooling import average_pool


class Layer(nn.Module, ABC):
    """Computes one node of a layout."""

    @abstractmethod
    def forward(self, sources: Sequence[Source], gating: Gating) -> Tensor:
        """Return float[batch, channels, height, width] from the node's sources."""


class ConvolutionLayer(Layer):
    """ReLU, convolution (or depthwise and pointwise), batch normalisation, as the node says.

    Parameters
    ----------
    node : Node to compute; its inputs are known.
    policy : Policy of batch normalisation.
    chosen : Input channels that exist, ascending; None is all.
    """

    def __init__(self, node: Convolution, policy: BatchNormPolicy, chosen: Sequence[int] | None) -> None:
        super().__init__()
        self.node = node
        self.chosen = None if chosen is None or len(chosen) == node.inputs else tuple(chosen)
        inputs = node.inputs if self.chosen is None else len(self.chosen)
        self.conv: nn.Conv2d | None = None
        self.pointwise: nn.Conv2d | None = None
        if inputs:
            outputs, groups = (inputs, inputs) if node.separable else (node.channels, 1)
            self.conv = nn.Conv2d(
                inputs, outputs, node.kernel, node.stride, node.kernel // 2, groups=groups, bias=False
            )
            if node.separable:
                self.pointwise = nn.Conv2d(inputs, node.channels, 1, bias=False)
        self.bn = policy.layer(node.channels) if node.norm else None

    def forward(self, sources: Sequence[Source], gating: Gating) -> Tensor:
        (source,) = sources
        value = source.shared(F.relu) if self.node.relu else source.value
        value = self.convolve(value) if self.node.first is None else gating(self, value)
        return value if self.bn is None else normalise(self.bn, value)

    def convolve(self, value: Tensor, gates: Tensor | None = None) -> Tensor:
        """Return the convolution alone.

        Parameters
        ----------
        value : float[batch, inputs, height, width].
        gates : float[inputs], a factor for each kernel slice; None is 1.
        """
        if self.conv is None:
            return self.nothing(value)
        kernel = self.conv.weight
        if gates is not None:
            kernel = kernel * gates.view((-1, 1, 1, 1) if self.node.separable else (1, -1, 1, 1))
        value = F.conv2d(value, kernel, None, self.node.stride, self.node.kernel // 2, 1, self.conv.groups)
        return value if self.pointwise is None else F.conv2d(value, self.pointwise.weight)

    def nothing(self, value: Tensor) -> Tensor:
        """Return what no slice gives: zeros."""
        height, width = (-(-side // self.node.stride) for side in value.shape[2:])
        zeros = value.new_zeros(len(value), self.node.channels, height, width)
        return zeros.contiguous(memory_format=torch.channels_last)

    def slice_norms(self) -> Tensor:
        """Return float[inputs]: the squared norm of each kernel slice, differentiable in the weights."""
        if self.conv is None:
            return torch.zeros(0)
        if self.pointwise is None:
            return self.conv.weight.square().sum(dim=(0, 2, 3))
        own = self.conv.weight.square().sum(dim=(1, 2, 3))
        return own + self.pointwise.weight.square().sum(dim=(0, 2, 3))

    @torch.no_grad()
    def copy_from(self, shared: ConvolutionLayer) -> None:
        """Take the slices that exist here, and the batch normalisation, from the layer with all slices."""
        channels = slice(None) if self.chosen is None else list(self.chosen)
        if self.conv is not None and shared.conv is not None:
            ours = shared.conv.weight[channels] if self.node.separable else shared.conv.weight[:, channels]
            self.conv.weight.copy_(ours)
        if self.pointwise is not None and shared.pointwise is not None:
            self.pointwise.weight.copy_(shared.pointwise.weight[:, channels])
        if self.bn is not None and shared.bn is not None:
            self.bn.load_state_dict(shared.bn.state_dict())


Gating = Callable[[ConvolutionLayer, Tensor], Tensor]
"""From a gated layer and the value that it reads, float[batch, inputs, h, w], to its convolution."""


def whole(layer: ConvolutionLayer, value: Tensor) -> Tensor:
    """Use every slice."""
    return layer.convolve(value)


def kept(layer: ConvolutionLayer, value: Tensor) -> Tensor:
    """Use the slices that exist."""
    if layer.chosen is None or layer.conv is None:
        return layer.convolve(value)
    chosen = torch.tensor(layer.chosen, device=value.device)
    # as the memory lies in channels-last, so that the copy does too
    return layer.convolve(value.permute(0, 2, 3, 1).index_select(3, chosen).permute(0, 3, 1, 2))


class Scaled:
    """Multiplies every kernel slice by its gate; differentiable in the gates.

    Parameters
    ----------
    layers : All gated layers, by ascending gates.
    gates : float[batch, d] or float[1, d].
    """

    def __init__(self, layers: Sequence[ConvolutionLayer], gates: Tensor) -> None:
        # taken apart at once: a slice for each layer would each give a gradient of all d gates
        parts = torch.split(gates, [layer.node.inputs for layer in layers], dim=1)
        self._gates = dict(zip(layers, parts, strict=True))

    def __call__(self, layer: ConvolutionLayer, value: Tensor) -> Tensor:
        gates = self._gates[layer]
        if len(gates) == 1:
            return layer.convolve(value, gates[0])
        return layer.convolve(value * gates[:, :, None, None].to(value.dtype))


class Masked:
    """Uses the kernel slices that a row opens.

    Parameters
    ----------
    row : int8[d].
    device : Device of the network.
    """

    def __init__(self, row: Architecture, device: torch.device) -> None:
        self._row = row
        self._gates = torch.from_numpy(np.ascontiguousarray(row)).to(device, torch.float32)

    def __call__(self, layer: ConvolutionLayer, value: Tensor) -> Tensor:
        first = layer.node.first or 0
        span = slice(first, first + layer.node.inputs)
        n_open = int(np.count_nonzero(self._row[span]))
        if n_open == 0:
            return layer.nothing(value)
        if n_open == layer.node.inputs:
            return layer.convolve(value)
        return layer.convolve(value, self._gates[span])


class _TwoPathLayer(Layer):
    def __init__(self, node: TwoPath, policy: BatchNormPolicy) -> None:
        super().__init__()
        self.node = node
        half = node.channels // 2
        self.even = nn.Conv2d(node.inputs, half, 1, node.stride, bias=False)
        self.odd = nn.Conv2d(node.inputs, node.channels - half, 1, node.stride, bias=False)
        self.bn = policy.layer(node.channels)

    def forward(self, sources: Sequence[Source], gating: Gating) -> Tensor:
        (source,) = sources
        value = source.shared(F.relu) if self.node.relu else source.value
        moved = F.pad(value, (0, 1, 0, 1))[:, :, 1:, 1:]
        return normalise(self.bn, torch.cat([self.even(value), self.odd(moved)], dim=1))


class _NormalisationLayer(Layer):
    def __init__(self, node: Normalisation, policy: BatchNormPolicy) -> None:
        super().__init__()
        self.bn = policy.layer(node.channels)

    def forward(self, sources: Sequence[Source], gating: Gating) -> Tensor:
        return normalise(self.bn, sources[0].value)


class _PlainLayer(Layer):
    """A function of the sources, without weights."""

    def __init__(self, node: Node) -> None:
        super().__init__()
        self.node = node

    def forward(self, sources: Sequence[Source], gating: Gating) -> Tensor:
        match self.node:
            case Pool():
                return _pooled(self.node, sources[0])
            case Rectifier():
                return sources[0].shared(F.relu)
            case Concatenation():
                return torch.cat([source.value for source in sources], dim=1)
        return reduce(torch.add, [source.value for source in sources])


def _pooled(node: Pool, source: Source) -> Tensor:
    if (node.kernel, node.stride, node.maximum) == (3, 1, False):
        return source.shared(average_pool)
    padding, ceil = (node.kernel - 1) // 2, node.kernel == 2
    if node.maximum:
        return F.max_pool2d(source.value, node.kernel, node.stride, padding, ceil_mode=ceil)
    return F.avg_pool2d(source.value, node.kernel, node.stride, padding, ceil, count_include_pad=False)


def layer_of(node: Node, policy: BatchNormPolicy, chosen: Sequence[int] | None = None) -> Layer:
    """Return the layer that computes a node.

    Parameters
    ----------
    chosen : Slices of a gated convolution that exist; None is all.
    """
    match node:
        case Convolution():
            return ConvolutionLayer(node, policy, chosen)
        case TwoPath():
            return _TwoPathLayer(node, policy)
        case Normalisation():
            return _NormalisationLayer(node, policy)
    return _PlainLayer(node)
