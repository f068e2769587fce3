"""Networks of normal and reduction cells: those of ``nasnet``, ``darts``, ``darts-multi`` and any such space.

"VAENAS: Sampling Matters in Neural Architecture Search", appendices A.1 and A.4, on the skeleton of DARTS
(Liu et al., ICLR 2019): a stem of one convolution (three of stride 2 for ImageNet); cells whose inputs are
the outputs of the two cells before them; reduction cells at one and two thirds of the depth, which double the
channels; global average pooling and a linear classifier. All normal cells follow one half of a row, all
reduction cells the other; every cell has weights of its own.

The stand-alone network of training may have an auxiliary classifier (``auxiliary=1``), read by
`TwoCellsNetwork.with_auxiliary`, and drop path, set by `benchkit.spaces.engine.dropout.set_dropout`; the
paper weighs the first's loss with .4 and drops with .2 on CIFAR-10.

Deviations and choices
----------------------
- The auxiliary classifier of DARTS reads 8 x 8 pixels (CIFAR-10) or 7 x 7 (ImageNet) through two overlapping
  windows of 5; the windows here have 5 pixels at any side from 6 on, and half the side below.
- Its second convolution is normalised for ImageNet too; DARTS's code left that out by a slip, as it notes.
- The operation none is no module; a cell in which nothing arrives gives zeros, and the network a constant.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from benchkit.base.errors import InputError
from benchkit.spaces.engine.batchnorm import BatchNormPolicy
from benchkit.spaces.engine.blocks import Block, Fixed, Mask
from benchkit.spaces.engine.cell import Cell, CellGraph
from benchkit.spaces.engine.dropout import DropPath
from benchkit.spaces.engine.layers import Candidate, conv_bn
from benchkit.spaces.engine.network import CandidateNetwork, Recipe
from benchkit.spaces.engine.networks import candidate_networks
from benchkit.spaces.nasnet.counts import STEM_CHANNELS, PlannedCell, TwoCellsSize, planned_cells
from benchkit.spaces.nasnet.encoding import EDGES, INPUTS, NODES, TwoCells
from benchkit.spaces.nasnet.operations import cell_operation, preprocessing

_WINDOW = 5


class TwoCellsNetwork(CandidateNetwork):
    """A network of two kinds of cells, perhaps with an auxiliary classifier.

    Parameters
    ----------
    tapped : Number of the block whose output the auxiliary classifier reads.
    auxiliary : Classifier, or None.

    The others are those of `CandidateNetwork`.
    """

    def __init__(self, *parts: Any, tapped: int, auxiliary: nn.Module | None) -> None:
        super().__init__(*parts)
        self.tapped, self.auxiliary = tapped, auxiliary

    def with_auxiliary(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits and those of the auxiliary classifier, each float[batch, classes].

        Raises
        ------
        InputError : the network has no auxiliary classifier.
        """
        if self.auxiliary is None:
            raise InputError("this network has no auxiliary classifier; build it with auxiliary=1")
        seen: list[Tensor] = []
        block = (self._compiled or self.body)[self.tapped]
        hook = block.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
        try:
            logits: Tensor = self(images)
        finally:
            hook.remove()
        return logits, self.auxiliary(seen[0])


class AuxiliaryHead(nn.Module):
    """The classifier at two thirds of the depth, which training listens to beside the last one."""

    def __init__(self, channels: int, classes: int, policy: BatchNormPolicy) -> None:
        super().__init__()
        self.features = nn.Sequential(*conv_bn(channels, 128, 1, policy), nn.ReLU())
        # padding has no place here: the 2 x 2 pixels become one
        self.last = nn.Conv2d(128, 768, 2, bias=False)
        self.bn = policy.layer(768)
        self.classifier = nn.Linear(768, classes)

    def forward(self, value: Tensor) -> Tensor:
        """Return float[batch, classes]."""
        features = self.features(_four_windows(F.relu(value)))
        logits: Tensor = self.classifier(F.relu(self.bn(self.last(features))).flatten(1))
        return logits


def _four_windows(value: Tensor) -> Tensor:
    """Return the means over two windows each way, [batch, channels, 2, 2]."""
    height, width = value.shape[2:]
    if min(height, width) <= _WINDOW:
        return F.adaptive_avg_pool2d(value, 2)
    return F.avg_pool2d(value, _WINDOW, stride=(height - _WINDOW, width - _WINDOW))


def describe(recipe: Recipe, present: Mask) -> TwoCellsNetwork:
    """Return the network that holds these candidates, bool[28, operations of the space]."""
    (space, size), policy = recipe.of(TwoCells, TwoCellsSize), recipe.policy  # type: ignore[type-abstract]
    stem, body = _stem(size, recipe.image_channels, policy)
    drop = DropPath()
    plan = list(planned_cells(size))
    tapped = len(body) + size.reductions[1]
    body += [_cell(space, cell, present, policy, drop) for cell in plan]
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(plan[-1].outputs, recipe.classes))
    auxiliary = None
    if size.auxiliary:
        auxiliary = AuxiliaryHead(plan[size.reductions[1]].outputs, recipe.classes, policy)
    return TwoCellsNetwork(recipe, stem, body, head, present, tapped=tapped, auxiliary=auxiliary)


NETWORKS = candidate_networks(describe)


def _stem(size: TwoCellsSize, images: int, policy: BatchNormPolicy) -> tuple[nn.Module, list[Block]]:
    """Return the stem, and what stands between it and the cells; the first cell reads both outputs."""
    full = size.channels
    if size.stem_stride == 1:
        return conv_bn(images, STEM_CHANNELS * full, 3, policy), []
    quarter = nn.Sequential(
        *conv_bn(images, full // 2, 3, policy, stride=2, relu=True),
        *conv_bn(full // 2, full, 3, policy, stride=2),
    )
    return quarter, [Fixed(nn.Sequential(nn.ReLU(), *conv_bn(full, full, 3, policy, stride=2)))]


def _cell(space: TwoCells, cell: PlannedCell, present: Mask, policy: BatchNormPolicy, drop: DropPath) -> Cell:
    first = len(EDGES) if cell.reduction else 0
    stride = 2 if cell.reduction else 1
    candidates: dict[tuple[int, int], Candidate] = {}
    for edge, (source, _) in enumerate(EDGES):
        for number in present[first + edge].nonzero()[0].tolist():
            of_edge = stride if source < INPUTS else 1
            made = cell_operation(space.operations[number], cell.channels, of_edge, policy, drop)
            if made is not None:
                candidates[edge, number] = made
    enter = [
        preprocessing(cell.before, cell.channels, cell.halves_before, policy),
        preprocessing(cell.last, cell.channels, False, policy),
    ]
    graph = CellGraph(INPUTS, EDGES, tuple(range(INPUTS, NODES)), stride)
    return Cell(graph, candidates, first, enter)
