"""The size space of NATS-Bench: chains of five layers with one of eight widths each.

Dong, Liu, Musial and Gabrys, "NATS-Bench: Benchmarking NAS Algorithms for Architecture Topology and Size",
TPAMI 2021, section 3.2. 8^5 = 32,768 choices of channels around one fixed cell. A row holds the position of
each layer's width in `CHANNELS`, first layer first; the official name of an architecture is its widths, such
as ``64:64:64:64:64``, and its official index is its rank here (the last layer changes fastest).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchkit.base.errors import ArchitectureError, shown
from benchkit.spaces.base import Architecture, ProductSpace

CHANNELS = (8, 16, 24, 32, 40, 48, 56, 64)
"""Output channels that a layer may have."""

_LAYERS = 5
_POSITION = {str(width): position for position, width in enumerate(CHANNELS)}


class NATSBenchSize(ProductSpace):
    """The 8^5 choices of channels of NATS-Bench."""

    def __init__(self) -> None:
        super().__init__("natsbench-size", (len(CHANNELS),) * _LAYERS)

    def parse(self, text: str) -> Architecture:
        widths = text.strip().split(":")
        if len(widths) != _LAYERS:
            raise ArchitectureError(
                f"a natsbench-size architecture is {_LAYERS} widths joined by ':', such as "
                f"{':'.join(['64'] * _LAYERS)}; got {shown(text)}"
            )
        for layer, width in enumerate(widths):
            if width not in _POSITION:
                raise ArchitectureError(
                    f"layer {layer} of a natsbench-size architecture has one of the widths "
                    f"{', '.join(_POSITION)}; got {shown(width)}"
                )
        return np.array([_POSITION[width] for width in widths], dtype=np.int8)

    def format(self, architecture: Architecture) -> str:
        return ":".join(str(CHANNELS[choice]) for choice in architecture)

    def describe(self) -> dict[str, Any]:
        return {
            **super().describe(),
            "channels": list(CHANNELS),
            "source": "Dong et al. (2021), NATS-Bench, size search space",
        }
