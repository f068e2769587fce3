"""How large the network of a space is built: width and depth, which no row says.

The defaults are the published sizes. Counters and networks read the same options, so that a count is
always that of the network which the same options build. Nothing here needs torch.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from benchkit.spaces.base import Space
from benchkit.spaces.errors import InputError, unknown
from benchkit.spaces.restricted import RestrictedSpace

__all__ = [
    "BranchesSize",
    "DenseCellsSize",
    "NASBench101Size",
    "NASBenchMacroSize",
    "NetworkSize",
    "check_count",
    "network_size",
    "whole_space",
]


@dataclass(frozen=True)
class NetworkSize:
    """Width and depth of a space's network; every option is an integer of at least 1.

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
class BranchesSize(NetworkSize):
    """The multi-branch networks of NASAS: no options, since the space's name says the width."""


_SIZES: dict[str, type[NetworkSize]] = {
    "nasbench101": NASBench101Size,
    "nasbench201": DenseCellsSize,
    "nasbench201-3": DenseCellsSize,
    "nasbench-macro": NASBenchMacroSize,
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
    """Raise InputError unless `value` is an integer of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InputError(f"{what} must be an integer of at least 1; got {value!r}")
