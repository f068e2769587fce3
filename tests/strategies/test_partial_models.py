"""Partial models: extensions, completions and their law, the constraint, potentials, what is left."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.base.errors import InputError
from benchkit.spaces import Space, get_space
from benchkit.spaces.base import Batch
from benchkit.spaces.restricted import RestrictedSpace
from benchkit.strategies.pcnas.partial_models import (
    Drawn,
    all_completions,
    architectures_left,
    best_partial_models,
    candidate_counts,
    complete,
    complete_feasible,
    completing,
    decision_order,
    extend,
    none_left,
    potentials,
    whole_rows,
)

THREE = get_space("nasbench201-3")  # 5 x 5 x 5
MACRO = get_space("nasbench-macro")  # 3^8
CELLS = get_space("nasbench101")
EMPTY = np.empty((1, 0), dtype=np.int8)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def partial(*choices: int) -> npt.NDArray[np.int8]:
    return np.array(choices, dtype=np.int8)


@dataclass(frozen=True)
class Total:
    """The choices sum to `limit` at most."""

    limit: float
    cost: str = "total"
    unit: str = "steps"

    def values(self, batch: Batch) -> npt.NDArray[np.float64]:
        return np.asarray(batch.sum(axis=1), dtype=np.float64)

    def feasible(self, batch: Batch) -> npt.NDArray[np.bool_]:
        return np.asarray(self.values(batch) <= self.limit)


# -- deciding ---------------------------------------------------------------------------------------


def test_the_figure_of_the_paper() -> None:
    # Figure 1: a pool of two, three operators, six extended partial models, of which two are kept
    pool = np.array([[0, 1], [2, 2]], dtype=np.int8)
    assert extend(pool, 3).tolist() == [[0, 1, 0], [0, 1, 1], [0, 1, 2], [2, 2, 0], [2, 2, 1], [2, 2, 2]]
    assert extend(EMPTY, 3).tolist() == [[0], [1], [2]]
    assert extend(pool, 3).dtype == np.int8


def test_candidates_are_at_most_p_times_n() -> None:
    # mobile-small: 10 operators, then 5 x 10 twenty times
    assert candidate_counts([10] * 21, 5) == [10] + [50] * 20
    assert candidate_counts([3] * 8, 5) == [3, 9, 15, 15, 15, 15, 15, 15]
    assert candidate_counts([2, 2, 2], 1) == [2, 2, 2]


def test_an_order_names_every_position_once() -> None:
    assert decision_order(THREE, None) == (0, 1, 2)
    assert decision_order(THREE, [2, 0, 1]) == (2, 0, 1)
    for wrong in ([0, 1], [0, 1, 1], [1, 2, 3], []):
        with pytest.raises(InputError, match=r"each of the positions 0\.\.2 of nasbench201-3 once"):
            decision_order(THREE, wrong)


def test_whole_rows_undo_the_order() -> None:
    rows = MACRO.sample(rng(), 6)
    order = (3, 1, 0, 7, 6, 2, 5, 4)
    assert np.array_equal(whole_rows(order, rows[:, list(order)]), rows)


# -- completions ------------------------------------------------------------------------------------


@given(st.permutations(range(8)), st.lists(st.integers(0, 2), max_size=8))
def test_completions_keep_what_is_decided(order: list[int], choices: list[int]) -> None:
    drawn = complete(MACRO, rng(), order, partial(*choices)[None], 5)
    assert drawn.rows.shape == (5, 8)
    assert MACRO.is_valid(drawn.rows).all()
    for position, choice in zip(order, choices, strict=False):
        assert (drawn.rows[:, position] == choice).all()
    assert completing(drawn.rows, order, partial(*choices)).all()


def shares(space: Space, rows: Batch) -> npt.NDArray[np.float64]:
    return np.unique(space.index(rows), return_counts=True)[1] / len(rows)


def test_completions_are_uniform() -> None:
    drawn = complete(THREE, rng(), (2, 0, 1), partial(3)[None], 10_000)
    found = shares(THREE, drawn.rows)
    assert len(found) == 25
    assert np.abs(found - 1 / 25).max() < 5 * np.sqrt(1 / 25 * 24 / 25 / 10_000)


def test_completions_of_a_restricted_space_are_its_entries_uniformly() -> None:
    rows = THREE.at(np.arange(0, 125, 3))
    space = RestrictedSpace(THREE, rows)
    drawn = complete(space, rng(), (0, 1, 2), partial(1)[None], 4_000)
    expected = rows[rows[:, 0] == 1]
    assert {row.tobytes() for row in drawn.rows} == {row.tobytes() for row in expected}
    share = 1 / len(expected)
    assert np.abs(shares(space, drawn.rows) - share).max() < 5 * np.sqrt(share / 4_000)
    assert architectures_left(space, (0, 1, 2), partial(1)[None]) == (len(expected), True)


def test_a_partial_model_that_no_entry_completes_has_none() -> None:
    space = RestrictedSpace(THREE, THREE.at([0, 1]))  # 000 and 001
    pool = np.array([[4], [0]], dtype=np.int8)
    drawn = complete(space, rng(), (0, 1, 2), pool, 6)
    assert drawn.whose.tolist() == [1] * 6
    assert "no architecture of nasbench201-3-restricted" in str(
        none_left(space, None, complete(space, rng(), (0, 1, 2), pool[:1], 6))
    )


def test_completions_on_nasbench101_are_valid_cells() -> None:
    order = tuple(range(26))
    # the first vertex leads to the output alone: edges (0,1), ..., (0,6)
    drawn = complete(CELLS, rng(), order, partial(0, 0, 0, 0, 0, 1)[None], 40)
    assert len(drawn.rows) == 40
    assert CELLS.is_valid(drawn.rows).all()
    # no edge leaves the input: nothing completes this
    assert not len(complete(CELLS, rng(), order, partial(0, 0, 0, 0, 0, 0)[None], 3).rows)


def test_few_combinations_are_listed() -> None:
    listed = all_completions(THREE, (1, 0, 2), partial(4))
    assert listed is not None
    expected = [[first, 4, last] for first, last in itertools.product(range(5), repeat=2)]
    assert sorted(listed.tolist()) == expected
    assert all_completions(MACRO, range(8), partial()) is None  # 6,561 are too many
    whole = all_completions(THREE, (0, 1, 2), partial(4, 0, 2))
    assert whole is not None
    assert whole.tolist() == [[4, 0, 2]]


def test_listed_cells_of_nasbench101_are_the_valid_ones() -> None:
    cell = CELLS.parse(CELLS.format(CELLS.sample(rng(2), 1)[0]))
    listed = all_completions(CELLS, range(26), cell[:20])
    assert listed is not None
    # the last edge (two values) and five operations
    every = np.array([(*cell[:20], *rest) for rest in itertools.product((0, 1), *[range(3)] * 5)], np.int8)
    valid = every[CELLS.is_valid(every)]
    assert {row.tobytes() for row in listed} == {row.tobytes() for row in valid}


# -- the constraint ---------------------------------------------------------------------------------


def test_what_breaks_the_constraint_is_dumped_and_counts() -> None:
    # Algorithm 1: of S = 3,000 uniform completions of (4,) about those with a sum of at most 5 are left
    drawn = complete_feasible(THREE, rng(), (0, 1, 2), partial(4)[None], 3_000, Total(5))
    assert set(map(tuple, drawn.rows.tolist())) == {(4, 0, 0), (4, 0, 1), (4, 1, 0)}
    assert drawn.dumped == 3_000 - len(drawn.rows)
    assert len(drawn.rows) / 3_000 == pytest.approx(3 / 25, abs=5 * np.sqrt(3 / 25 / 3_000))
    assert drawn.smallest == (4.0,)
    assert drawn.costs is not None
    assert sorted(set(drawn.costs.tolist())) == [4.0, 5.0]


def test_only_a_candidate_without_any_is_drawn_again() -> None:
    # (4, ...): one completion in 25 keeps a sum of 4; (0, ...): all but those above 4
    pool = np.array([[4], [0]], dtype=np.int8)
    left = [complete_feasible(THREE, rng(seed), (0, 1, 2), pool, 2, Total(4)) for seed in range(20)]
    for drawn in left:
        counts = np.bincount(drawn.whose, minlength=2)
        assert 1 <= counts[0] <= 2
        assert counts[1] <= 2
        assert (np.diff(drawn.whose) >= 0).all()
        assert Total(4).feasible(drawn.rows).all()
    assert any(np.bincount(drawn.whose, minlength=2)[1] == 1 for drawn in left)  # S counts what is dumped


def test_the_error_names_the_limit_and_the_smallest_value() -> None:
    drawn = complete_feasible(THREE, rng(), (0, 1, 2), partial(4)[None], 10, Total(3))
    assert not len(drawn.rows)
    assert drawn.dumped >= 5_000
    with pytest.raises(InputError, match=r"-3 among .* keeps total=3 \(steps; the smallest drawn has 4"):
        raise none_left(THREE, Total(3), drawn)


def test_a_whole_model_is_not_drawn_again() -> None:
    drawn = complete_feasible(THREE, rng(), (0, 1, 2), partial(4, 4, 4)[None], 7, Total(3))
    assert (len(drawn.rows), drawn.dumped) == (0, 7)


# -- choosing ---------------------------------------------------------------------------------------


def test_potentials_by_hand() -> None:
    found = potentials(np.array([10.0, 20.0, 60.0, 0.0]), np.array([0, 0, 2, 2]), 4)
    assert found.tolist() == [15.0, -math.inf, 30.0, -math.inf]
    assert not np.isfinite(potentials(np.empty(0), np.empty(0, np.int64), 2)).any()


def test_the_best_are_kept_and_ties_go_to_the_earlier() -> None:
    candidates = np.arange(5, dtype=np.int8)[:, None]
    kept, best = best_partial_models(candidates, np.array([3.0, 7.0, -np.inf, 7.0, 5.0]), 3)
    assert kept[:, 0].tolist() == [1, 3, 4]
    assert best.tolist() == [7.0, 7.0, 5.0]
    assert len(best_partial_models(candidates, np.array([1.0] + [-np.inf] * 4), 3)[0]) == 1


def test_potentials_estimate_the_mean_over_all_completions() -> None:
    """Eq. 11 with i <= l, against the mean over the listed completions."""
    value = THREE.at(np.arange(125)) @ np.array([1.0, 10.0, 3.0])
    pool = np.arange(5, dtype=np.int8)[:, None]
    drawn = complete(THREE, rng(), (1, 0, 2), pool, 4_000)
    found = potentials(value[THREE.index(drawn.rows)], drawn.whose, 5)
    exact = [10 * choice + 2 * 1.0 + 2 * 3.0 for choice in range(5)]
    assert found == pytest.approx(exact, abs=5 * np.sqrt(2 + 18) / np.sqrt(4_000))


def test_what_is_left() -> None:
    pool = np.array([[0, 1], [1, 1]], dtype=np.int8)
    assert architectures_left(THREE, (0, 1, 2), pool) == (10, True)
    large = get_space("mobile-large")
    assert architectures_left(large, range(21), EMPTY) == (20**21, True)
    assert architectures_left(large, range(21), np.zeros((5, 1), np.int8)) == (5 * 20**20, True)


def test_what_is_left_of_nasbench101() -> None:
    order = tuple(range(26))
    cells = CELLS.sample(rng(), 2)
    assert architectures_left(CELLS, order, cells[:, :3]) == (2 * 2**18 * 3**5, False)
    listed = [all_completions(CELLS, order, cell[:18]) for cell in cells]
    assert architectures_left(CELLS, order, cells[:, :18]) == (
        sum(len(rows) for rows in listed if rows is not None),
        True,
    )
    assert architectures_left(CELLS, order, cells) == (2, True)


def test_drawn_without_a_constraint_has_no_costs() -> None:
    drawn = complete_feasible(THREE, rng(), (0, 1, 2), EMPTY, 3, None)
    assert isinstance(drawn, Drawn)
    assert (drawn.dumped, drawn.costs, drawn.smallest) == (0, None, ())
