"""Makes plain values of what a pickle asks for by name, of checked parts, and nothing else.

A pickle names `numpy.dtype` and `numpy.ndarray` and fills them by BUILD; given to numpy, a state that lies
about flags, sizes or pointers makes it read and write memory that is not there. Nothing here hands such a
part on: a dtype is its kind, its size and its byte order, each one of a short list; an array is so many bytes
as its shape needs; both are then made by `numpy.frombuffer`. There are no arrays of objects.

Keys of dictionaries and members of sets are texts, bytes, numbers, None, or flat tuples of these: a tuple of
tuples of tuples can be made such that its hash takes a century.
"""

from __future__ import annotations

import math
import re
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from benchkit.base.errors import InputError, shown
from benchkit.base.npz_file import check_items, item_bytes

_DTYPE = re.compile(r"([<>|=]?)([a-zA-Z])(\d{1,6})")
_ORDERS = ("<", ">", "|", "=")
_FLAGS = (0, 8)  # of numbers and bytes, and of unicode texts
_MOST_DIMENSIONS = 32
_MOST_ITEMS = 2**62
_PLAIN = frozenset((str, bytes, int, float, bool, type(None)))
_LARGEST_KEY = 2**60  # integers past it can be chosen to collide
_LONGEST_KEY = 8  # members of a tuple


@dataclass(eq=False, slots=True)
class StandIn:
    """A name that a pickle may use, and the function that a call of it runs; None if it cannot be called."""

    name: str
    make: Callable[..., Any] | None = None


@dataclass(eq=False, slots=True)
class Dtype:
    """A dtype: kind, size as it is written, and order of bytes, which alone BUILD can set."""

    kind: str
    size: int
    order: str

    def numpy(self) -> np.dtype[Any]:
        """Return it as numpy has it."""
        return _numpy_dtype(self.order, self.kind, self.size)


@dataclass(eq=False, slots=True)
class Blank:
    """An array that was announced, and is not there before its state is."""

    value: npt.NDArray[Any] | None = None


@cache  # the list of dtypes is short
def _numpy_dtype(order: str, kind: str, size: int) -> np.dtype[Any]:
    return np.dtype(f"{order}{kind}{size}")


def find(module: str, name: str) -> StandIn:
    """Return what a name stands for; raise InputError for a name not in `ALLOWED`, without importing it."""
    try:
        return ALLOWED[module, name]
    except KeyError:
        asked = f"{module}.{name}"
        asked = asked if len(asked) < 100 and asked.isprintable() else shown(asked)
        raise InputError(
            f"it asks for {asked}, which is not plain data: refused, and nothing of it was run"
        ) from None


def call(function: Any, arguments: Any) -> Any:
    """Return what a stand-in makes of arguments (REDUCE); raise InputError where they do not fit."""
    if type(function) is not StandIn or function.make is None or type(arguments) is not tuple:
        name = function.name if type(function) is StandIn else type(function).__name__
        raise InputError(f"it calls {name}, which is not plain data: refused")
    try:
        return function.make(*arguments)
    except TypeError:  # of the call itself: what is called checks its types
        raise InputError(f"it calls {function.name} with {len(arguments)} arguments") from None


def set_state(target: Any, state: Any) -> None:
    """Fill what was announced (BUILD): the content of an array, or the byte order of a dtype.

    Raises InputError for anything else, and for a state that is not of that form.
    """
    if type(target) is Dtype:
        _build_dtype(target, state)
    elif type(target) is Blank and target.value is None:
        target.value = _built_array(state)
    else:
        raise InputError(f"it sets the state of a {type(target).__name__}: refused")


def check_keys(keys: Iterable[Any]) -> None:
    """Refuse keys that are not plain, without asking for the hash of any."""
    kinds = set(map(type, keys))
    if kinds <= {str, bytes}:
        return
    for key in keys:
        if type(key) is tuple and len(key) <= _LONGEST_KEY and set(map(type, key)) <= _PLAIN:
            for part in key:
                _check_key(part)
        else:
            _check_key(key)


def _check_key(key: Any) -> None:
    if type(key) not in _PLAIN:
        raise InputError(f"a {type(key).__name__} as the key of a dictionary, or in a set: refused")
    if type(key) is int and not -_LARGEST_KEY < key < _LARGEST_KEY:
        raise InputError("an integer that is too large for the key of a dictionary")


# -- containers -------------------------------------------------------------------------------


def _ordered(pairs: Any = ()) -> OrderedDict[Any, Any]:
    given = _sequence("OrderedDict", pairs)
    if not all(type(pair) in (list, tuple) and len(pair) == 2 for pair in given):
        raise InputError("it makes an OrderedDict of what are no pairs")
    check_keys([pair[0] for pair in given])
    return OrderedDict(given)


def _default(factory: Any = None) -> defaultdict[Any, Any]:
    """Return an empty dictionary; the pickle does not say what a missing key becomes."""
    if factory is not None and type(factory) is not StandIn:
        raise InputError(f"it makes a defaultdict of a {type(factory).__name__}")
    return defaultdict()


def _set(members: Any = ()) -> set[Any]:
    given = _sequence("set", members)
    check_keys(given)
    return set(given)


def _sequence(name: str, given: Any) -> list[Any] | tuple[Any, ...]:
    if type(given) not in (list, tuple):
        raise InputError(f"it makes a {name} of a {type(given).__name__}")
    found: list[Any] | tuple[Any, ...] = given
    return found


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    """Return bytes: old pickles write them as the argument of `codecs.encode`, always in Latin-1."""
    if type(text) is not str or type(encoding) is not str:
        raise InputError("it encodes what is no text")
    if encoding.lower() not in ("latin1", "latin-1"):
        raise InputError(f"bytes encoded as {shown(encoding)}")
    return _raw(text)


