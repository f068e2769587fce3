"""The row index against a dictionary of rows."""

from __future__ import annotations

import numpy as np
import pytest

from benchkit.spaces.row_index import RowIndex


@pytest.mark.parametrize("arity", [(5,) * 6, (2,) * 21 + (3,) * 5, (2, 7), (1, 4, 1)])
def test_rows_are_found_where_they_stand_and_others_are_not(arity: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    every = np.unique(rng.integers(0, arity, size=(4000, len(arity)), dtype=np.int8), axis=0)
    rng.shuffle(every)
    half = every[: max(1, len(every) // 2)]
    places = {row.tobytes(): i for i, row in enumerate(half)}
    found = RowIndex(half, arity).find(every)
    assert found.tolist() == [places.get(row.tobytes(), -1) for row in every]


def test_values_outside_the_arity_are_not_taken_for_another_row() -> None:
    rows = np.array([[0, 1], [1, 0]], dtype=np.int8)
    index = RowIndex(rows, (2, 2))
    # 2 + 0 * 2 is the number of [0, 1] too, and -1 is 255 to a byte
    assert index.find(np.array([[2, 0], [-1, 1], [0, 1]], dtype=np.int8)).tolist() == [-1, -1, 0]


def test_rows_longer_than_a_word_are_never_confused() -> None:
    rng = np.random.default_rng(1)
    rows = rng.integers(0, 2, size=(50, 200), dtype=np.int8)
    rows[:, :70] = 0  # alike in all that fits into 64 bits
    index = RowIndex(rows[:25], (2,) * 200)
    found = index.find(rows)
    assert (found[25:] == -1).all()
    assert set(found[:25].tolist()) <= {-1, *range(25)}
    assert all(place in (-1, i) for i, place in enumerate(found[:25].tolist()))
