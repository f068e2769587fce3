"""Counts parameters and multiply-adds of the networks of NAS-Bench-101, of any size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchkit.base.errors import InputError
from benchkit.spaces.base import Batch, Space
from benchkit.spaces.counts_layers import Counts, Integers, classifier, conv_bn
from benchkit.spaces.nasbench101.hash import VERTICES, prune
from benchkit.spaces.sizes import NetworkSize

_EDGES = VERTICES * (VERTICES - 1) // 2


@dataclass(frozen=True)
class NASBench101Size(NetworkSize):
    """NAS-Bench-101 (Ying et al., 2019, section 2.1).

    Attributes
    ----------
    channels : Channels of the stem and the first stack; each further stack doubles them.
    stacks : Number of stacks of cells, with max pooling between them.
    cells : Number of cells in a stack.

    Raises
    ------
    InputError : `channels` cannot be split among five vertices.
    """

    channels: int = 128
    stacks: int = 3
    cells: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.channels < 5:
            raise InputError(
                f"channels of a nasbench101 network are split among up to 5 vertices; got {self.channels}"
            )


def vertex_channels(rows: Batch, outputs: int) -> Integers:
    """Return int64[n, 7]: the output channels of each vertex of NAS-Bench-101 cells, 0 where pruned.

    The output's channels are split among the vertices that feed it, the first ones taking the
    remainder; another vertex has the most channels of those it feeds (Ying et al., 2019, appendix).

    Parameters
    ----------
    rows : int8[n, 26], valid.
    outputs : Channels of the cell's output. Vertex 0, whose channels the cell before decides, reads 0.
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


def count_nasbench101(
    space: Space, rows: Batch, size: NASBench101Size, classes: int, side: int, image_channels: int
) -> Counts:
    """Count stem, stacks of cells with max pooling between them, and classifier."""
    matrix, _ = prune(rows)
    from_input = matrix[:, 0].astype(np.int64)  # edges that project the cell's input
    operation = rows[:, _EDGES:]
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
