"""NAS-Bench-101: directed cells of up to seven vertices."""

from benchkit.spaces.nasbench101.counts import NASBench101Size, count_nasbench101
from benchkit.spaces.nasbench101.encoding import NASBench101
from benchkit.spaces.record import SpaceRecord

__all__ = ["RECORD"]

RECORD = SpaceRecord(
    __name__, spaces={"nasbench101": NASBench101}, size=NASBench101Size, count=count_nasbench101
)
