"""How large the network of a space is built: width and depth, which no row says.

The defaults are the published sizes. Counters and networks read the same options, so that a count is
always that of the network which the same options build. Nothing here needs torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from benchkit.base.errors import InputError, shown, unknown
from benchkit.base.limits import check_number
from benchkit.spaces.base import Space
from benchkit.spaces.restricted import RestrictedSpace

__all__ = [
    "BranchesSize",
    "DenseCellsSize",
    "MobileSize",
    "NASBench101Size",
    "NASBenchMacroSize",
    "NetworkSize",
    "ShuffleNetSize",
    "StagesSize",
    "TwoCellsSize",
    "check_choice",
    "check_count",
    "network_size",
    "whole_space",
]


@dataclass(frozen=True)
class NetworkSize:
    """Width and depth of a space's network; an option is an integer of at least 1 unless it says otherwise.

    Raises
    ------
    InputError : an option is no such integer.
    """

    def __post_init__(self) -> None:
        for option, value in self.options().items():
            check_count(option, value)

    def options(self) -> dict[str, int]:
        """Return the options by name, JSON-ready."""
        return asdict(self)


@dataclass(frozen=True)
class DenseCellsSize(NetworkSize):
    """NAS-Bench-201 and its smaller sisters (Dong and Yang, 2020, section 2.1).

    Attributes
    ----------
    channels : C of the first stage; the second has 2C, the third 4C.
    cells : N, cells a stage.
    """

    channels: int = 16
    cells: int = 5


@dataclass(frozen=True)
class NASBench101Size(NetworkSize):
    """NAS-Bench-101 (Ying et al., 2019, section 2.1).

    Attributes
    ----------
    channels : of the stem and the first stack; each further stack doubles them.
    stacks : stacks of cells, with max pooling between them.
    cells : cells a stack.

    Raises
    ------
    InputError : `channels` cannot be split among five vertices.
    """

    channels: int = 128
    stacks: int = 3
    cells: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.channels < 5:
            raise InputError(
                f"channels of a nasbench101 network are split among up to 5 vertices; got {self.channels}"
            )


@dataclass(frozen=True)
class NASBenchMacroSize(NetworkSize):
    """NAS-Bench-Macro (Su et al., 2021, appendix).

    Attributes
    ----------
    channels : of the stem; each of the three stages doubles them.
    features : channels before the classifier.
    """

    channels: int = 32
    features: int = 1280


@dataclass(frozen=True)
class TwoCellsSize(NetworkSize):
    """A normal and a reduction cell, stacked as DARTS does (Liu et al., 2019, section 3; appendix A).

    Search has 8 cells and 16 channels; evaluation 20 and 36 on CIFAR-10, 14 and 48 on ImageNet.

    Attributes
    ----------
    channels : C of the first cells; each of the two reduction cells doubles them.
    cells : all of them; those at one and at two thirds of the depth are reduction cells.
    stem_stride : 1 is one convolution (CIFAR-10), 8 is three of stride 2 (ImageNet, 224 pixels).
    auxiliary : 1 adds the auxiliary classifier after the second reduction cell, which only training uses and
        no count includes; 0 leaves it out.

    Raises
    ------
    InputError : fewer than 3 cells (both kinds would not occur), another stride, or an odd number of channels
        where the stem has stride 8 (its first half gets half of them).
    """

    channels: int = 16
    cells: int = 8
    stem_stride: int = 1
    auxiliary: int = 0

    def __post_init__(self) -> None:
        check_count("channels", self.channels)
        check_count("cells", self.cells)
        check_choice("stem_stride", self.stem_stride, (1, 8))
        check_choice("auxiliary", self.auxiliary, (0, 1))
        if self.cells < 3:
            raise InputError(
                f"cells must be at least 3, for a normal cell and two reduction cells; got {self.cells}"
            )
        if self.stem_stride == 8 and self.channels % 2:
            raise InputError(f"channels must be even where stem_stride is 8; got {self.channels}")

    @property
    def reductions(self) -> tuple[int, int]:
        """The numbers of the two reduction cells, counted from 0."""
        return self.cells // 3, 2 * self.cells // 3


@dataclass(frozen=True)
class StagesSize(NetworkSize):
    """A chain in stages, for images of 224 pixels unless told otherwise.

    The published strides divide the side by 32. For images of 32 pixels, ``stem_stride=1, strided_stages=3``
    divides it by 8; every setting runs at every image size.

    Attributes
    ----------
    divisor : divides all widths: 1, 2, 4 or 8.
    stem_stride : 2, or 1 for small images.
    strided_stages : how many of the four stages that start with stride 2 do so, the last ones; from 1 to 4.

    Raises
    ------
    InputError : another value.
    """

    divisor: int = 1
    stem_stride: int = 2
    strided_stages: int = 4

    def __post_init__(self) -> None:
        check_choice("divisor", self.divisor, (1, 2, 4, 8))
        check_choice("stem_stride", self.stem_stride, (1, 2))
        check_choice("strided_stages", self.strided_stages, (1, 2, 3, 4))


@dataclass(frozen=True)
class ShuffleNetSize(StagesSize):
    """A chain of ShuffleNetV2 blocks (Guo et al., 2020), in four stages that all start with stride 2.

    Widths: 16 of the stem, 64, 160, 320 and 640 of the stages, 1,024 at the end.
    """


@dataclass(frozen=True)
class MobileSize(StagesSize):
    """A chain of mobile operators (PC-NAS, section 3.2), in six stages of which four start with stride 2.

    Widths: 32 and 16 of the stem, 24, 40, 80, 96, 192 and 320 of the stages, 1,280 at the end.

    Attributes
    ----------
    squeeze : 1 puts squeeze-and-excitation at the end of every operator, as section 4.1 does in the network
        that is trained in the end; 0 leaves it out.
    """

    squeeze: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("squeeze", self.squeeze, (0, 1))


@dataclass(frozen=True)
class BranchesSize(NetworkSize):
    """The multi-branch networks of NASAS: no options, since the space's name says the width."""


