"""NAS-Bench-201: densely connected cells of four nodes, and their sister of three."""

from benchkit.spaces.nasbench201.counts import DenseCellsSize, count_dense_cells
from benchkit.spaces.nasbench201.encoding import NASBench201, NASBench201Three
from benchkit.spaces.record import SpaceRecord

__all__ = ["RECORD"]

RECORD = SpaceRecord(
    __name__,
    spaces={"nasbench201": NASBench201, "nasbench201-3": NASBench201Three},
    size=DenseCellsSize,
    count=count_dense_cells,
)
