"""The chains of mobile operators of PC-NAS."""

from functools import partial

from benchkit.spaces.mobile.counts import MobileSize, count_mobile_chain
from benchkit.spaces.mobile.encoding import OPERATORS, Mobile, mobile_space
from benchkit.spaces.record import SpaceRecord

__all__ = ["RECORD"]

RECORD = SpaceRecord(
    __name__,
    spaces={name: partial(Mobile, name, operators) for name, operators in OPERATORS.items()},
    families={name: partial(mobile_space, name) for name in OPERATORS},
    size=MobileSize,
    count=count_mobile_chain,
)
