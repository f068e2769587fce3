"""DARTS's cells with any number of operations on an edge, and of edges into a node: SI-VDNAS's space.

Wang, Dai, Li, Zou and Xiong, "SI-VDNAS: Semi-Implicit Variational Dropout for Hierarchical One-shot Neural
Architecture Search", IJCAI 2020, sections 3.3 and 4.2. The nodes, the fourteen edges and the seven operations
are those of ``darts``; a node sums everything that arrives on its edges, an edge everything that its
operations give.

A row has 224 bits: for the normal cell and then for the reduction cell, a bit for each of the 14 edges, and
after these 7 for each edge, one for each operation but ``none``.

Deviations and choices
----------------------
- A row is a member where each edge's bit says whether the edge carries anything: an edge that is open without
  an operation computes what a closed one computes, and so do operations on a closed edge. Members are one to
  one with sets of operations, 2^196 of them; `DARTSMulti.rows` is the way from any gates to a member.
- A node at which nothing arrives is zero, as in ``nasnet``, and a cell without any edge is a member: the
  paper draws its gates without asking.
- ``sample`` is uniform over the members: half of all operations on nearly all edges. A step turns one of the
  196 operations on or off; crossover takes every edge, with its operations, from either parent.
- The text is a genotype of ``darts`` wherever the row is one of that space, and reads there. Any other lists
  the pairs node by node: ``normal=[[('skip_connect', 0), ('sep_conv_3x3', 0)], [], ...]``. Both are read.
- Two rows are isomorphic where renaming the intermediate nodes turns one into the other, as in ``nasnet``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from benchkit.spaces.base import Architecture, Batch, Keys, row_bytes
from benchkit.spaces.darts.encoding import DARTS, OPERATIONS
from benchkit.spaces.genotype import CellRules, read_genotype, write_genotype
from benchkit.spaces.nasnet.encoding import CELLS, EDGES, INPUTS, NODES, TwoCells, least_order

_CHOICES = len(OPERATIONS) - 1
_EDGES = len(EDGES)
_CELL = _EDGES * (1 + _CHOICES)  # bits


class DARTSMulti(TwoCells):
    """The pairs of cells whose edges carry any set of operations."""

    def __init__(self) -> None:
        super().__init__(
            "darts-multi",
            OPERATIONS,
            "Wang et al. (2020), SI-VDNAS, IJCAI: the cells of DARTS, all bits free",
        )
        self.arity = (2,) * (len(CELLS) * _CELL)
        self._single = DARTS()

    @property
    def size(self) -> int:
        return int(2 ** (len(CELLS) * _EDGES * _CHOICES))

    # -- from and to gates --------------------------------------------------------------------

    def holds(self, batch: Batch) -> npt.NDArray[np.bool_]:
        """Return bool[..., 28, 8]: the operations on every edge of int8[..., 224], ``none`` (0) never."""
        cells = np.asarray(batch).reshape(*np.shape(batch)[:-1], len(CELLS), _CELL)
        bits = cells[..., _EDGES:].reshape(*np.shape(batch)[:-1], len(CELLS) * _EDGES, _CHOICES)
        return np.concatenate([np.zeros_like(bits[..., :1]), bits], axis=-1).astype(np.bool_)

    def rows(self, held: npt.NDArray[np.bool_]) -> Batch:
        """Return int8[..., 224]: the members whose edges carry these operations.

        Parameters
        ----------
        held : bool[..., 28, 8]; ``none`` counts as nothing.
        """
        shape = (*held.shape[:-2], len(CELLS))
        bits = held[..., 1:].reshape(*shape, _EDGES, _CHOICES)
        cells = np.concatenate([bits.any(axis=-1), bits.reshape(*shape, -1)], axis=-1)
        return cells.reshape(*shape[:-1], self.length).astype(np.int8)

    def embed(self, batch: Batch) -> Batch:
        """Return int8[..., 224] for rows of ``darts``, int8[..., 28]."""
        return self.rows(self._single.holds(batch))

    def strongest(self, weights: npt.NDArray[np.floating[Any]]) -> Batch:
        """Return int8[..., 224]: what ``darts`` makes of float[..., 28, 8], two edges a node.

        For methods that cannot say how many operations an edge should have.
        """
        return self.embed(self._single.strongest(weights))

    # -- membership ---------------------------------------------------------------------------

    def is_valid(self, batch: Batch) -> npt.NDArray[np.bool_]:
        inside = ((batch >= 0) & (batch <= 1)).all(axis=1)
        return np.asarray(inside & (self.rows(self.holds(batch)) == batch).all(axis=1))

    def why_invalid(self, architecture: Architecture) -> str:
        if ((architecture >= 0) & (architecture <= 1)).all():
            wrong = np.flatnonzero(self.rows(self.holds(architecture)) != architecture)
            if len(wrong):
                cell, edge = divmod(int(wrong[0]), _CELL)
                source, target = EDGES[edge]
                opened = bool(architecture[wrong[0]])
                says = "is open but carries no operation" if opened else "is closed but carries an operation"
                return f"edge {source} to {target} of its {CELLS[cell]} cell {says}"
        return super().why_invalid(architecture)

    # -- drawing and moving -------------------------------------------------------------------

    def sample(self, rng: np.random.Generator, n: int) -> Batch:
        """Return int8[n, 224], uniform over the space."""
        return self.rows(rng.random((n, len(CELLS) * _EDGES, len(OPERATIONS))) < 0.5)

    def neighbors(self, architecture: Architecture) -> Batch:
        """Return int8[196, 224]: one operation more, or one less."""
        steps = np.arange(len(CELLS) * _EDGES * _CHOICES)
        return self._stepped(np.repeat(architecture[None], len(steps), axis=0), steps)

    def mutate(self, rng: np.random.Generator, batch: Batch) -> Batch:
        """Turn one operation of each row on or off, uniform over all 196."""
        return self._stepped(batch, rng.integers(len(CELLS) * _EDGES * _CHOICES, size=len(batch)))

    def _stepped(self, batch: Batch, steps: npt.NDArray[np.int64]) -> Batch:
        held = self.holds(batch)
        edge, choice = np.divmod(steps, _CHOICES)
        held[np.arange(len(held)), edge, choice + 1] ^= True
        return self.rows(held)

    def crossover(self, rng: np.random.Generator, first: Batch, second: Batch) -> Batch:
        """Take each edge, with its operations, from either parent with probability 1/2."""
        take_first = rng.random((len(first), len(CELLS) * _EDGES)) < 0.5
        return self.rows(np.where(take_first[..., None], self.holds(first), self.holds(second)))

    def sample_product(
        self, rng: np.random.Generator, probabilities: Sequence[npt.NDArray[np.float64]], n: int
    ) -> Batch:
        """Return int8[n, 224]: exact draws from independent bits, given that they are a member.

        An edge that is certain to be open while its operations are certain to be off, or the other way
        round, goes by its operations.

        Parameters
        ----------
        probabilities : 224 vectors of 2 probabilities.
        """
        chances = np.array([p[1] / np.sum(p) for p in probabilities]).reshape(len(CELLS), _CELL)
        opened = chances[:, :_EDGES].ravel()
        on = chances[:, _EDGES:].reshape(-1, _CHOICES)
        # of the bits still to come, none is on
        rest_off = np.cumprod((1 - on)[:, ::-1], axis=1)[:, ::-1]
        either = opened * (1 - rest_off[:, 0]), (1 - opened) * rest_off[:, 0]
        total = either[0] + either[1]
        chance_open = np.where(total > 0, either[0] / np.where(total > 0, total, 1), 1 - rest_off[:, 0])
        some = rng.random((n, len(opened))) < chance_open
        held = np.zeros((n, len(opened), len(OPERATIONS)), dtype=np.bool_)
        for choice in range(_CHOICES):
            # given that one of the bits from here on must be on, where none was on before
            needed = some & ~held.any(axis=2)
            least = 1 - rest_off[:, choice]
            must = on[:, choice] / np.where(least > 0, least, 1)
            held[..., choice + 1] = some & (rng.random(some.shape) < np.where(needed, must, on[:, choice]))
        return self.rows(held)

    # -- identity -----------------------------------------------------------------------------

    def key(self, batch: Batch) -> Keys:
        """Return the row as bytes."""
        return row_bytes(batch)

    def canonical(self, batch: Batch) -> npt.NDArray[np.bytes_]:
        """Return the row as bytes, the intermediate nodes of each cell in an order of their own.

        Of all orders in which every edge still leads forward, it is the one with the least number, the sets
        of operations read as digits of base 128.
        """
        sets = self.holds(batch)[..., 1:] @ (2 ** np.arange(_CHOICES)[::-1])
        rows = least_order(sets.reshape(-1, _EDGES).astype(np.int64), 2**_CHOICES, 0)
        return row_bytes(rows.reshape(len(batch), -1))

    # -- the border ---------------------------------------------------------------------------

    @property
    def rules(self) -> CellRules:
        """What a cell can hold of a published genotype."""
        return CellRules(self.name, OPERATIONS, None, True)

    def parse(self, text: str) -> Architecture:
        form = "normal=[[('skip_connect', 0), ('sep_conv_3x3', 0)], ...]"
        return self.rows(read_genotype(text, self.rules, form))

    def format(self, architecture: Architecture) -> str:
        held = self.holds(np.asarray(architecture)[None])[0]
        single = np.where(held.any(axis=1), held.argmax(axis=1), 0).astype(np.int8)
        if held.sum(axis=1).max(initial=0) == 1 and self._single.is_valid(single[None])[0]:
            return self._single.format(single)
        listed = []
        for cell in held.reshape(len(CELLS), _EDGES, -1):
            nodes: list[list[tuple[str, int]]] = [[] for _ in range(INPUTS, NODES)]
            for edge, operation in np.argwhere(cell).tolist():
                source, target = EDGES[edge]
                nodes[target - INPUTS].append((OPERATIONS[operation], source))
            listed.append(nodes)
        return write_genotype(listed)
