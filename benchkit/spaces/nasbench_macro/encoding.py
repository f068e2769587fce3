"""NAS-Bench-Macro: chains of eight layers with one of three blocks each.

Su et al., "Prioritized Architecture Sampling with Monto-Carlo Tree Search", CVPR 2021 (the benchmark is
introduced there). 3^8 = 6,561 chains. A row holds the block of each layer, first layer first; the
official name of an architecture is its eight digits, such as ``22212220``.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from benchkit.base.errors import ArchitectureError, shown
from benchkit.spaces.base import Architecture, ProductSpace

OPERATIONS = ("identity", "MB3_K3", "MB6_K5")
_LAYERS = 8


class NASBenchMacro(ProductSpace):
    """The 3^8 chains of NAS-Bench-Macro."""

    def __init__(self) -> None:
        super().__init__("nasbench-macro", (len(OPERATIONS),) * _LAYERS)

    def parse(self, text: str) -> Architecture:
        digits = text.strip()
        if not re.fullmatch(f"[0-{len(OPERATIONS) - 1}]{{{_LAYERS}}}", digits):
            raise ArchitectureError(
                f"a nasbench-macro architecture is {_LAYERS} digits 0 (identity), 1 (MB3_K3) or "
                f"2 (MB6_K5), such as 22212220; got {shown(text)}"
            )
        return np.array([int(digit) for digit in digits], dtype=np.int8)

    def format(self, architecture: Architecture) -> str:
        return "".join(str(int(choice)) for choice in architecture)

    def describe(self) -> dict[str, Any]:
        return {
            **super().describe(),
            "operations": list(OPERATIONS),
            "source": "Su et al. (2021), Prioritized Architecture Sampling with Monto-Carlo Tree Search",
        }
