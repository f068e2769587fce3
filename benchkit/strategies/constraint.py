"""Defines constraints on architectures, which are known before anything is scored, and charge nothing.

The runner builds one from a counter (parameters, multiply-adds), from a latency look-up table, or from a
column of a table, and gives it to the strategies that take one (``SearchStrategy.takes_constraint``).
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from benchkit.spaces.base import Batch


class Constraint(Protocol):
    """A cost of architectures, and its largest allowed value."""

    @property
    def cost(self) -> str:
        """Name of the cost, such as ``latency``."""
        ...

    @property
    def unit(self) -> str:
        """Unit of the cost, such as ``ms``."""
        ...

    @property
    def limit(self) -> float:
        """Largest value allowed."""
        ...

    def values(self, batch: Batch) -> npt.NDArray[np.float64]:
        """Return float64[n], the cost of each row of int8[n, d]."""
        ...

    def feasible(self, batch: Batch) -> npt.NDArray[np.bool_]:
        """Return bool[n], which rows of int8[n, d] cost no more than the limit."""
        ...
