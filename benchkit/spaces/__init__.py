"""Search spaces, a folder for each, and the engine of their networks.

Adding a space is its folder, whose ``__init__`` holds a `benchkit.spaces.record.SpaceRecord`, and one line in
`_SPACES`, or in `_FAMILIES` where its name always has parameters.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from benchkit.base.errors import ArchitectureError, InputError, unknown
from benchkit.spaces.base import Architecture, Batch, ProductSpace, Space

if TYPE_CHECKING:
    from benchkit.spaces.record import SpaceRecord

__all__ = [
    "Architecture",
    "ArchitectureError",
    "Batch",
    "InputError",
    "ProductSpace",
    "Space",
    "get_space",
    "record_of",
    "records",
    "space_names",
    "unknown",
]

# name of a space, or of a family whose spaces have parameters -> its folder, which is imported when first
# asked for, so that listing costs nothing
_SPACES = {
    "nasbench101": "nasbench101",
    "nasbench201": "nasbench201",
    "nasbench201-3": "nasbench201",
    "nasbench-macro": "nasbench_macro",
    "natsbench-size": "natsbench_size",
    "darts": "darts",
    "darts-multi": "darts_multi",
    "nasnet": "nasnet",
    "shufflenet": "shufflenet",
    "mobile-small": "mobile",
    "mobile-large": "mobile",
}
_FAMILIES = {"branches": "branches"}


def space_names() -> list[str]:
    """Return the names of the built-in spaces; of those with parameters, the usual ones."""
    return [*_SPACES, *(name for family in _FAMILIES for name in record_of(family).usual)]


def get_space(name: str) -> Space:
    """Return a new space of that name.

    Parameters
    ----------
    name : One of `space_names`, or one like them with other parameters (``branches:m@16``).

    Raises
    ------
    InputError : there is no such space; it lists those there are.
    """
    family, _, parameters = name.partition(":")
    if family in _SPACES or family in _FAMILIES:
        record = record_of(family)
        if name in record.spaces:
            return record.spaces[name]()
        if family in record.families:
            return record.families[family](parameters)
    raise unknown("space", name, space_names())


def record_of(name: str) -> SpaceRecord:
    """Return the record of a built-in space, or of a family of spaces.

    Raises
    ------
    KeyError : there is none of that name.
    """
    folder = {**_SPACES, **_FAMILIES}[name.partition(":")[0]]
    record: SpaceRecord = import_module(f"{__name__}.{folder}").RECORD
    return record


def records() -> dict[str, SpaceRecord]:
    """Return the record of every built-in space and family, by name."""
    return {name: record_of(name) for name in (*_SPACES, *_FAMILIES)}
