"""Restricted spaces: membership by key, and moves that stay inside."""

import pickle

import numpy as np
import pytest

from benchkit.base.errors import InputError
from benchkit.data.tables import open_table
from benchkit.spaces import ArchitectureError, ProductSpace, get_space
from benchkit.spaces.nasbench101.encoding import NASBench101
from benchkit.spaces.restricted import RestrictedSpace

# of the 3 x 3 x 2 = 18 rows, five; 0 0 0 - 0 1 0 - 1 1 0 are linked, 2 0 1 - 2 2 1 are linked
MEMBERS = np.array([[2, 2, 1], [0, 0, 0], [0, 1, 0], [1, 1, 0], [2, 0, 1]], dtype=np.int8)


class Toy(ProductSpace):
    """A row reads as its digits."""

    def parse(self, text):
        return np.array([int(digit) for digit in text], dtype=np.int8)

    def format(self, architecture):
        return "".join(map(str, architecture.tolist()))


@pytest.fixture
def small():
    return RestrictedSpace(Toy("toy", (3, 3, 2)), MEMBERS)


@pytest.fixture(scope="module")
def table():
    return open_table("nasbench101-sample")


@pytest.fixture(scope="module")
def cells(table):
    return RestrictedSpace(NASBench101(), table.rows, "sample", keys=table.keys)


def as_set(rows):
    return {tuple(row) for row in rows.tolist()}


def test_its_members_are_the_rows(small):
    every = small.space.at(np.arange(18))
    assert as_set(every[small.is_valid(every)]) == as_set(MEMBERS)
    assert small.size == 5
    assert not small.complete
    assert small.describe() == {
        "name": "toy-restricted",
        "length": 3,
        "arity": [3, 3, 2],
        "size": 5,
        "complete": False,
        "restricted_from": "toy",
        "whole_size": 18,
    }


def test_entries_are_enumerated_in_key_order(small):
    rows = small.at(np.arange(5))
    assert small.space.index(rows).tolist() == sorted(small.space.index(MEMBERS).tolist())
    assert small.index(rows).tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(ArchitectureError, match=r"indices 0\.\.4"):
        small.at(5)
    with pytest.raises(ArchitectureError, match="not one of the 5 of this table"):
        small.index(np.array([[0, 0, 1]], dtype=np.int8))


def test_a_row_outside_is_refused_with_the_reason(small):
    with pytest.raises(
        ArchitectureError, match="a valid toy architecture, but not one of the 5 of this table"
    ):
        small.validate([0, 0, 1])
    with pytest.raises(ArchitectureError, match="choice 2 is 2, not in"):
        small.validate([0, 0, 2])
    with pytest.raises(ArchitectureError, match="row 1 is not an architecture of toy: choice 0 is 3"):
        RestrictedSpace(small.space, [[0, 0, 0], [3, 0, 0]])
    with pytest.raises(InputError, match="at least one row"):
        RestrictedSpace(small.space, np.empty((0, 3), dtype=np.int8))
    with pytest.raises(InputError, match="5 rows of space toy came with 4 keys"):
        RestrictedSpace(small.space, MEMBERS, keys=np.arange(4))


def test_sampling_is_uniform_over_the_entries(small):
    drawn = small.index(small.sample(np.random.default_rng(0), 10_000))
    assert np.abs(np.bincount(drawn) / 10_000 - 0.2).max() < 5 * 0.4 / 100


def test_repeated_rows_are_one_entry():
    space = RestrictedSpace(Toy("toy", (3, 3, 2)), np.repeat(MEMBERS, 3, axis=0))
    assert space.size == 5


def test_neighbours_are_those_of_the_space_that_are_members(small):
    assert as_set(small.neighbors(MEMBERS[2])) == {(0, 0, 0), (1, 1, 0)}
    assert as_set(small.neighbors(MEMBERS[0])) == {(2, 0, 1)}
    kept = small.neighbors(MEMBERS[0])
    kept[:] = 9  # what a caller does with the answer is its own affair
    assert as_set(small.neighbors(MEMBERS[0])) == {(2, 0, 1)}


def test_mutation_moves_to_a_neighbour_uniformly(small):
    children = small.mutate(np.random.default_rng(1), np.repeat(MEMBERS[2][None], 2_000, axis=0))
    assert as_set(children) == {(0, 0, 0), (1, 1, 0)}
    assert abs(children[:, 0].mean() - 0.5) < 5 * 0.5 / np.sqrt(2_000)


def test_a_row_without_neighbours_mutates_to_a_fresh_sample():
    space = RestrictedSpace(Toy("toy", (3, 3, 2)), [[0, 0, 0], [1, 1, 1], [2, 2, 0]])
    assert len(space.neighbors(np.zeros(3, dtype=np.int8))) == 0
    children = space.mutate(np.random.default_rng(2), np.zeros((100, 3), dtype=np.int8))
    assert as_set(children) == {(0, 0, 0), (1, 1, 1), (2, 2, 0)}


def test_crossover_stays_inside_and_falls_back_to_either_parent(small):
    first, second = np.repeat(MEMBERS[[1]], 500, axis=0), np.repeat(MEMBERS[[3]], 500, axis=0)
    children = small.crossover(np.random.default_rng(3), first, second)
    assert as_set(children) == {(0, 0, 0), (0, 1, 0), (1, 1, 0)}  # 1 0 0 is no member

    class Stubborn(Toy):
        def crossover(self, rng, first, second):
            return np.full_like(first, 1)  # 1 1 1 is no member

    alone = RestrictedSpace(Stubborn("toy", (3, 3, 2)), MEMBERS)
    children = alone.crossover(np.random.default_rng(4), first, second)
    assert as_set(children) == {(0, 0, 0), (1, 1, 0)}
    assert abs(children[:, 0].mean() - 0.5) < 5 * 0.5 / np.sqrt(500)


