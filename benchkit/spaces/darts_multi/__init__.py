"""The cells of DARTS with several operations on an edge."""

from benchkit.spaces.darts_multi.encoding import DARTSMulti
from benchkit.spaces.nasnet.counts import TwoCellsSize, count_two_cells
from benchkit.spaces.record import SpaceRecord

__all__ = ["RECORD"]

RECORD = SpaceRecord(
    __name__,
    spaces={"darts-multi": DARTSMulti},
    size=TwoCellsSize,
    count=count_two_cells,
    rules=DARTSMulti().rules,
)
