"""NAS-Bench-101: cells of at most seven vertices and nine edges, an operation on each inner vertex.

Ying et al., "NAS-Bench-101: Towards Reproducible Neural Architecture Search", ICML 2019. 423,624 cells
that differ up to isomorphism. The encoding, and the moves that keep it valid, are those of VAENAS,
appendix A.5:

=====================================  =======================================
what                                   function
=====================================  =======================================
representation, alpha = concat(a, op)  a row, ``int8[26]``
validity, connectivity                 `NASBench101.is_valid`, `is_connected`
top nine of 21 numbers                 `top_nine`, `NASBench101.sample_vaenas`
mutation, crossover                    `NASBench101.mutate`, `NASBench101.crossover`
official notebook's sampling           `NASBench101.sample`
official notebook's mutation           `NASBench101.mutate_notebook`
=====================================  =======================================

A row holds the 21 bits of the strict upper triangle of the 7 x 7 adjacency matrix, row by row, then the
operations of vertices 1 to 5 in the official order (conv3x3-bn-relu, conv1x1-bn-relu, maxpool3x3).
Vertex 0 is the input and vertex 6 the output. A smaller cell is a row that leaves vertices unused; in
packed form its inner vertices are 1, 2, ..., and the rest is zero.

Deviations and choices
----------------------
- Valid is the official rule: input and output are connected, and at most nine edges remain after the
  vertices on no path between them are pruned. A.5 counts edges before pruning, and its sampler draws
  exactly nine, so it reaches a strict subset of the rows.
- A.5 does not say how operations mutate. Here one step treats the 26 positions alike: with probability
  21/26 it exchanges a present and an absent edge (A.5), with probability 5/26 it gives one inner vertex
  another operation. It always changes the row; like the published moves it may touch an unused
  vertex, and then the cell stays the same.
- Where no exchange of edges is valid (only the cell whose one edge joins input and output is known),
  the step changes an operation.
- A.5's crossover exchanges edges i and j of the first parent where x has i and y has j alone. Each
  operation comes from either parent with probability 1/2. Where no pair (i, j) exists or is valid, as
  when one parent's edges include the other's, the edges are those of the first parent.
- "Repeat until valid" is carried out as a few random tries, then a uniform draw from the list of all
  valid exchanges: the same law, and it ends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from benchkit.base.errors import ArchitectureError, InputError, shown
from benchkit.spaces.base import Architecture, Batch, CellDiagram, Keys, Mutation, Space
from benchkit.spaces.nasbench101 import hash as graph

OPERATIONS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")
"""Official operation names; the position is the value in a row and the label in the hash."""

_EDGES = len(graph.SOURCES)
_INNER = graph.VERTICES - 2
_LENGTH = _EDGES + _INNER
_ARITY = np.array([2] * _EDGES + [len(OPERATIONS)] * _INNER, dtype=np.int8)
_UNIQUE_CELLS = 423_624  # Ying et al., section 2.2
_TRIES = 4  # random moves tried at once for a row
_ROUNDS = 4  # rounds of tries before the valid moves are listed
_SHORT = {name.removesuffix("-bn-relu"): value for value, name in enumerate(OPERATIONS)}
_VALUE = {**_SHORT, **{name: value for value, name in enumerate(OPERATIONS)}}

# every one-position change: the 21 flips, then a shift by 1 or by 2 of each operation
_CHANGES = np.zeros((_EDGES + 2 * _INNER, _LENGTH), dtype=np.int8)
_CHANGES[np.arange(_LENGTH), np.arange(_LENGTH)] = 1
_CHANGES[np.arange(_LENGTH, _EDGES + 2 * _INNER), np.arange(_EDGES, _LENGTH)] = 2


def is_connected(batch: Batch) -> npt.NDArray[np.bool_]:
    """Return bool[n]: whether at least one path joins the input and the output (A.5)."""
    _, used = graph.prune(batch)
    return used[:, 0]


def top_nine(values: npt.NDArray[np.floating[Any]], operations: npt.NDArray[np.integer[Any]]) -> Batch:
    """Return int8[n, 26]: the edges with the nine largest of 21 numbers (A.5), and the operations.

    Parameters
    ----------
    values : float[n, 21], a number an edge.
    operations : int[n, 5], in 0..2.

    The rows have nine edges each; they are members of the space where `is_connected`.
    """
    rows = np.zeros((len(values), _LENGTH), dtype=np.int8)
    chosen = np.argpartition(values, _EDGES - graph.MAX_EDGES, axis=1)[:, _EDGES - graph.MAX_EDGES :]
    np.put_along_axis(rows, chosen, np.int8(1), axis=1)
    rows[:, _EDGES:] = operations
    return rows


class NASBench101(Space):
    """The cells of NAS-Bench-101, as rows of 21 edge bits and 5 operations."""

    def __init__(self) -> None:
        self.name = "nasbench101"
        self.arity = tuple(_ARITY.tolist())

    @property
    def size(self) -> int:
        """The official number of cells that differ up to isomorphism."""
        return _UNIQUE_CELLS

    # -- membership ---------------------------------------------------------------------------

    def is_valid(self, batch: Batch) -> npt.NDArray[np.bool_]:
        matrix, used = graph.prune(batch)
        few = np.asarray(matrix.sum(axis=(1, 2)) <= graph.MAX_EDGES)
        # for choices out of range, what pruning says means nothing
        inside = np.asarray(((batch >= 0) & (batch < _ARITY)).all(axis=1))
        valid: npt.NDArray[np.bool_] = inside & used[:, 0] & few
        return valid

    def why_invalid(self, architecture: Architecture) -> str:
        if not ((architecture >= 0) & (architecture < _ARITY)).all():
            return super().why_invalid(architecture)
        matrix, used = graph.prune(architecture[None])
        if not used[0, 0]:
            return "no path joins the input (vertex 0) and the output (vertex 6)"
        return f"{int(matrix.sum())} edges remain after pruning; at most {graph.MAX_EDGES} are allowed"

    # -- drawing and moving -------------------------------------------------------------------

    def sample(self, rng: np.random.Generator, n: int) -> Batch:
        """Return int8[n, 26] by the official notebook's law.

        Each bit is fair and each operation uniform, drawn again until the cell is valid.
        """

        def draw(m: int) -> Batch:
            bits = rng.integers(2, size=(m, _EDGES), dtype=np.int8)
            return np.hstack([bits, rng.integers(len(OPERATIONS), size=(m, _INNER), dtype=np.int8)])

        return self._until_valid(draw, n)

    def sample_vaenas(self, rng: np.random.Generator, n: int) -> Batch:
        """Return int8[n, 26] by A.5: `top_nine` of uniform numbers, drawn again until connected."""

        def draw(m: int) -> Batch:
            operations = rng.integers(len(OPERATIONS), size=(m, _INNER), dtype=np.int8)
            return top_nine(rng.random((m, _EDGES)), operations)

        return self._until_valid(draw, n)

    def _until_valid(self, draw: Callable[[int], Batch], n: int) -> Batch:
        rows = np.empty((0, _LENGTH), dtype=np.int8)
        while len(rows) < n:
            trial = draw(4 * (n - len(rows)))
            rows = np.concatenate([rows, trial[self.is_valid(trial)]])[:n]
        return rows

    def neighbors(self, architecture: Architecture) -> Batch:
        """Return int8[m, 26]: the valid cells one edge flip or one operation change away, packed.

        The changes are those of the row as it is given, where unused vertices take part. A cell that
        two changes reach (up to isomorphism) appears once, and the architecture's own cell does not.
        """
        trial = architecture + _CHANGES
        trial[:, :_EDGES] %= 2
        trial[:, _EDGES:] %= len(OPERATIONS)
        trial = graph.pack(trial[self.is_valid(trial)])
        keys = self.key(np.concatenate([architecture[None], trial]))
        _, first = np.unique(keys, return_index=True)
        return trial[np.sort(first[first > 0]) - 1]

    def mutate(self, rng: np.random.Generator, batch: Batch) -> Batch:
        """Exchange a present and an absent edge (A.5) or change one operation; see the module."""
        child = batch.copy()
        edge = rng.random(len(batch)) < _EDGES / _LENGTH
        rows = np.flatnonzero(edge)
        present = batch[rows, :_EDGES] == 1
        child[rows], moved = self._exchange(rng, batch[rows], present, ~present)
        edge[rows] = moved
        self._change_operation(rng, child, np.flatnonzero(~edge))
        return child

    @property
    def mutations(self) -> dict[str, Mutation]:
        return {"step": self.mutate, "notebook": self.mutate_notebook}

    def mutate_notebook(self, rng: np.random.Generator, batch: Batch, rate: float = 1.0) -> Batch:
        """Return int8[n, 26] by the official notebook's mutation.

        Each edge flips with probability rate / 7, each operation becomes another one with
        probability rate / 5; tried again until the cell is valid. It may equal the parent.

        Raises
        ------
        InputError : `rate` is not in 0..5, where both are probabilities.
        """
        if not 0 <= rate <= _INNER:
            raise InputError(f"the mutation rate of nasbench101 lies in 0..{_INNER}; got {rate}")
        probability = np.where(np.arange(_LENGTH) < _EDGES, rate / graph.VERTICES, rate / _INNER)
        child = batch.copy()
        pending = np.arange(len(batch))
        while len(pending):
            shape = (len(pending), _LENGTH)
            change = rng.random(shape) < probability
            trial = (batch[pending] + change * rng.integers(1, _ARITY, size=shape, dtype=np.int8)) % _ARITY
            valid = self.is_valid(trial)
            child[pending[valid]] = trial[valid]
            pending = pending[~valid]
        return child

    def crossover(self, rng: np.random.Generator, first: Batch, second: Batch) -> Batch:
        """Exchange two edges of the first parent after the second (A.5), operations from either."""
        x, y = first[:, :_EDGES], second[:, :_EDGES]
        child, _ = self._exchange(rng, first, x > y, y > x)
        from_first = rng.random((len(first), _INNER)) < 0.5
        child[:, _EDGES:] = np.where(from_first, first[:, _EDGES:], second[:, _EDGES:])
        return child

    def _exchange(
        self,
        rng: np.random.Generator,
        batch: Batch,
        leaving: npt.NDArray[np.bool_],
        entering: npt.NDArray[np.bool_],
    ) -> tuple[Batch, npt.NDArray[np.bool_]]:
        """Remove one edge of `leaving` and add one of `entering`, uniform over the valid pairs.

        Returns
        -------
        rows : int8[n, 26]; a row without a valid pair stays as it is.
        moved : bool[n].
        """
        child = batch.copy()
        moved = np.zeros(len(batch), dtype=np.bool_)
        pending = np.flatnonzero(leaving.any(axis=1) & entering.any(axis=1))
        for _ in range(_ROUNDS):
            if not len(pending):
                return child, moved
            tries = np.repeat(pending, _TRIES)
            trial = batch[tries]
            chance = rng.random((2, len(tries), _EDGES))
            row = np.arange(len(tries))
            trial[row, np.argmax(chance[0] * leaving[tries], axis=1)] = 0
            trial[row, np.argmax(chance[1] * entering[tries], axis=1)] = 1
            valid = self.is_valid(trial).reshape(-1, _TRIES)
            found = valid.any(axis=1)
            winner = row.reshape(-1, _TRIES)[found, np.argmax(valid[found], axis=1)]
            child[pending[found]] = trial[winner]
            moved[pending[found]] = True
            pending = pending[~found]
        for i in pending:
            out, into = (
                pair.ravel() for pair in np.meshgrid(*map(np.flatnonzero, (leaving[i], entering[i])))
            )
            trial = np.repeat(batch[i][None], len(out), axis=0)
            trial[np.arange(len(out)), out] = 0
            trial[np.arange(len(out)), into] = 1
            trial = trial[self.is_valid(trial)]
            if len(trial):
                child[i] = trial[rng.integers(len(trial))]
                moved[i] = True
        return child, moved

    def _change_operation(self, rng: np.random.Generator, batch: Batch, rows: npt.NDArray[np.int64]) -> None:
        """Give one inner vertex of each of these rows another operation, in place."""
        vertex = _EDGES + rng.integers(_INNER, size=len(rows))
        shift = rng.integers(1, len(OPERATIONS), size=len(rows), dtype=np.int8)
        batch[rows, vertex] = (batch[rows, vertex] + shift) % len(OPERATIONS)

    # -- identity -----------------------------------------------------------------------------

    def canonical(self, batch: Batch) -> npt.NDArray[np.bytes_]:
        """Return S32[n]: the official module hash."""
        return graph.module_hash(batch)

    def key(self, batch: Batch) -> Keys:
        """Return `canonical`, by which the official table is indexed."""
        return graph.module_hash(batch)

    def signature(self, batch: Batch) -> npt.NDArray[np.uint64]:
        """Return uint64[n]: a fast screen; rows of equal `key` have equal signatures."""
        return graph.signature(batch)

    def pack(self, batch: Batch) -> Batch:
        """Return int8[n, 26]: pruned, inner vertices from 1 on, unused edges and operations 0.

        Isomorphic cells may still differ.
        """
        return graph.pack(batch)

    # -- the border ---------------------------------------------------------------------------

    def encode(self, matrix: npt.ArrayLike, ops: Sequence[str | int]) -> Architecture:
        """Return int8[26] for an official specification; the last vertex becomes vertex 6.

        Parameters
        ----------
        matrix : Adjacency, v x v with 2 <= v <= 7, zeros and ones, strictly upper triangular.
        ops : Operations of the v - 2 inner vertices, or of all v vertices; official names (the suffix
            ``-bn-relu`` may be left out) or values 0..2. The first and last of v are not read.

        Raises
        ------
        ArchitectureError : malformed. Whether the cell is a member is for `validate` to say.
        """
        edges = np.asarray(matrix)
        v = len(edges) if edges.ndim else 0
        if edges.ndim != 2 or edges.shape != (v, v) or not 2 <= v <= graph.VERTICES:
            raise ArchitectureError(
                f"a nasbench101 matrix is v x v with v from 2 to {graph.VERTICES}; got shape {edges.shape}"
            )
        if not np.isin(edges, (0, 1)).all():
            raise ArchitectureError("a nasbench101 matrix holds only 0 and 1")
        if np.tril(edges).any():
            source, target = np.argwhere(np.tril(edges))[0].tolist()
            raise ArchitectureError(
                f"a nasbench101 matrix is strictly upper triangular; it has an edge {source} -> {target}"
            )
        if len(ops) not in (v - 2, v):
            raise ArchitectureError(
                f"a nasbench101 cell of {v} vertices has {v - 2} inner operations; got {len(ops)}"
            )
        place = np.array([*range(v - 1), graph.VERTICES - 1])
        full = np.zeros((graph.VERTICES, graph.VERTICES), dtype=np.int8)
        full[np.ix_(place, place)] = edges
        row = np.zeros(_LENGTH, dtype=np.int8)
        row[:_EDGES] = full[graph.SOURCES, graph.TARGETS]
        inner = ops[1:-1] if len(ops) == v else ops
        row[_EDGES : _EDGES + v - 2] = [_operation(op) for op in inner]
        return row

    def decode(self, architecture: Architecture) -> tuple[npt.NDArray[np.int64], list[str]]:
        """Return the pruned cell as the official specification writes it.

        Returns
        -------
        matrix : int64[v, v].
        ops : v names, the first ``"input"`` and the last ``"output"``.
        """
        matrix, used = graph.prune(architecture[None])
        kept = np.flatnonzero(used[0])
        inner = [OPERATIONS[architecture[_EDGES + v - 1]] for v in kept[1:-1]]
        return matrix[0][np.ix_(kept, kept)].astype(np.int64), ["input", *inner, "output"]

    def parse(self, text: str) -> Architecture:
        """Return the row for ``matrix operations``; see `format`.

        The matrix may have from 2 to 7 rows; operations may be official names.
        """
        matrix, _, names = text.strip().partition(" ")
        lines = matrix.split("/")
        if any(len(line) != len(lines) or set(line) - {"0", "1"} for line in lines):
            raise ArchitectureError(
                "a nasbench101 cell is written as the rows of its matrix and its operations, such as "
                f"'010/001/000 conv3x3'; got {shown(text)}"
            )
        ops = [name.strip() for name in names.split(",")] if names.strip() else []
        row = self.encode([[int(bit) for bit in line] for line in lines], ops)
        return np.asarray(self.validate(row)[0])

    def format(self, architecture: Architecture) -> str:
        """Return the seven rows of the matrix, then the operations of vertices 1 to 5.

        Such as ``0110000/0001000/0000001/0000001/0000000/0000000/0000000 conv3x3,conv1x1,...``.
        """
        full = graph.adjacency(architecture[None])[0].astype(np.int64)
        matrix = "/".join("".join(map(str, line)) for line in full.tolist())
        short = list(_SHORT)
        return f"{matrix} {','.join(short[op] for op in architecture[_EDGES:])}"

    def diagrams(self, architecture: Architecture) -> tuple[CellDiagram, ...]:
        """Return the pruned cell with operations in its vertices."""
        matrix, ops = self.decode(architecture)
        edges = tuple((source, target, "") for source, target in np.argwhere(matrix).tolist())
        return (CellDiagram("", 1, tuple(op.removesuffix("-bn-relu") for op in ops), edges),)

    def describe(self) -> dict[str, Any]:
        return {
            **super().describe(),
            "operations": list(OPERATIONS),
            "max_vertices": graph.VERTICES,
            "max_edges": graph.MAX_EDGES,
            "source": "Ying et al. (2019), NAS-Bench-101, ICML; encoding of VAENAS, appendix A.5",
        }


def _operation(op: str | int) -> int:
    if isinstance(op, str) and op in _VALUE:
        return _VALUE[op]
    if not isinstance(op, str) and op in range(len(OPERATIONS)):
        return int(op)
    raise ArchitectureError(f"unknown operation {shown(op)} in nasbench101; it has {', '.join(OPERATIONS)}")
