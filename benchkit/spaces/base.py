"""A search space: a finite set of architectures with a fixed-length integer encoding.

An architecture is one row of ``int8`` choices, a batch is ``int8[n, d]``. A space parses and formats
strings at its border; nothing inside the program holds a graph object or a string. Every method works
on whole batches.

`ProductSpace` is the common case in which every combination of choices is an architecture.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchkit.base.errors import ArchitectureError, InputError

Architecture = npt.NDArray[np.int8]
"""One row of choices, ``int8[d]``."""
Batch = npt.NDArray[np.int8]
"""Rows of choices, ``int8[n, d]``."""
Mutation = Callable[[np.random.Generator, Batch], Batch]
"""From int8[n, d] parents to int8[n, d] children."""
Keys = npt.NDArray[Any]
"""One sortable scalar a row (``int64`` or fixed-length bytes)."""

_DRAWS_PER_ROW = 64
_ROUNDS = 200


def row_bytes(batch: Batch) -> npt.NDArray[np.bytes_]:
    """Return bytes[n]: the rows of int8[n, d] themselves, d >= 1."""
    rows = np.ascontiguousarray(batch + np.int8(1))  # no trailing zero byte is lost
    return rows.view(f"S{batch.shape[1]}")[:, 0]


class CellDiagram(NamedTuple):
    """One cell, acyclic.

    Attributes
    ----------
    title : Name of the cell, where a network has several; else empty.
    inputs : Number of nodes, the first ones, that are inputs.
    nodes : Labels of the nodes, the output last; math stands between dollar signs.
    edges : (source, target, label) by the nodes' places, sources before targets; a label may be empty.
    """

    title: str
    inputs: int
    nodes: tuple[str, ...]
    edges: tuple[tuple[int, int, str], ...]


class Space(ABC):
    """A finite set of architectures.

    Attributes
    ----------
    name : Name of the space, in lower case.
    arity : Number of choices at each of the d positions.
    complete : Whether every valid encoding may be evaluated; False in a restricted space, whose
        members are the entries of a table.
    """

    name: str
    arity: tuple[int, ...]
    complete: bool = True

    @property
    def length(self) -> int:
        """d, the number of choices in a row."""
        return len(self.arity)

    @property
    @abstractmethod
    def size(self) -> int:
        """Number of distinct table entries (see `key`) that the space has."""

    # -- membership ---------------------------------------------------------------------------

    @abstractmethod
    def is_valid(self, batch: Batch) -> npt.NDArray[np.bool_]:
        """Return bool[n]: which rows of a well-shaped int8[n, d] batch are members."""

    def why_invalid(self, architecture: Architecture) -> str:
        """Return one clause that says why a row is not a member."""
        for position, (value, arity) in enumerate(zip(architecture, self.arity, strict=True)):
            if not 0 <= value < arity:
                return f"choice {position} is {value}, not in 0..{arity - 1}"
        return "it is not a member of the space"

    def validate(self, batch: npt.ArrayLike) -> Batch:
        """Return `batch` as ``int8[n, d]`` (a single row becomes n = 1).

        Raises
        ------
        ArchitectureError : wrong shape, not integers, or a row that is not a member; it names the
            first such row and the reason.
        """
        array = self.shaped(batch)
        valid = self.is_valid(array)
        if not valid.all():
            first = int(np.flatnonzero(~valid)[0])
            raise ArchitectureError(
                f"row {first} is not an architecture of {self.name}: {self.why_invalid(array[first])}"
            )
        return array

    def shaped(self, batch: npt.ArrayLike) -> Batch:
        """Return `batch` as ``int8[n, d]`` without asking whether its rows are members.

        Raises
        ------
        ArchitectureError : wrong shape, or not integers.
        """
        try:
            array = np.asarray(batch)
        except ValueError as error:  # rows of several lengths
            raise ArchitectureError(
                f"{self.name} architectures are rows of {self.length} integers"
            ) from error
        if array.ndim == 1:
            array = array[None]
        if array.ndim != 2 or array.shape[1] != self.length:
            raise ArchitectureError(
                f"{self.name} architectures are rows of {self.length} integers; got shape {array.shape}"
            )
        if array.dtype != np.int8:
            if array.dtype.kind not in "iu":
                raise ArchitectureError(
                    f"{self.name} architectures are rows of integers; got dtype {array.dtype}"
                )
            narrow = array.astype(np.int8)
            array = np.where(narrow == array, narrow, np.int8(-1))  # -1 is never a choice
        return array

    # -- drawing and moving -------------------------------------------------------------------

    @abstractmethod
    def sample(self, rng: np.random.Generator, n: int) -> Batch:
        """Return int8[n, d]: n independent draws with replacement (see the space for the law)."""

    @abstractmethod
    def neighbors(self, architecture: Architecture) -> Batch:
        """Return int8[m, d]: every member one step away from `architecture`."""

    @abstractmethod
    def mutate(self, rng: np.random.Generator, batch: Batch) -> Batch:
        """Return int8[n, d]: for each row, one member one random step away.

        A row without neighbours (possible in a restricted space) is replaced by a fresh sample.
        """

    @property
    def mutations(self) -> dict[str, Mutation]:
        """The ways to mutate that a strategy can be told to use; ``step`` is `mutate`."""
        return {"step": self.mutate}

    @abstractmethod
    def crossover(self, rng: np.random.Generator, first: Batch, second: Batch) -> Batch:
        """Return int8[n, d]: a member that combines each pair of parents."""

    def sample_product(
        self, rng: np.random.Generator, probabilities: Sequence[npt.NDArray[np.float64]], n: int
    ) -> Batch:
        """Return int8[n, d]: draws from independent choices, conditioned on being a member.

        Parameters
        ----------
        probabilities : Probabilities of the ``arity[i]`` choices of position i, in d vectors.

        By rejection. Where a row was rejected 12,800 times, the distribution has all but left the
        space; that row is drawn by `sample` instead.
        """
        cumulative = [np.cumsum(p) for p in probabilities]
        rows = np.empty((0, self.length), dtype=np.int8)
        for _ in range(_ROUNDS):
            draws = _DRAWS_PER_ROW * max(1, n - len(rows))
            uniform = rng.random((draws, self.length))
            trial = np.empty((draws, self.length), dtype=np.int8)
            for position, edges in enumerate(cumulative):
                chosen = np.searchsorted(edges, uniform[:, position] * edges[-1], side="right")
                trial[:, position] = np.minimum(chosen, len(edges) - 1)
            rows = np.concatenate([rows, trial[self.is_valid(trial)]])[:n]
            if len(rows) == n:
                return rows
        return np.concatenate([rows, self.sample(rng, n - len(rows))])

    def strongest(self, weights: npt.NDArray[np.floating[Any]]) -> Batch:
        """Return int8[..., d]: what a supernet's weights say, by the rule with which the space was published.

        The choice of the largest weight at every position, unless a space has another rule.

        Parameters
        ----------
        weights : float[..., d, choices], not negative, such as softmax(alpha); 0 where there is no choice.
        """
        return np.asarray(weights.argmax(axis=-1), dtype=np.int8)

    def holds(self, batch: Batch) -> npt.NDArray[np.bool_]:
        """Return bool[..., positions, choices]: the candidates of a supernet that rows select.

        One candidate a position, the row's choice, unless a space says otherwise.
        """
        selected: npt.NDArray[np.bool_] = np.asarray(batch)[..., None] == np.arange(max(self.arity))
        return selected

    # -- identity -----------------------------------------------------------------------------

    @abstractmethod
    def canonical(self, batch: Batch) -> npt.NDArray[np.bytes_]:
        """Return bytes[n]: equal for two rows exactly when their architectures are isomorphic."""

    @abstractmethod
    def key(self, batch: Batch) -> Keys:
        """Return one sortable scalar a row: rows with equal keys share one entry of a table."""

    @property
    def enumerable(self) -> bool:
        """Whether `index` and `at` work."""
        return False

    def index(self, batch: Batch) -> npt.NDArray[np.int64]:
        """Return int64[n]: the rank of each row in the enumeration of the space.

        Raises
        ------
        InputError : the space is not enumerable.
        """
        raise InputError(f"space {self.name} cannot be enumerated; use key() or canonical()")

    def at(self, index: npt.ArrayLike) -> Batch:
        """Return int8[n, d]: the rows at these ranks, the inverse of `index`."""
        raise InputError(f"space {self.name} cannot be enumerated; use sample()")

    # -- the border ---------------------------------------------------------------------------

    @abstractmethod
    def parse(self, text: str) -> Architecture:
        """Return the row for a string in the space's own notation.

        Raises
        ------
        ArchitectureError : malformed, or not a member.
        """

    @abstractmethod
    def format(self, architecture: Architecture) -> str:
        """Return the space's own notation, the inverse of `parse`."""

    def diagrams(self, architecture: Architecture) -> tuple[CellDiagram, ...]:
        """Return the cells of a row, to be drawn.

        Raises
        ------
        InputError : the space's architectures have no cells.
        """
        raise InputError(f"an architecture of {self.name} has no cells to draw")

    def describe(self) -> dict[str, Any]:
        """Return what ``space info`` prints: JSON-ready facts about the space."""
        return {
            "name": self.name,
            "length": self.length,
            "arity": list(self.arity),
            "size": self.size,
            "complete": self.complete,
        }


