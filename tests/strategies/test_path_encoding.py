"""The path encoding, against paths written out by hand and a plain walk of the graph."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.spaces.base import Architecture
from benchkit.spaces.nasbench101.encoding import NASBench101
from benchkit.spaces.nasbench201.encoding import EDGES, OPERATIONS, NASBench201
from benchkit.spaces.nasbench_macro.encoding import NASBenchMacro
from benchkit.spaces.restricted import RestrictedSpace
from benchkit.strategies.path_encoding import encode, nasbench101_paths, nasbench201_paths, one_hot


def walk(row: Architecture, longest: int) -> set[tuple[int, ...]]:
    """Return the operation sequences of a NAS-Bench-101 row's paths, vertex by vertex."""
    bits = iter(row[:21])
    edges = {(u, v) for u in range(7) for v in range(u + 1, 7) if next(bits)}
    found: set[tuple[int, ...]] = set()

    def go(vertex: int, applied: tuple[int, ...]) -> None:
        if vertex == 6:
            found.add(applied)
            return
        for v in range(vertex + 1, 7):
            if (vertex, v) in edges:
                go(v, applied if v == 6 else (*applied, int(row[20 + v])))

    go(0, ())
    return {path for path in found if len(path) <= longest}


def walk_201(row: Architecture, longest: int) -> set[tuple[int, ...]]:
    """Return the operation sequences of a NAS-Bench-201 row's paths without none, numbered from 0."""
    found: set[tuple[int, ...]] = set()

    def go(node: int, applied: tuple[int, ...]) -> None:
        if node == 3:
            found.add(applied)
            return
        for (source, target), operation in zip(EDGES, row.tolist(), strict=True):
            if source == node and OPERATIONS[operation] != "none":
                go(target, (*applied, operation - 1))

    go(0, ())
    return {path for path in found if len(path) <= longest}


def place(path: tuple[int, ...], operations: int, shortest: int) -> int:
    """Return the feature of a path: all shorter ones come first, then digits, the first leading."""
    before = sum(operations**length for length in range(shortest, len(path)))
    return int(before + int("0" + "".join(map(str, path)), operations))


def test_nasbench201_by_hand() -> None:
    cell = NASBench201().parse(
        "|nor_conv_3x3~0|+|none~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_1x1~1|skip_connect~2|"
    )
    # 0-3 skip; 0-1-3 conv3x3, conv1x1; 0-2-3 has none; 0-1-2-3 conv3x3, pool, skip
    features = nasbench201_paths(cell[None], longest=3)[0]
    assert np.flatnonzero(features).tolist() == [0, 4 + 2 * 4 + 1, 20 + 2 * 16 + 3 * 4 + 0]


def test_nasbench101_by_hand() -> None:
    matrix = np.zeros((7, 7), dtype=np.int8)
    for u, v in ((0, 1), (1, 2), (2, 6), (0, 6), (1, 6), (0, 4)):  # 4 leads nowhere
        matrix[u, v] = 1
    row = np.concatenate([matrix[np.triu_indices(7, k=1)], [2, 1, 0, 0, 0]]).astype(np.int8)
    # the empty path; 0-1-6 with pool; 0-1-2-6 with pool, conv1x1
    assert np.flatnonzero(nasbench101_paths(row[None])[0]).tolist() == [0, 1 + 2, 1 + 3 + 2 * 3 + 1]


def test_published_numbers_of_features() -> None:
    """364 paths and a truncation to 40 on NAS-Bench-101; 4 + 16 + 64 on NAS-Bench-201 without none."""
    cell_101, cell_201 = np.zeros((1, 26), dtype=np.int8), np.zeros((1, 6), dtype=np.int8)
    assert nasbench101_paths(cell_101, longest=5).shape == (1, 364)
    assert encode(NASBench101(), cell_101).shape == (1, 40)
    assert nasbench201_paths(cell_201, longest=3).shape == (1, 84)
    assert encode(NASBench201(), cell_201).shape == (1, 20)


@pytest.mark.parametrize("longest", [1, 3, 5])
def test_nasbench101_equals_a_plain_walk(longest: int) -> None:
    batch = NASBench101().sample(np.random.default_rng(0), 200)
    features = nasbench101_paths(batch, longest)
    for row, encoded in zip(batch, features, strict=True):
        expected = {place(path, 3, shortest=0) for path in walk(row, longest)}
        assert set(np.flatnonzero(encoded).tolist()) == expected


@pytest.mark.parametrize("longest", [1, 2, 3])
def test_nasbench201_equals_a_plain_walk(longest: int) -> None:
    space = NASBench201()
    batch = space.at(np.arange(0, space.size, 37))
    features = nasbench201_paths(batch, longest)
    for row, encoded in zip(batch, features, strict=True):
        expected = {place(path, 4, shortest=1) for path in walk_201(row, longest)}
        assert set(np.flatnonzero(encoded).tolist()) == expected


@given(st.integers(0, 2**32 - 1))
def test_isomorphic_nasbench101_cells_have_one_encoding(seed: int) -> None:
    """Inner vertices renumbered in a random order in which all edges still point forward."""
    rng = np.random.default_rng(seed)
    space = NASBench101()
    row = space.sample(rng, 1)[0]
    matrix = np.zeros((7, 7), dtype=np.int8)
    matrix[np.triu_indices(7, k=1)] = row[:21]
    order = [0]
    while len(order) < 6:
        free = [
            v for v in range(1, 6) if v not in order and not set(np.flatnonzero(matrix[:, v])) - set(order)
        ]
        order.append(int(rng.choice(free)))
    order.append(6)
    labels = np.array([0, *row[21:].tolist(), 0])
    renumbered = matrix[np.ix_(order, order)][np.triu_indices(7, k=1)]
    other = np.concatenate([renumbered, labels[order][1:6]]).astype(np.int8)
    assert space.key(row[None]) == space.key(other[None])
    np.testing.assert_array_equal(nasbench101_paths(row[None], 5), nasbench101_paths(other[None], 5))


def test_a_cell_of_none_has_no_path() -> None:
    assert not nasbench201_paths(np.zeros((1, 6), dtype=np.int8), longest=3).any()


def test_a_space_without_paths_is_one_hot() -> None:
    space = NASBenchMacro()
    batch = space.sample(np.random.default_rng(0), 20)
    features = encode(space, batch)
    assert features.shape == (20, 24)
    np.testing.assert_array_equal(features.reshape(20, 8, 3).argmax(axis=2), batch)
    np.testing.assert_array_equal(features.sum(axis=1), 8)
    uneven = one_hot(np.array([[1, 0, 2]], dtype=np.int8), (2, 1, 3))
    np.testing.assert_array_equal(uneven, [[0, 1, 1, 0, 0, 1]])


@pytest.mark.parametrize("space", [NASBench101(), NASBench201(), NASBenchMacro()], ids=lambda s: s.name)
def test_a_restricted_space_is_encoded_as_its_whole(
    space: NASBench101 | NASBench201 | NASBenchMacro,
) -> None:
    rows = space.sample(np.random.default_rng(0), 30)
    restricted = RestrictedSpace(RestrictedSpace(space, rows), rows[:20])
    np.testing.assert_array_equal(encode(restricted, rows[:20]), encode(space, rows[:20]))
