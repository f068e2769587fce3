"""Says what numbers measure and how they are written: quantity, unit, direction, digits.

Deviations and choices
----------------------
- A difference of percentages is in percentage points; one of anything else has the unit of the values.
- Percentages have the decimals that the field prints. Other numbers have as many as show four digits of the
  largest, and differences three, whatever their size: a loss of 0.0123, a throughput of 12,345 images/s.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

_SPLITS = {"train": "training", "valid": "validation", "test": "test"}
_MOST_DECIMALS = 12


class Measure(NamedTuple):
    """A quantity as figures and tables show it.

    Attributes
    ----------
    quantity : Name in a table's word, such as ``accuracy`` or ``perplexity``.
    unit : Unit of its values, such as ``%``; empty for a pure number.
    higher_is_better : Whether a larger value is a better one.
    """

    quantity: str
    unit: str
    higher_is_better: bool

    @property
    def words(self) -> str:
        """The quantity in words."""
        return self.quantity.replace("_", " ")

    @property
    def is_percent(self) -> bool:
        """Whether its values are percentages."""
        return self.unit == "%"

    @property
    def sign(self) -> int:
        """The factor that makes larger values the better ones: 1 or -1."""
        return 1 if self.higher_is_better else -1

    @property
    def difference(self) -> str:
        """The unit of differences, such as ``% points``; empty where there is none."""
        return "% points" if self.is_percent else self.unit

    def named(self, split: str | None = None) -> str:
        """Return the quantity with its split in words, such as ``validation accuracy``."""
        return f"{_SPLITS.get(split or '', split or '')} {self.words}".strip()

    def labelled(self, text: str) -> str:
        """Return a text about values with their unit, such as ``accuracy (%)``."""
        return f"{text} ({self.unit})" if self.unit else text

    def difference_labelled(self, text: str) -> str:
        """Return a text about differences with their unit, such as ``regret (% points)``."""
        return f"{text} ({self.difference})" if self.difference else text

    def decimals(self, values: Iterable[Any]) -> int:
        """Return how many decimals values are printed with."""
        return 2 if self.is_percent else _decimals(values, 4)

    def difference_decimals(self, values: Iterable[Any], percent: int = 3) -> int:
        """Return how many decimals differences are printed with; `percent` for percentage points."""
        return percent if self.is_percent else _decimals(values, 3)


ACCURACY = Measure("accuracy", "%", True)
"""The measure of most tables of the field."""


def _decimals(values: Iterable[Any], digits: int) -> int:
    largest = max((abs(float(value)) for value in values if math.isfinite(value)), default=0.0)
    if largest == 0:
        return 2
    return min(max(digits - 1 - math.floor(math.log10(largest)), 0), _MOST_DECIMALS)