class ProductSpace(Space):
    """A space in which every combination of choices is an architecture.

    The enumeration is in mixed radix, the first position the most significant.
    """

    def __init__(self, name: str, arity: Sequence[int]) -> None:
        self.name = name
        self.arity = tuple(int(a) for a in arity)
        self._arity = np.array(self.arity, dtype=np.int8)
        self._changeable = np.flatnonzero(self._arity > 1)
        self._size = math.prod(self.arity)
        self._enumerable = self._size < 2**62
        if self._enumerable:
            weights = np.cumprod([1, *self.arity[:0:-1]], dtype=np.int64)[::-1]
            self._weights = np.ascontiguousarray(weights)

    @property
    def size(self) -> int:
        return self._size

    @property
    def enumerable(self) -> bool:
        return self._enumerable

    def is_valid(self, batch: Batch) -> npt.NDArray[np.bool_]:
        inside = (batch >= 0) & (batch < self._arity)
        valid: npt.NDArray[np.bool_] = np.logical_and.reduce(inside, axis=1)
        return valid

    def sample(self, rng: np.random.Generator, n: int) -> Batch:
        """Return int8[n, d], uniform over the space."""
        return rng.integers(0, self._arity, size=(n, self.length), dtype=np.int8)

    def neighbors(self, architecture: Architecture) -> Batch:
        """Return int8[sum(arity - 1), d]: every row that differs in exactly one choice."""
        rows = []
        for position, arity in enumerate(self.arity):
            for value in range(arity):
                if value != architecture[position]:
                    row = architecture.copy()
                    row[position] = value
                    rows.append(row)
        return np.array(rows, dtype=np.int8).reshape(-1, self.length)

    def mutate(self, rng: np.random.Generator, batch: Batch) -> Batch:
        """Change exactly one choice of each row to another value (position and value uniform)."""
        child = batch.copy()
        rows = np.arange(len(batch))
        if len(self._changeable) == 0:
            return child
        position = self._changeable[rng.integers(len(self._changeable), size=len(batch))]
        shift = rng.integers(1, self._arity[position], dtype=np.int8)
        child[rows, position] = (child[rows, position] + shift) % self._arity[position]
        return child

    def crossover(self, rng: np.random.Generator, first: Batch, second: Batch) -> Batch:
        """Take each choice from either parent with probability 1/2 (uniform crossover)."""
        take_first = rng.random(first.shape) < 0.5
        return np.where(take_first, first, second)

    def canonical(self, batch: Batch) -> npt.NDArray[np.bytes_]:
        """Return the row itself as bytes: no two rows are isomorphic unless a space says so."""
        return row_bytes(batch)

    def key(self, batch: Batch) -> Keys:
        """Return `index` where the space has fewer than 2**62 rows, else the row as bytes."""
        return self.index(batch) if self._enumerable else row_bytes(batch)

    def index(self, batch: Batch) -> npt.NDArray[np.int64]:
        if not self._enumerable:
            return super().index(batch)
        return batch @ self._weights

    def at(self, index: npt.ArrayLike) -> Batch:
        if not self._enumerable:
            return super().at(index)
        ranks = np.atleast_1d(np.asarray(index, dtype=np.int64))
        if len(ranks) and not (ranks.min() >= 0 and ranks.max() < self._size):
            raise ArchitectureError(f"{self.name} has indices 0..{self._size - 1}")
        rows = ranks[:, None] // self._weights % self._arity.astype(np.int64)
        return rows.astype(np.int8)
