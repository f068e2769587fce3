"""Parameters and multiply-adds of any batch of rows, without building a network.

What is counted, as the benchmarks themselves count it:

=====================  ============================================================================
figure                 what it holds
=====================  ============================================================================
parameters             all trainable ones: convolutions, scale and shift of batch normalisation, and the
                       classifier with its bias
flops                  multiply-adds of convolutions and of the classifier for one image; neither
                       normalisation, activation, pooling, additions nor the bias
=====================  ============================================================================

With class counts 10, 100 and 120 the parameters equal the ``parameters`` columns of NAS-Bench-201 (Dong and
Yang, 2020), those of NAS-Bench-101 (Ying et al., 2019) and NAS-Bench-Macro (Su et al., 2021) with ten
classes, and the flops equal the ``flops`` column of NAS-Bench-Macro at 32 x 32, exactly. NAS-Bench-101
and -201 have no such column here; they are counted by the same convention.

In a ``branches`` space a closed kernel slice counts nothing; of everything else, all is counted.

Every operation of a row is counted whether or not its output reaches the network's, as the tables do;
in NAS-Bench-101 cells are pruned first, as its networks are. No count includes an auxiliary classifier, which
only training uses (Liu et al., 2019, count so).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchkit.spaces.base import Batch, Space
from benchkit.spaces.branches.encoding import Branches
from benchkit.spaces.branches.layout import Convolution, Node, Normalisation, TwoPath
from benchkit.spaces.counts_layers import (
    Counts,
    Integers,
    bottleneck,
    classifier,
    conv_bn,
    convolution,
    halved,
    normalisation,
)
from benchkit.spaces.mobile.counts import count_mobile_chain
from benchkit.spaces.nasbench101.hash import VERTICES, prune
from benchkit.spaces.nasnet.counts import count_two_cells
from benchkit.spaces.shufflenet.counts import count_shuffle_chain
from benchkit.spaces.sizes import (
    BranchesSize,
    DenseCellsSize,
    MobileSize,
    NASBench101Size,
    NASBenchMacroSize,
    NetworkSize,
    ShuffleNetSize,
    TwoCellsSize,
    check_count,
    network_size,
    whole_space,
)

__all__ = [
    "MACRO_BLOCKS",
    "MACRO_STAGES",
    "Counts",
    "count",
    "count_flops",
    "count_parameters",
    "macro_layers",
    "vertex_channels",
]

_EDGES_101 = VERTICES * (VERTICES - 1) // 2
MACRO_STAGES = (2, 3, 3)
"""Layers of the three stages of NAS-Bench-Macro; the first of each doubles channels and has stride 2."""
MACRO_BLOCKS = (None, (3, 3), (6, 5))
"""(expansion, kernel size) of each operation of NAS-Bench-Macro; the first is the identity."""


def count(
    space: Space, batch: Batch, classes: int, image_size: int = 32, image_channels: int = 3, **size: Any
) -> Counts:
    """Return what the networks of these rows hold and compute.

    Parameters
    ----------
    space : decides what a row means.
    batch : int8[n, d].
    classes : outputs of the classifier.
    image_size : side of the square image, in pixels.
    image_channels : 3 for colour, 1 for grey.
    size : width and depth, as for the network; see `benchkit.spaces.sizes`.

    Raises
    ------
    InputError : a row is not a member, the space has no network, or a number is out of range.
    """
    options = network_size(space, **size)
    for what, value in (
        ("classes", classes),
        ("image_size", image_size),
        ("image_channels", image_channels),
    ):
        check_count(what, value)
    rows = space.validate(batch)
    whole = whole_space(space)
    # sums of rows and constants broadcast; a batch whose rows all cost alike still gets n figures
    total = _COUNTERS[type(options)](whole, rows, options, classes, image_size, image_channels)
    return total * np.ones(len(rows), dtype=np.int64)


def count_parameters(
    space: Space, batch: Batch, classes: int, image_channels: int = 3, **size: Any
) -> Integers:
    """Return int64[n]: the trainable parameters of the networks of these rows; see `count`."""
    return count(space, batch, classes, image_channels=image_channels, **size).parameters


def count_flops(
    space: Space, batch: Batch, classes: int, image_size: int = 32, image_channels: int = 3, **size: Any
) -> Integers:
    """Return int64[n]: the multiply-adds of the networks of these rows for one image; see `count`."""
    return count(space, batch, classes, image_size, image_channels, **size).flops


# -- spaces ---------------------------------------------------------------------------------------


def _dense_cells(
    space: Space, rows: Batch, size: DenseCellsSize, classes: int, side: int, image_channels: int
) -> Counts:
    """Count stem, three stages of cells with a residual block between them, and classifier."""
    ones, threes = ((rows == operation).sum(axis=1) for operation in (2, 3))
    channels = size.channels
    total = conv_bn(image_channels, channels, 3, side)
    for stage in range(3):
        if stage:
            side = halved(side)
            total += conv_bn(channels, 2 * channels, 3, side) + conv_bn(2 * channels, 2 * channels, 3, side)
            total += convolution(channels, 2 * channels, 1, side)
            channels *= 2
        cell = conv_bn(channels, channels, 1, side) * ones + conv_bn(channels, channels, 3, side) * threes
        total += cell * size.cells
    return total + normalisation(channels) + classifier(channels, classes)


def vertex_channels(rows: Batch, outputs: int) -> Integers:
    """Return int64[n, 7]: the output channels of each vertex of NAS-Bench-101 cells, 0 where pruned.

    The output's channels are split among the vertices that feed it, the first ones taking the
    remainder; another vertex has the most channels of those it feeds (Ying et al., 2019, appendix).

    Parameters
    ----------
    rows : int8[n, 26], valid.
    outputs : channels of the cell's output. Vertex 0, whose channels the cell before decides, reads 0.
    """
    matrix, _ = prune(rows)
    edge = matrix.astype(np.int64)
    feeds = edge[:, 1:-1, -1]
    fan_in = np.maximum(feeds.sum(axis=1, keepdims=True), 1)
    rank = np.cumsum(feeds, axis=1) - feeds
    channels = np.zeros((len(rows), VERTICES), dtype=np.int64)
    channels[:, -1] = outputs
    channels[:, 1:-1] = feeds * (outputs // fan_in + (rank < outputs % fan_in))
    for vertex in range(VERTICES - 3, 0, -1):
        fed = (edge[:, vertex, 1:-1] * channels[:, 1:-1]).max(axis=1)
        channels[:, vertex] = np.where(feeds[:, vertex - 1], channels[:, vertex], fed)
    return channels


def _nasbench101(
    space: Space, rows: Batch, size: NASBench101Size, classes: int, side: int, image_channels: int
) -> Counts:
    """Count stem, stacks of cells with max pooling between them, and classifier."""
    matrix, _ = prune(rows)
    from_input = matrix[:, 0].astype(np.int64)  # edges that project the cell's input
    operation = rows[:, _EDGES_101:]
    inputs = outputs = size.channels
    total = conv_bn(image_channels, outputs, 3, side)
    for stack in range(size.stacks):
        if stack:
            outputs *= 2
            side //= 2
        channels = vertex_channels(rows, outputs)
        for _ in range(size.cells):
            for vertex in range(1, VERTICES):
                width = channels[:, vertex]
                total += conv_bn(inputs, width, 1, side) * from_input[:, vertex]
                if vertex < VERTICES - 1:
                    chosen = operation[:, vertex - 1]
                    total += conv_bn(width, width, 3, side) * (chosen == 0)
                    total += conv_bn(width, width, 1, side) * (chosen == 1)
            inputs = outputs
    return total + classifier(outputs, classes)


def macro_layers(size: NASBenchMacroSize) -> Iterator[tuple[int, int, int]]:
    """Yield (input channels, output channels, stride) of the eight layers, first layer first."""
    inputs = size.channels
    for stage, layers in enumerate(MACRO_STAGES):
        outputs = size.channels * 2 ** (stage + 1)
        for layer in range(layers):
            yield inputs, outputs, 1 if layer else 2
            inputs = outputs


def _macro(
    space: Space, rows: Batch, size: NASBenchMacroSize, classes: int, side: int, image_channels: int
) -> Counts:
    """Count stem, eight layers, last convolution and classifier."""
    total = conv_bn(image_channels, size.channels, 3, side)
    last = size.channels
    for position, (inputs, outputs, stride) in enumerate(macro_layers(size)):
        wide, side = side, halved(side) if stride == 2 else side
        for operation, block in enumerate(MACRO_BLOCKS):
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


def _branches(
    space: Branches, rows: Batch, size: BranchesSize, classes: int, side: int, image_channels: int
) -> Counts:
    """Count every node of the layout, of a gated convolution the open slices, and the classifier."""
    total = classifier(space.layout.features, classes)
    sides = {-1: side}
    for index, node in enumerate(space.layout.nodes):
        sides[index] = -(-sides[node.sources[0]] // node.stride)
        total += _node(rows, node, sides[index], image_channels)
    return total


def _node(rows: Batch, node: Node, side: int, image_channels: int) -> Counts:
    """Count one node of a multi-branch network; `side` is that of its value."""
    if isinstance(node, Convolution):
        slices: int | Integers = node.inputs or image_channels
        if node.first is not None:
            slices = rows[:, node.first : node.first + node.inputs].sum(axis=1, dtype=np.int64)
        weights = np.asarray(slices * node.slice_weights, dtype=np.int64)
        counted = Counts(weights, weights * side**2)
        return counted + normalisation(node.channels) if node.norm else counted
    if isinstance(node, TwoPath):
        return conv_bn(node.inputs, node.channels, 1, side)
    return normalisation(node.channels if isinstance(node, Normalisation) else 0)


# each takes (space, rows, size, classes, side, image_channels), the space and the size of its own kind
_COUNTERS: dict[type[NetworkSize], Callable[..., Counts]] = {
    DenseCellsSize: _dense_cells,
    NASBench101Size: _nasbench101,
    NASBenchMacroSize: _macro,
    TwoCellsSize: count_two_cells,
    ShuffleNetSize: count_shuffle_chain,
    MobileSize: count_mobile_chain,
    BranchesSize: _branches,
}
