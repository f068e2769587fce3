"""The chain of ShuffleNetV2 blocks."""

from benchkit.spaces.record import SpaceRecord
from benchkit.spaces.shufflenet.counts import ShuffleNetSize, count_shuffle_chain
from benchkit.spaces.shufflenet.encoding import ShuffleNet

__all__ = ["RECORD"]

RECORD = SpaceRecord(
    __name__, spaces={"shufflenet": ShuffleNet}, size=ShuffleNetSize, count=count_shuffle_chain
)
