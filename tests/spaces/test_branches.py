"""Masks of kernel slices: the designs' published sizes, groups of gates, notation, names."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchkit.base.errors import InputError
from benchkit.spaces import ArchitectureError, get_space, space_names
from benchkit.spaces.branches.designs import DESIGNS, layout_of
from benchkit.spaces.branches.encoding import Branches
from benchkit.spaces.branches.layout import Convolution
from benchkit.spaces.counts import count, count_parameters


def space_of(name: str) -> Branches:
    space = get_space(f"branches:{name}")
    assert isinstance(space, Branches)
    return space


def everything(space: Branches) -> np.ndarray:
    return np.ones((1, space.length), dtype=np.int8)


SMALL = ["m@4", "mi@4", "e@4", "ei@2", "r50@4", "d121@4"]


# -- the designs ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "classes", "millions"),
    [("m@96", 10, 26.2), ("mi@96", 10, 72.7), ("e@36", 10, 4.6), ("ei@36", 10, 15.3), ("r50@64", 1000, 44.0)],
)
def test_full_networks_have_the_parameters_of_the_paper_within_three_percent(
    name: str, classes: int, millions: float
) -> None:
    """Tables 3(a) and 4."""
    space = space_of(name)
    counted = count_parameters(space, everything(space), classes)[0] / 1e6
    assert counted == pytest.approx(millions, rel=0.03)


def test_densenet_121_has_the_parameters_it_is_known_for() -> None:
    space = space_of("d121@32")
    counted = count(space, everything(space), 1000, image_size=224)
    assert counted.parameters.tolist() == [7_978_856]
    assert counted.flops[0] == pytest.approx(2.87e9, rel=0.02)  # the multiply-adds it is known for


def test_the_inflated_resnet_contains_resnet_50() -> None:
    # without the second branch and the 1 x 1 kernels in the middle: 25,557,032 parameters
    space = space_of("r50@64")
    row = everything(space)
    extra = 0
    for layer in space.layout.nodes:
        if isinstance(layer, Convolution) and (
            "branch2" in layer.name or layer.name.endswith("conv2-branch1-1x1")
        ):
            assert layer.first is not None
            row[0, layer.first : layer.first + layer.inputs] = 0
            extra += 2 * layer.channels  # batch normalisation stays
    assert count_parameters(space, row, 1000)[0] - extra == 25_557_032


def test_parameters_of_the_smallest_multi_branch_resnet_by_hand() -> None:
    def block(inputs: int, width: int) -> int:
        branches = 2 * 9 * (inputs * width + width * width) + 4 * 2 * width
        return branches + (0 if inputs == width else inputs * width + 2 * width)

    by_hand = 27 * 16 + 2 * 16 + block(16, 2) + 3 * block(2, 2) + block(2, 4) + 3 * block(4, 4)
    by_hand += block(4, 8) + 3 * block(8, 8) + 8 * 10 + 10
    space = space_of("m@2")
    assert count_parameters(space, everything(space), 10).tolist() == [by_hand]


def test_an_open_slice_of_a_separable_convolution_is_a_depthwise_kernel_and_a_pointwise_column() -> None:
    space = space_of("e@4")
    layer = next(layer for layer in space.layout.gated if layer.kernel == 5)
    assert layer.first is not None
    closed = everything(space)
    closed[0, layer.first] = 0
    full, less = count_parameters(space, np.concatenate([everything(space), closed]), 10).tolist()
    assert full - less == 5 * 5 + layer.channels


def test_closed_slices_save_their_multiply_adds() -> None:
    space = space_of("m@2")
    first = space.layout.gated[0]  # 3 x 3, 16 to 2 channels, at the images' size
    closed = everything(space)
    closed[0, :3] = 0
    full, less = count(space, np.concatenate([everything(space), closed]), 10, image_size=8).flops.tolist()
    assert (first.inputs, first.channels) == (16, 2)
    assert full - less == 3 * 9 * 2 * 8 * 8


def test_the_enas_network_reduces_twice_and_doubles_its_filters_each_time() -> None:
    layout = layout_of("e", 36)
    # the last cell is a normal one: all five of its blocks are loose ends
    assert layout.features == 5 * 144
    assert [g.stage for g in layout.groups] == sorted(g.stage for g in layout.groups)
    strided = {node.name.split("-")[0] for node in layout.nodes if node.stride == 2}
    assert strided == {
        "cell6",
        "cell7",
        "cell12",
        "cell13",
    }  # the cell behind a reduction shrinks its older input
    ends = next(node for node in layout.nodes if node.name == "cell6-output")
    assert ends.channels == 4 * 72


# -- gates and groups ------------------------------------------------------------------------


@pytest.mark.parametrize("name", SMALL)
def test_every_gate_is_in_the_group_of_its_layer_and_kernel(name: str) -> None:
    space = space_of(name)
    assert space.groups.shape == (space.length,)
    assert space.groups.dtype == np.int32
    assert np.array_equal(np.bincount(space.groups), space.group_sizes)
    assert len(set(space.group_names)) == len(space.group_names) == len(space.group_kernel)
    seen = np.zeros(space.length, dtype=int)
    for layer in space.layout.gated:
        assert layer.first is not None
        span = slice(layer.first, layer.first + layer.inputs)
        seen[span] += 1
        (group,) = np.unique(space.groups[span])
        assert space.group_kernel[group] == layer.kernel
        assert space.group_names[group].endswith(f"/{layer.kernel}x{layer.kernel}")
        assert layer.name.startswith(space.group_names[group].split("/")[0])
    assert (seen == 1).all()


def test_branches_of_one_kernel_size_and_layer_share_a_group() -> None:
    space = space_of("mi@4")
    sizes = dict(zip(space.group_names, space.group_sizes.tolist(), strict=True))
    # on the 16 channels of the stem: three branches of 3 x 3, one of 5 x 5, two of 1 x 1
    at = "stage1-block1-conv1"
    assert [sizes[f"{at}/{k}x{k}"] for k in (3, 5, 1)] == [3 * 16, 16, 2 * 16]
    # the second layers read 4 channels each: 3 x 3 in five branches, 1 x 1 in one
    assert [sizes[f"stage1-block1-conv2/{k}x{k}"] for k in (3, 1)] == [5 * 4, 4]


def test_stem_shortcuts_and_calibrations_have_no_gates() -> None:
    for name in SMALL:
        for layer in space_of(name).layout.nodes:
            gated = isinstance(layer, Convolution) and layer.first is not None
            fixed = re.search("stem|shortcut|transition|input[01]|base|calibration|identity", layer.name)
            assert not (gated and fixed), layer.name
            assert gated or not isinstance(layer, Convolution) or fixed, layer.name


# -- notation and moves ------------------------------------------------------------------------


def test_a_row_is_written_as_hexadecimal_digits_of_its_gates() -> None:
    space = space_of("m@2")
    row = np.zeros(space.length, dtype=np.int8)
    row[[0, 5, 15]] = 1  # 1000 0100 0000 0001
    assert space.format(row) == "8401" + "0" * (space.length // 4 - 4)


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), name=st.sampled_from(SMALL), share=st.floats(0, 1))
def test_notation_is_inverse_where_gates_do_not_fill_the_last_digits(
    seed: int, name: str, share: float
) -> None:
    space = space_of(name)
    row = (np.random.default_rng(seed).random(space.length) < share).astype(np.int8)
    text = space.format(row)
    again = space.parse(f" {text.upper()}\n")
    assert again.dtype == np.int8
    assert np.array_equal(again, row)


def test_malformed_notation_is_refused_in_one_line() -> None:
    space = space_of("r50@3")
    assert space.length % 8
    text = space.format(space.sample(np.random.default_rng(0), 1)[0])
    for bad in (text[:-1], text + "0", "g" + text[1:], text[:-1] + "f"):
        with pytest.raises(ArchitectureError) as caught:
            space.parse(bad)
        assert len(str(caught.value)) < 200
        assert "\n" not in str(caught.value)


def test_the_summary_gives_shares_by_stage_and_tells_rows_apart() -> None:
    space = space_of("m@4")
    row = everything(space)[0]
    row[:44] = 0  # of the 88 gates of stage 1
    text = space.summary(row)
    assert text.endswith(": 90.2 % of 448 gates open, by stage 50.0, 100.0, 100.0 %")
    row[447] = 0
    assert space.summary(row)[:12] != text[:12]


def test_neighbours_switch_one_gate_each_or_are_too_many_to_list() -> None:
    small, large = space_of("m@2"), space_of("m@96")
    row = small.sample(np.random.default_rng(1), 1)[0]
    around = small.neighbors(row)
    assert np.array_equal(around != row, np.eye(small.length, dtype=bool))
    centre = large.sample(np.random.default_rng(1), 1)
    with pytest.raises(InputError, match=r"10,016 neighbours, too many to list.*mutate"):
        large.neighbors(centre[0])
    assert (large.mutate(np.random.default_rng(2), centre) != centre).sum() == 1


def test_a_product_of_gate_probabilities_is_drawn_from() -> None:
    space = space_of("m@4")
    keep = np.linspace(0, 1, len(space.group_names))[space.groups]
    rows = space.sample_product(np.random.default_rng(3), np.stack([1 - keep, keep], axis=1), 4_000)
    assert rows.dtype == np.int8
    shares = rows.mean(axis=0)
    # five standard errors of a share
    assert (np.abs(shares - keep) <= 5 * np.sqrt(keep * (1 - keep) / len(rows))).all()
    unscaled = space.sample_product(
        np.random.default_rng(3), np.stack([3 - 3 * keep, 3 * keep], axis=1), 4_000
    )
    assert np.array_equal(unscaled, rows)


def test_a_large_space_is_drawn_from_part_by_part() -> None:
    space = space_of("ei@36")
    half = np.full((space.length, 2), 0.5)
    rows = space.sample_product(np.random.default_rng(4), half, 100)  # three parts
    assert 0.49 < rows.mean() < 0.51
    assert len(np.unique(space.key(rows))) == 100


# -- names ------------------------------------------------------------------------------------


def test_listed_names_are_the_designs_at_full_width() -> None:
    listed = [name for name in space_names() if name.startswith("branches")]
    assert listed == [f"branches:{name}@{design.width}" for name, design in DESIGNS.items()]
    for name in listed:
        assert get_space(name).name == name


def test_a_description_is_short_and_json_ready_at_any_size() -> None:
    facts = space_of("ei@36").describe()
    assert len(json.dumps(facts)) < 700
    assert (facts["length"], facts["groups"], facts["size"]) == (94_896, 612, "2^94896")
    assert facts["gates_by_kernel"][0].startswith("3x3: ")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("branches", r"branches:NAME@WIDTH.*m@96, mi@96, e@36, ei@36, r50@64, d121@32.*'branches'"),
        ("branches:m", r"branches:NAME@WIDTH.*got 'branches:m'"),
        ("branches:m@", r"branches:NAME@WIDTH"),
        ("branches:m@08", r"branches:NAME@WIDTH"),
        ("branches:m@-4", r"branches:NAME@WIDTH"),
        ("branches:m@1", r"branches:m has widths 2 to 96; got 1"),
        ("branches:e@37", r"branches:e has widths 2 to 36; got 37"),
        ("branches:r5@8", r"unknown design 'r5'.*m, mi, e, ei, r50, d121 \(did you mean 'r50'"),
        ("branch:m@8", r"unknown space 'branch:m@8'.*branches:m@96"),
    ],
)
def test_bad_names_are_one_line_that_lists_what_exists(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        get_space(name)


def test_the_width_is_in_the_name_and_no_option() -> None:
    space = space_of("m@2")
    with pytest.raises(InputError, match="unknown size 'channels' for the network of branches:m@2"):
        count_parameters(space, everything(space), 10, channels=4)
