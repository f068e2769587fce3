"""Counts of parameters and multiply-adds: against the tables, by hand, and at other sizes."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchkit.base.errors import InputError
from benchkit.data.tables import Metric, open_table
from benchkit.spaces import get_space
from benchkit.spaces.categorical import CategoricalSpace
from benchkit.spaces.counts import count, count_flops, count_parameters
from benchkit.spaces.nasbench101.counts import vertex_channels
from benchkit.spaces.nasbench101.encoding import NASBench101
from benchkit.spaces.restricted import RestrictedSpace

CLASSES = {"cifar10": 10, "cifar100": 100, "imagenet16-120": 120}


def column(table: str, quantity: str, dataset: str = "cifar10") -> npt.NDArray[np.float64]:
    return open_table(table).values(Metric(dataset, None, None, quantity=quantity))


@pytest.mark.parametrize("dataset", CLASSES)
def test_all_15625_cells_have_the_parameters_of_the_table(dataset: str) -> None:
    table = open_table("nasbench201")
    counted = count_parameters(table.space, table.rows, CLASSES[dataset])
    assert len(counted) == 15_625
    assert np.array_equal(counted, column("nasbench201", "parameters", dataset))


@pytest.mark.parametrize("quantity", ["parameters", "flops"])
def test_all_6561_chains_have_the_parameters_and_flops_of_the_table(quantity: str) -> None:
    table = open_table("nasbench-macro")
    counted = getattr(count(table.space, table.rows, 10, image_size=32), quantity)
    assert len(counted) == 6_561
    assert np.array_equal(counted, column("nasbench-macro", quantity))


def test_all_30001_cells_have_the_parameters_of_the_table() -> None:
    table = open_table("nasbench101-sample")
    counted = count_parameters(table.space, table.rows, 10)
    assert len(counted) == 30_001
    assert np.array_equal(counted, column("nasbench101-sample", "parameters"))


def test_nasbench201_multiply_adds_by_hand() -> None:
    space = get_space("nasbench201-3")
    # one 1x1 and one 3x3 convolution in the one cell of each stage, C = 2, grey 8 x 8 images
    row = space.parse("|nor_conv_1x1~0|+|nor_conv_3x3~0|skip_connect~1|")
    stem = 1 * 2 * 9 * 64
    stages = 10 * (2 * 2 * 64 + 4 * 4 * 16 + 8 * 8 * 4)  # 1 + 9 weights for each pair of channels
    to_stage_2 = (2 * 4 * 9 + 4 * 4 * 9 + 2 * 4) * 16
    to_stage_3 = (4 * 8 * 9 + 8 * 8 * 9 + 4 * 8) * 4
    by_hand = stem + stages + to_stage_2 + to_stage_3 + 8 * 5
    counted = count_flops(space, row[None], classes=5, image_size=8, image_channels=1, channels=2, cells=1)
    assert counted.tolist() == [by_hand]


def test_vertex_channels_by_hand() -> None:
    # vertices 1, 2 and 4 feed the output: 8 = 3 + 3 + 2; vertex 3 feeds vertex 4 alone
    matrix = np.zeros((7, 7), dtype=int)
    for source, target in [(0, 1), (1, 2), (1, 6), (2, 6), (0, 3), (3, 4), (4, 6)]:
        matrix[source, target] = 1
    row = NASBench101().encode(matrix, ["conv3x3"] * 5)
    assert vertex_channels(row[None], 8).tolist() == [[0, 3, 3, 2, 2, 0, 8]]


def test_the_cell_of_one_edge_has_only_its_projections() -> None:
    row = NASBench101().parse("01/00")
    counted = count_parameters(NASBench101(), row[None], 10, channels=8, stacks=2, cells=2)
    stem, classifier = 3 * 8 * 9 + 16, 16 * 10 + 10
    projections = 2 * (8 * 8 + 16) + (8 * 16 + 32) + (16 * 16 + 32)
    assert counted.tolist() == [stem + projections + classifier]


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), name=st.sampled_from(["nasbench101", "nasbench201", "nasbench-macro"]))
def test_a_row_costs_the_same_alone_and_in_a_batch(seed: int, name: str) -> None:
    space = get_space(name)
    rows = space.sample(np.random.default_rng(seed), 6)
    together = count(space, rows, 10, image_size=16)
    alone = [count(space, row[None], 10, image_size=16) for row in rows]
    assert together.parameters.tolist() == [one.parameters[0] for one in alone]
    assert together.flops.tolist() == [one.flops[0] for one in alone]


def test_more_classes_cost_one_weight_a_feature_and_a_bias() -> None:
    space = get_space("nasbench201")
    rows = space.at([0, 11_472])
    ten, hundred = (count_parameters(space, rows, classes) for classes in (10, 100))
    assert (hundred - ten).tolist() == [90 * 65, 90 * 65]


def test_rows_of_one_cost_each_get_a_figure_and_no_rows_get_none() -> None:
    space = get_space("nasbench201")
    assert count_parameters(space, np.zeros((4, 6), dtype=np.int8), 10).shape == (4,)
    assert count_flops(space, np.zeros((0, 6), dtype=np.int8), 10).shape == (0,)


def test_a_restricted_space_counts_as_the_space_it_restricts() -> None:
    whole = get_space("nasbench-macro")
    some = RestrictedSpace(whole, whole.at([5, 700]))
    assert np.array_equal(count_flops(some, whole.at([700]), 10), count_flops(whole, whole.at([700]), 10))


def test_bad_input_says_what_is_allowed() -> None:
    space = get_space("nasbench201")
    rows = space.at([0])
    with pytest.raises(InputError, match=re.escape("unknown size 'width' for the network of nasbench201")):
        count(space, rows, 10, width=8)
    with pytest.raises(InputError, match="cells must be a whole number from 1 to 1,000; got 0"):
        count(space, rows, 10, cells=0)
    with pytest.raises(InputError, match="classes must be a whole number"):
        count(space, rows, 0)
    with pytest.raises(InputError, match="row 0 is not an architecture"):
        count(space, np.full((1, 6), 9), 10)
    with pytest.raises(InputError, match="split among up to 5 vertices"):
        count(get_space("nasbench101"), NASBench101().parse("01/00")[None], 10, channels=4)
    custom = CategoricalSpace("mine", {"a": [1, 2]})
    with pytest.raises(InputError, match="space mine has no network"):
        count(custom, custom.at([0]), 10)


def test_counting_does_not_load_torch() -> None:
    code = (
        "import sys; from benchkit.spaces import get_space; from benchkit.spaces.counts import count\n"
        "s = get_space('nasbench201'); count(s, s.at([3]), 10); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "False"
