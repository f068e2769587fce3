"""The space of DARTS: genotypes, its size, its steps, and the rule by which a search derives one."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from benchkit.spaces import ArchitectureError, get_space
from benchkit.spaces.darts.encoding import DARTS, OPERATIONS
from benchkit.spaces.nasnet.encoding import EDGES
from tests.spaces.genotypes import DARTS_V1, DARTS_V2

SPACE = DARTS()
SEEDS = st.integers(0, 2**32 - 1)


def genotype(normal: str, concat: str = "range(2, 6)", extra: str = "") -> str:
    reduce = [("skip_connect", 0), ("skip_connect", 1)] * 4
    both = f"normal={normal}, normal_concat={concat}, reduce={reduce}, reduce_concat=[2, 3, 4, 5]"
    return f"Genotype({both}{extra})"


def pairs(*listed: tuple[str, int]) -> str:
    filler = [("max_pool_3x3", 0), ("max_pool_3x3", 1)] * 4
    return str([*listed, *filler[len(listed) :]])


def test_there_are_seven_operations_and_none_in_the_published_order() -> None:
    assert SPACE.operations == (
        *("none", "max_pool_3x3", "avg_pool_3x3", "skip_connect"),
        *("sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5"),
    )
    assert SPACE.arity == (8,) * 28
    assert type(get_space("darts")) is DARTS


def test_the_size_is_the_published_product() -> None:
    # appendix: for node k of 1..4, (k + 1) k / 2 pairs of inputs and 7^2 operations; about 10^9, squared
    cell = 1
    for k in range(1, 5):
        cell *= (k + 1) * k // 2 * 7**2
    assert SPACE.size == cell**2
    assert 1e9 < cell < 1.1e9


def test_published_genotypes_are_read_edge_by_edge() -> None:
    row = SPACE.parse(DARTS_V2)
    kept = {(cell, *EDGES[edge], OPERATIONS[row[14 * cell + edge]]) for cell in (0, 1) for edge in range(14)}
    assert {edge for edge in kept if edge[3] != "none"} == {
        *((0, source, 2, "sep_conv_3x3") for source in (0, 1)),
        *((0, source, 3, "sep_conv_3x3") for source in (0, 1)),
        *((0, 0, 4, "skip_connect"), (0, 1, 4, "sep_conv_3x3")),
        *((0, 0, 5, "skip_connect"), (0, 2, 5, "dil_conv_3x3")),
        *((1, source, 2, "max_pool_3x3") for source in (0, 1)),
        *((1, 1, 3, "max_pool_3x3"), (1, 2, 3, "skip_connect")),
        *((1, 0, 4, "max_pool_3x3"), (1, 2, 4, "skip_connect")),
        *((1, 1, 5, "max_pool_3x3"), (1, 2, 5, "skip_connect")),
    }
    assert SPACE.is_valid(row[None]).all()


def test_the_text_is_one_that_pythons_own_reader_takes() -> None:
    row = SPACE.parse(DARTS_V1)
    text = SPACE.format(row)
    read = eval(text, {"Genotype": dict, "range": range})  # as the published code reads it
    assert read["normal"][:3] == [("sep_conv_3x3", 0), ("sep_conv_3x3", 1), ("skip_connect", 0)]
    assert read["reduce"][-2:] == [("avg_pool_3x3", 0), ("skip_connect", 2)]
    assert read["normal_concat"] == read["reduce_concat"] == range(2, 6)
    assert np.array_equal(SPACE.parse(text), row)


def test_the_order_of_a_nodes_edges_means_nothing() -> None:
    first = SPACE.parse(genotype(pairs(("sep_conv_3x3", 0), ("dil_conv_5x5", 1))))
    second = SPACE.parse(genotype(pairs(("dil_conv_5x5", 1), ("sep_conv_3x3", 0)), "[2, 3, 4, 5]"))
    assert np.array_equal(first, second)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (genotype("[]"), r"darts cannot hold this genotype: normal lists 0 nodes, and its cells have 4"),
        (genotype("[('skip_connect', 0)]"), r"normal lists 1 pairs, and a node has two"),
        (genotype(pairs(("none", 0))), "unknown operation 'none'"),
        (genotype(pairs(("sep_conv_7x7", 0))), "unknown operation 'sep_conv_7x7' in darts; it has max_pool"),
        (genotype(pairs(("skip_connect", 2))), r"node 2 of normal.*SOURCE from 0 to 1"),
        (genotype(pairs(("skip_connect", 0), ("skip_connect", 0))), "two edges into node 2 of normal"),
        (
            genotype(pairs(), "range(3, 6)"),
            r"normal_concat leaves out node 2; its cells concatenate range\(2, 6\)",
        ),
        (genotype(pairs(), "range(0, 10**9)"), "a darts architecture reads"),
        (genotype(pairs(), extra=", more=1"), "a darts architecture reads"),
        ("Genotype(normal=[])", "a darts architecture reads"),
        ("genotype" + DARTS_V1[8:], "a darts architecture reads"),
        ("__import__('os').getcwd()", "a darts architecture reads"),
        ("(" * 5000, "a darts architecture reads"),
        ("\0", "a darts architecture reads"),
        ("", "a darts architecture reads"),
    ],
)
def test_malformed_genotypes_are_named(text: str, says: str) -> None:
    with pytest.raises(ArchitectureError, match=says):
        SPACE.parse(text)


@pytest.mark.parametrize(
    ("edges", "says"),
    [((0, 1, 2), "node 3 of its normal cell has 3 inputs, not 2"), ((), "node 3 of its normal cell has 0")],
)
def test_a_node_with_other_than_two_inputs_is_refused(edges: tuple[int, ...], says: str) -> None:
    row = SPACE.parse(DARTS_V1)
    row[2:5] = 0
    row[[2 + edge for edge in edges]] = 3
    with pytest.raises(ArchitectureError, match=says):
        SPACE.validate(row)
    row[0] = 8
    with pytest.raises(ArchitectureError, match="choice 0 is 8"):
        SPACE.validate(row)


@settings(max_examples=30)
@given(seed=SEEDS)
def test_neighbours_differ_by_an_operation_or_by_a_source(seed: int) -> None:
    centre = SPACE.sample(np.random.default_rng(seed), 1)[0]
    around = SPACE.neighbors(centre)
    assert len(np.unique(around, axis=0)) == len(around) == 16 * 6 + 2 * 2 * (0 + 1 + 2 + 3)
    assert SPACE.is_valid(around).all()
    changed = around != centre
    moved = changed.sum(axis=1) == 2
    assert moved.sum() == 24
    assert changed[~moved].sum(axis=1).tolist() == [1] * 96
    for row, where in zip(around[moved], changed[moved], strict=True):
        assert sorted(row[where]) == sorted(centre[where])  # the operation goes along
        assert 0 in row[where]


def test_a_mutation_is_any_neighbour_equally_often() -> None:
    centre = SPACE.parse(DARTS_V2)
    children = SPACE.mutate(np.random.default_rng(3), np.repeat(centre[None], 24_000, axis=0))
    keys, counts = np.unique(SPACE.key(children), return_counts=True)
    assert np.array_equal(keys, np.sort(SPACE.key(SPACE.neighbors(centre))))
    assert abs(counts - 200).max() < 5 * np.sqrt(200)


def test_samples_are_uniform_over_pairs_and_operations() -> None:
    rows = SPACE.sample(np.random.default_rng(0), 30_000)
    last = rows[:, 23:28]  # five edges into the last node: ten pairs
    kept, counts = np.unique(last != 0, axis=0, return_counts=True)
    assert len(kept) == 10
    assert abs(counts - 3000).max() < 5 * np.sqrt(3000)
    operations = np.bincount(rows[rows != 0], minlength=8)[1:]
    assert abs(operations / operations.sum() - 1 / 7).max() < 0.003


def test_crossover_takes_whole_nodes() -> None:
    rng = np.random.default_rng(1)
    first, second = SPACE.sample(rng, 40), SPACE.sample(rng, 40)
    child = SPACE.crossover(rng, first, second)
    starts = [0, 2, 5, 9, 14, 16, 19, 23, 28]
    from_first = 0
    for start, end in pairwise(starts):
        like = [(child[:, start:end] == parent[:, start:end]).all(axis=1) for parent in (first, second)]
        assert (like[0] | like[1]).all()
        from_first += int(like[0].sum())
    assert 120 < from_first < 220


def test_product_draws_have_the_exact_conditional_law() -> None:
    rng = np.random.default_rng(2)
    vectors = [rng.dirichlet(np.full(8, 0.7)) for _ in range(28)]
    rows = SPACE.sample_product(rng, vectors, 40_000)
    assert SPACE.is_valid(rows).all()
    # node 3 of the normal cell by listing: 512 combinations on its three edges, those with two operations
    law = {
        choice: float(np.prod([vectors[2 + edge][o] for edge, o in enumerate(choice)]))
        for choice in product(range(8), repeat=3)
        if sum(o != 0 for o in choice) == 2
    }
    total = sum(law.values())
    drawn = rows[:, 2:5] @ np.array([64, 8, 1])
    for choice, share in law.items():
        expected = 40_000 * share / total
        seen = int((drawn == np.array(choice) @ np.array([64, 8, 1])).sum())
        assert abs(seen - expected) < 6 * np.sqrt(expected) + 6


def test_product_draws_of_impossible_laws_stay_inside() -> None:
    closed, opened = np.eye(8)[0], np.eye(8)[4]
    for certain in (closed, opened):
        rows = SPACE.sample_product(np.random.default_rng(0), [certain] * 28, 20)
        assert SPACE.is_valid(rows).all()
        assert len(np.unique(rows, axis=0)) > 1
    assert set(rows.ravel()) == {0, 4}


# -- derivation -----------------------------------------------------------------------------------


def derived_plainly(alpha: npt.NDArray[np.float64]) -> npt.NDArray[np.int8]:
    """DARTS, section 2.4, node by node: the two strongest edges by their strongest operation but none."""
    row = np.zeros(28, dtype=np.int8)
    for cell in (0, 1):
        for target in range(2, 6):
            strengths = []
            for source in range(target):
                position = 14 * cell + EDGES.index((source, target))
                softmax = np.exp(alpha[position]) / np.exp(alpha[position]).sum()
                best = max(range(1, 8), key=lambda o: softmax[o])
                strengths.append((softmax[best], position, best))
            for _, position, best in sorted(strengths, reverse=True)[:2]:
                row[position] = best
    return row


@settings(max_examples=100)
@given(seed=SEEDS, spread=st.sampled_from([1e-3, 1.0, 5.0]))
def test_the_strongest_two_inputs_of_each_node_are_kept(seed: int, spread: float) -> None:
    alpha = spread * np.random.default_rng(seed).standard_normal((28, 8))
    shares = np.exp(alpha) / np.exp(alpha).sum(axis=1, keepdims=True)
    row = SPACE.strongest(shares)
    assert row.dtype == np.int8
    assert np.array_equal(row, derived_plainly(alpha))
    assert SPACE.is_valid(row[None]).all()


def test_none_is_never_kept_but_weakens_its_edge() -> None:
    alpha = np.zeros((28, 8))
    alpha[:, 4] = 1.0
    alpha[[2, 16], 0] = 9.0  # the first edge into node 3 of either cell: mostly none
    row = SPACE.strongest(np.exp(alpha) / np.exp(alpha).sum(axis=1, keepdims=True))
    assert row[2:5].tolist() == row[16:19].tolist() == [0, 4, 4]
    assert row[5:9].tolist() == [4, 4, 0, 0]  # among equals the first


@settings(max_examples=20)
@given(weights=arrays(np.float64, (3, 28, 8), elements=st.floats(0, 1)))
def test_many_are_derived_as_one_by_one(weights: npt.NDArray[np.float64]) -> None:
    assert np.array_equal(SPACE.strongest(weights), [SPACE.strongest(each) for each in weights])


def test_other_spaces_keep_the_largest_of_every_position() -> None:
    weights = np.random.default_rng(0).random((6, 5))
    assert np.array_equal(get_space("nasbench201").strongest(weights), weights.argmax(axis=1))
