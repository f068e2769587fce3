"""DARTS: a normal and a reduction cell with two inputs a node."""

from benchkit.spaces.darts.encoding import DARTS
from benchkit.spaces.nasnet.counts import TwoCellsSize, count_two_cells
from benchkit.spaces.record import SpaceRecord

__all__ = ["RECORD"]

RECORD = SpaceRecord(
    __name__, spaces={"darts": DARTS}, size=TwoCellsSize, count=count_two_cells, rules=DARTS().rules
)
