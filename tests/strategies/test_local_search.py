"""Local search against hill climbing written plainly and against landscapes worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.base.errors import InputError
from benchkit.spaces.categorical import CategoricalSpace
from benchkit.spaces.nasbench201.encoding import NASBench201
from benchkit.strategies.local_search import LocalSearch


def toy(*arity):
    """A user's space without structure: independent choices."""
    return CategoricalSpace("toy", {f"op{i}": range(a) for i, a in enumerate(arity)})


class Landscape:
    """Random accuracies in percent over a small space, and a record of what was asked."""

    def __init__(self, space, seed):
        self.space = space
        self.score = np.random.default_rng(seed).permutation(space.size) * 100.0 / space.size
        self.batches = []

    def run(self, search, queries):
        asked = 0
        while asked < queries:
            batch = search.ask().batch
            if not len(batch):
                break
            self.batches.append(batch)
            search.tell(batch, self.of(batch))
            asked += len(batch)
        return search

    def of(self, batch):
        return self.score[self.space.index(batch)]


def search_of(space, seed=0, **hyperparameters):
    return LocalSearch(space, np.random.default_rng(seed), **hyperparameters)


def test_a_single_peak_is_climbed_straight_to_the_top():
    """On a sum of choices every move raises one choice to its top: d moves lead to the optimum."""
    space = toy(*(5,) * 6)
    search = search_of(space)
    start = search.ask().batch
    search.tell(start, start.sum(axis=1).astype(float))
    to_raise = int((start[0] < 4).sum())
    for _ in range(to_raise):
        batch = search.ask().batch
        search.tell(batch, batch.sum(axis=1).astype(float))
    assert search.recommend().tolist() == [4] * 6


@given(st.integers(0, 10_000), st.integers(1, 4))
def test_best_is_hill_climbing_with_restarts_written_plainly(seed, starts):
    space = toy(*(3,) * 4)
    landscape = Landscape(space, seed)
    landscape.run(search_of(space, seed, starts=starts), 60)
    known, current = set(), None
    for batch in landscape.batches:
        asked = {int(i) for i in space.index(batch)}
        assert not asked & known
        assert len(asked) == len(batch)
        new = set() if current is None else {int(i) for i in space.index(space.neighbors(current))} - known
        known |= asked
        best = batch[np.argmax(landscape.of(batch))]
        if new:
            assert asked == new
            improves = landscape.of(best[None])[0] > landscape.of(current[None])[0]
            current = best if improves else None
        else:
            assert len(asked) == starts or len(known) == space.size
            current = best


@given(st.integers(0, 10_000))
def test_first_moves_as_soon_as_it_sees_something_better(seed):
    space = toy(*(3,) * 4)
    landscape = Landscape(space, seed)
    landscape.run(search_of(space, seed, variant="first"), 60)
    known, current, left = set(), None, set()
    for batch in landscape.batches:
        assert len(batch) == 1
        row = int(space.index(batch)[0])
        assert row not in known
        if left:
            assert row in left
            left.discard(row)
            moved = landscape.score[row] > landscape.score[current]
        else:
            moved = True  # a restart
        known.add(row)
        if moved:
            current = row
            left = {int(i) for i in space.index(space.neighbors(batch[0]))} - known


@pytest.mark.parametrize("variant", ["best", "first"])
def test_an_exhausted_space_ends_the_trial_with_its_optimum(variant):
    space = toy(3, 2, 2)
    landscape = Landscape(space, 1)
    search = landscape.run(search_of(space, variant=variant, starts=2), 10_000)
    assert sorted(space.index(np.concatenate(landscape.batches))) == list(range(12))
    assert len(search.ask().batch) == 0
    assert landscape.of(search.recommend()[None])[0] == landscape.score.max()


def test_the_whole_neighbourhood_of_a_cell_is_one_batch_in_random_order():
    space = NASBench201()
    batches = []
    for seed in (1, 2):
        search = search_of(space, seed)
        search.tell(search.ask().batch * 0, np.array([50.0]))
        batches.append(search.ask().batch)
    assert [len(batch) for batch in batches] == [24, 24]
    assert sorted(map(tuple, batches[0])) == sorted(map(tuple, batches[1]))
    assert (batches[0] != batches[1]).any()


def test_a_plateau_is_left_by_a_restart():
    space = toy(*(3,) * 5)
    search = search_of(space)
    sizes = []
    for _ in range(6):
        batch = search.ask().batch
        search.tell(batch, np.full(len(batch), 10.0))
        sizes.append(len(batch))
    assert sizes[::2] == [1, 1, 1]
    assert sizes[1] == 10
    assert max(sizes[3::2]) <= 10


def test_a_descent_begins_at_the_best_of_the_starts():
    space = toy(*(5,) * 6)
    search = search_of(space, starts=10)
    starts = search.ask().batch
    assert len(starts) == 10
    scores = np.arange(10.0)
    scores[3] = 99.0
    search.tell(starts, scores)
    around = search.ask().batch
    assert ((around != starts[3]).sum(axis=1) == 1).all()


class Mirror(CategoricalSpace):
    """Rows that read the same backwards share an entry, as isomorphic cells of nasbench101 do."""

    def __init__(self):
        super().__init__("mirror", {"left": range(3), "right": range(3)})

    @property
    def size(self):
        return 6

    def key(self, batch):
        return np.minimum(self.index(batch), self.index(batch[:, ::-1]))


def test_one_entry_of_the_table_is_never_paid_for_twice():
    space = Mirror()
    search = search_of(space)
    keys = []
    while len(batch := search.ask().batch):
        keys += space.key(batch).tolist()
        search.tell(batch, np.zeros(len(batch)))
    assert len(keys) == len(set(keys)) == 6


def test_the_published_settings():
    assert LocalSearch.presets["paper"] == {"variant": "best", "starts": 1}
    assert LocalSearch.presets["naszilla"] == {"variant": "first", "starts": 10}
    assert (
        search_of(NASBench201()).hyperparameters == search_of(NASBench201(), preset="paper").hyperparameters
    )


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"variant": "greedy"}, "must be one of best, first; got 'greedy'"),
        ({"starts": 0}, "at least 1, got 0"),
    ],
)
def test_wrong_hyperparameters_are_refused(wrong, message):
    with pytest.raises(InputError, match=message):
        search_of(NASBench201(), **wrong)
