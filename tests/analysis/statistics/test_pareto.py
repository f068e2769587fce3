"""The Pareto front, by hand, by its definition, and on a table."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.analysis.statistics.pareto import pareto_front

few = st.integers(0, 5).map(float)  # so that ties are common
numbers = st.one_of(few, st.floats(allow_nan=False), st.just(float("nan")))
pairs = st.lists(st.tuples(numbers, numbers), max_size=25)


def plain_front(points: list[tuple[float, float]], lower: bool, higher: bool) -> set[int]:
    """The definition, pair by pair."""

    def worth(point: tuple[float, float]) -> tuple[float, float]:
        return (-point[0] if lower else point[0], point[1] if higher else -point[1])

    def dominates(a: tuple[float, float], b: tuple[float, float]) -> bool:
        return a[0] >= b[0] and a[1] >= b[1] and a != b

    known = {i: worth(p) for i, p in enumerate(points) if not np.isnan(p).any()}
    return {i for i, mine in known.items() if not any(dominates(other, mine) for other in known.values())}


def test_by_hand() -> None:
    cost = [3, 1, 2, 2, 4, 5, 3]
    value = [30, 10, 30, 20, 40, 40, 30]
    # (1, 10), (2, 30), (4, 40); (3, 30) is no better than (2, 30), (5, 40) no better than (4, 40)
    assert pareto_front(cost, value).tolist() == [1, 2, 4]


def test_equals_are_all_in_the_front_or_none() -> None:
    assert pareto_front([1, 1, 2, 2, 2], [5, 5, 4, 6, 6]).tolist() == [0, 1, 3, 4]


@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("higher", [True, False])
def test_corners_of_a_square(lower: bool, higher: bool) -> None:
    cost, value = np.array([0.0, 0, 1, 1]), np.array([0.0, 1, 0, 1])
    (best,) = pareto_front(cost, value, lower_cost=lower, higher_value=higher)
    assert (cost[best], value[best]) == (0.0 if lower else 1.0, 1.0 if higher else 0.0)


@given(pairs, st.booleans(), st.booleans())
def test_is_what_the_definition_says(points: list[tuple[float, float]], lower: bool, higher: bool) -> None:
    cost, value = [p[0] for p in points], [p[1] for p in points]
    front = pareto_front(cost, value, lower_cost=lower, higher_value=higher).tolist()
    assert len(set(front)) == len(front)
    assert set(front) == plain_front(points, lower, higher)
    costs = [cost[i] if lower else -cost[i] for i in front]
    values = [value[i] if higher else -value[i] for i in front]
    assert costs == sorted(costs)
    assert values == sorted(values)


@given(pairs)
def test_every_entry_outside_is_dominated_by_one_inside(points: list[tuple[float, float]]) -> None:
    cost, value = np.array([p[0] for p in points]), np.array([p[1] for p in points])
    front = pareto_front(cost, value)
    for i in set(range(len(points))) - set(front.tolist()):
        better = (cost[front] <= cost[i]) & (value[front] >= value[i])
        assert better.any() or np.isnan(cost[i]) or np.isnan(value[i])


@given(pairs)
def test_a_front_is_its_own_front_and_mirrors(points: list[tuple[float, float]]) -> None:
    cost, value = np.array([p[0] for p in points]), np.array([p[1] for p in points])
    front = pareto_front(cost, value)
    assert pareto_front(cost[front], value[front]).tolist() == list(range(len(front)))
    mirrored = pareto_front(-cost, -value, lower_cost=False, higher_value=False)
    assert mirrored.tolist() == front.tolist()


def test_nothing_has_no_front_and_shapes_are_checked() -> None:
    assert pareto_front([], []).tolist() == []
    assert pareto_front([np.nan], [1.0]).tolist() == []
    with pytest.raises(ValueError, match=r"got shapes \(2,\), \(1,\)"):
        pareto_front([1, 2], [1])
