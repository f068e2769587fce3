"""Latency: measured once for each operator of a network, kept with a hash, added up for an architecture."""

from benchkit.data.latency.lookup import LatencyLookup, read_latency

__all__ = ["LatencyLookup", "read_latency"]
