"""Checks that a value which was read from YAML has the type of its field, and says what to write if not."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from benchkit.base.errors import InputError, shown

_NAMES: Mapping[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    type(None): "null",
}

LARGEST_OPTION = 1_000_000
"""Largest whole number that a hyperparameter takes: all of them count what is held in memory at once."""

LARGEST_NUMBER = 1e12
"""Largest other number, in either direction; where moves are clipped, infinity means that none is."""


def field_types(kind: type[Any]) -> dict[str, Any]:
    """Return the types of a dataclass's fields by name; none where its annotations cannot be read."""
    try:
        return get_type_hints(kind)
    except (NameError, TypeError):  # a class of somebody else's, which names what it does not import
        return {}


def check_option(said: str, value: Any, kind: Any) -> None:
    """Check a value, as YAML reads it, against the annotation of its field, and its size where it is a
    number.

    `said` names the option in errors; an annotation that is not known here takes everything. Raises
    InputError for a value that is of another type, undefined, or too large.
    """
    if not _fits(value, kind):
        quotes = ""
        if str in _choices(kind) and isinstance(value, int | float):
            quotes = "; put text that looks like a number in quotes"
        raise InputError(f"{said} must be {_described(kind)}; got {shown(value)}{quotes}")
    for number in value if isinstance(value, list | tuple) else [value]:
        if isinstance(number, bool) or not isinstance(number, Real):
            continue
        counts = isinstance(number, Integral) and float not in _choices(kind)
        most: Any = LARGEST_OPTION if counts else math.inf if said.endswith("_clip") else LARGEST_NUMBER
        if not -most <= number <= most:
            raise InputError(f"{said} must be a number of at most {most:,.0f}; got {shown(value)}")


def _choices(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


def _fits(value: Any, kind: Any) -> bool:
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        return any(_fits(value, each) for each in get_args(kind))
    if origin is Literal:
        return value in get_args(kind)
    if origin in (tuple, list, Sequence):
        if not isinstance(value, list | tuple):
            return False
        parts = [each for each in get_args(kind) if each is not Ellipsis]
        return not parts or all(any(_fits(item, part) for part in parts) for item in value)
    if kind in (int, float):
        return isinstance(value, Integral if kind is int else Real) and not isinstance(value, bool)
    plain = origin or kind
    return isinstance(value, plain) if plain in (bool, str, dict, type(None)) else True


def _described(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return f"one of {', '.join(map(str, get_args(kind)))}"
    if get_origin(kind) in (tuple, list, Sequence):
        return "a list"
    if get_origin(kind) is dict or kind is dict:
        return "a mapping"
    return " or ".join(
        _NAMES.get(each, _described(each) if get_origin(each) else str(each)) for each in _choices(kind)
    )
