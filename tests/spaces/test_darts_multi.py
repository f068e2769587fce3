"""The space of SI-VDNAS: its bits, how `darts` lies in it, its text, and its networks."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchkit.spaces import ArchitectureError, get_space
from benchkit.spaces.counts import count
from benchkit.spaces.darts.encoding import DARTS
from benchkit.spaces.darts_multi.encoding import DARTSMulti
from benchkit.spaces.engine import CandidateNetwork, build_network, build_supernet
from benchkit.spaces.nasnet.encoding import EDGES
from tests.spaces.genotypes import DARTS_V1, DARTS_V2
from tests.spaces.network_checks import (
    assert_counts_are_those_built,
    assert_inherits,
    assert_paths_at_once_are_single_ones,
    images,
    seeded,
)
from tests.spaces.two_cells_plainly import plainly

SPACE, SINGLE = DARTSMulti(), DARTS()
SEEDS = st.integers(0, 2**32 - 1)
SMALL: dict[str, Any] = {"channels": 4, "cells": 3}

pytestmark = pytest.mark.usefixtures("one_thread")


def one_edge(*operations: str, source: int = 0) -> str:
    """A genotype whose only edge, in both cells, leads from an input to the first node."""
    pairs = [(operation, source) for operation in operations]
    cell = [pairs, [], [], []]
    return f"Genotype(normal={cell}, normal_concat=range(2, 6), reduce={cell}, reduce_concat=range(2, 6))"


def test_a_row_has_224_bits_in_the_stated_order() -> None:
    assert SPACE.length == 2 * (14 + 14 * 7) == 224
    assert SPACE.size == 2**196
    assert type(get_space("darts-multi")) is DARTSMulti
    row = SPACE.parse(one_edge("skip_connect", "sep_conv_3x3", source=1))
    # edge (1, 2) is the second; skip_connect and sep_conv_3x3 are the third and fourth operation but none
    expected = {1, 14 + 7 + 2, 14 + 7 + 3}
    assert set(np.flatnonzero(row).tolist()) == expected | {112 + bit for bit in expected}


def test_an_edges_bit_says_whether_it_carries_anything() -> None:
    row = SPACE.parse(one_edge("skip_connect"))
    opened, closed = row.copy(), row.copy()
    opened[5] = 1
    closed[0] = 0
    assert SPACE.is_valid(np.stack([row, opened, closed])).tolist() == [True, False, False]
    with pytest.raises(
        ArchitectureError, match="edge 0 to 4 of its normal cell is open but carries no operation"
    ):
        SPACE.validate(opened)
    with pytest.raises(ArchitectureError, match="edge 0 to 2 of its normal cell is closed but carries"):
        SPACE.validate(closed)
    empty = np.zeros(224, dtype=np.int8)
    assert SPACE.is_valid(empty[None])[0]


@given(SEEDS)
@settings(max_examples=30)
def test_rows_and_sets_of_operations_are_one_to_one(seed: int) -> None:
    held = np.random.default_rng(seed).random((3, 28, 8)) < 0.2
    rows = SPACE.rows(held)
    assert SPACE.is_valid(rows).all()
    assert np.array_equal(SPACE.holds(rows)[..., 1:], held[..., 1:])
    assert not SPACE.holds(rows)[..., 0].any()
    assert np.array_equal(SPACE.rows(SPACE.holds(rows)), rows)


@given(SEEDS)
@settings(max_examples=30)
def test_darts_lies_in_it_with_its_own_text(seed: int) -> None:
    rows = SINGLE.sample(np.random.default_rng(seed), 5)
    embedded = SPACE.embed(rows)
    assert SPACE.is_valid(embedded).all()
    for row, wide in zip(rows, embedded, strict=True):
        assert SPACE.format(wide) == SINGLE.format(row)
        assert np.array_equal(SPACE.parse(SINGLE.format(row)), wide)
        assert SPACE.diagrams(wide) == SINGLE.diagrams(row)
    weights = np.random.default_rng(seed).random((28, 8))
    assert np.array_equal(SPACE.strongest(weights), SPACE.embed(SINGLE.strongest(weights)))


def test_published_genotypes_cost_what_they_cost_in_darts() -> None:
    for text in (DARTS_V1, DARTS_V2):
        size = {"cells": 20, "channels": 36}
        wide = count(SPACE, SPACE.parse(text)[None], 10, **size)
        single = count(SINGLE, SINGLE.parse(text)[None], 10, **size)
        assert wide.parameters.tolist() == single.parameters.tolist()
        assert wide.flops.tolist() == single.flops.tolist()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (one_edge("skip_connect", source=2), "an edge into node 2 of normal"),
        (one_edge("none"), "unknown operation 'none' in darts-multi"),
        (one_edge("skip_connect", "skip_connect"), "twice"),
        (one_edge("skip_connect").replace("range(2, 6)", "range(3, 6)"), "leaves out node 2"),
        (one_edge("skip_connect").replace(", []]", "]"), "3 nodes, and its cells have 4"),
        (
            "Genotype(normal=3, normal_concat=[2], reduce=[], reduce_concat=[2])",
            "normal is no sequence of pairs",
        ),
        ("Genotype()", "a darts-multi architecture reads"),
    ],
)
def test_other_texts_are_refused_with_the_reason(text: str, says: str) -> None:
    with pytest.raises(ArchitectureError, match=says):
        SPACE.parse(text)


def test_steps_turn_one_operation_on_or_off() -> None:
    rng = np.random.default_rng(0)
    parents = SPACE.sample(rng, 200)
    held = SPACE.holds(parents)
    assert held[..., 1:].mean() == pytest.approx(0.5, abs=0.01)
    changed = SPACE.holds(SPACE.mutate(rng, parents)) != held
    assert (changed.sum(axis=(1, 2)) == 1).all()
    around = SPACE.neighbors(parents[0])
    assert len(around) == len(np.unique(around, axis=0)) == 196
    mixed = SPACE.holds(SPACE.crossover(rng, parents[:100], parents[100:]))
    of_first = (mixed == held[:100]).all(axis=2)
    of_second = (mixed == held[100:]).all(axis=2)
    assert (of_first | of_second).all()
    assert of_first.mean() == pytest.approx(0.5, abs=0.05)


def test_draws_from_bits_are_the_product_given_membership() -> None:
    """One edge against a listing of its 128 members and 128 others; all other edges are closed."""
    rng = np.random.default_rng(0)
    chances = np.zeros(224)
    chances[0], chances[14:21] = 0.3, [0.2, 0.1, 0.4, 0.05, 0.3, 0.1, 0.25]
    drawn = SPACE.sample_product(rng, [np.array([1 - c, c]) for c in chances], 40_000)
    assert SPACE.is_valid(drawn).all()
    assert not drawn[:, 112:].any()
    odds: dict[int, float] = {}
    for code in range(128):
        bits = np.array([code >> bit & 1 for bit in range(7)])
        member = np.prod(np.where(bits == 1, chances[14:21], 1 - chances[14:21]))
        odds[code] = float(member * (0.3 if code else 0.7))
    total = sum(odds.values())
    codes = drawn[:, 14:21].astype(np.int64) @ (1 << np.arange(7))
    found = np.bincount(codes, minlength=128) / len(drawn)
    for code, chance in odds.items():
        expected = chance / total
        assert found[code] == pytest.approx(expected, abs=5 * np.sqrt(expected / len(drawn)) + 1e-4)


def test_canonical_forms_ignore_the_order_of_the_nodes_and_nothing_else() -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        held = (rng.random((2, 14, 8)) < 0.15) & (np.arange(8) > 0)
        row = SPACE.rows(held.reshape(28, 8))
        order = [0, 1, *list(permutations(range(2, 6)))[rng.integers(24)]]
        renamed = np.zeros_like(held)
        forward = True
        for edge, (source, target) in enumerate(EDGES):
            ends = order[source], order[target]
            if ends in EDGES:
                renamed[0, EDGES.index(ends)] = held[0, edge]
            elif held[0, edge].any():
                forward = False
        renamed[1] = held[1]
        if forward:
            twin = SPACE.rows(renamed.reshape(28, 8))
            assert SPACE.canonical(twin[None]) == SPACE.canonical(row[None])
        other = SPACE.mutate(rng, row[None])
        assert SPACE.canonical(other) != SPACE.canonical(row[None])


# -- networks -------------------------------------------------------------------------------------


def test_networks_are_those_of_darts_with_sums_on_edges() -> None:
    network = build_supernet(SPACE, 5, generator=seeded(), **SMALL).double()
    single = build_supernet(SINGLE, 5, generator=seeded(), **SMALL).double()
    assert list(network.state_dict()) == list(single.state_dict())
    x = images(8, dtype=torch.float64)
    with torch.no_grad():
        for row in SPACE.sample(np.random.default_rng(0), 2):
            hard = torch.from_numpy(SPACE.holds(row[None])[0]).double()
            torch.testing.assert_close(network.path(x, row), plainly(network, x, hard, {1, 2}))  # type: ignore[arg-type]
        row = SINGLE.parse(DARTS_V2)
        torch.testing.assert_close(network.path(x, SPACE.embed(row)), single.path(x, row))


def test_a_node_without_inputs_gives_zeros_and_an_empty_cell_a_constant() -> None:
    network = build_supernet(SPACE, 5, generator=seeded(), **SMALL).eval()
    with torch.no_grad():
        logits = network.path(images(8), np.zeros(224, dtype=np.int8))
        torch.testing.assert_close(logits, logits[:1].expand(4, -1))
        other = network.path(images(8), SPACE.parse(one_edge("sep_conv_3x3")))
    assert (other[0] != other[1]).any()


def test_paths_and_counts_and_inheritance() -> None:
    supernet = build_supernet(SPACE, 5, generator=seeded(), **SMALL).eval()
    assert isinstance(supernet, CandidateNetwork)
    rows = SPACE.rows(np.random.default_rng(1).random((3, 28, 8)) < 0.2)
    rows[2, 112:] = rows[1, 112:]
    assert_paths_at_once_are_single_ones(supernet, rows, images(8))
    assert_inherits(supernet, rows[0], images(8))
    assert_counts_are_those_built(SPACE, rows, SMALL, 9, 3)
    assert_counts_are_those_built(SPACE, rows[:1], {**SMALL, "stem_stride": 8, "auxiliary": 1}, 33, 1)


def test_full_size_is_eight_cells_of_sixteen_channels() -> None:
    row = SPACE.parse(DARTS_V2)
    network = build_network(SPACE, row, 10, generator=seeded())
    held = sum(weight.numel() for weight in network.parameters())
    assert held == count(SPACE, row[None], 10, cells=8, channels=16).parameters[0]