_SIZES: dict[str, type[NetworkSize]] = {
    "nasbench101": NASBench101Size,
    "nasbench201": DenseCellsSize,
    "nasbench201-3": DenseCellsSize,
    "nasbench-macro": NASBenchMacroSize,
    "darts": TwoCellsSize,
    "darts-multi": TwoCellsSize,
    "nasnet": TwoCellsSize,
    "shufflenet": ShuffleNetSize,
    "mobile-small": MobileSize,
    "mobile-large": MobileSize,
    "branches": BranchesSize,
}


def whole_space(space: Space) -> Space:
    """Return the space that decides what a row means: of a restricted space, the one it restricts."""
    while isinstance(space, RestrictedSpace):
        space = space.space
    return space


def network_size(space: Space, **options: Any) -> NetworkSize:
    """Return the size of the space's network, the published one where no option says otherwise.

    Raises
    ------
    InputError : the space has no network, or no such option, or a value is not an integer >= 1.
    """
    name = whole_space(space).name
    family = name.partition(":")[0]
    if family not in _SIZES:
        raise InputError(f"space {name} has no network; there are networks for {', '.join(_SIZES)}")
    size = _SIZES[family]
    known = [field.name for field in fields(size)]
    for option in options:
        if option not in known:
            raise unknown("size", option, known, f"the network of {name}")
    return size(**options)


def check_count(what: str, value: object) -> None:
    """Raise InputError unless `value` is a whole number from 1 to more than any network has."""
    check_number(what, value)


def check_choice(what: str, value: object, allowed: Sequence[int]) -> None:
    """Raise InputError unless `value` is one of the allowed integers."""
    if isinstance(value, bool) or not isinstance(value, int) or value not in allowed:
        raise InputError(f"{what} must be one of {', '.join(map(str, allowed))}; got {shown(value)}")
