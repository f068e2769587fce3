"""Counts parameters and multiply-adds of multi-branch networks; closed kernel slices count nothing."""

from __future__ import annotations

import numpy as np

from benchkit.spaces.base import Batch
from benchkit.spaces.branches.encoding import Branches
from benchkit.spaces.branches.layout import Convolution, Node, Normalisation, TwoPath
from benchkit.spaces.counts_layers import Counts, Integers, classifier, conv_bn, normalisation
from benchkit.spaces.sizes import NetworkSize


def count_branches(
    space: Branches, rows: Batch, size: NetworkSize, classes: int, side: int, image_channels: int
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
