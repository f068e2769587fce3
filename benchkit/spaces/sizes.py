"""Width and depth of the network of a space, which no row says.

The defaults are the published sizes. Counters and networks read the same options, so that a count is
always that of the network which the same options build. Nothing here needs torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar

from benchkit.base.errors import InputError, shown, unknown
from benchkit.base.limits import check_number
from benchkit.spaces import records
from benchkit.spaces.base import Space
from benchkit.spaces.restricted import whole_space


@dataclass(frozen=True)
class NetworkSize:
    """Width and depth of a space's network; an option is an integer of at least 1 unless it says otherwise.

    Raises
    ------
    InputError : an option is no such integer.
    """

    usual_image_size: ClassVar[int] = 32
    usual_classes: ClassVar[int] = 10

    def __post_init__(self) -> None:
        for option, value in self.options().items():
            check_number(option, value)

    def options(self) -> dict[str, int]:
        """Return the options by name, JSON-ready."""
        return asdict(self)


@dataclass(frozen=True)
class StagesSize(NetworkSize):
    """A chain in stages, for images of 224 pixels unless told otherwise.

    The published strides divide the side by 32. For images of 32 pixels, ``stem_stride=1, strided_stages=3``
    divides it by 8; every setting runs at every image size.

    Attributes
    ----------
    divisor : Divisor of all widths: 1, 2, 4 or 8.
    stem_stride : 2, or 1 for small images.
    strided_stages : Number of the four stages with stride 2 that keep it, the last ones; from 1 to 4.

    Raises
    ------
    InputError : another value.
    """

    usual_image_size = 224
    usual_classes = 1000
    divisor: int = 1
    stem_stride: int = 2
    strided_stages: int = 4

    def __post_init__(self) -> None:
        check_choice("divisor", self.divisor, (1, 2, 4, 8))
        check_choice("stem_stride", self.stem_stride, (1, 2))
        check_choice("strided_stages", self.strided_stages, (1, 2, 3, 4))


def network_size(space: Space, **options: Any) -> NetworkSize:
    """Return the size of the space's network, the published one where no option says otherwise.

    Raises
    ------
    InputError : the space has no network, or no such option, or a value is not an integer >= 1.
    """
    name = whole_space(space).name
    sizes = {known: record.size for known, record in records().items() if record.size}
    size = sizes.get(name.partition(":")[0])
    if size is None:
        raise InputError(f"space {name} has no network; there are networks for {', '.join(sizes)}")
    known = [field.name for field in fields(size)]
    for option in options:
        if option not in known:
            raise unknown("size", option, known, f"the network of {name}")
    return size(**options)


def check_choice(what: str, value: object, allowed: Sequence[int]) -> None:
    """Raise InputError unless `value` is one of the allowed integers."""
    if isinstance(value, bool) or not isinstance(value, int) or value not in allowed:
        raise InputError(f"{what} must be one of {', '.join(map(str, allowed))}; got {shown(value)}")
