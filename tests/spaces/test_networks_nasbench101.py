"""The NAS-Bench-101 networks: the table's parameters, and A.5's sharing of kernels among widths."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from benchkit.base.errors import InputError
from benchkit.data.tables import Metric, open_table
from benchkit.spaces import get_space
from benchkit.spaces.counts import count_flops
from benchkit.spaces.engine import SHARED, BatchNormPolicy, build_network, build_supernet, inherit
from benchkit.spaces.nasbench101.counts import vertex_channels
from benchkit.spaces.nasbench101.encoding import NASBench101
from benchkit.spaces.nasbench101.network import NASBench101Supernet, SlicedConvBN
from tests.spaces.network_checks import multiply_adds, seeded

SMALL = {"channels": 12, "stacks": 2, "cells": 1}


def small_supernet(policy: BatchNormPolicy = SHARED, channels: int = 12) -> NASBench101Supernet:
    size = {**SMALL, "channels": channels}
    network = build_supernet(get_space("nasbench101"), 5, generator=seeded(), policy=policy, **size)
    assert isinstance(network, NASBench101Supernet)
    return network


def row_of(edges: list[tuple[int, int]], operations: list[str]) -> np.ndarray:
    matrix = np.zeros((7, 7), dtype=int)
    for source, target in edges:
        matrix[source, target] = 1
    return np.asarray(NASBench101().validate(NASBench101().encode(matrix, operations))[0])


def test_built_networks_have_the_parameters_of_the_table() -> None:
    table = open_table("nasbench101-sample")
    column = table.values(Metric("cifar10", None, None, quantity="parameters"))
    for entry in np.random.default_rng(0).integers(len(table.rows), size=4).tolist():
        network = build_network(table.space, table.rows[entry], 10, generator=seeded())
        assert sum(p.numel() for p in network.parameters()) == column[entry]


def test_multiply_adds_of_the_built_network_are_those_counted() -> None:
    space = get_space("nasbench101")
    for row in space.sample(np.random.default_rng(1), 5):
        network = build_network(space, row, 5, generator=seeded(), **SMALL)
        assert (
            multiply_adds(network, torch.zeros(2, 3, 12, 12))
            == count_flops(space, row[None], 5, 12, **SMALL)[0]
        )


def test_a_narrow_vertex_uses_the_first_filters_and_their_first_channels() -> None:
    layer = SlicedConvBN(6, 8, 3, SHARED)
    x = torch.randn(4, 3, 5, 5, generator=seeded())
    value = F.conv2d(x, layer.conv.weight[:4, :3], padding=1)
    value = (value - value.mean((0, 2, 3), True)) / (value.var((0, 2, 3), False, True) + 1e-5).sqrt()
    torch.testing.assert_close(layer(x, 4), value.relu(), rtol=1e-4, atol=1e-5)


def test_only_the_first_filters_of_a_narrow_cell_get_a_gradient() -> None:
    # three vertices feed the output: 12 channels fall into 4 + 4 + 4
    row = row_of([(0, 1), (0, 2), (0, 3), (1, 6), (2, 6), (3, 6)], ["conv3x3"] * 5)
    supernet = small_supernet()
    supernet.path(torch.randn(4, 3, 8, 8, generator=seeded(1)), row).square().sum().backward()
    cell = supernet.stacks[0].get_submodule("0")
    kernel = cell.get_submodule("operations.1_0.conv").weight.grad
    assert kernel is not None
    assert kernel[:4, :4].abs().min() > 0
    assert kernel[4:].eq(0).all()
    assert kernel[:, 4:].eq(0).all()
    assert cell.get_submodule("operations.1_1.conv").weight.grad is None  # vertex 1 is a 3x3
    assert cell.get_submodule("projections.4.conv").weight.grad is None  # vertex 4 has no edges


def test_pruned_vertices_change_nothing() -> None:
    supernet, x = small_supernet(), torch.randn(4, 3, 8, 8, generator=seeded(2))
    edges, operations = [(0, 1), (1, 6), (0, 6)], ["conv3x3", "conv1x1", "conv1x1", "conv1x1", "conv1x1"]
    dead_ends = [*edges, (0, 2), (2, 3), (4, 6)]
    torch.testing.assert_close(
        supernet.path(x, row_of(edges, operations)), supernet.path(x, row_of(dead_ends, operations))
    )


def test_a_remainder_widens_the_first_vertices_and_is_cut_where_they_feed_narrower_ones() -> None:
    # vertices 1 to 4 share 10 channels: 3, 3, 2, 2; vertex 1 (3 channels) also feeds vertex 4 (2)
    row = row_of(
        [(0, 1), (0, 2), (0, 3), (1, 4), (1, 6), (2, 6), (3, 6), (4, 6)],
        ["conv1x1", "conv3x3"] * 2 + ["conv1x1"],
    )
    assert vertex_channels(row[None], 10)[0, 1:6].tolist() == [3, 3, 2, 2, 0]
    size = {**SMALL, "channels": 10}
    supernet = build_supernet(
        get_space("nasbench101"), 5, generator=seeded(), policy=BatchNormPolicy(), **size
    )
    x = torch.randn(4, 3, 8, 8, generator=seeded(3))
    torch.testing.assert_close(inherit(supernet, row)(x), supernet.path(x, row), rtol=1e-4, atol=1e-5)


def test_more_than_nine_edges_are_refused() -> None:
    row = np.ones(26, dtype=np.int8)
    with pytest.raises(InputError, match="at most 9"):
        small_supernet().path(torch.zeros(2, 3, 8, 8), row)
