"""The size space of NATS-Bench: the widths of five layers."""

from benchkit.spaces.natsbench_size.encoding import NATSBenchSize
from benchkit.spaces.record import SpaceRecord

__all__ = ["RECORD"]

RECORD = SpaceRecord(__name__, spaces={"natsbench-size": NATSBenchSize})
