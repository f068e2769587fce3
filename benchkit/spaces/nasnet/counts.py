"""Plans the stack of normal and reduction cells, and counts its parameters and multiply-adds.

The skeleton is that of DARTS (Liu et al., "DARTS: Differentiable Architecture Search", ICLR 2019); the
operations are those of `benchkit.spaces.nasnet` and `benchkit.spaces.darts`. The network is built from the
same plan. The cells that DARTS published (second order) have 3,349,342 parameters with 20 cells and 36
channels for ten classes, and 4,718,752 with 14 and 48 on ImageNet (published: 3.3 M and 4.7 M).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchkit.base.errors import InputError
from benchkit.base.limits import check_number
from benchkit.spaces.base import Batch
from benchkit.spaces.counts_layers import Counts, classifier, conv_bn, convolution, depthwise, halved
from benchkit.spaces.counts_layers import normalisation as norm
from benchkit.spaces.nasnet.encoding import CELLS, CONVOLUTIONS, EDGES, INPUTS, NODES, TwoCells
from benchkit.spaces.sizes import NetworkSize, check_choice

STEM_CHANNELS = 3
"""Channels of the stem of stride 1, in multiples of C."""


@dataclass(frozen=True)
class TwoCellsSize(NetworkSize):
    """A normal and a reduction cell, stacked as DARTS does (Liu et al., 2019, section 3; appendix A).

    Search has 8 cells and 16 channels; evaluation 20 and 36 on CIFAR-10, 14 and 48 on ImageNet.

    Attributes
    ----------
    channels : C of the first cells; each of the two reduction cells doubles them.
    cells : Number of cells; those at one and at two thirds of the depth are reduction cells.
    stem_stride : 1 is one convolution (CIFAR-10), 8 is three of stride 2 (ImageNet, 224 pixels).
    auxiliary : 1 adds the auxiliary classifier after the second reduction cell, which only training uses and
        no count includes; 0 leaves it out.

    Raises
    ------
    InputError : fewer than 3 cells (both kinds would not occur), another stride, or an odd number of channels
        where the stem has stride 8 (its first half gets half of them).
    """

    channels: int = 16
    cells: int = 8
    stem_stride: int = 1
    auxiliary: int = 0

    def __post_init__(self) -> None:
        check_number("channels", self.channels)
        check_number("cells", self.cells)
        check_choice("stem_stride", self.stem_stride, (1, 8))
        check_choice("auxiliary", self.auxiliary, (0, 1))
        if self.cells < 3:
            raise InputError(
                f"cells must be at least 3, for a normal cell and two reduction cells; got {self.cells}"
            )
        if self.stem_stride == 8 and self.channels % 2:
            raise InputError(f"channels must be even where stem_stride is 8; got {self.channels}")

    @property
    def reductions(self) -> tuple[int, int]:
        """The numbers of the two reduction cells, counted from 0."""
        return self.cells // 3, 2 * self.cells // 3


@dataclass(frozen=True)
class PlannedCell:
    """Where a cell stands.

    Attributes
    ----------
    before, last : Channels of the outputs of the last cell but one, and of the last.
    channels : Channels of each of its nodes; its output has four times as many.
    reduction : Whether it is a reduction cell.
    halves_before : Whether the output of the last cell but one is twice as large as that of the last.
    """

    before: int
    last: int
    channels: int
    reduction: bool
    halves_before: bool

    @property
    def outputs(self) -> int:
        """Channels of the cell's output: its intermediate nodes, concatenated."""
        return (NODES - INPUTS) * self.channels


def planned_cells(size: TwoCellsSize) -> Iterator[PlannedCell]:
    """Yield the cells, first cell first."""
    stem = size.channels if size.stem_stride > 1 else STEM_CHANNELS * size.channels
    before = last = stem
    channels, halves_before = size.channels, size.stem_stride > 1
    for number in range(size.cells):
        reduction = number in size.reductions
        channels *= 2 if reduction else 1
        cell = PlannedCell(before, last, channels, reduction, halves_before)
        yield cell
        before, last, halves_before = last, cell.outputs, reduction


def count_two_cells(
    space: TwoCells, rows: Batch, size: TwoCellsSize, classes: int, side: int, image_channels: int
) -> Counts:
    """Count stem, cells and classifier."""
    total, side = _stem(size, side, image_channels)
    kinds = space.holds(rows).reshape(len(rows), len(CELLS), len(EDGES), -1)
    features = 0
    for cell in planned_cells(size):
        # what enters is brought to the cell's channels first, and to one size: that of the last output
        total += conv_bn(cell.before, cell.channels, 1, side) + conv_bn(cell.last, cell.channels, 1, side)
        side = halved(side) if cell.reduction else side
        total += _edges(space, kinds[:, int(cell.reduction)], cell, side)
        features = cell.outputs
    return total + classifier(features, classes)


def _stem(size: TwoCellsSize, side: int, image_channels: int) -> tuple[Counts, int]:
    """Return what the stem costs, and the side of what it gives."""
    if size.stem_stride == 1:
        return conv_bn(image_channels, STEM_CHANNELS * size.channels, 3, side), side
    sides = halved(side), halved(halved(side)), halved(halved(halved(side)))
    half, full = size.channels // 2, size.channels
    total = conv_bn(image_channels, half, 3, sides[0]) + conv_bn(half, full, 3, sides[1])
    return total + conv_bn(full, full, 3, sides[2]), sides[2]


def _edges(space: TwoCells, held: npt.NDArray[np.bool_], cell: PlannedCell, side: int) -> Counts:
    """Count what bool[n, 14, operations] says; `side` is that of the cell's output, and so of all edges."""
    none = np.zeros(len(held), dtype=np.int64)
    total, channels = Counts(none, none), cell.channels
    for number, name in enumerate(space.operations):
        if name in CONVOLUTIONS:
            kernel, _, times = CONVOLUTIONS[name]
            once = depthwise(channels, kernel, side) + conv_bn(channels, channels, 1, side)
            total += once * times * held[..., number].sum(axis=1)
    if cell.reduction:
        # a skip that halves is a 1 x 1 convolution
        from_inputs = np.array([source < INPUTS for source, _ in EDGES])
        skips = held[:, from_inputs, space.operations.index("skip_connect")].sum(axis=1)
        total += (convolution(channels, channels, 1, side) + norm(channels)) * skips
    return total
