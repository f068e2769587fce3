"""NAS-Bench-201: the published facts."""

from __future__ import annotations

import numpy as np
import pytest

from benchkit.data.tables import open_table
from benchkit.spaces import ArchitectureError
from benchkit.spaces.nasbench201.encoding import EDGES, OPERATIONS, NASBench201

ARCH_0 = "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"


@pytest.fixture(scope="module")
def space() -> NASBench201:
    return NASBench201()


def test_the_space_has_15625_cells_in_6466_classes(space: NASBench201) -> None:
    every = space.at(np.arange(space.size))
    assert space.size == 15_625
    assert len(np.unique(space.canonical(every))) == 6_466


def test_classes_are_those_of_the_official_unique_string(space: NASBench201) -> None:
    table = open_table("nasbench201")  # carries the official partition as a static column
    official = table.static_values("isomorphism_class")
    pairs = {*zip(space.canonical(table.rows).tolist(), official.tolist(), strict=True)}
    assert len(pairs) == 6_466


def test_string_of_architecture_0(space: NASBench201) -> None:
    row = space.parse(ARCH_0)
    assert [OPERATIONS[c] for c in row] == [
        "avg_pool_3x3", "nor_conv_1x1", "skip_connect", "nor_conv_1x1", "skip_connect", "skip_connect",
    ]  # fmt: skip
    assert space.format(row) == ARCH_0


def test_edge_order_is_the_official_one_and_not_the_lexicographic_one() -> None:
    assert EDGES == ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))


def test_a_cell_folds_by_hand(space: NASBench201) -> None:
    # node 1 is dead (none); the only path is 0 -conv3x3-> 2 -skip-> 3
    dead_end = space.parse("|none~0|+|nor_conv_3x3~0|nor_conv_1x1~1|+|none~0|avg_pool_3x3~1|skip_connect~2|")
    same = space.parse("|none~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|none~0|nor_conv_3x3~1|skip_connect~2|")
    other = space.parse("|none~0|+|nor_conv_1x1~0|nor_conv_1x1~1|+|none~0|avg_pool_3x3~1|skip_connect~2|")
    keys = space.canonical(np.array([dead_end, same, other]))
    assert keys[0] == keys[1] != keys[2]


def test_disconnected_cells_are_members(space: NASBench201) -> None:
    assert space.is_valid(np.zeros((1, 6), dtype=np.int8)).all()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("|conv~0|+|none~0|none~1|+|none~0|none~1|none~2|", "unknown operation 'conv'"),
        ("|none~0|+|none~0|none~1|", "3 nodes"),
        ("|none~0|+|none~1|none~0|+|none~0|none~1|none~2|", "node 2"),
        ("|none~0|+|none~0|none~1|+|none~0|none~1|", "node 3"),
        ("none~0+|none~0|none~1|+|none~0|none~1|none~2|", "node 1"),
    ],
)
def test_malformed_strings_say_where(space: NASBench201, text: str, says: str) -> None:
    with pytest.raises(ArchitectureError, match=says):
        space.parse(text)
