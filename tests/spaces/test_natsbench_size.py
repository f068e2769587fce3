"""The size space of NATS-Bench: the published facts. (What every space promises: test_contract.)"""

from __future__ import annotations

import bz2
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.base.pickles.reader import load_pickle
from benchkit.spaces import ArchitectureError, get_space
from benchkit.spaces.natsbench_size.encoding import CHANNELS, NATSBenchSize

META = (
    Path(__file__).resolve().parents[2].parent
    / "shared/data/official/NATS-sss-v1_0-50262-simple/meta.pickle.pbz2"
)


@pytest.fixture(scope="module")
def space() -> NATSBenchSize:
    return NATSBenchSize()


def test_the_space_has_32768_members_and_is_listed(space: NATSBenchSize) -> None:
    listed = get_space("natsbench-size")
    assert listed.size == space.size == 8**5 == 32_768
    assert listed.describe()["channels"] == [8, 16, 24, 32, 40, 48, 56, 64]


def test_names_and_their_order_are_those_of_the_official_list(space: NATSBenchSize) -> None:
    """Input: the real meta file of NATS-Bench, all 32,768 names."""
    if not META.is_file():
        pytest.skip("the official sample is not beside the checkout")
    official = load_pickle(bz2.decompress(META.read_bytes()), "meta")["meta_archs"]
    rows = space.at(np.arange(space.size))
    assert [space.format(row) for row in rows] == official
    assert np.array_equal(np.array([space.parse(name) for name in official]), rows)


def test_index_by_hand(space: NATSBenchSize) -> None:
    # 8:8:40:32:40 is 0 0 4 3 4 in base 8
    row = space.parse("8:8:40:32:40")
    assert row.tolist() == [0, 0, 4, 3, 4]
    assert space.index(row[None])[0] == 4 * 64 + 3 * 8 + 4 == 284


@given(st.lists(st.sampled_from(CHANNELS), min_size=5, max_size=5))
def test_what_is_parsed_is_formatted_back(widths: list[int]) -> None:
    space = NATSBenchSize()
    text = ":".join(map(str, widths))
    row = space.parse(text)
    assert row.dtype == np.int8
    assert [CHANNELS[choice] for choice in row] == widths
    assert space.format(row) == text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("64:64:64:64", "5 widths"),
        ("", "5 widths"),
        ("64:64:64:64:64:64", "5 widths"),
        ("64:64:12:64:64", "layer 2 .* got '12'"),
        ("64:64:64:64:x", "layer 4 .* got 'x'"),
        ("64: 64:64:64:64", "layer 1 .* got ' 64'"),
        ("064:64:64:64:64", "layer 0 .* got '064'"),
    ],
)
def test_malformed_names_say_where(space: NATSBenchSize, text: str, says: str) -> None:
    with pytest.raises(ArchitectureError, match=says):
        space.parse(text)