def test_product_sampling_is_exact(small):
    probabilities = [np.array([0.2, 0.1, 0.7]), np.array([0.5, 0.3, 0.2]), np.array([0.9, 0.1])]
    rows = small.at(np.arange(5))
    weight = np.array([np.prod([p[c] for p, c in zip(probabilities, row, strict=True)]) for row in rows])
    n = 20_000
    drawn = small.index(small.sample_product(np.random.default_rng(5), probabilities, n))
    share = weight / weight.sum()
    assert (np.abs(np.bincount(drawn, minlength=5) / n - share) < 5 * np.sqrt(share / n)).all()


def test_product_sampling_of_certain_choices(small):
    certain = [np.array([0.0, 0.0, 1.0]), np.array([1.0, 0.0, 0.0]), np.array([0.5, 0.5])]
    assert as_set(small.sample_product(np.random.default_rng(6), certain, 20)) == {(2, 0, 1)}
    nowhere = [np.array([0.0, 0.0, 1.0]), np.array([0.0, 1.0, 0.0]), np.array([0.5, 0.5])]
    assert as_set(small.sample_product(np.random.default_rng(7), nowhere, 200)) == as_set(MEMBERS)


def test_the_border_of_a_small_space(small):
    assert small.format(small.parse("201")) == "201"
    with pytest.raises(ArchitectureError, match="not one of the 5"):
        small.parse("001")


def test_it_pickles_and_then_draws_the_same(small):
    small.neighbors(MEMBERS[0])
    again = pickle.loads(pickle.dumps(small))
    np.testing.assert_array_equal(
        again.mutate(np.random.default_rng(8), MEMBERS), small.mutate(np.random.default_rng(8), MEMBERS)
    )


def test_a_space_too_large_to_enumerate_can_be_restricted():
    whole = Toy("wide", (3,) * 300)
    rows = whole.sample(np.random.default_rng(9), 20)
    space = RestrictedSpace(whole, rows)
    assert space.size == 20
    assert space.is_valid(rows).all()
    assert not space.is_valid(whole.mutate(np.random.default_rng(10), rows)).any()
    assert as_set(space.at(space.index(rows))) == as_set(rows)


# -- over the embedded part of NAS-Bench-101 ------------------------------------------------------


def test_isomorphic_encodings_of_an_entry_are_members(table, cells):
    rows = table.rows[(table.rows[:, [4, 9, 13, 16, 18, 20]] == 0).all(axis=1)]  # vertex 5 is unused
    other = rows.copy()
    other[:, 4], other[:, 25] = 1, 2  # an edge 0 -> 5 that leads nowhere, and an operation there
    assert len(rows) > 1_000
    assert cells.is_valid(other).all()
    np.testing.assert_array_equal(cells.index(other), cells.index(rows))
    small = NASBench101().parse(
        "0100000/0000010/0000000/0000000/0000000/0000001/0000000 conv3x3,conv3x3,conv3x3,conv3x3,conv1x1"
    )
    packed = NASBench101().pack(small[None])
    assert (small != packed[0]).any()
    with_it = RestrictedSpace(NASBench101(), packed)
    assert with_it.is_valid(small[None])[0]
    assert with_it.index(small[None]).tolist() == [0]


def test_membership_agrees_with_the_keys_of_the_table(table, cells):
    rng = np.random.default_rng(11)
    drawn = NASBench101().sample(rng, 2_000)
    known = np.isin(NASBench101().key(drawn), table.keys)
    np.testing.assert_array_equal(cells.is_valid(drawn), known)
    assert 0.05 < known.mean() < 0.5  # more than 7 %: small cells are drawn often
    np.testing.assert_array_equal(NASBench101().key(cells.at(np.arange(cells.size))), table.keys)


def test_one_step_neighbours_inside_the_sample_are_few(cells):
    rows = cells.sample(np.random.default_rng(12), 500)
    counts = np.array([len(cells.neighbors(row)) for row in rows])
    assert abs(counts.mean() - 1.4) < 0.25
    assert abs((counts == 0).mean() - 0.25) < 0.08


def test_moves_stay_inside_the_sample(cells):
    rng = np.random.default_rng(13)
    rows = cells.sample(rng, 100)
    assert cells.is_valid(cells.mutate(rng, rows)).all()
    assert cells.is_valid(cells.crossover(rng, rows[:50], rows[50:])).all()
    uniform = [np.full(arity, 1 / arity) for arity in cells.arity]
    assert cells.is_valid(cells.sample_product(rng, uniform, 100)).all()


def test_the_border_is_that_of_the_space(cells):
    row = cells.at([0])[0]
    np.testing.assert_array_equal(cells.parse(cells.format(row)), row)
    assert cells.canonical(row[None]) == NASBench101().canonical(row[None])
    drawn = NASBench101().sample(np.random.default_rng(0), 50)
    outside = cells.format(drawn[~cells.is_valid(drawn)][0])
    with pytest.raises(ArchitectureError, match="not one of the 30,001 of this table"):
        cells.parse(outside)


def test_every_mutation_of_the_space_stays_among_the_entries() -> None:
    space = get_space("nasbench101")
    rows = space.sample(np.random.default_rng(0), 400)
    restricted = RestrictedSpace(space, rows)
    assert set(restricted.mutations) == {"step", "notebook"}
    parents = restricted.sample(np.random.default_rng(1), 60)
    for mutate in restricted.mutations.values():
        children = pickle.loads(pickle.dumps(mutate))(np.random.default_rng(2), parents)
        assert restricted.is_valid(children).all()
        assert (children != parents).any()
