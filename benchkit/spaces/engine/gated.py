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
- An operation without weights (skip, pooling, an edge) has norm 0.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from benchkit.base.errors import InputError
from benchkit.spaces.base import Batch
from benchkit.spaces.engine.cell import Cell
from benchkit.spaces.engine.chain import ChoiceLayer
from benchkit.spaces.engine.network import CandidateNetwork

Figures = npt.NDArray[np.float64]
Draw = Callable[[], Tensor]
"""One draw of all relaxed gates, float[1, d]."""


class GatedNetwork(ABC):
    """A supernet's gates.

    Attributes
    ----------
    groups : int64[d], the group of each gate; gates of a group share one probability.
    names : Names of the groups.
    sizes : int64[g], gates in each group.
    each_image : Whether every image of a batch has a draw of its own.
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


class GatedCandidates(GatedNetwork):
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
        return square_norms(self._behind, self._network)

    def rows(self, keep: Figures, rng: np.random.Generator, n: int) -> Batch:
        odds = np.zeros(self._network.present.shape)
        odds[self._position, self._operation] = odds_of(keep)
        if self._silent is not None:
            odds[:, self._silent] = 1.0
        vectors = [row[:a] / row[:a].sum() for row, a in zip(odds, self._space.arity, strict=True)]
        return self._space.sample_product(rng, vectors, n)


def odds_of(keep: Figures) -> Figures:
    """Return keep / (1 - keep), finite for 0 and 1, too."""
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


def square_norms(behind: Iterable[Sequence[Tensor]], network: torch.nn.Module) -> Tensor:
    """Return float[d]: the squared norm of each list of a network's weights; 0 where it is empty."""
    zero = next(network.parameters()).new_zeros(())
    return torch.stack([torch.stack([w.square().sum() for w in ws]).sum() if ws else zero for ws in behind])
