"""The networks of NAS-Bench-201, and of its sister with three nodes.

Dong and Yang, "NAS-Bench-201", ICLR 2020, section 2.1 and figure 1. A 3 x 3 stem; three stages of N cells
with C, 2C and 4C channels; a residual block of stride 2 between stages; global average pooling and a
linear classifier. The supernet gives every edge its own candidates in every cell (as DARTS and GDAS do
there); one mask serves all cells.

Deviations and choices
----------------------
- The residual block's shortcut averages the pixels that exist, so that images of odd size work; for even
  sizes, all that the benchmark uses, this is the published 2 x 2 pooling.
- The operation none is no module: an edge without one contributes zero.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor, nn

from benchkit.spaces.engine.batchnorm import BatchNormPolicy
from benchkit.spaces.engine.blocks import Block, Fixed, Mask
from benchkit.spaces.engine.cell import Cell, CellGraph
from benchkit.spaces.engine.layers import AveragePool, Candidate, ReluConvBN, Skip, conv_bn
from benchkit.spaces.engine.network import CandidateNetwork, Recipe
from benchkit.spaces.engine.networks import candidate_networks
from benchkit.spaces.nasbench201.counts import DenseCellsSize
from benchkit.spaces.nasbench201.encoding import OPERATIONS, DenseCells

_STAGES = 3


def describe(recipe: Recipe, present: Mask) -> CandidateNetwork:
    """Return the network that holds these candidates, bool[edges, 5]."""
    (space, size), policy = recipe.of(DenseCells, DenseCellsSize), recipe.policy
    graph = CellGraph(1, space.edges, (space.nodes - 1,))
    body: list[Block] = []
    channels = size.channels
    for stage in range(_STAGES):
        if stage:
            body.append(Fixed(ResidualBlock(channels, 2 * channels, policy)))
            channels *= 2
        body += [Cell(graph, _candidates(present, channels, policy)) for _ in range(size.cells)]
    head = nn.Sequential(
        policy.layer(channels),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(channels, recipe.classes),
    )
    stem = conv_bn(recipe.image_channels, size.channels, 3, policy)
    return CandidateNetwork(recipe, stem, body, head, present)


NETWORKS = candidate_networks(describe)


def _candidates(present: Mask, channels: int, policy: BatchNormPolicy) -> dict[tuple[int, int], Candidate]:
    every = {(e, o): _candidate(OPERATIONS[o], channels, policy) for e, o in np.argwhere(present).tolist()}
    return {place: candidate for place, candidate in every.items() if candidate is not None}


def _candidate(operation: str, channels: int, policy: BatchNormPolicy) -> Candidate | None:
    if operation == "none":
        return None
    if operation == "skip_connect":
        return Skip()
    if operation == "avg_pool_3x3":
        return AveragePool()
    return ReluConvBN(channels, {"nor_conv_1x1": 1, "nor_conv_3x3": 3}[operation], policy)


class ResidualBlock(nn.Module):
    """ReLU-conv-BN with stride 2, ReLU-conv-BN; the shortcut is pooling and a 1 x 1 convolution."""

    def __init__(self, inputs: int, outputs: int, policy: BatchNormPolicy) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.ReLU(),
            *conv_bn(inputs, outputs, 3, policy, stride=2),
            nn.ReLU(),
            *conv_bn(outputs, outputs, 3, policy),
        )
        self.shortcut = nn.Sequential(
            nn.AvgPool2d(2, stride=2, ceil_mode=True, count_include_pad=False),
            nn.Conv2d(inputs, outputs, 1, bias=False),
        )

    def forward(self, value: Tensor) -> Tensor:
        """Return float[batch, outputs, height / 2, width / 2]."""
        output: Tensor = self.residual(value) + self.shortcut(value)
        return output
