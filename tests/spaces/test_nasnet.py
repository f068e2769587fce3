"""The space of a normal and a reduction cell: notation, size, and when two rows are one architecture."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchkit.spaces import ArchitectureError, get_space
from benchkit.spaces.nasnet.encoding import EDGES, FreeCells, NASNet

SPACE = NASNet()
DARTS_V2 = (
    "normal:|sep_conv_3x3~0|sep_conv_3x3~1|+|sep_conv_3x3~0|sep_conv_3x3~1|+|skip_connect~0|sep_conv_3x3~1|+"
    "|skip_connect~0|dil_conv_3x3~2|;reduction:|max_pool_3x3~0|max_pool_3x3~1|+|max_pool_3x3~1|"
    "skip_connect~2|+|max_pool_3x3~0|skip_connect~2|+|max_pool_3x3~1|skip_connect~2|"
)
NOTHING = "||+||+||+||"


def operation_of(row: npt.NDArray[np.int8], cell: int, source: int, target: int) -> str:
    return SPACE.operations[row[14 * cell + EDGES.index((source, target))]]


def test_there_are_eight_operations_on_two_times_fourteen_edges() -> None:
    # VAENAS, appendix A.4: the list of operations, and "2 + 3 + 4 + 5 = 14", "8^(2 x 14)"
    assert SPACE.operations == (
        *("none", "avg_pool_3x3", "max_pool_3x3", "skip_connect"),
        *("sep_conv_3x3", "sep_conv_5x5", "sep_conv_7x7", "dil_conv_3x3"),
    )
    assert [sum(t == target for _, t in EDGES) for target in range(2, 6)] == [2, 3, 4, 5]
    assert SPACE.arity == (8,) * 28
    assert SPACE.size == 8**28
    assert type(get_space("nasnet")) is NASNet


def test_the_published_cells_of_darts_are_read_edge_by_edge() -> None:
    row = SPACE.parse(DARTS_V2)
    assert (row != 0).sum() == 16  # two a node
    assert operation_of(row, 0, 2, 5) == "dil_conv_3x3"
    assert operation_of(row, 0, 0, 4) == "skip_connect"
    assert operation_of(row, 0, 3, 4) == "none"
    assert operation_of(row, 1, 1, 5) == "max_pool_3x3"
    assert SPACE.format(row) == DARTS_V2


def test_a_node_may_have_every_predecessor_or_none() -> None:
    full = np.full(28, 6, dtype=np.int8)
    assert SPACE.format(full).endswith("|" + "|".join(f"sep_conv_7x7~{s}" for s in range(5)) + "|")
    empty = np.zeros(28, dtype=np.int8)
    assert SPACE.format(empty) == f"normal:{NOTHING};reduction:{NOTHING}"
    assert SPACE.is_valid(np.stack([full, empty])).all()


@settings(max_examples=50)
@given(row=st.lists(st.integers(0, 7), min_size=28, max_size=28))
def test_the_notation_is_one_to_one(row: list[int]) -> None:
    assert SPACE.parse(SPACE.format(np.array(row, dtype=np.int8))).tolist() == row


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"normal:{NOTHING}", "reads normal:CELL;reduction:CELL"),
        (f"reduction:{NOTHING};normal:{NOTHING}", "reads normal:CELL;reduction:CELL"),
        (f"normal:{NOTHING};reduction", "reads normal:CELL;reduction:CELL"),
        (f"normal:||+||+||;reduction:{NOTHING}", "a normal cell of nasnet has 4 nodes"),
        (f"normal:{NOTHING};reduction:|skip_connect~2|+||+||+||", "node 2 of a reduction cell"),
        (f"normal:|skip_connect~1|skip_connect~0|+||+||+||;reduction:{NOTHING}", "ascending"),
        (f"normal:|skip_connect~0|skip_connect~0|+||+||+||;reduction:{NOTHING}", "ascending"),
        (f"normal:|skip_connect~01|+||+||+||;reduction:{NOTHING}", "node 2 of a normal cell"),
        (f"normal:|skip_connect|+||+||+||;reduction:{NOTHING}", "node 2 of a normal cell"),
        (f"normal:|+||+||+||;reduction:{NOTHING}", "node 2 of a normal cell"),
        (f"normal:|conv_1x1~0|+||+||+||;reduction:{NOTHING}", "unknown operation 'conv_1x1' in nasnet"),
    ],
)
def test_malformed_cells_are_named(text: str, says: str) -> None:
    with pytest.raises(ArchitectureError, match=says):
        SPACE.parse(text)


def test_none_written_out_means_the_same_as_left_out() -> None:
    row = SPACE.parse(f"normal:|none~0|skip_connect~1|+||+||+||;reduction:{NOTHING}")
    assert SPACE.format(row) == f"normal:|skip_connect~1|+||+||+||;reduction:{NOTHING}"


def edges_of(cell: list[int]) -> set[tuple[int, int, int]]:
    return {(source, target, op) for (source, target), op in zip(EDGES, cell, strict=True) if op}


def same_up_to_names(first: list[int], second: list[int]) -> bool:
    """Say whether some renaming of nodes 2 to 5 makes one cell's labelled edges the other's."""
    wanted = edges_of(second)
    for order in permutations(range(2, 6)):
        name = dict(zip(range(6), (0, 1, *order), strict=True))
        if {(name[s], name[t], op) for s, t, op in edges_of(first)} == wanted:
            return True
    return False


# few edges and operations, so that two cells drawn at random often are one
SPARSE = st.lists(st.sampled_from([0, 0, 0, 0, 3, 4]), min_size=14, max_size=14)


@settings(max_examples=150)
@given(cell=SPARSE, other=SPARSE, order=st.permutations(range(2, 6)), change=st.integers(0, 13))
def test_rows_are_isomorphic_exactly_when_nodes_can_be_renamed(
    cell: list[int], other: list[int], order: list[int], change: int
) -> None:
    name = dict(zip(range(6), (0, 1, *order), strict=True))
    renamed = [0] * 14
    for source, target, op in edges_of(cell):
        if name[source] < name[target]:
            renamed[EDGES.index((name[source], name[target]))] = op
    changed = renamed.copy()
    changed[change] = 7 - changed[change]
    for second in (renamed, changed, other):
        rows = np.array([cell + cell, second + cell, cell + second], dtype=np.int8)
        classes = SPACE.canonical(rows)
        assert (classes[0] == classes[1]) == same_up_to_names(cell, second)
        assert (classes[0] == classes[2]) == same_up_to_names(cell, second)


def test_the_halves_of_a_row_are_not_interchangeable() -> None:
    row = SPACE.parse(DARTS_V2)
    swapped = np.concatenate([row[14:], row[:14]])
    assert len(np.unique(SPACE.canonical(np.stack([row, swapped])))) == 2


def test_every_row_has_196_neighbours() -> None:
    assert SPACE.neighbors(SPACE.parse(DARTS_V2)).shape == (28 * 7, 28)


def test_a_space_of_two_cells_may_have_other_operations() -> None:
    small = FreeCells("small", ("skip_connect", "none", "dil_conv_5x5"), "a test")
    row = small.parse(f"normal:{NOTHING};reduction:|skip_connect~0|dil_conv_5x5~1|+||+||+||")
    assert row.tolist() == [1] * 14 + [0, 2] + [1] * 12
    assert small.describe()["source"] == "a test"
