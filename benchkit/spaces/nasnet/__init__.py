"""The cells of VAENAS, which free those of DARTS; and what all such pairs of cells share."""

from benchkit.spaces.nasnet.counts import TwoCellsSize, count_two_cells
from benchkit.spaces.nasnet.encoding import NASNet
from benchkit.spaces.record import SpaceRecord

__all__ = ["RECORD"]

RECORD = SpaceRecord(
    __name__, spaces={"nasnet": NASNet}, size=TwoCellsSize, count=count_two_cells, rules=NASNet().rules
)
