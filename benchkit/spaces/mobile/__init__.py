"""The chains of mobile operators of PC-NAS."""

from benchkit.spaces.mobile.counts import MobileSize, count_mobile_chain
from benchkit.spaces.mobile.encoding import MobileLarge, MobileSmall, large, small
from benchkit.spaces.record import SpaceRecord

__all__ = ["RECORD"]

RECORD = SpaceRecord(
    __name__,
    spaces={"mobile-small": MobileSmall, "mobile-large": MobileLarge},
    families={"mobile-small": small, "mobile-large": large},
    size=MobileSize,
    count=count_mobile_chain,
)
