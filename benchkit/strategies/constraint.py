"""A constraint on architectures that is known before anything is scored, and charges nothing.

The runner builds one from a counter (parameters, multiply-adds), from a latency look-up table, or from a
column of a table, and gives it to the strategies that take one (``SearchStrategy.takes_constraint``).
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from benchkit.spaces.base import Batch

__all__ = ["Constraint"]


class Constraint(Protocol):
    """One cost of an architecture, and how much of it is allowed."""

    @property
    def cost(self) -> str:
        """What is limited, such as ``latency``."""
        ...

    @property
    def unit(self) -> str:
        """Its unit, such as ``ms``."""
        ...

    @property
    def limit(self) -> float:
        """The largest value allowed."""
        ...

    def values(self, batch: Batch) -> npt.NDArray[np.float64]:
        """Return float64[n]: the cost of int8[n, d]."""
        ...

    def feasible(self, batch: Batch) -> npt.NDArray[np.bool_]:
        """Return bool[n]: which of int8[n, d] cost no more than the limit."""
        ...
