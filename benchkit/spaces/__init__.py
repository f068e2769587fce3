"""What is searched: encodings, validity, canonical forms, and the embedded tables.

Adding a space is one new file and one line in `_SPACES`.
"""

from __future__ import annotations

from importlib import import_module

from benchkit.spaces.base import Architecture, Batch, ProductSpace, Space
from benchkit.spaces.errors import ArchitectureError, InputError, unknown

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
    "nasbench101": "nasbench101:NASBench101",
    "nasbench201": "nasbench201:NASBench201",
    "nasbench201-3": "nasbench201:NASBench201Three",
    "nasbench-macro": "nasbench_macro:NASBenchMacro",
    "natsbench-size": "natsbench_size:NATSBenchSize",
}


def space_names() -> list[str]:
    """Return the names of the built-in spaces."""
    return list(_SPACES)


def get_space(name: str) -> Space:
    """Return a new space of that name.

    Raises
    ------
    InputError : there is no such space; it lists those there are.
    """
    if name not in _SPACES:
        raise unknown("space", name, _SPACES)
    module, attribute = _SPACES[name].split(":")
    space: Space = getattr(import_module(f"{__name__}.{module}"), attribute)()
    return space
