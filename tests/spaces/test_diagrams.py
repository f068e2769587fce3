"""Which nodes and edges the spaces' cells are drawn with."""

from __future__ import annotations

import numpy as np
import pytest

from benchkit.base.errors import InputError
from benchkit.spaces import get_space, space_names
from tests.spaces.genotypes import DARTS_V2


def test_darts_has_two_edges_into_each_node_and_joins_all_four() -> None:
    space = get_space("darts")
    normal, reduction = space.diagrams(space.parse(DARTS_V2))
    assert (normal.title, reduction.title) == ("normal cell", "reduction cell")
    assert normal.inputs == 2
    assert normal.nodes == ("$c_{k-2}$", "$c_{k-1}$", "0", "1", "2", "3", "$c_{k}$")
    assert normal.edges[6:8] == ((0, 5, "skip_connect"), (2, 5, "dil_conv_3x3"))
    assert normal.edges[8:] == tuple((node, 6, "") for node in (2, 3, 4, 5))
    assert len(reduction.edges) == 12


def test_nasnet_leaves_out_edges_without_operation() -> None:
    space = get_space("nasnet")
    row = np.zeros(28, dtype=np.int8)
    row[[13, 14]] = 4  # (4, 5) of the normal cell, (0, 2) of the reduction cell
    normal, reduction = space.diagrams(row)
    assert normal.edges[0] == (4, 5, "sep_conv_3x3")
    assert reduction.edges[0] == (0, 2, "sep_conv_3x3")
    assert len(normal.edges) == len(reduction.edges) == 5


def test_nasbench201_has_its_operations_on_edges() -> None:
    space = get_space("nasbench201")
    text = "|nor_conv_3x3~0|+|none~0|avg_pool_3x3~1|+|skip_connect~0|none~1|nor_conv_1x1~2|"
    (cell,) = space.diagrams(space.parse(text))
    assert cell.nodes == ("input", "1", "2", "output")
    assert cell.edges == (
        *((0, 1, "nor_conv_3x3"), (1, 2, "avg_pool_3x3")),
        *((0, 3, "skip_connect"), (2, 3, "nor_conv_1x1")),
    )


def test_nasbench101_has_its_operations_in_vertices_and_no_dead_ones() -> None:
    space = get_space("nasbench101")
    # vertex 2 leads nowhere, vertex 3 is fed by the input and feeds the output
    row = space.parse("01110/00001/00000/00001/00000 conv3x3,conv1x1,maxpool3x3")
    (cell,) = space.diagrams(row)
    assert cell.nodes == ("input", "conv3x3", "maxpool3x3", "output")
    assert cell.edges == ((0, 1, ""), (0, 2, ""), (1, 3, ""), (2, 3, ""))


@pytest.mark.parametrize("name", [name for name in space_names() if ":" not in name])
def test_every_space_draws_members_or_says_that_it_cannot(name: str) -> None:
    space = get_space(name)
    row = space.sample(np.random.default_rng(0), 1)[0]
    if name in ("nasbench-macro", "natsbench-size", "shufflenet", "mobile-small", "mobile-large"):
        with pytest.raises(InputError, match=f"an architecture of {name} has no cells to draw"):
            space.diagrams(row)
        return
    for cell in space.diagrams(row):
        assert all(source < target < len(cell.nodes) for source, target, _ in cell.edges)
