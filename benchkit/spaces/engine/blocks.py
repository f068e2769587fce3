"""Blocks, which the bodies of networks consist of, and the gates that say what runs in them.

A block gets the outputs of the two blocks before it and the `Gates`. Cells (`benchkit.spaces.engine.cell`)
and chains (`benchkit.spaces.engine.chain`) are blocks; a further space describes its body with them and
adds no engine.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

Key = tuple[Any, ...]
"""Operations that run at each position of a block, hashable and in the order of the positions."""

Mask = npt.NDArray[np.bool_]
"""Which candidates run, ``bool[positions, operations]``."""


@dataclass
class Gates:
    """What runs at every position in one forward pass.

    Attributes
    ----------
    chosen : Operations that run at each position, in ascending order.
    scales : Scalars of all operations at each position; None where nothing is scaled.
    """

    chosen: tuple[tuple[int, ...], ...]
    scales: tuple[tuple[Tensor, ...], ...] | None = field(default=None)

    @classmethod
    def of(cls, mask: Mask, weights: Tensor | None = None) -> Gates:
        """Return the gates for bool[positions, operations] and weights of that shape."""
        chosen = tuple(tuple(np.flatnonzero(row).tolist()) for row in mask)
        if weights is None:
            return cls(chosen)
        # taken apart once, here, and not again in every cell
        return cls(chosen, tuple(row.unbind() for row in weights.unbind()))

    def scale(self, position: int, operation: int) -> Tensor | None:
        """Return the factor of a candidate; None is 1."""
        return None if self.scales is None else self.scales[position][operation]


class Block(nn.Module, ABC):
    """One element of a network's body."""

    @abstractmethod
    def forward(self, previous: Tensor, current: Tensor, gates: Gates) -> Tensor:
        """Return the block's output, from the outputs of the last block but one and of the last."""

    def key(self, gates: Gates) -> Key:
        """Return what of the gates decides the output: equal inputs and keys give the same output.

        All of them, unless the block knows better.
        """
        return gates.chosen

    def memory(self) -> Any:
        """Return an empty memory for `forward_again`; None where there is nothing to remember."""
        return None

    def forward_again(self, previous: Tensor, current: Tensor, gates: Gates, memory: Any) -> Tensor:
        """Return the output, with what other gates had in common taken from `memory`.

        Parameters
        ----------
        memory : From `memory`; all calls with it have the same inputs, and gates without scales.
        """
        output: Tensor = self(previous, current, gates)
        return output


class Fixed(Block):
    """A module with nothing to choose, applied to the last output."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, previous: Tensor, current: Tensor, gates: Gates) -> Tensor:
        output: Tensor = self.module(current)
        return output

    def key(self, gates: Gates) -> Key:
        return ()
