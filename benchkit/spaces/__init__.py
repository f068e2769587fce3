"""What is searched: encodings, validity, canonical forms, and the embedded tables.

Adding a space is one new file and one line in `_SPACES`, or in `_FAMILIES` where its name has parameters.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from benchkit.base.errors import ArchitectureError, InputError, unknown
from benchkit.spaces.base import Architecture, Batch, ProductSpace, Space

__all__ = [
    "Architecture",
    "ArchitectureError",
    "Batch",
    "InputError",
    "ProductSpace",
    "Space",
    "get_space",
    "space_names",
    "unknown",
]

# name -> module:class; imported when first asked for, so that listing costs nothing
_SPACES = {
    "nasbench101": "nasbench101.encoding:NASBench101",
    "nasbench201": "nasbench201.encoding:NASBench201",
    "nasbench201-3": "nasbench201.encoding:NASBench201Three",
    "nasbench-macro": "nasbench_macro.encoding:NASBenchMacro",
    "natsbench-size": "natsbench_size.encoding:NATSBenchSize",
    "darts": "darts.encoding:DARTS",
    "darts-multi": "darts_multi.encoding:DARTSMulti",
    "nasnet": "nasnet.encoding:NASNet",
    "shufflenet": "shufflenet.encoding:ShuffleNet",
    "mobile-small": "mobile.encoding:MobileSmall",
    "mobile-large": "mobile.encoding:MobileLarge",
}

# what stands before the colon -> module:(function of what stands behind it), module:(its usual names);
# a family that is a space without parameters, too, has no further ones
_FAMILIES: dict[str, tuple[str, str | None]] = {
    "branches": ("branches.encoding:branches_space", "branches.encoding:full_names"),
    "mobile-small": ("mobile.encoding:small", None),
    "mobile-large": ("mobile.encoding:large", None),
}


def space_names() -> list[str]:
    """Return the names of the built-in spaces; of those with parameters, the usual ones."""
    return [*_SPACES, *(name for _, listed in _FAMILIES.values() if listed for name in _load(listed)())]


def get_space(name: str) -> Space:
    """Return a new space of that name.

    Parameters
    ----------
    name : one of `space_names`, or one like them with other parameters (``branches:m@16``).

    Raises
    ------
    InputError : there is no such space; it lists those there are.
    """
    family, _, parameters = name.partition(":")
    space: Space
    if name in _SPACES:
        space = _load(_SPACES[name])()
    elif family in _FAMILIES:
        space = _load(_FAMILIES[family][0])(parameters)
    else:
        raise unknown("space", name, space_names())
    return space


def _load(place: str) -> Any:
    module, attribute = place.split(":")
    return getattr(import_module(f"{__name__}.{module}"), attribute)
