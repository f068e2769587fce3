"""Counts parameters and multiply-adds of any batch of rows, without building a network.

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

from typing import Any

import numpy as np

from benchkit.base.limits import check_number
from benchkit.spaces import record_of
from benchkit.spaces.base import Batch, Space
from benchkit.spaces.counts_layers import Counts, Integers
from benchkit.spaces.restricted import whole_space
from benchkit.spaces.sizes import network_size

__all__ = ["Counts", "count", "count_flops", "count_parameters"]


def count(
    space: Space, batch: Batch, classes: int, image_size: int = 32, image_channels: int = 3, **size: Any
) -> Counts:
    """Return what the networks of these rows hold and compute.

    Parameters
    ----------
    space : Space that decides what a row means.
    batch : int8[n, d].
    classes : Number of outputs of the classifier.
    image_size : Side of the square image, in pixels.
    image_channels : Number of channels: 3 for colour, 1 for grey.
    size : Width and depth, as for the network; see `benchkit.spaces.sizes`.

    Raises
    ------
    InputError : a row is not a member, the space has no network, or a number is out of range.
    """
    options = network_size(space, **size)
    for what, value in (("classes", classes), ("image_size", image_size), ("image_channels", image_channels)):
        check_number(what, value)
    rows = space.validate(batch)
    whole = whole_space(space)
    # sums of rows and constants broadcast; a batch whose rows all cost alike still gets n figures
    total = record_of(whole.name).count(whole, rows, options, classes, image_size, image_channels)
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
