"""Networks on the space of DARTS: the shared ones, those found, and published numbers of parameters."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from benchkit.spaces import ArchitectureError, get_space
from benchkit.spaces.counts import count
from benchkit.spaces.darts.encoding import OPERATIONS
from benchkit.spaces.engine import SHARED, BatchNormPolicy, build_network, build_supernet, set_dropout
from benchkit.spaces.engine.dropout import DropPath
from benchkit.spaces.nasnet.network import TwoCellsNetwork
from tests.spaces.genotypes import DARTS_V1, DARTS_V2
from tests.spaces.network_checks import (
    assert_counts_are_those_built,
    assert_inherits,
    assert_paths_at_once_are_single_ones,
    images,
    seeded,
    taught_by_one_path,
)
from tests.spaces.two_cells_plainly import plainly

SPACE = get_space("darts")
V1, V2 = SPACE.parse(DARTS_V1), SPACE.parse(DARTS_V2)
SMALL = {"channels": 4, "cells": 3}
RUNNING = BatchNormPolicy()

pytestmark = pytest.mark.usefixtures("one_thread")


def supernet_of(policy: BatchNormPolicy = SHARED, **size: int) -> TwoCellsNetwork:
    network = build_supernet(SPACE, 5, generator=seeded(), policy=policy, **{**SMALL, **size})
    assert isinstance(network, TwoCellsNetwork)
    return network


def test_mixtures_and_paths_are_those_of_the_plain_network() -> None:
    network = supernet_of(channels=2).double()
    x = images(8, dtype=torch.float64)
    soft = torch.rand(28, 8, generator=seeded(2), dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(network.mixture(x, soft), plainly(network, x, soft, {1, 2}))
        for row in (V1, V2, SPACE.sample(np.random.default_rng(0), 1)[0]):
            hard = F.one_hot(torch.from_numpy(row.astype(np.int64)), 8).double()
            torch.testing.assert_close(network.path(x, row), plainly(network, x, hard, {1, 2}))


@pytest.mark.parametrize(("policy", "stem", "side"), [(SHARED, 1, 8), (RUNNING, 8, 33)])
def test_a_path_is_the_stand_alone_network_with_inherited_weights(
    policy: BatchNormPolicy, stem: int, side: int
) -> None:
    supernet = supernet_of(policy, cells=4, stem_stride=stem).eval()
    for row in [*SPACE.sample(np.random.default_rng(1), 2), V2]:
        assert_inherits(supernet, row, images(side))


def test_many_rows_at_once_give_what_each_gives_alone() -> None:
    supernet = supernet_of().eval()
    rows = SPACE.sample(np.random.default_rng(2), 5)
    rows[3, 14:] = rows[2, 14:]
    assert_paths_at_once_are_single_ones(supernet, rows, images(8))


def test_a_path_has_two_inputs_a_node_and_a_sample_one_operation_an_edge() -> None:
    supernet = supernet_of()
    every = np.full(28, OPERATIONS.index("sep_conv_3x3"), dtype=np.int8)
    with pytest.raises(ArchitectureError, match="has 3 inputs"):
        supernet.path(images(8), np.where(np.arange(28) < 5, every, V1))
    x, weights = images(8), torch.ones(28, 8)
    mixed = supernet(x, F.one_hot(torch.from_numpy(every.astype(np.int64)), 8).bool().numpy())
    torch.testing.assert_close(supernet.sampled(x, every, weights), mixed)
    chosen = supernet.mask_of(V2)
    chosen[:, 0] = False
    assert np.array_equal(taught_by_one_path(supernet, V2, x), chosen)
    for wrong in (every + 5, np.stack([every, every])):
        with pytest.raises(ArchitectureError):
            supernet.sampled(x, wrong, weights)


# -- counts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "side", "channels"),
    [
        ({"channels": 4, "cells": 5}, 8, 3),
        ({"channels": 6, "cells": 4, "stem_stride": 8}, 33, 1),
        ({"channels": 4, "cells": 3, "auxiliary": 1}, 16, 3),
    ],
)
def test_counts_are_those_of_the_networks_built(size: dict[str, int], side: int, channels: int) -> None:
    rows = np.concatenate([SPACE.sample(np.random.default_rng(3), 3), V1[None], V2[None]])
    assert_counts_are_those_built(SPACE, rows, size, side, channels)


def test_published_networks_have_their_published_parameters() -> None:
    # quark0/darts, with the auxiliary classifier off: 3,349,342 with 20 cells and 36 channels (paper: 3.3 M);
    # 4.7 M on ImageNet (14 cells, 48 channels)
    assert count(SPACE, V2[None], 10, channels=36, cells=20).parameters[0] == 3_349_342
    imagenet = count(SPACE, V2[None], 1000, 224, channels=48, cells=14, stem_stride=8)
    assert round(imagenet.parameters[0] / 1e6, 1) == 4.7


def test_the_search_network_has_its_published_parameters() -> None:
    # quark0/darts, train_search.py: 1.930618 M with 8 cells and 16 channels, of which 96 are the scale and
    # shift of the stem's batch normalisation, which here has none either
    supernet = build_supernet(SPACE, 10, generator=seeded())
    assert sum(p.numel() for p in supernet.parameters()) == 1_930_618 - 2 * 3 * 16


# -- stand-alone training -------------------------------------------------------------------------


def test_the_network_found_has_an_auxiliary_classifier_and_drop_path() -> None:
    network = build_network(SPACE, V2, 5, generator=seeded(), auxiliary=1, **SMALL)
    assert isinstance(network, TwoCellsNetwork)
    x = images(16)
    plain = network(x)
    logits, auxiliary = network.with_auxiliary(x)
    assert auxiliary.shape == (4, 5)
    torch.testing.assert_close(logits, plain)
    set_dropout(network, seeded(3), path=0.2)
    assert any(isinstance(module, DropPath) for module in network.modules())
    assert not torch.allclose(network(x), plain)
    set_dropout(network, seeded(3), path=0.0)
    torch.testing.assert_close(network(x), plain)
