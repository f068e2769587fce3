"""Latencies, under the name by which earlier releases had them: see `benchkit.data.latency`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import benchkit.data.latency

if TYPE_CHECKING:
    from benchkit.data.latency import LatencyLookup, read_latency

__all__ = ["LatencyLookup", "read_latency"]


def __getattr__(name: str) -> Any:
    return getattr(benchkit.data.latency, name)
