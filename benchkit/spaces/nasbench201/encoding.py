"""NAS-Bench-201: cells of four nodes with one of five operations on each of six edges.

Dong and Yang, "NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search", ICLR
2020; the same space is the topology space of NATS-Bench (Dong et al., TPAMI 2021). 15,625 cells.

A row holds the operation of the edges (0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3), in this order,
which is that of the official strings such as
``|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|``.

Cells whose output is not connected to the input are members of the space and entries of the table.

``nasbench201-3`` is the same cell with three nodes: three edges and 125 cells, few enough that every one
of them can be trained alone.
"""

from __future__ import annotations

import re
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from benchkit.base.errors import ArchitectureError, shown
from benchkit.spaces.base import Architecture, Batch, CellDiagram, ProductSpace

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")


def dense_edges(nodes: int) -> tuple[tuple[int, int], ...]:
    """Return the (source, target) of every edge of a cell of so many nodes, in the official order."""
    return tuple((source, target) for target in range(1, nodes) for source in range(target))


EDGES = dense_edges(4)
"""(source, target) of the edge at each position of a row of NAS-Bench-201."""

_NONE, _SKIP = OPERATIONS.index("none"), OPERATIONS.index("skip_connect")
# Sums are sorted as text, so the labels keep the alphabetical order of the official names.
_LETTER = {OPERATIONS.index(name): name[0] + name[-1] for name in OPERATIONS[2:]}
_TERM = re.compile(r"([^|~+]+)~([0-9]{1,3})")


class DenseCells(ProductSpace):
    """Cells in which every node takes one operation from each node before it.

    Parameters
    ----------
    name : Name of the space.
    nodes : Number of nodes, at least 2; the first is the input and the last the output.

    Attributes
    ----------
    none : Choice that leaves an edge out.
    """

    none = OPERATIONS.index("none")

    def __init__(self, name: str, nodes: int) -> None:
        self.nodes = nodes
        self.edges = dense_edges(nodes)
        super().__init__(name, (len(OPERATIONS),) * len(self.edges))

    def canonical(self, batch: Batch) -> npt.NDArray[np.bytes_]:
        """Return the folded cell as bytes: a zero edge vanishes, a skip edge is its source.

        For four nodes this partition is that of the official API's unique string with zero and skip
        edges considered: 6,466 classes of the 15,625 cells. Like there, a sum that a skip edge carries
        into another sum is not flattened, so a few classes that compute one function stay apart.
        Members of a class compute the same function; their recorded accuracies still differ, since
        each was trained on its own.
        """
        return self._classes[self.index(batch)]

    @cached_property
    def _classes(self) -> npt.NDArray[np.bytes_]:
        """Return the folded string of every cell, in the order of `index`."""

        def fold(operation: int, source: str) -> str:
            if operation == _NONE or source == "#":
                return "#"
            return source if operation == _SKIP else f"({source})@{_LETTER[operation]}"

        def join(*terms: str) -> str:
            return "+".join(sorted(terms))

        every = range(len(OPERATIONS))

        def outputs(*values: str) -> list[str]:
            terms = [[fold(operation, value) for operation in every] for value in values]
            sums = [join(*choice) for choice in product(*terms)]
            if len(values) == self.nodes - 1:
                return sums
            return [output for value in sums for output in outputs(*values, value)]

        return np.array(outputs("x"), dtype=np.bytes_)

    def parse(self, text: str) -> Architecture:
        row = np.zeros(self.length, dtype=np.int8)
        nodes = text.strip().split("+")
        if len(nodes) != self.nodes - 1:
            raise ArchitectureError(
                f"a {self.name} cell has {self.nodes - 1} nodes joined by '+'; got {shown(text)}"
            )
        for target, node in enumerate(nodes, start=1):
            terms = _TERM.findall(node)
            rebuilt = "|" + "".join(f"{operation}~{source}|" for operation, source in terms)
            sources = [int(source) for _, source in terms]
            if rebuilt != node or sources != list(range(target)):
                raise ArchitectureError(
                    f"node {target} of a {self.name} cell must read "
                    f"|{'|'.join(f'operation~{s}' for s in range(target))}|; got {shown(node)}"
                )
            for operation, source in terms:
                if operation not in OPERATIONS:
                    raise ArchitectureError(
                        f"unknown operation {shown(operation)} in {self.name}; it has {', '.join(OPERATIONS)}"
                    )
                row[self.edges.index((int(source), target))] = OPERATIONS.index(operation)
        return row

    def format(self, architecture: Architecture) -> str:
        terms: dict[int, str] = {}
        for (source, target), choice in zip(self.edges, architecture, strict=True):
            terms[target] = terms.get(target, "|") + f"{OPERATIONS[choice]}~{source}|"
        return "+".join(terms.values())

    def diagrams(self, architecture: Architecture) -> tuple[CellDiagram, ...]:
        """Return the cell with operations on its edges; an edge without one is left out."""
        edges = tuple(
            (source, target, OPERATIONS[choice])
            for (source, target), choice in zip(self.edges, architecture.tolist(), strict=True)
            if choice != self.none
        )
        inner = (str(node) for node in range(1, self.nodes - 1))
        return (CellDiagram("", 1, ("input", *inner, "output"), edges),)

    def describe(self) -> dict[str, Any]:
        return {
            **super().describe(),
            "operations": list(OPERATIONS),
            "edges": [list(edge) for edge in self.edges],
            "isomorphism_classes": len(np.unique(self._classes)),
            "source": "Dong and Yang (2020), NAS-Bench-201, ICLR; NATS-Bench topology space",
        }


class NASBench201(DenseCells):
    """The 5^6 cells of NAS-Bench-201."""

    def __init__(self) -> None:
        super().__init__("nasbench201", nodes=4)


class NASBench201Three(DenseCells):
    """The 5^3 cells of three nodes, with the operations of NAS-Bench-201."""

    def __init__(self) -> None:
        super().__init__("nasbench201-3", nodes=3)
