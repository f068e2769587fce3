"""A latency look-up table whose sums a reader can do in the head."""

from __future__ import annotations

from benchkit.data.latency import LatencyLookup
from benchkit.spaces import get_space

__all__ = ["flat_lookup"]


def flat_lookup(space: str, ms: float = 1.0) -> LatencyLookup:
    """A look-up table in which choice c of every position takes c x `ms`, and the rest 1 ms."""
    arity = get_space(space).arity
    conditions = {
        **{"device": "cpu", "device_name": "a processor", "torch": "2.0", "threads": 1, "batch": 16},
        **{"image_size": 32, "image_channels": 3, "classes": 10, "size": {}},
        **{"warmup": 0, "repeats": 1, "calls": 1, "clock": "wall"},
    }
    layers = [{"ms": [ms * choice for choice in range(n)], "iqr_ms": [0.0] * n} for n in arity]
    return LatencyLookup(
        space=space, conditions=conditions, fixed=[{"name": "stem", "ms": 1.0, "iqr_ms": 0.0}], layers=layers
    )
