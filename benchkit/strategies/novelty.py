"""Finds the architectures that a trial has not asked for yet, by their entry in a table (``Space.key``)."""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any

import numpy as np

from benchkit.spaces.base import Batch, Space

_TRIES = 10  # draws for a row that is new, before a known one is asked again


def new_places(keys: list[Any], known: Container[Any]) -> list[int]:
    """Return the places of the keys that are not known, each key once, in their order."""
    first = {key: place for place, key in reversed(list(enumerate(keys))) if key not in known}
    return sorted(first.values())


def redrawn(space: Space, known: set[Any], rows: Batch, draw: Callable[[int], Batch]) -> Batch:
    """Return int8[n, d]: the rows, with known and repeated ones drawn again, ten times at most.

    Parameters
    ----------
    known : Keys of everything asked before; those of the returned rows are added.
    draw : Function from a number to so many rows.
    """
    for _ in range(_TRIES):
        repeated = np.ones(len(rows), dtype=np.bool_)
        repeated[new_places(space.key(rows).tolist(), known)] = False
        if not repeated.any():
            break
        rows[repeated] = draw(int(repeated.sum()))
    known.update(space.key(rows).tolist())
    return rows
