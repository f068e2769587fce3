"""A restricted space: the architectures that a table has an entry for.

A table that covers part of its space makes membership part of validity. Every move stays inside, so a
search never asks for an architecture whose result is unknown. Membership goes by the space's `key`:
another encoding of an entry (an isomorphic cell) is a member too.

Deviations and choices
----------------------
- `sample` is uniform over the entries, not the space's own law conditioned on membership: a table that
  holds a small part of its space would reject nearly every draw.
- `sample_product` weighs the stored rows alone, one encoding an entry, and so needs no rejection. Where
  the distribution gives every stored row probability zero, it draws by `sample`.
- `crossover` tries the space's own a bounded number of times; a pair that found no member leaves one of
  its two parents, each with probability 1/2.
- A space may offer ``signature(batch) -> uint64[n]``, equal for rows of equal key and quicker than the
  key; it screens out most rows that are no entries.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from benchkit.base.errors import ArchitectureError, InputError
from benchkit.spaces.base import Architecture, Batch, Keys, Mutation, Space
from benchkit.spaces.row_index import RowIndex

_CROSSOVER_TRIES = 16
_REMEMBERED = 65_536  # rows whose neighbours are kept


class RestrictedSpace(Space):
    """The members of a space that are among given rows.

    Parameters
    ----------
    space : The whole space.
    rows : int8[n, d], members of `space`; of several rows with one key, the first stands for the entry.
    name : Name of the restricted space; by default that of `space` with ``-restricted``.
    keys : The rows' keys where they are known already, as in a table's key column; taken on trust.

    Raises
    ------
    ArchitectureError : a row is not a member of `space`.
    InputError : there are no rows, or not one key a row.
    """

    complete = False

    def __init__(self, space: Space, rows: Batch, name: str | None = None, keys: Keys | None = None) -> None:
        rows = space.validate(rows)
        if not len(rows):
            raise InputError(f"a restriction of space {space.name} needs at least one row")
        if keys is not None and len(keys) != len(rows):
            raise InputError(f"{len(rows)} rows of space {space.name} came with {len(keys)} keys")
        self.space = space
        self.name = f"{space.name}-restricted" if name is None else name
        self.arity = space.arity
        self._keys, first = np.unique(space.key(rows) if keys is None else keys, return_index=True)
        self._rows: Batch = rows[first]
        self._rows.setflags(write=False)
        self._stored = RowIndex(self._rows, space.arity)
        self._signature = getattr(space, "signature", None)
        if self._signature is not None:
            self._signatures = np.unique(self._signature(self._rows))
        self._neighbors: dict[bytes, Batch] = {}

    def __getstate__(self) -> dict[str, Any]:
        # what was remembered follows from the rest
        return {**self.__dict__, "_neighbors": {}}

    @property
    def size(self) -> int:
        return len(self._keys)

    @property
    def enumerable(self) -> bool:
        return True

    # -- membership ---------------------------------------------------------------------------

    def _entry(self, batch: Batch) -> npt.NDArray[np.int64]:
        """Return int64[n]: the position of each row's entry in key order, -1 where it has none."""
        entry = self._stored.find(batch)
        # a row that is not stored may still be another encoding of an entry
        rest = np.flatnonzero(entry < 0)
        if len(rest):
            rest = rest[self.space.is_valid(batch[rest])]
        if len(rest) and self._signature is not None:
            rest = rest[_rank(self._signatures, self._signature(batch[rest])) >= 0]
        if len(rest):
            entry[rest] = _rank(self._keys, self.space.key(batch[rest]))
        return entry

    def is_valid(self, batch: Batch) -> npt.NDArray[np.bool_]:
        return np.asarray(self._entry(batch) >= 0)

    def why_invalid(self, architecture: Architecture) -> str:
        if not self.space.is_valid(architecture[None])[0]:
            return self.space.why_invalid(architecture)
        return f"it is a valid {self.space.name} architecture, but not one of the {self.size:,} of this table"

    # -- drawing and moving -------------------------------------------------------------------

    def sample(self, rng: np.random.Generator, n: int) -> Batch:
        """Return int8[n, d], uniform over the entries."""
        return self._rows[rng.integers(self.size, size=n)]

    def neighbors(self, architecture: Architecture) -> Batch:
        """Return int8[m, d]: the space's neighbours that are entries; m may be 0."""
        return self._near(architecture).copy()

    def _near(self, architecture: Architecture) -> Batch:
        given = architecture.tobytes()
        rows = self._neighbors.get(given)
        if rows is None:
            rows = self.space.neighbors(architecture)
            rows = rows[self.is_valid(rows)]
            if len(self._neighbors) >= _REMEMBERED:
                del self._neighbors[next(iter(self._neighbors))]
            self._neighbors[given] = rows
        return rows

    def mutate(self, rng: np.random.Generator, batch: Batch) -> Batch:
        """Return int8[n, d]: a neighbour of each row, uniform; a fresh sample where there is none."""
        child = np.empty_like(batch)
        for i, row in enumerate(batch):
            near = self._near(row)
            child[i] = near[rng.integers(len(near))] if len(near) else self.sample(rng, 1)[0]
        return child

    @property
    def mutations(self) -> dict[str, Mutation]:
        """The space's own ways to mutate; a child that is no entry gives way to a neighbour (`mutate`)."""
        others = (name for name in self.space.mutations if name != "step")
        return {"step": self.mutate, **{name: partial(self._mutate_as, name) for name in others}}

    def _mutate_as(self, name: str, rng: np.random.Generator, batch: Batch) -> Batch:
        child = self.space.mutations[name](rng, batch)
        outside = ~self.is_valid(child)
        if outside.any():
            child[outside] = self.mutate(rng, batch[outside])
        return child

    def crossover(self, rng: np.random.Generator, first: Batch, second: Batch) -> Batch:
        """Return int8[n, d]: the space's crossover of each pair, else one of the two parents."""
        child = np.where(rng.random((len(first), 1)) < 0.5, first, second)
        pending = np.arange(len(first))
        for _ in range(_CROSSOVER_TRIES):
            if not len(pending):
                break
            trial = self.space.crossover(rng, first[pending], second[pending])
            valid = self.is_valid(trial)
            child[pending[valid]] = trial[valid]
            pending = pending[~valid]
        return child

    def sample_product(
        self, rng: np.random.Generator, probabilities: Sequence[npt.NDArray[np.float64]], n: int
    ) -> Batch:
        """Return int8[n, d]: stored rows, drawn exactly from the product conditioned on them.

        Parameters
        ----------
        probabilities : Probabilities of the ``arity[i]`` choices of position i, in d vectors.
        """
        logs = np.zeros(self.size)
        with np.errstate(divide="ignore"):
            for position, p in enumerate(probabilities):
                logs += np.log(np.asarray(p, dtype=np.float64))[self._rows[:, position]]
        if np.isneginf(logs).all():
            return self.sample(rng, n)
        cumulative = np.cumsum(np.exp(logs - logs.max()))
        chosen = np.searchsorted(cumulative, rng.random(n) * cumulative[-1], side="right")
        drawn: Batch = self._rows[np.minimum(chosen, self.size - 1)]
        return drawn

    def holds(self, batch: Batch) -> npt.NDArray[np.bool_]:
        return self.space.holds(batch)

    # -- identity -----------------------------------------------------------------------------

    def canonical(self, batch: Batch) -> npt.NDArray[np.bytes_]:
        return self.space.canonical(batch)

    def key(self, batch: Batch) -> Keys:
        return self.space.key(batch)

    def index(self, batch: Batch) -> npt.NDArray[np.int64]:
        """Return int64[n]: the position of each row's entry, in ascending order of keys.

        Raises
        ------
        ArchitectureError : a row is not a member.
        """
        entry = self._entry(batch)
        if (entry < 0).any():
            self.validate(batch)
        return entry

    def at(self, index: npt.ArrayLike) -> Batch:
        """Return int8[n, d]: the stored rows of these entries.

        Raises
        ------
        ArchitectureError : an index outside 0..size - 1.
        """
        ranks = np.atleast_1d(np.asarray(index, dtype=np.int64))
        if len(ranks) and (ranks.min() < 0 or ranks.max() >= self.size):
            raise ArchitectureError(f"{self.name} has indices 0..{self.size - 1}")
        return self._rows[ranks]

    # -- the border ---------------------------------------------------------------------------

    def parse(self, text: str) -> Architecture:
        return np.asarray(self.validate(self.space.parse(text))[0])

    def format(self, architecture: Architecture) -> str:
        return self.space.format(architecture)

    def describe(self) -> dict[str, Any]:
        return {
            **self.space.describe(),
            "name": self.name,
            "size": self.size,
            "complete": False,
            "restricted_from": self.space.name,
            "whole_size": self.space.size,
        }


def whole_space(space: Space) -> Space:
    """Return the space that decides what a row means: of a restricted space, the one it restricts."""
    while isinstance(space, RestrictedSpace):
        space = space.space
    return space


def _rank(ascending: Keys, values: Keys) -> npt.NDArray[np.int64]:
    """Return int64[n]: where each value stands among the ascending ones, -1 where it does not."""
    near = np.minimum(np.searchsorted(ascending, values), len(ascending) - 1)
    return np.where(ascending[near] == values, near, -1)
