"""Supernets seen through gates: one factor for each part that may be left out.

A method that learns with which probability each part of a network stays (NASAS, SI-VDNAS) needs four things
of a supernet, whatever its space: which gates there are and which share one probability, the network's output
under given gates, how large the weights behind each gate are, and the law of legal architectures that
probabilities of gates imply.

==============================  =====================================  ===================================
supernet                        a gate closes                          a legal architecture
==============================  =====================================  ===================================
of kernel slices                one input channel of a convolution     any set of open gates
of candidates                   one operation of one position          one open gate a position, or none
NAS-Bench-101                   one edge, or one operation's vertex    a connected cell of up to 9 edges
==============================  =====================================  ===================================

Deviations and choices
----------------------
- Independent gates, given that exactly one operation of a position is open: operation o has the
  probability odds(o) / sum of odds, odds = keep / (1 - keep). Where the space has the operation ``none``, all
  gates closed is a legal position too, and ``none`` has the odds 1; it has no gate of its own.
- On NAS-Bench-101 a draw of gates names a cell by its open edges (the nine most open of them, where more are:
  a cell has no more) and the most open operation of each vertex; it is drawn again until input and output
  are connected. What the cell does not use has no gradient from the images; what it uses is multiplied
  by one, with the gradient of the relaxed gate (straight-through).
- An operation without weights (skip, pooling, an edge) has norm 0.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from benchkit.base.errors import InputError
from benchkit.spaces.base import Batch
from benchkit.spaces.engine.cell import Cell
from benchkit.spaces.engine.chain import ChoiceLayer
from benchkit.spaces.engine.network import CandidateNetwork
from benchkit.spaces.nasbench101.hash import SOURCES, TARGETS, VERTICES
from benchkit.spaces.nasbench101.network import NASBench101Supernet, SharedCell

__all__ = ["GatedNetwork", "gated"]

Figures = npt.NDArray[np.float64]
Draw = Callable[[], Tensor]
"""One draw of all relaxed gates, float[1, d]."""

_DRAWS = 500  # until gates make a legal cell
_MOST_EDGES = 9  # of a NAS-Bench-101 cell


class GatedNetwork(ABC):
    """A supernet's gates.

    Attributes
    ----------
    groups : int64[d], the group of each gate; gates of a group share one probability.
    names : of the groups.
    sizes : int64[g], gates in each group.
    each_image : whether every image of a batch has a draw of its own.
    """

    groups: npt.NDArray[np.int64]
    names: tuple[str, ...]
    each_image = False

    @property
    def sizes(self) -> npt.NDArray[np.int64]:
        """int64[g], gates in each group."""
        return np.bincount(self.groups, minlength=len(self.names))

    def legal(self, draw: Draw) -> Tensor:
        """Return gates that the network can run with, float[1, d]; `draw` is called until they are."""
        return draw()

    @abstractmethod
    def forward(self, images: Tensor, gates: Tensor) -> Tensor:
        """Return float[b, classes] under gates float[1 or b, d], differentiable in them."""

    @abstractmethod
    def norms(self) -> Tensor:
        """Return float[d]: the squared norm of the weights behind each gate, differentiable in them."""

    @abstractmethod
    def rows(self, keep: Figures, rng: np.random.Generator, n: int) -> Batch:
        """Return int8[n, length]: architectures from gates that stay open with probability float64[g]."""


def gated(supernet: Any) -> GatedNetwork:
    """Return the gates of a supernet.

    Raises
    ------
    InputError : its parts cannot be left out one by one.
    """
    if isinstance(supernet, NASBench101Supernet):
        return _GatedGraph(supernet)
    if isinstance(supernet, CandidateNetwork):
        return _GatedCandidates(supernet)
    if hasattr(supernet, "gate_norms"):
        return _GatedSlices(supernet)
    raise InputError(f"the supernet of {supernet.recipe.space.name} has no gates")


class _GatedSlices(GatedNetwork):
    """Kernel slices: the network has gates of its own."""

    each_image = True

    def __init__(self, network: Any) -> None:
        self._network, self._space = network, network.recipe.space
        self.groups, self.names = self._space.groups.astype(np.int64), tuple(self._space.group_names)

    def forward(self, images: Tensor, gates: Tensor) -> Tensor:
        logits: Tensor = self._network.gated(images, gates)
        return logits

    def norms(self) -> Tensor:
        norms: Tensor = self._network.gate_norms()
        return norms

    def rows(self, keep: Figures, rng: np.random.Generator, n: int) -> Batch:
        return (rng.random((n, len(self.groups))) < keep[self.groups]).astype(np.int8)


class _GatedCandidates(GatedNetwork):
    """One gate for each operation of each position that computes something."""

    def __init__(self, network: CandidateNetwork) -> None:
        self._network, self._space = network, network.recipe.space
        if network.present.shape != (self._space.length, max(self._space.arity)):
            raise InputError(f"the supernet of {self._space.name} has no gate for each operation")
        silent: int | None = getattr(self._space, "none", None)  # of spaces that may leave an edge out
        wanted = network.present.copy()
        if silent is not None:
            wanted[:, silent] = False
        self._silent = silent
        self._position, self._operation = np.nonzero(wanted)
        self.groups = np.arange(len(self._position), dtype=np.int64)
        self.names = tuple(f"{p}/{o}" for p, o in zip(self._position, self._operation, strict=True))
        self._behind = [_parameters(network, int(p), int(o)) for p, o in np.argwhere(wanted)]

    def forward(self, images: Tensor, gates: Tensor) -> Tensor:
        weights = gates.new_zeros(self._network.present.shape)
        index = tuple(torch.from_numpy(part).to(gates.device) for part in (self._position, self._operation))
        return self._network.mixture(images, weights.index_put(index, gates[0]))

    def norms(self) -> Tensor:
        return _square_norms(self._behind, self._network)

    def rows(self, keep: Figures, rng: np.random.Generator, n: int) -> Batch:
        odds = np.zeros(self._network.present.shape)
        odds[self._position, self._operation] = _odds(keep)
        if self._silent is not None:
            odds[:, self._silent] = 1.0
        vectors = [row[:a] / row[:a].sum() for row, a in zip(odds, self._space.arity, strict=True)]
        return self._space.sample_product(rng, vectors, n)


class _GatedGraph(GatedNetwork):
    """NAS-Bench-101: a gate for each of the 21 edges, and for each operation of the five vertices."""

    _EDGES = len(TARGETS)

    def __init__(self, network: NASBench101Supernet) -> None:
        self._network, self._space = network, network.recipe.space
        inner = range(1, VERTICES - 1)
        operations = self._space.arity[-1]
        self._operations = operations
        edges = [f"{s}-{t}" for s, t in zip(SOURCES.tolist(), TARGETS.tolist(), strict=True)]
        self.names = (*edges, *(f"{v}/{o}" for v in inner for o in range(operations)))
        self.groups = np.arange(len(self.names), dtype=np.int64)
        cells = [cell for cell in network.modules() if isinstance(cell, SharedCell)]
        behind: list[list[Tensor]] = []
        for source, target in zip(SOURCES.tolist(), TARGETS.tolist(), strict=True):
            projected = [cell.projections[str(target)] for cell in cells] if source == 0 else []
            behind.append([weight for layer in projected for weight in layer.parameters()])
        for vertex in inner:
            for operation in range(operations):
                name = f"{vertex}_{operation}"
                layers = [cell.operations[name] for cell in cells if name in cell.operations]
                behind.append([weight for layer in layers for weight in layer.parameters()])
        self._behind = behind

    def cells(self, values: Figures) -> Batch:
        """Return int8[n, 26] for float64[n, 36]: how open every gate is, above 0 where it is open."""
        edges = values[:, : self._EDGES]
        ninth = np.partition(edges, -_MOST_EDGES, axis=1)[:, [-_MOST_EDGES]]
        opened = (edges > 0) & (edges >= ninth)
        operations = values[:, self._EDGES :].reshape(len(values), -1, self._operations).argmax(axis=2)
        return np.concatenate([opened, operations], axis=1).astype(np.int8)

    def row(self, gates: Tensor) -> Batch:
        """Return int8[1, 26] for relaxed gates, float[1, 36]."""
        return self.cells(gates.detach().cpu().double().numpy() - 0.5)

    def legal(self, draw: Draw) -> Tensor:
        for _ in range(_DRAWS):
            gates = draw()
            if self._space.is_valid(self.row(gates)).all():
                return gates
        raise self._closed()

    def forward(self, images: Tensor, gates: Tensor) -> Tensor:
        row = self.row(gates)[0]
        logits: Tensor = self._network(images, row, 1 + gates[0] - gates[0].detach())
        return logits

    def norms(self) -> Tensor:
        return _square_norms(self._behind, self._network)

    def rows(self, keep: Figures, rng: np.random.Generator, n: int) -> Batch:
        found = np.empty((0, self._space.length), dtype=np.int8)
        for _ in range(_DRAWS):
            noise = rng.logistic(size=(max(n, 64), len(keep)))
            trial = self.cells(np.log(_odds(keep)) + noise)
            found = np.concatenate([found, trial[self._space.is_valid(trial)]])[:n]
            if len(found) == n:
                return found
        raise self._closed()

    def _closed(self) -> InputError:
        return InputError(
            f"{_DRAWS} draws of the gates made no cell of {self._space.name}: too few edges stay open"
        )


def _odds(keep: Figures) -> Figures:
    inside = np.clip(keep, 1e-9, 1 - 1e-9)
    odds: Figures = inside / (1 - inside)
    return odds


def _parameters(network: CandidateNetwork, position: int, operation: int) -> list[Tensor]:
    """Return the weights of one candidate, in all blocks of the body."""
    found: list[Tensor] = []
    for block in network.body:
        name: str | None = None
        if isinstance(block, Cell):
            name = f"{position - block.first}_{operation}"
        elif isinstance(block, ChoiceLayer) and block.position == position:
            name = str(operation)
        candidates = getattr(block, "candidates", None)
        if name is not None and isinstance(candidates, torch.nn.ModuleDict) and name in candidates:
            found += list(candidates[name].parameters())
    return found


def _square_norms(behind: Iterable[list[Tensor]], network: torch.nn.Module) -> Tensor:
    zero = next(network.parameters()).new_zeros(())
    return torch.stack([torch.stack([w.square().sum() for w in ws]).sum() if ws else zero for ws in behind])
