"""Checks what a document looks like: the types and ranges of those of its parts that are used.

A shape is one of

========================  =======================================================================
``str``, ``bool``,        a value of that type; a truth value is no number, and ``float`` takes whole
``int``, ``float``        numbers too
``dict``, ``list``        any object, any list
``object``                anything
`Number`                  a number in a range
`Digest`                  the hexadecimal text of a hash
`Each`                    an object whose values, whatever their names, all have one shape
`Maybe`                   the shape, or null
``[shape]``               a list whose parts all have the shape
``{"key": shape}``        an object with these keys, and maybe others; ``"key?"`` need not be there
========================  =======================================================================
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchkit.base.errors import InputError, clipped, shown

LARGEST = 2**63 - 1
"""Largest whole number that a document may hold: more does not fit into an array."""

_NAMES = {str: "text", bool: "true or false", dict: "an object", list: "a list"}


@dataclass(frozen=True, slots=True)
class Number:
    """A number, maybe a whole one, between two bounds, both allowed; a NaN lies between none."""

    low: float = -math.inf
    high: float = math.inf
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Each:
    """An object whose values all have one shape."""

    shape: Any


@dataclass(frozen=True, slots=True)
class Maybe:
    """A shape, or null."""

    shape: Any


@dataclass(frozen=True, slots=True)
class Digest:
    """The hexadecimal text of a hash, of `length` digits."""

    length: int = 64


COUNT = Number(0, 2**53, whole=True)
"""A number of things."""

SHA256 = Digest()
"""A SHA-256 in hexadecimal digits."""


def check_shape(value: Any, shape: Any, origin: str, place: str = "") -> Any:
    """Return a value of JSON or YAML that has a shape (see the module).

    Parameters
    ----------
    origin : Name of its source, such as ``"manifest out/manifest.json"``, for the error.
    place : Names of the keys that lead to the value, for the error.

    Raises
    ------
    InputError : it has another shape; the line names the place, and says what is there and what should be.
    """
    if isinstance(shape, Maybe):
        return None if value is None else check_shape(value, shape.shape, origin, place)
    if isinstance(shape, Mapping):
        _need(value, dict, origin, place)
        for name, inner in shape.items():
            key = name.removesuffix("?")
            if key in value:
                check_shape(value[key], inner, origin, f"{place}.{key}" if place else key)
            elif key == name:
                where = f"{place} has" if place else "it has"
                raise InputError(f"{origin} is damaged: {where} no {key}")
    elif isinstance(shape, Each):
        _need(value, dict, origin, place)
        for key, inner in value.items():
            check_shape(inner, shape.shape, origin, f"{place}.{key}" if place else str(key))
    elif isinstance(shape, list):
        _need(value, list, origin, place)
        for index, inner in enumerate(value):
            check_shape(inner, shape[0], origin, f"{place}[{index}]")
    elif isinstance(shape, Number):
        _check_number(value, shape, origin, place)
    elif isinstance(shape, Digest):
        _need(value, str, origin, place)
        if len(value) != shape.length or not set(value) <= set("0123456789abcdef"):
            raise _wrong(value, f"a hash of {shape.length} hexadecimal digits", origin, place)
    elif shape is int or shape is float:
        _check_number(value, Number(whole=shape is int), origin, place, nan=True)
    elif shape is not object:
        _need(value, shape, origin, place)
    return value


def _check_number(value: Any, shape: Number, origin: str, place: str, nan: bool = False) -> None:
    allowed = int if shape.whole else (int, float)
    good = isinstance(value, allowed) and not isinstance(value, bool)
    if good and isinstance(value, int):
        good = -LARGEST <= value <= LARGEST
    if good:
        good = shape.low <= value <= shape.high or (nan and value != value)
    if not good:
        low = "" if shape.low == -math.inf else f" from {shape.low:g}"
        high = "" if shape.high == math.inf else f" up to {shape.high:g}"
        raise _wrong(value, f"a {'whole ' if shape.whole else ''}number{low}{high}", origin, place)


def _need(value: Any, kind: type, origin: str, place: str) -> None:
    if not isinstance(value, kind):
        raise _wrong(value, _NAMES[kind], origin, place)


def _wrong(value: Any, wanted: str, origin: str, place: str) -> InputError:
    given = (
        shown(value) if isinstance(value, str | int | float | None) else _NAMES.get(type(value), "another")
    )
    return InputError(f"{origin} is damaged: {clipped(place) or 'it'} is {given}, not {wanted}")
