"""The space of ShuffleNetV2 chains: notation and the paper's four blocks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchkit.spaces import ArchitectureError, get_space
from benchkit.spaces.shufflenet.encoding import BLOCKS, OPERATIONS, STAGES, ShuffleNet

SPACE = ShuffleNet()


def test_there_are_four_blocks_in_each_of_twenty_layers() -> None:
    assert SPACE.arity == (4,) * 20
    assert SPACE.size == 4**20
    assert STAGES == (4, 4, 8, 4)
    assert type(get_space("shufflenet")) is ShuffleNet
    assert SPACE.at([SPACE.size - 1]).tolist() == [[3] * 20]


def test_swish_and_squeezing_are_where_the_paper_has_them() -> None:
    # VAENAS, appendix A.4: Swish for 5x5, 7x7 and Xception; squeeze-and-excitation for 7x7 and Xception
    blocks = dict(zip(OPERATIONS, BLOCKS, strict=True))
    assert [name for name, block in blocks.items() if block.swish] == [
        *("shuffle_5x5", "shuffle_7x7", "xception_3x3")
    ]
    assert [name for name, block in blocks.items() if block.squeeze] == ["shuffle_7x7", "xception_3x3"]
    assert [block.kernel for block in BLOCKS] == [3, 5, 7, 3]
    assert [name for name, block in blocks.items() if block.xception] == ["xception_3x3"]


def test_a_chain_is_read_layer_by_layer() -> None:
    text = "3357-xx35-77x53357-x735"
    row = SPACE.parse(text)
    assert row.tolist() == [0, 0, 1, 2, 3, 3, 0, 1, 2, 2, 3, 1, 0, 0, 1, 2, 3, 2, 0, 1]
    assert SPACE.format(row) == text


@settings(max_examples=50)
@given(row=st.lists(st.integers(0, 3), min_size=20, max_size=20))
def test_the_notation_is_one_to_one(row: list[int]) -> None:
    assert SPACE.parse(SPACE.format(np.array(row, dtype=np.int8))).tolist() == row


@pytest.mark.parametrize(
    "text",
    [
        "3357xx3577x53357x735",  # no stages
        "3357-xx35-77x5335-x735",  # a layer too few
        "3357-xx35-77x53357-x735-3",
        "335-7xx35-77x53357-x735",  # a layer in another stage
        "3357-xx35-77x53357-x739",
        "3357-xx35-77x53357-X735",
    ],
)
def test_malformed_chains_are_refused(text: str) -> None:
    with pytest.raises(
        ArchitectureError, match="a 3, 5, 7 or x for each of 20 layers, in stages of 4, 4, 8, 4"
    ):
        SPACE.parse(text)
