"""The spaces of mobile chains: Table 4's operators, notation, depths, and what Identity leaves equal."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchkit.base.errors import InputError
from benchkit.spaces import ArchitectureError, get_space
from benchkit.spaces.mobile.encoding import IDENTITY, LARGE, SMALL

TABLE_4_BOTH = """
MBConv_1_3 MBConv_3_3
MBConv_6_3 MBConv_1_5
MBConv_3_5 MBConv_6_5
MBConv_1_7 MBConv_3_7
MBConv_6_7 Identity
"""
TABLE_4_LARGE = """
NConv_1_3 NConv_2_3
DConv_1_3 DConv_2_3
RConv_1_5 RConv_2_5
RConv_4_5 RConv_1_7
RConv_2_7 RConv_4_7
"""
MIXED = "0123-4567-8998-7654-3210-9"


def names(operators: object) -> list[str]:
    assert isinstance(operators, tuple)
    return [operator.name if operator else "Identity" for operator in operators]


def test_operators_are_those_of_table_4() -> None:
    assert names(SMALL) == TABLE_4_BOTH.split()
    assert names(LARGE) == (TABLE_4_BOTH + TABLE_4_LARGE).split()
    assert SMALL[IDENTITY] is None


def test_each_kind_has_the_convolutions_that_a1_says() -> None:
    kernels = {operator.name: operator.kernels for operator in LARGE if operator}
    assert kernels["MBConv_3_5"] == ((5, 5),)
    assert kernels["NConv_2_3"] == ((3, 3),)
    assert kernels["DConv_1_3"] == ((3, 3), (3, 3))
    assert kernels["RConv_4_7"] == ((1, 7), (7, 1))
    depthwise = {operator.kind for operator in LARGE if operator and operator.depthwise}
    assert depthwise == {"MBConv"}


def test_all_21_layers_keep_every_choice() -> None:
    for name, operators in (("mobile-small", 10), ("mobile-large", 20)):
        space = get_space(name)
        assert space.name == name
        assert space.arity == (operators,) * 21
        assert space.size == operators**21


def test_a_chain_is_read_layer_by_layer_and_alike_in_both_spaces() -> None:
    small, large = get_space("mobile-small"), get_space("mobile-large")
    row = small.parse(MIXED)
    assert row.tolist() == [*range(10), 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 9]
    assert small.format(row) == MIXED
    assert large.parse(MIXED).tolist() == row.tolist()
    assert large.parse("abcd-efgh-ij00-0000-0000-0")[:10].tolist() == list(range(10, 20))


@settings(max_examples=50)
@given(row=st.lists(st.integers(0, 19), min_size=21, max_size=21))
def test_the_notation_is_one_to_one(row: list[int]) -> None:
    space = get_space("mobile-large")
    assert space.parse(space.format(np.array(row, dtype=np.int8))).tolist() == row


@pytest.mark.parametrize(
    "text",
    [
        "012345678998765432109",  # no stages
        "0123-4567-8998-7654-321-9",  # a layer too few
        "012-34567-8998-7654-3210-9",  # a layer in another stage
        "0123-4567-8998-7654-3210-a",  # of the large space
        "0123-4567-8998-7654-3210-²",
    ],
)
def test_malformed_chains_are_refused(text: str) -> None:
    with pytest.raises(
        ArchitectureError, match=r"a digit 0 to 9 for each of 21 layers, in stages of 4, 4, 4, 4, 4, 1, such"
    ):
        get_space("mobile-small").parse(text)


@pytest.mark.parametrize(("depth", "stages"), [(6, 1), (11, 2), (16, 3)])
@pytest.mark.parametrize("family", ["mobile-small", "mobile-large"])
def test_a_smaller_depth_keeps_all_stages(family: str, depth: int, stages: int) -> None:
    space = get_space(f"{family}:{depth}")
    assert (space.name, space.length) == (f"{family}:{depth}", depth)
    row = space.sample(np.random.default_rng(0), 1)[0]
    assert [len(stage) for stage in space.format(row).split("-")] == [stages] * 5 + [1]


def test_the_full_depth_is_the_space_itself() -> None:
    assert get_space("mobile-small:21").name == "mobile-small"


@pytest.mark.parametrize("depth", ["", "12", "0", "-6", "x", "11.0", "²"])
def test_other_depths_list_those_there_are(depth: str) -> None:
    with pytest.raises(InputError, match="mobile-large has depths 21, 16, 11, 6; got"):
        get_space(f"mobile-large:{depth}")


def test_identities_of_one_stage_stand_anywhere_in_it() -> None:
    space = get_space("mobile-small")
    texts = [
        "1992-0000-0000-0000-0000-0",
        "9192-0000-0000-0000-0000-0",
        "9912-0000-0000-0000-0000-0",
        "2199-0000-0000-0000-0000-0",  # the others' order counts
        "1929-0000-0000-0000-0000-9",
        "1909-2000-0000-0000-0000-0",  # a stage's channels are its own
    ]
    rows = np.array([space.parse(text) for text in texts])
    classes = space.canonical(rows)
    assert classes[0] == classes[1] == classes[2]
    assert len(set(classes.tolist())) == 4
    assert len(np.unique(space.key(rows))) == 6  # a table would hold each
