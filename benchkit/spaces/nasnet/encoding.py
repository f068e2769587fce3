"""Cells of the NASNet kind: a normal and a reduction cell of fourteen edges each, as VAENAS searches them.

"VAENAS: Sampling Matters in Neural Architecture Search", appendix A.4, which widens the space of DARTS (Liu
et al., 2019). A cell has two inputs, the outputs of the two cells before it (nodes 0 and 1), and four
intermediate nodes (2 to 5) whose values, concatenated, are its output. An edge leads from every node to
every intermediate node after it, and each of the 2 + 3 + 4 + 5 = 14 carries one of eight operations.

A row holds the operations of the normal cell's edges, then those of the reduction cell's. Edges are ordered
by target, then by source: (0, 2), (1, 2), (0, 3), (1, 3), (2, 3), (0, 4), and so on.

The notation leaves out the edges without an operation; one cell of it reads
``|sep_conv_3x3~0|sep_conv_3x3~1|+|sep_conv_3x3~0|+||+|skip_connect~0|dil_conv_3x3~2|``, a part for each
intermediate node, and an architecture ``normal:...;reduction:...``. Published genotypes of these operations
(`benchkit.spaces.genotype_text`) are read, too.

Deviations and choices
----------------------
- A node sums everything that arrives, from none to five predecessors: DARTS's limit of two does not hold
  here ("one node could have more than two predecessors"), and an edge is left out by ``none``.
- All 8^28 rows are members, as the paper counts them, those of cells that pass nothing on included.
- Two rows are isomorphic where renaming the intermediate nodes of a cell turns one into the other: the
  order of concatenation only orders channels.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise, permutations
from typing import Any

import numpy as np
import numpy.typing as npt

from benchkit.base.errors import ArchitectureError, shown
from benchkit.spaces.base import Architecture, Batch, CellDiagram, ProductSpace, Space, row_bytes
from benchkit.spaces.genotype import EDGES, INPUTS, NODES, NONE, CellRules, is_genotype, read_genotype

__all__ = [
    "CELLS",
    "CONVOLUTIONS",
    "EDGES",
    "INPUTS",
    "NODES",
    "NONE",
    "OPERATIONS",
    "ORDERS",
    "FreeCells",
    "NASNet",
    "TwoCells",
    "least_order",
]

CELLS = ("normal", "reduction")
"""Kinds of cells, in the order of a row."""
OPERATIONS = (
    NONE,
    "avg_pool_3x3",
    "max_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "sep_conv_7x7",
    "dil_conv_3x3",
)
"""Those of ``nasnet``."""
CONVOLUTIONS = {
    "sep_conv_3x3": (3, 1, 2),
    "sep_conv_5x5": (5, 1, 2),
    "sep_conv_7x7": (7, 1, 2),
    "dil_conv_3x3": (3, 2, 1),
    "dil_conv_5x5": (5, 2, 1),
}
"""(kernel size, dilation, times in a row) of every operation that is a depthwise and a 1 x 1 convolution."""

_TERM = re.compile(r"([^|~+]+)~([0-9])")


class TwoCells(Space):
    """A normal and a reduction cell, with one of the same operations on every edge of both.

    Parameters
    ----------
    name : Name of the space.
    operations : Their names, ``none`` among them.
    source : Publication of the space.
    """

    def __init__(self, name: str, operations: Sequence[str], source: str) -> None:
        self.name = name
        self.operations = tuple(operations)
        self.none = self.operations.index(NONE)
        self.source = source
        self.arity = (len(self.operations),) * (len(CELLS) * len(EDGES))

    def canonical(self, batch: Batch) -> npt.NDArray[np.bytes_]:
        """Return the row as bytes, the intermediate nodes of each cell in an order of their own.

        Of all orders in which every edge still leads forward, it is the one with the least number, the
        cell's operations read as digits.
        """
        cells = np.asarray(batch, dtype=np.int64).reshape(-1, len(EDGES))
        return row_bytes(least_order(cells, len(self.operations), self.none).reshape(-1, self.length))

    def diagrams(self, architecture: Architecture) -> tuple[CellDiagram, ...]:
        """Return both cells as DARTS draws them: operations on edges, nodes concatenated into the output.

        An edge that carries several operations is drawn as often.
        """
        inner = range(INPUTS, NODES)
        nodes = ("$c_{k-2}$", "$c_{k-1}$", *(str(node - INPUTS) for node in inner), "$c_{k}$")
        joined = tuple((node, NODES, "") for node in inner)
        cells = self.holds(np.asarray(architecture)[None]).reshape(len(CELLS), len(EDGES), -1)
        return tuple(
            CellDiagram(
                f"{title} cell",
                INPUTS,
                nodes,
                tuple(
                    (*EDGES[edge], self.operations[choice])
                    for edge, choice in np.argwhere(cell).tolist()
                    if choice != self.none
                )
                + joined,
            )
            for title, cell in zip(CELLS, cells, strict=True)
        )

    def describe(self) -> dict[str, Any]:
        return {
            **super().describe(),
            "operations": list(self.operations),
            "cells": list(CELLS),
            "edges": [list(edge) for edge in EDGES],
            "source": self.source,
        }


class FreeCells(TwoCells, ProductSpace):
    """Two cells whose edges are free: any of the operations, or none, on each of them."""

    def __init__(self, name: str, operations: Sequence[str], source: str) -> None:
        TwoCells.__init__(self, name, operations, source)
        ProductSpace.__init__(self, name, self.arity)

    @property
    def rules(self) -> CellRules:
        """What a cell can hold of a published genotype."""
        return CellRules(self.name, self.operations, None, False)

    def parse(self, text: str) -> Architecture:
        if is_genotype(text):
            held = read_genotype(text, self.rules)
            return np.where(held.any(axis=1), held.argmax(axis=1), self.none).astype(np.int8)
        parts = text.strip().split(";")
        titles = [part.partition(":")[0] for part in parts]
        if titles != list(CELLS) or not all(":" in part for part in parts):
            raise ArchitectureError(
                f"a {self.name} architecture reads normal:CELL;reduction:CELL, with cells such as "
                f"|skip_connect~0|max_pool_3x3~1|+||+||+||; got {shown(text)}"
            )
        cells = [self._parse_cell(part.partition(":")[2], part.partition(":")[0]) for part in parts]
        return np.concatenate(cells)

    def _parse_cell(self, text: str, title: str) -> Architecture:
        """Return int8[14] for one cell."""
        cell = np.full(len(EDGES), self.none, dtype=np.int8)
        nodes = text.split("+")
        if len(nodes) != NODES - INPUTS:
            raise ArchitectureError(
                f"a {title} cell of {self.name} has {NODES - INPUTS} nodes joined by '+'; got {shown(text)}"
            )
        for target, node in enumerate(nodes, start=INPUTS):
            terms = [(operation, int(source)) for operation, source in _TERM.findall(node)]
            sources = [source for _, source in terms]
            ascending = all(first < second for first, second in pairwise(sources))
            if _node(terms) != node or not ascending or any(source >= target for source in sources):
                raise ArchitectureError(
                    f"node {target} of a {title} cell of {self.name} reads |operation~source|...|, "
                    f"sources ascending and below {target}, or || where nothing arrives; got {shown(node)}"
                )
            for operation, source in terms:
                if operation not in self.operations:
                    raise ArchitectureError(
                        f"unknown operation {shown(operation)} in {self.name}; it has "
                        f"{', '.join(self.operations)}"
                    )
                cell[EDGES.index((source, target))] = self.operations.index(operation)
        return cell

    def format(self, architecture: Architecture) -> str:
        cells = np.asarray(architecture).reshape(len(CELLS), len(EDGES))
        return ";".join(
            f"{title}:{self._format_cell(cell)}" for title, cell in zip(CELLS, cells, strict=True)
        )

    def _format_cell(self, cell: Architecture) -> str:
        terms: dict[int, list[tuple[str, int]]] = {target: [] for target in range(INPUTS, NODES)}
        for (source, target), choice in zip(EDGES, cell, strict=True):
            if choice != self.none:
                terms[target].append((self.operations[choice], source))
        return "+".join(_node(arriving) for arriving in terms.values())


class NASNet(FreeCells):
    """The 8^28 pairs of cells of VAENAS."""

    def __init__(self) -> None:
        super().__init__("nasnet", OPERATIONS, "VAENAS, appendix A.4: the NASNet search space")


def _node(terms: Sequence[tuple[str, int]]) -> str:
    """Return what arrives at one node, as the notation writes it."""
    return f"|{'|'.join(f'{operation}~{source}' for operation, source in terms)}|"


def _orders() -> list[npt.NDArray[np.int64]]:
    """Return, for every renaming of the intermediate nodes, the edge that each position then holds.

    Position 14 stands for an edge that does not exist, since it would lead back.
    """
    found = []
    for order in permutations(range(INPUTS, NODES)):
        old = [*range(INPUTS), *order]
        ends = [(old[source], old[target]) for source, target in EDGES]
        found.append(np.array([EDGES.index(edge) if edge in EDGES else len(EDGES) for edge in ends]))
    return found


ORDERS = _orders()
"""For every renaming of the intermediate nodes: the edge that each position holds, 14 where none can be."""


def least_order(cells: npt.NDArray[np.int64], base: int, none: int) -> Batch:
    """Return int8[n, 14]: the least order of the intermediate nodes in which every edge leads forward.

    Orders are compared by what stands on the edges, read as digits.

    Parameters
    ----------
    cells : What stands on each edge of n cells, int64[n, 14], digits below `base`.
    base : Number of digits; seven of them fit into 63 bits.
    none : Digit of an edge that carries nothing.
    """
    half = len(EDGES) // 2
    padded = np.concatenate([cells, np.full((len(cells), 1), none, dtype=np.int64)], axis=1)
    place = base ** np.arange(half - 1, -1, -1, dtype=np.int64)
    edges = (cells != none).sum(axis=1)
    high = np.full(len(cells), np.iinfo(np.int64).max)
    low = high.copy()
    for order in ORDERS:
        renamed = padded[:, order]
        first, second = renamed[:, :half] @ place, renamed[:, half:] @ place
        forward = (renamed != none).sum(axis=1) == edges  # an edge that leads back is lost
        less = forward & ((first < high) | ((first == high) & (second < low)))
        high, low = np.where(less, first, high), np.where(less, second, low)
    return np.concatenate([part[:, None] // place % base for part in (high, low)], axis=1).astype(np.int8)
