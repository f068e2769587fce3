"""Networks of normal and reduction cells against a plain implementation and published figures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from benchkit.base.errors import InputError
from benchkit.spaces import get_space
from benchkit.spaces.counts import count
from benchkit.spaces.engine import SHARED, BatchNormPolicy, build_network, build_supernet
from benchkit.spaces.engine.dropout import DropPath
from benchkit.spaces.nasnet.encoding import TwoCells
from benchkit.spaces.nasnet.network import TwoCellsNetwork
from benchkit.spaces.nasnet.operations import Pool, cell_operation
from tests.spaces.network_checks import (
    assert_counts_are_those_built,
    assert_inherits,
    assert_paths_at_once_are_single_ones,
    assert_recalibration_is_of_one_path,
    images,
    seeded,
    taught_by_one_path,
    taught_by_two_paths,
)
from tests.spaces.two_cells_plainly import plainly

SPACE = get_space("nasnet")
assert isinstance(SPACE, TwoCells)
OPERATIONS = SPACE.operations
SMALL = {"channels": 4, "cells": 3}
AFFINE = BatchNormPolicy(affine=True, running=False)
RUNNING = BatchNormPolicy()
DARTS_V2 = SPACE.parse(
    "normal:|sep_conv_3x3~0|sep_conv_3x3~1|+|sep_conv_3x3~0|sep_conv_3x3~1|+|skip_connect~0|sep_conv_3x3~1|+"
    "|skip_connect~0|dil_conv_3x3~2|;reduction:|max_pool_3x3~0|max_pool_3x3~1|+|max_pool_3x3~1|"
    "skip_connect~2|+|max_pool_3x3~0|skip_connect~2|+|max_pool_3x3~1|skip_connect~2|"
)


pytestmark = pytest.mark.usefixtures("one_thread")


def supernet_of(policy: BatchNormPolicy = SHARED, **size: int) -> TwoCellsNetwork:
    network = build_supernet(SPACE, 5, generator=seeded(), policy=policy, **{**SMALL, **size})
    assert isinstance(network, TwoCellsNetwork)
    return network


def sampled(n: int, seed: int = 0) -> Any:
    return SPACE.sample(np.random.default_rng(seed), n)


@pytest.mark.parametrize(
    ("policy", "cells", "reductions", "side"),
    [(SHARED, 3, {1, 2}, 8), (AFFINE, 4, {1, 2}, 7)],
    ids=["plain", "affine"],
)
def test_mixtures_and_paths_are_those_of_the_plain_network(
    policy: BatchNormPolicy, cells: int, reductions: set[int], side: int
) -> None:
    network = supernet_of(policy, cells=cells, channels=2).double()
    x = images(side, dtype=torch.float64)
    soft = torch.rand(28, 8, generator=seeded(2), dtype=torch.float64).requires_grad_()
    ours, plain = network.mixture(x, soft), plainly(network, x, soft, reductions)
    torch.testing.assert_close(ours, plain)
    wanted = [soft, *network.parameters()]
    gradients = [torch.autograd.grad(y.square().sum(), wanted) for y in (ours, plain)]
    # batch normalisation of few pixels leaves rounding in gradients that are zero but for it
    torch.testing.assert_close(*gradients, rtol=1e-5, atol=1e-7)
    with torch.no_grad():
        for row in sampled(3):
            hard = F.one_hot(torch.from_numpy(row.astype(np.int64)), 8).double()
            torch.testing.assert_close(network.path(x, row), plainly(network, x, hard, reductions))


@pytest.mark.parametrize(("policy", "stem", "side"), [(SHARED, 1, 8), (RUNNING, 1, 5), (RUNNING, 8, 33)])
def test_a_path_is_the_stand_alone_network_with_inherited_weights(
    policy: BatchNormPolicy, stem: int, side: int
) -> None:
    supernet = supernet_of(policy, cells=4, stem_stride=stem).eval()
    for row in [*sampled(3), DARTS_V2]:
        assert_inherits(supernet, row, images(side))


def test_many_rows_at_once_give_what_each_gives_alone() -> None:
    supernet = supernet_of().eval()
    rows = sampled(6)
    rows[3, 14:] = rows[2, 14:]
    assert_paths_at_once_are_single_ones(supernet, rows, images(8))


def parameters_at(network: nn.Module, edge: int, operation: int) -> list[tuple[str, nn.Parameter]]:
    name = f"candidates.{edge}_{operation}."
    return [(key, p) for key, p in network.named_parameters() if name in key]


def test_gradients_reach_the_chosen_candidates_only() -> None:
    supernet = supernet_of(AFFINE)
    row = np.full(28, OPERATIONS.index("sep_conv_3x3"), dtype=np.int8)
    row[14:] = OPERATIONS.index("dil_conv_3x3")
    supernet.path(images(8), row).square().sum().backward()  # type: ignore[no-untyped-call]
    for cell, chosen in ((0, "sep_conv_3x3"), (1, "dil_conv_3x3"), (2, "dil_conv_3x3")):
        for key, parameter in supernet.body[cell].named_parameters():
            if key.startswith("candidates"):
                got = parameter.grad is not None
                assert got == key.partition(".")[2].startswith(
                    tuple(f"{edge}_{OPERATIONS.index(chosen)}." for edge in range(14))
                ), key


def test_two_paths_a_position_with_binary_gates_have_gradients_in_both_weights() -> None:
    supernet = supernet_of()
    first, second = np.random.default_rng(5).integers(1, 8, size=(2, 28), dtype=np.int8)  # none has no weight
    both = supernet.mask_of(first) | supernet.mask_of(second)
    assert np.array_equal(taught_by_two_paths(supernet, first, second, images(8)), both)


def test_one_sampled_path_teaches_its_own_weights() -> None:
    supernet = supernet_of()
    chosen = supernet.mask_of(DARTS_V2)
    chosen[:, 0] = False  # an edge without an operation has nothing to scale
    assert np.array_equal(taught_by_one_path(supernet, DARTS_V2, images(8)), chosen)


def test_recalibration_is_of_one_path() -> None:
    assert_recalibration_is_of_one_path(supernet_of(RUNNING), DARTS_V2, images(8, n=32))


def test_cells_in_which_nothing_arrives_give_a_constant() -> None:
    supernet = supernet_of()
    logits = supernet.path(images(8), np.zeros(28, dtype=np.int8))
    torch.testing.assert_close(logits, supernet.head[-1].bias.expand(4, 5))


def test_pooled_values_are_normalised_where_scale_and_shift_are_not_learned() -> None:
    pools = {policy: cell_operation("avg_pool_3x3", 3, 1, policy, DropPath()) for policy in (SHARED, AFFINE)}
    assert all(isinstance(pool, Pool) for pool in pools.values())
    assert pools[SHARED].bn is not None
    assert pools[AFFINE].bn is None


def test_an_operation_that_does_not_exist_lists_those_that_do() -> None:
    with pytest.raises(InputError, match=r"unknown operation 'conv_1x1' for cells.*sep_conv_3x3"):
        cell_operation("conv_1x1", 4, 1, SHARED, DropPath())
    assert cell_operation("dil_conv_5x5", 4, 1, SHARED, DropPath()) is not None  # for the space of DARTS


# -- counts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "side", "channels"),
    [
        ({"channels": 4, "cells": 5}, 8, 3),
        ({"channels": 3, "cells": 3}, 7, 1),
        ({"channels": 6, "cells": 4, "stem_stride": 8}, 33, 3),
        ({"channels": 4, "cells": 3, "auxiliary": 1}, 16, 3),
    ],
)
def test_counts_are_those_of_the_networks_built(size: dict[str, int], side: int, channels: int) -> None:
    rows = np.concatenate([sampled(4), DARTS_V2[None], np.full((1, 28), 3, dtype=np.int8)])
    assert_counts_are_those_built(SPACE, rows, size, side, channels)


def test_the_cells_of_darts_have_their_published_parameters() -> None:
    # Liu et al. (2019), tables 1 and 3: 3.3 M on CIFAR-10 (20 cells, C = 36), 4.7 M on ImageNet (14, 48)
    cifar = count(SPACE, DARTS_V2[None], 10, channels=36, cells=20).parameters[0]
    imagenet = count(SPACE, DARTS_V2[None], 1000, 224, channels=48, cells=14, stem_stride=8)
    assert round(cifar / 1e6, 1) == 3.3
    assert round(imagenet.parameters[0] / 1e6, 1) == 4.7
    assert 500 < imagenet.flops[0] / 1e6 < 574  # theirs counts more than convolutions
    network = build_network(SPACE, DARTS_V2, 10, generator=seeded(), channels=36, cells=20, auxiliary=1)
    alone = [p.numel() for name, p in network.named_parameters() if not name.startswith("auxiliary")]
    assert sum(alone) == cifar


@pytest.mark.parametrize(
    ("size", "says"),
    [
        ({"cells": 2}, "cells must be at least 3"),
        ({"stem_stride": 2}, "stem_stride must be one of 1, 8; got 2"),
        ({"auxiliary": True}, "auxiliary must be one of 0, 1; got True"),
        ({"channels": 5, "stem_stride": 8}, "channels must be even"),
        ({"channels": 0}, "channels must be a whole number from 1"),
    ],
)
def test_sizes_out_of_range_are_one_clear_line(size: dict[str, int], says: str) -> None:
    with pytest.raises(InputError, match=says):
        count(SPACE, DARTS_V2[None], 10, **size)


def test_reduction_cells_stand_at_one_and_two_thirds() -> None:
    for cells, wanted in ((3, [1, 2]), (8, [2, 5]), (14, [4, 9]), (20, [6, 13])):
        network = build_network(SPACE, DARTS_V2, 5, generator=seeded(), cells=cells, channels=2)
        assert [n for n, cell in enumerate(network.body) if cell.first == 14] == wanted
