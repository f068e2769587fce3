"""What every space promises, checked on each of them."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchkit.base.errors import InputError
from benchkit.spaces import ArchitectureError, Space, get_space, space_names
from benchkit.spaces.categorical import CategoricalSpace
from benchkit.spaces.restricted import RestrictedSpace


def _spaces() -> dict[str, Space]:
    # networks of full width have too many gates for rows to be listed; small ones are the same spaces
    spaces = {name: get_space(name) for name in space_names() if ":" not in name}
    spaces |= {name: get_space(f"branches:{name}") for name in ("m@4", "mi@2", "e@2", "r50@3", "d121@2")}
    spaces["choices"] = CategoricalSpace("choices", {"a": ["x", "y"], "b": [1, 2, 3], "c": ["only"]})
    whole = get_space("nasbench201")
    spaces["restricted"] = RestrictedSpace(whole, whole.sample(np.random.default_rng(5), 400))
    return spaces


SPACES = _spaces()


@pytest.fixture(params=SPACES, ids=str)
def space(request: pytest.FixtureRequest) -> Space:
    return SPACES[request.param]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_samples_are_members_of_the_right_type(space: Space, rng: np.random.Generator) -> None:
    batch = space.sample(rng, 50)
    assert batch.shape == (50, space.length)
    assert batch.dtype == np.int8
    assert space.is_valid(batch).all()


def test_the_same_generator_gives_the_same_sample(space: Space) -> None:
    first, second = (space.sample(np.random.default_rng(7), 20) for _ in range(2))
    assert np.array_equal(first, second)


def test_moves_stay_inside_and_leave_their_parents_alone(space: Space, rng: np.random.Generator) -> None:
    parents, others = space.sample(rng, 30), space.sample(rng, 30)
    before = parents.copy(), others.copy()
    for children in (space.mutate(rng, parents), space.crossover(rng, parents, others)):
        assert children.shape == parents.shape
        assert children.dtype == np.int8
        assert space.is_valid(children).all()
    assert np.array_equal(parents, before[0])
    assert np.array_equal(others, before[1])


def test_mutation_changes_the_architecture(space: Space, rng: np.random.Generator) -> None:
    parents = space.sample(rng, 30)
    assert (space.mutate(rng, parents) != parents).any(axis=1).mean() > 0.9


def test_neighbours_are_distinct_members_other_than_the_centre(
    space: Space, rng: np.random.Generator
) -> None:
    centre = space.sample(rng, 1)[0]
    around = space.neighbors(centre)
    assert space.is_valid(around).all()
    keys = space.key(around)
    assert len(np.unique(keys)) == len(around)
    assert not np.isin(space.key(centre[None]), keys).any()


def test_strings_round_trip(space: Space, rng: np.random.Generator) -> None:
    for row in space.sample(rng, 20):
        again = space.parse(space.format(row))
        assert np.array_equal(space.key(again[None]), space.key(row[None]))
        assert space.format(again) == space.format(row)


def test_malformed_strings_are_refused(space: Space) -> None:
    for text in ("", "nonsense", "|a~0|", "999999999"):
        with pytest.raises(ArchitectureError):
            space.parse(text)


def test_validate_names_the_first_bad_row(space: Space, rng: np.random.Generator) -> None:
    batch = space.sample(rng, 4)
    batch[2, 0] = 120
    with pytest.raises(ArchitectureError, match="row 2"):
        space.validate(batch)


@pytest.mark.parametrize("bad", [[[0, 1]], [["a", "b"]], [[[0]]], 3])
def test_validate_refuses_other_shapes_and_types(space: Space, bad: object) -> None:
    with pytest.raises(ArchitectureError):
        space.validate(np.array(bad))


def test_validate_refuses_values_beyond_int8_and_floats(space: Space, rng: np.random.Generator) -> None:
    wide = space.sample(rng, 1).astype(np.int64)
    assert np.array_equal(space.validate(wide), wide)
    with pytest.raises(ArchitectureError):
        space.validate(wide + 256)  # would be the same row modulo 256
    with pytest.raises(ArchitectureError, match="dtype"):
        space.validate(wide.astype(float))


def test_equal_keys_are_isomorphic(space: Space, rng: np.random.Generator) -> None:
    batch = space.sample(rng, 200)
    key, canonical = space.key(batch), space.canonical(batch)
    for value in np.unique(key):
        assert len(np.unique(canonical[key == value])) == 1


def test_index_and_at_are_inverse_where_the_space_is_enumerable(
    space: Space, rng: np.random.Generator
) -> None:
    batch = space.sample(rng, 100)
    try:
        index = space.index(batch)
    except InputError:
        # the only spaces here that cannot be enumerated
        assert space.name.startswith(("nasbench101", "nasnet", "mobile-", "branches:", "darts-multi"))
        return
    assert np.array_equal(space.at(index), batch)
    if space.size > 1_000_000:
        some = np.array([0, 1, space.size // 2, space.size - 1])
    else:
        some = np.arange(space.size)
    assert np.array_equal(space.index(space.at(some)), some)
    with pytest.raises(InputError):
        space.at([space.size])


def test_a_product_distribution_is_drawn_from(space: Space, rng: np.random.Generator) -> None:
    member = space.sample(rng, 1)[0]
    certain = [np.eye(arity)[choice] for arity, choice in zip(space.arity, member, strict=True)]
    drawn = space.sample_product(rng, certain, 5)
    assert np.array_equal(space.key(drawn), np.repeat(space.key(member[None]), 5))


def test_a_space_pickles_and_describes_itself(space: Space, rng: np.random.Generator) -> None:
    twin = pickle.loads(pickle.dumps(space))
    batch = space.sample(rng, 10)
    assert np.array_equal(twin.canonical(batch), space.canonical(batch))
    facts = space.describe()
    assert facts["length"] == space.length
    # a size of hundreds of digits is written as a power
    assert facts["size"] == (space.size if isinstance(facts["size"], int) else f"2^{space.length}")
    assert json.loads(json.dumps(facts)) == facts


def test_unknown_space_lists_those_there_are() -> None:
    with pytest.raises(InputError, match=r"unknown space 'nasbench-201'.*nasbench201"):
        get_space("nasbench-201")


@settings(max_examples=50)
@given(arity=st.lists(st.integers(1, 5), min_size=1, max_size=8), seed=st.integers(0, 2**32 - 1))
def test_product_spaces_enumerate_every_row_once(arity: list[int], seed: int) -> None:
    space = CategoricalSpace("any", {f"c{i}": [f"o{j}" for j in range(a)] for i, a in enumerate(arity)})
    some = np.random.default_rng(seed).integers(0, space.size, 20)
    assert np.array_equal(space.index(space.at(some)), some)
    centre = space.sample(np.random.default_rng(seed), 1)[0]
    around = space.neighbors(centre)
    assert len(around) == sum(arity) - len(arity)
    assert ((around != centre).sum(axis=1) == 1).all()
