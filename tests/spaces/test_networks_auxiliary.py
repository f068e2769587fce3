"""What only the training of a stand-alone network uses: auxiliary classifier, drop path, dropout's rates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from benchkit.base.errors import InputError
from benchkit.spaces import get_space
from benchkit.spaces.engine import SHARED, BatchNormPolicy, build_network, build_supernet, set_dropout
from benchkit.spaces.engine.dropout import DropPath
from benchkit.spaces.nasnet.encoding import TwoCells
from benchkit.spaces.nasnet.network import AuxiliaryHead, TwoCellsNetwork

SPACE = get_space("nasnet")
assert isinstance(SPACE, TwoCells)
OPERATIONS = SPACE.operations
SMALL = {"channels": 4, "cells": 3}
AFFINE = BatchNormPolicy(affine=True, running=False)
DARTS_V2 = SPACE.parse(
    "normal:|sep_conv_3x3~0|sep_conv_3x3~1|+|sep_conv_3x3~0|sep_conv_3x3~1|+|skip_connect~0|sep_conv_3x3~1|+"
    "|skip_connect~0|dil_conv_3x3~2|;reduction:|max_pool_3x3~0|max_pool_3x3~1|+|max_pool_3x3~1|"
    "skip_connect~2|+|max_pool_3x3~0|skip_connect~2|+|max_pool_3x3~1|skip_connect~2|"
)


pytestmark = pytest.mark.usefixtures("one_thread")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(side: int = 8, n: int = 4, **options: Any) -> Tensor:
    return torch.randn(n, 3, side, side, generator=seeded(1), **options)


def supernet_of(policy: BatchNormPolicy = SHARED, **size: int) -> TwoCellsNetwork:
    network = build_supernet(SPACE, 5, generator=seeded(), policy=policy, **{**SMALL, **size})
    assert isinstance(network, TwoCellsNetwork)
    return network


def test_the_auxiliary_classifier_reads_the_second_reduction_cell() -> None:
    network = build_network(SPACE, DARTS_V2, 5, generator=seeded(), auxiliary=1, cells=4, channels=4)
    plain = build_network(SPACE, DARTS_V2, 5, generator=seeded(), cells=4, channels=4)
    assert isinstance(network, TwoCellsNetwork)
    x = images(16)
    logits, auxiliary = network.with_auxiliary(x)
    assert auxiliary.shape == (4, 5)
    torch.testing.assert_close(logits, plain(x))  # the same weights, whether or not there is one
    torch.testing.assert_close(logits, network(x))
    wanted = dict(network.named_parameters())
    (auxiliary.sum() + 0 * logits.sum()).backward()
    reached = {name for name, p in wanted.items() if p.grad is not None and p.grad.abs().sum() > 0}
    assert any(name.startswith("auxiliary") for name in reached)
    assert any(name.startswith("body.2") for name in reached)
    assert not any(name.startswith(("body.3", "head")) for name in reached)


def test_the_auxiliary_classifier_follows_the_stem_of_three_convolutions() -> None:
    network = build_network(
        SPACE, DARTS_V2, 5, generator=seeded(), auxiliary=1, cells=4, channels=4, stem_stride=8
    )
    assert isinstance(network, TwoCellsNetwork)
    assert network.with_auxiliary(images(64))[1].shape == (4, 5)
    assert network.tapped == 3  # one block between stem and cells, then cells 0, 1 and 2


@pytest.mark.parametrize(("side", "stride"), [(8, 3), (7, 2)])
def test_the_auxiliary_windows_are_the_published_ones(side: int, stride: int) -> None:
    # DARTS: average pooling of 5 with stride 3 at 8 x 8 (CIFAR-10), with stride 2 at 7 x 7 (ImageNet)
    head = AuxiliaryHead(3, 5, AFFINE)
    x = images(side)
    value = F.avg_pool2d(x.relu(), 5, stride=stride)
    value = F.conv2d(value, head.features[0].weight)
    value = F.batch_norm(value, None, None, training=True).relu()
    value = F.batch_norm(F.conv2d(value, head.last.weight), None, None, training=True).relu()
    torch.testing.assert_close(head(x), head.classifier(value[:, :, 0, 0]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("side", [1, 2, 3, 5, 6, 11])
def test_the_auxiliary_classifier_takes_any_size(side: int) -> None:
    assert AuxiliaryHead(3, 5, AFFINE)(images(side)).shape == (4, 5)


def test_a_network_without_auxiliary_classifier_says_so() -> None:
    with pytest.raises(InputError, match="build it with auxiliary=1"):
        supernet_of().with_auxiliary(images())


def test_a_dropped_path_is_zero_for_a_whole_image_and_kept_ones_are_larger() -> None:
    drop = DropPath().train()
    drop.rate, drop.generator = 0.25, seeded()
    dropped = drop(torch.ones(4_000, 2, 3, 3))
    per_image = dropped.flatten(1)
    assert (per_image == per_image[:, :1]).all()
    assert sorted(set(per_image[:, 0].tolist())) == pytest.approx([0, 4 / 3])
    assert abs(dropped.mean().item() - 1) < 0.05  # five standard errors are .046
    assert drop.eval()(torch.ones(4, 1)).eq(1).all()


def test_drop_path_leaves_skips_and_evaluation_alone_and_draws_from_its_generator() -> None:
    skips = np.full(28, OPERATIONS.index("skip_connect"), dtype=np.int8)
    skips[14:] = DARTS_V2[:14]
    network = build_network(SPACE, skips, 5, generator=seeded(), **SMALL)
    x = images(n=8)
    cell = network.body[0]
    plain = network(x)
    gates = network.mask_of(skips)
    state = torch.get_rng_state()
    set_dropout(network, seeded(3), path=0.5)
    first = network(x, gates)
    set_dropout(network, seeded(3), path=0.5)
    assert torch.equal(network(x, gates), first)
    assert not torch.allclose(network(x, gates), first)
    assert not torch.allclose(first, plain)
    assert torch.equal(torch.get_rng_state(), state)
    set_dropout(network, seeded(3), path=0.0)
    torch.testing.assert_close(network(x), plain)
    # a cell of skips of stride 1 has nothing that is dropped
    assert not any(isinstance(module, DropPath) for module in cell.candidates.modules())


def test_rates_out_of_range_and_parts_that_are_not_there_are_one_clear_line() -> None:
    with pytest.raises(InputError, match=r"drop path lies in \[0, 1\); got 1"):
        set_dropout(supernet_of(), seeded(), path=1)
    with pytest.raises(InputError, match="has no dropout"):
        set_dropout(supernet_of(), seeded(), features=0.5)
