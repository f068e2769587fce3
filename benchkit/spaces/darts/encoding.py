"""The cells of DARTS: every intermediate node has two inputs, each through one of seven operations.

Liu, Simonyan and Yang, "DARTS: Differentiable Architecture Search", ICLR 2019, sections 2 and 3.1. The cells
are those of `benchkit.spaces.nasnet`: two inputs, four intermediate nodes, fourteen edges, a normal and a
reduction cell. A supernet has all edges with all operations, and ``none`` among them; an architecture is what
a search derives from it: on two edges into every intermediate node an operation, on all others ``none``.

=================================================  ===========================================
paper                                              here
=================================================  ===========================================
section 2.4: the strongest operation of an edge,   `DARTS.strongest`
and the strongest two edges into a node
appendix: (k + 1) k / 2 x 7^2 for each node        ``DARTS.size``, 1,037,664,180^2, about 10^18
published code: ``Genotype(normal=[...], ...)``    `DARTS.parse`, `DARTS.format`
=================================================  ===========================================

A row holds the operations of all 28 edges, as in ``nasnet``, so that a supernet's positions are a row's.

Deviations and choices
----------------------
- ``sample`` is uniform over these rows. A step (``mutate``, ``neighbors``) gives one edge another operation,
  or leads one edge, with its operation, to another source: 96 and 24 steps, all equally likely.
- Crossover takes every node, with both its edges, from either parent.
- A genotype lists the two edges of a node in any order when read, and by their sources when written; it must
  concatenate all four nodes, as all published ones of this space do.
- Among equal weights the earlier edge and the earlier operation win, as in the published code.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, count
from typing import Any

import numpy as np
import numpy.typing as npt

from benchkit.base.errors import ArchitectureError
from benchkit.spaces.base import Architecture, Batch, Keys
from benchkit.spaces.genotype import CellRules, read_genotype, write_genotype
from benchkit.spaces.nasnet.encoding import CELLS, EDGES, INPUTS, NODES, NONE, TwoCells

OPERATIONS = (
    NONE,
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
"""In the order of the published code; ``none`` is 0."""

_KEPT = 2  # edges into a node
_CHOICES = len(OPERATIONS) - 1
_FANS = tuple(range(INPUTS, NODES)) * len(CELLS)  # edges that may lead into each node, in the order of a row
_STARTS = tuple(int(start) for start in np.cumsum((0, *_FANS[:-1])))
_NODES = tuple(slice(start, start + fan) for start, fan in zip(_STARTS, _FANS, strict=True))
_PAIRS = {fan: np.array(list(combinations(range(fan), _KEPT))) for fan in set(_FANS)}
_RADIX = np.array([len(_PAIRS[fan]) * _CHOICES**_KEPT for fan in _FANS], dtype=np.int64)
_PLACES = np.array([int(np.prod(_RADIX[node + 1 :])) for node in range(len(_FANS))], dtype=np.int64)


def _input_moves() -> npt.NDArray[np.int64]:
    """Return int64[24, 2]: a kept edge, counted among those kept, and one left out of the same node."""
    left_out = count()
    moves = []
    for node, fan in enumerate(_FANS):
        free = [next(left_out) for _ in range(fan - _KEPT)]
        moves += [(_KEPT * node + edge, other) for edge in range(_KEPT) for other in free]
    return np.array(moves)


_INPUT_MOVES = _input_moves()
_CHANGES = _KEPT * len(_FANS) * (_CHOICES - 1)  # steps that change an operation


class DARTS(TwoCells):
    """The pairs of cells with two inputs a node."""

    def __init__(self) -> None:
        super().__init__(
            "darts", OPERATIONS, "Liu et al. (2019), DARTS: Differentiable Architecture Search, ICLR"
        )

    @property
    def size(self) -> int:
        return int(np.prod(_RADIX))

    # -- membership ---------------------------------------------------------------------------

    def is_valid(self, batch: Batch) -> npt.NDArray[np.bool_]:
        inside = ((batch >= 0) & (batch < len(OPERATIONS))).all(axis=1)
        kept = np.stack([(batch[:, node] != 0).sum(axis=1) for node in _NODES], axis=1)
        return np.asarray(inside & (kept == _KEPT).all(axis=1))

    def why_invalid(self, architecture: Architecture) -> str:
        for number, node in enumerate(_NODES):
            kept = int((architecture[node] != 0).sum())
            if kept != _KEPT and ((architecture >= 0) & (architecture < len(OPERATIONS))).all():
                cell, place = divmod(number, NODES - INPUTS)
                return f"node {INPUTS + place} of its {CELLS[cell]} cell has {kept} inputs, not {_KEPT}"
        return super().why_invalid(architecture)

    # -- drawing and moving -------------------------------------------------------------------

    def sample(self, rng: np.random.Generator, n: int) -> Batch:
        """Return int8[n, d], uniform over the space."""
        return self.at(rng.integers(self.size, size=n))

    def neighbors(self, architecture: Architecture) -> Batch:
        """Return int8[120, 28]: another operation on an edge, or another source with the same one."""
        steps = np.arange(_CHANGES + len(_INPUT_MOVES))
        return _stepped(np.repeat(architecture[None], len(steps), axis=0), steps)

    def mutate(self, rng: np.random.Generator, batch: Batch) -> Batch:
        """Take one step to a neighbour of each row, uniform over all 120."""
        return _stepped(batch, rng.integers(_CHANGES + len(_INPUT_MOVES), size=len(batch)))

    def crossover(self, rng: np.random.Generator, first: Batch, second: Batch) -> Batch:
        """Take each node, with its two edges, from either parent with probability 1/2."""
        take_first = rng.random((len(first), len(_FANS))) < 0.5
        return np.where(np.repeat(take_first, _FANS, axis=1), first, second)

    def sample_product(
        self, rng: np.random.Generator, probabilities: Sequence[npt.NDArray[np.float64]], n: int
    ) -> Batch:
        """Return int8[n, 28]: exact draws from independent choices, given two inputs at every node.

        Where no two edges into a node can be open at once (others are certain to be), its pair is uniform;
        so is the operation of an edge that is certain to be closed.

        Parameters
        ----------
        probabilities : 28 vectors of 8 probabilities.
        """
        shares = np.stack([np.asarray(p, dtype=np.float64) / np.sum(p) for p in probabilities])
        opened = shares[:, 1:].sum(axis=1)
        operations = np.where(opened[:, None] > 0, shares[:, 1:], 1.0)
        rows = np.zeros((n, self.length), dtype=np.int8)
        for node, fan in zip(_NODES, _FANS, strict=True):
            pairs = _PAIRS[fan]
            kept = np.zeros((len(pairs), fan), dtype=np.bool_)
            kept[np.arange(len(pairs))[:, None], pairs] = True
            odds = np.where(kept, opened[node], shares[node, 0]).prod(axis=1)
            drawn = pairs[_drawn(rng, odds if odds.any() else np.ones(len(pairs)), n)]
            for edge in range(fan):
                chosen = np.flatnonzero((drawn == edge).any(axis=1))
                rows[chosen, node.start + edge] = 1 + _drawn(rng, operations[node.start + edge], len(chosen))
        return rows

    def strongest(self, weights: npt.NDArray[np.floating[Any]]) -> Batch:
        """Return int8[..., 28]: the two edges a node, and the operation on each, with the largest weights.

        ``none`` is never kept, however large its weight (section 2.4).

        Parameters
        ----------
        weights : float[..., 28, 8], such as softmax(alpha); edges of one node are compared by them.
        """
        some = np.asarray(weights)[..., 1:]
        operation, strength = some.argmax(axis=-1) + 1, some.max(axis=-1)
        rows = np.zeros(operation.shape, dtype=np.int8)
        for node in _NODES:
            best = np.argsort(-strength[..., node], axis=-1, kind="stable")[..., :_KEPT] + node.start
            np.put_along_axis(rows, best, np.take_along_axis(operation, best, axis=-1), axis=-1)
        return rows

    # -- identity -----------------------------------------------------------------------------

    def key(self, batch: Batch) -> Keys:
        """Return `index`."""
        return self.index(batch)

    @property
    def enumerable(self) -> bool:
        return True

    def index(self, batch: Batch) -> npt.NDArray[np.int64]:
        ranks = np.zeros(len(batch), dtype=np.int64)
        for node, fan, place in zip(_NODES, _FANS, _PLACES, strict=True):
            edges = _kept_edges(batch[:, node])
            pair = (edges[:, None] == _PAIRS[fan]).all(axis=2).argmax(axis=1)
            chosen = np.take_along_axis(batch[:, node], edges, axis=1).astype(np.int64) - 1
            ranks += place * ((pair * _CHOICES + chosen[:, 0]) * _CHOICES + chosen[:, 1])
        return ranks

    def at(self, index: npt.ArrayLike) -> Batch:
        ranks = np.atleast_1d(np.asarray(index, dtype=np.int64))
        if len(ranks) and not (ranks.min() >= 0 and ranks.max() < self.size):
            raise ArchitectureError(f"{self.name} has indices 0..{self.size - 1}")
        rows = np.zeros((len(ranks), self.length), dtype=np.int8)
        every = np.arange(len(ranks))
        for node, fan, place, radix in zip(_NODES, _FANS, _PLACES, _RADIX, strict=True):
            rest, second = np.divmod(ranks // place % radix, _CHOICES)
            pair, first = np.divmod(rest, _CHOICES)
            for edge, choice in zip(_PAIRS[fan][pair].T, (first, second), strict=True):
                rows[every, node.start + edge] = choice + 1
        return rows

    # -- the border ---------------------------------------------------------------------------

    @property
    def rules(self) -> CellRules:
        """What a cell can hold of a published genotype."""
        return CellRules(self.name, OPERATIONS, _KEPT, False)

    def parse(self, text: str) -> Architecture:
        row: Architecture = read_genotype(text, self.rules).argmax(axis=1).astype(np.int8)  # none is 0
        return row

    def format(self, architecture: Architecture) -> str:
        cells = np.asarray(architecture).reshape(len(CELLS), len(EDGES))
        return write_genotype(
            [
                [(OPERATIONS[cell[edge]], EDGES[edge][0]) for edge in np.flatnonzero(cell).tolist()]
                for cell in cells
            ]
        )


def _kept_edges(node: Batch) -> npt.NDArray[np.int64]:
    """Return int64[n, 2]: the edges of int8[n, fan] that carry an operation, ascending."""
    return np.asarray(np.nonzero(node)[1].reshape(len(node), _KEPT))


def _drawn(rng: np.random.Generator, odds: npt.NDArray[np.float64], n: int) -> npt.NDArray[np.int64]:
    """Return int64[n]: draws in proportion to `odds`."""
    return rng.choice(len(odds), size=n, p=odds / odds.sum())


def _stepped(rows: Batch, steps: npt.NDArray[np.int64]) -> Batch:
    """Return int8[n, 28]: each row one step further, int64[n] of 0..119."""
    child = rows.copy()
    kept = np.nonzero(rows)[1].reshape(len(rows), -1)
    left_out = np.nonzero(rows == 0)[1].reshape(len(rows), -1)
    changed = np.flatnonzero(steps < _CHANGES)
    place, shift = np.divmod(steps[changed], _CHOICES - 1)
    edge = kept[changed, place]
    child[changed, edge] = (rows[changed, edge] + shift) % _CHOICES + 1
    moved = np.flatnonzero(steps >= _CHANGES)
    old, new = _INPUT_MOVES[steps[moved] - _CHANGES].T
    child[moved, left_out[moved, new]] = rows[moved, kept[moved, old]]
    child[moved, kept[moved, old]] = 0
    return child
