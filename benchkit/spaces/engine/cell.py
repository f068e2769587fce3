"""Cells: a directed acyclic graph whose edges carry candidate operations.

The engine of cell-based supernets. A description gives the graph (`CellGraph`) and a candidate for each
edge and operation; the cell sums, at every node, what its edges bring. Candidates that leave one node
share what they can (`benchkit.spaces.engine.layers`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from benchkit.spaces.engine.blocks import Block, Gates, Key
from benchkit.spaces.engine.layers import Candidate, Source, Term, total


@dataclass(frozen=True)
class CellGraph:
    """The nodes and edges of a cell.

    Attributes
    ----------
    inputs : 1 (the last output) or 2 (that of the last block but one, and the last); nodes 0 .. inputs - 1.
    edges : (source, target) of each edge, source before target; nodes beyond the inputs sum their edges.
    outputs : Nodes whose values, concatenated along channels, are the cell's.
    stride : Stride of the edges that leave the inputs: 2 in a reduction cell.
    """

    inputs: int
    edges: tuple[tuple[int, int], ...]
    outputs: tuple[int, ...]
    stride: int = 1

    @property
    def nodes(self) -> int:
        """Number of nodes, inputs included."""
        return 1 + max(target for _, target in self.edges)


@dataclass
class CellMemory:
    """What a cell computed for the gates seen so far, from the same inputs.

    A node's value is kept together with its history: the edges and operations that it sums, with theirs.
    Another row whose node has the same history finds it here; one with another replaces it, with what leaves.
    """

    entering: list[Tensor] = field(default_factory=list)
    history: dict[int, Key] = field(default_factory=dict)
    sources: dict[int, Source] = field(default_factory=dict)
    terms: dict[int, dict[tuple[int, int], Term]] = field(default_factory=dict)

    def replace(self, node: int, history: Key, value: Tensor) -> None:
        """Keep the value of a node, and forget what left it."""
        self.history[node], self.sources[node], self.terms[node] = history, Source(value), {}


class Cell(Block):
    """A cell of candidate operations.

    Parameters
    ----------
    graph : Nodes and edges.
    candidates : Candidate for each (edge, operation) that has one; what is missing contributes zero.
    first : Position in the row of the cell's first edge (not 0 where there are several kinds of cells).
    preprocess : Module for each input, applied before anything else; None leaves them as they are.
    """

    def __init__(
        self,
        graph: CellGraph,
        candidates: Mapping[tuple[int, int], Candidate],
        first: int = 0,
        preprocess: Sequence[nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.graph = graph
        self.first = first
        self.candidates = nn.ModuleDict(
            {f"{edge}_{operation}": candidate for (edge, operation), candidate in candidates.items()}
        )
        self.preprocess = None if preprocess is None else nn.ModuleList(preprocess)
        # for each node, the candidates that leave it: edge, operation
        self._leaving: list[list[tuple[int, int]]] = [[] for _ in range(graph.nodes)]
        for edge, operation in sorted(candidates):
            self._leaving[graph.edges[edge][0]].append((edge, operation))

    def forward(self, previous: Tensor, current: Tensor, gates: Gates) -> Tensor:
        entering = self._entering(previous, current)
        running = self._running(gates)
        values: dict[int, Tensor] = dict(enumerate(entering))
        terms: list[list[Term]] = [[] for _ in range(self.graph.nodes)]
        for node, leaving in enumerate(running):
            if node >= len(entering) and (leaving or node in self.graph.outputs):
                values[node] = total(terms[node]) if terms[node] else self._nothing(entering[-1])
            if leaving:
                source = Source(values[node])
                for edge, operation in leaving:
                    candidate = self.candidates[f"{edge}_{operation}"]
                    term = candidate(source, gates.scale(self.first + edge, operation))
                    terms[self.graph.edges[edge][1]].append(term)
        return self._joined([values[node] for node in self.graph.outputs])

    def key(self, gates: Gates) -> Key:
        """Return the operations of every edge that leads to an output, edge by edge."""
        chosen: list[tuple[int, ...]] = [() for _ in self.graph.edges]
        for leaving in self._running(gates):
            for edge, operation in leaving:
                chosen[edge] += (operation,)
        return tuple(chosen)

    def memory(self) -> CellMemory:
        return CellMemory()

    def forward_again(self, previous: Tensor, current: Tensor, gates: Gates, memory: Any) -> Tensor:
        kept: CellMemory = memory
        kept.entering = kept.entering or self._entering(previous, current)
        arriving: list[list[Term]] = [[] for _ in range(self.graph.nodes)]
        histories: list[Key] = [() for _ in range(self.graph.nodes)]
        for node, leaving in enumerate(self._running(gates)):
            if not leaving and node not in self.graph.outputs:
                continue
            if kept.history.get(node) != histories[node]:
                if node < len(kept.entering):
                    value = kept.entering[node]
                elif arriving[node]:
                    value = total(arriving[node])
                else:
                    value = self._nothing(kept.entering[-1])
                kept.replace(node, histories[node], value)
            for edge, operation in leaving:
                terms, target = kept.terms[node], self.graph.edges[edge][1]
                if (edge, operation) not in terms:
                    terms[edge, operation] = self.candidates[f"{edge}_{operation}"](kept.sources[node])
                arriving[target].append(terms[edge, operation])
                histories[target] += ((edge, operation, histories[node]),)
        return self._joined([kept.sources[node].value for node in self.graph.outputs])

    def _entering(self, previous: Tensor, current: Tensor) -> list[Tensor]:
        entering = [current] if self.graph.inputs == 1 else [previous, current]
        if self.preprocess is None:
            return entering
        return [module(value) for module, value in zip(self.preprocess, entering, strict=True)]

    def _joined(self, outputs: list[Tensor]) -> Tensor:
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=1)

    def _running(self, gates: Gates) -> list[list[tuple[int, int]]]:
        """Return, for each node, the chosen candidates that leave it towards an output.

        What ends at a node that leads nowhere is not computed; it would get no gradient either.
        """
        live = set(self.graph.outputs)
        running: list[list[tuple[int, int]]] = [[] for _ in self._leaving]
        for node in reversed(range(self.graph.nodes)):
            running[node] = [
                (edge, operation)
                for edge, operation in self._leaving[node]
                if self.graph.edges[edge][1] in live and operation in gates.chosen[self.first + edge]
            ]
            if running[node]:
                live.add(node)
        return running

    def _nothing(self, entered: Tensor) -> Tensor:
        """Return the value of a node at which nothing arrives: zeros."""
        return torch.zeros_like(entered[:, :, :: self.graph.stride, :: self.graph.stride])
