"""Counts parameters and multiply-adds of networks of NAS-Bench-201 cells, of any size."""

from __future__ import annotations

from dataclasses import dataclass

from benchkit.spaces.base import Batch, Space
from benchkit.spaces.counts_layers import Counts, classifier, conv_bn, convolution, halved, normalisation
from benchkit.spaces.sizes import NetworkSize


@dataclass(frozen=True)
class DenseCellsSize(NetworkSize):
    """NAS-Bench-201 and its smaller sisters (Dong and Yang, 2020, section 2.1).

    Attributes
    ----------
    channels : Channels C of the first stage; the second has 2C, the third 4C.
    cells : Number N of cells in a stage.
    """

    channels: int = 16
    cells: int = 5


def count_dense_cells(
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