def _raw(given: Any) -> bytes:
    """Return bytes; a pickle of Python 2 has them as text."""
    if type(given) is bytes:
        return given
    if type(given) is str:
        try:
            return given.encode("latin1")
        except UnicodeEncodeError:
            pass
    raise InputError("a text, or something else, where bytes should be")


# -- numpy ------------------------------------------------------------------------------------


def _dtype(text: Any, align: Any = False, copy: Any = False) -> Dtype:
    match = _DTYPE.fullmatch(text) if type(text) is str else None
    known = match is not None and item_bytes(match[2], int(match[3])) is not None
    if match is None or not known or not {type(align), type(copy)} <= {bool, int}:
        raise InputError(f"the dtype {shown(text)} is none of bool, integer, float, bytes and text: refused")
    return _ordered_dtype(Dtype(match[2], int(match[3]), "="), match[1] or "=")


def _ordered_dtype(found: Dtype, order: str) -> Dtype:
    single = found.kind in "Sb" or (found.kind in "iu" and found.size == 1)
    if order == "|" and not single:
        raise InputError("a dtype whose bytes have no order")
    found.order = order
    return found


def _build_dtype(found: Dtype, state: Any) -> None:
    if type(state) is not tuple or len(state) not in (8, 9) or any(part is not None for part in state[8:]):
        raise InputError("the state of a dtype is not as numpy writes it")
    version, order, *parts, size, alignment, flags = state[:8]
    sizes = (-1, item_bytes(found.kind, found.size))
    plain = {type(version), type(size), type(alignment), type(flags)} == {int} and type(order) is str
    if not plain or parts != [None, None, None] or order not in _ORDERS:
        raise InputError("the state of a dtype is not that of bool, integer, float, bytes or text: refused")
    if version not in (3, 4) or size not in sizes or flags not in _FLAGS:
        raise InputError("the state of a dtype is not that of bool, integer, float, bytes or text: refused")
    _ordered_dtype(found, order)


def _reconstruct(kind: Any, shape: Any, code: Any) -> Blank:
    if kind is not _NDARRAY or shape != (0,) or code not in ("b", b"b"):
        raise InputError("an array that is not announced as numpy does")
    return Blank()


def _built_array(state: Any) -> npt.NDArray[Any]:
    if type(state) is not tuple or len(state) != 5 or type(state[0]) is not int or state[0] != 1:
        raise InputError("the state of an array is not as numpy writes it")
    _, shape, kind, fortran, content = state
    if type(kind) is not Dtype or type(fortran) not in (bool, int) or fortran not in (0, 1):
        raise InputError("the state of an array is not as numpy writes it")
    plain = type(shape) is tuple and all(type(each) is int and 0 <= each <= _MOST_ITEMS for each in shape)
    if not plain or len(shape) > _MOST_DIMENSIONS or math.prod(each or 1 for each in shape) > _MOST_ITEMS:
        raise InputError(f"an array of the shape {shown(shape)}")
    raw = _raw(content)
    item = item_bytes(kind.kind, kind.size)
    if not item or math.prod(shape) * item != len(raw):
        raise InputError(f"an array of the shape {shown(shape)}, but with {len(raw):,} bytes")
    if not raw:
        return np.empty(shape, dtype=kind.numpy())
    array = np.frombuffer(raw, dtype=kind.numpy()).reshape(shape, order="F" if fortran else "C")
    check_items(array)
    return array.copy(order="K")  # of its own, and to be written to


def _scalar(kind: Any, content: Any) -> Any:
    if type(kind) is not Dtype:
        raise InputError("a number of no dtype")
    raw = _raw(content)
    item = item_bytes(kind.kind, kind.size)
    if item != len(raw):
        raise InputError(f"a number of {item} bytes, but with {len(raw)}")
    if not raw:
        return np.str_() if kind.kind == "U" else np.bytes_()
    array = np.frombuffer(raw, dtype=kind.numpy())
    if kind.kind in "bU":
        check_items(array)
    return array[0]


_NDARRAY = StandIn("numpy.ndarray")


def _allowed() -> dict[tuple[str, str], StandIn]:
    makers: dict[str, Callable[..., Any] | None] = {
        "set": _set,
        "frozenset": lambda members=(): frozenset(_set(members)),
        "bytes": lambda: b"",  # as Python 3 writes it for Python 2; any other goes by `_encode`
        **dict.fromkeys(("bool", "dict", "float", "int", "list", "str")),  # what a defaultdict is made of
    }
    found = {
        ("collections", "OrderedDict"): StandIn("OrderedDict", _ordered),
        ("collections", "defaultdict"): StandIn("defaultdict", _default),
        ("_codecs", "encode"): StandIn("codecs.encode", _encode),
        ("numpy", "dtype"): StandIn("numpy.dtype", _dtype),
        ("numpy", "ndarray"): _NDARRAY,
    }
    for module in ("builtins", "__builtin__"):  # Python 3 and 2
        found |= {(module, name): StandIn(name, make) for name, make in makers.items()}
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):  # numpy 1 and 2
        found[module, "_reconstruct"] = StandIn("numpy's _reconstruct", _reconstruct)
        found[module, "scalar"] = StandIn("numpy's scalar", _scalar)
    return found


ALLOWED = _allowed()
"""(module, name) as a pickle writes it -> what stands for it."""
