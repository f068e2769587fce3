"""Reads NumPy's files of arrays, ``.npz`` and ``.npy``, without trusting a word of them.

`numpy.load` makes room for the shape that a header states, evaluates the header as an expression, and takes
any dtype. Here a header has the one form that NumPy writes; its dtype is one of a short list, its shape must
fill the bytes that follow exactly, and only then is there an array. Compressed archives are refused: those
written here are not, and so no file takes more memory than it has bytes.

Format: NumPy's documentation, "numpy.lib.format"; versions 1 to 3 differ in the length of the header alone.
"""

from __future__ import annotations

import math
import re
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from benchkit.base.errors import InputError, shown
from benchkit.base.files import check_regular
from benchkit.base.zip_file import opened_zip

Array = npt.NDArray[Any]

# kind of a number's dtype -> sizes in bytes; texts, S and U, have any length
_ITEMS = {"b": (1,), "i": (1, 2, 4, 8), "u": (1, 2, 4, 8), "f": (2, 4, 8)}
_LONGEST_TEXT = 1 << 16  # characters
_MOST_DIMENSIONS = 32
_MOST_MEMBERS = 10_000
_MAGIC = b"\x93NUMPY"
_VERSIONS = {1: 2, 2: 4, 3: 4}  # -> bytes of the header's length
_LONGEST_HEADER = 10_000
_HEADER = re.compile(
    r"\{'descr': '(?P<dtype>[<>|=][a-zA-Z]\d{1,6})', 'fortran_order': (?P<fortran>True|False), "
    r"'shape': \((?P<shape>(?:\d{1,19}, ?)*(?:\d{1,19})?)\), \} *\n"
)
_CHUNK = 1 << 22


def item_bytes(kind: str, size: int) -> int | None:
    """Return the bytes of an item of a dtype such as ``f8`` or ``U3``; None where it is not on the list."""
    if kind in ("S", "U"):
        return size * (4 if kind == "U" else 1) if 0 <= size <= _LONGEST_TEXT else None
    return size if size in _ITEMS.get(kind, ()) else None


def read_npz(path: Path, what: str, most: int, besides: Collection[str] = ()) -> dict[str, Array]:
    """Return name -> array of an uncompressed ``.npz`` file of at most `most` bytes; `what` names it in
    errors.

    Members named in `besides` are no arrays, and are left alone. Raises InputError for no regular file, one
    that is too large or damaged, an array of a dtype that is not on the list (bool, integers, floats, byte
    and unicode strings), and one whose shape does not fit its bytes.
    """
    with opened_zip(path, what, most, _MOST_MEMBERS, most, (zipfile.ZIP_STORED,)) as archive:
        arrays: dict[str, Array] = {}
        for member in archive.infolist():
            if member.filename in besides:
                continue
            name = member.filename.removesuffix(".npy")
            if name == member.filename:
                raise InputError(f"its member {shown(name)} is no array")
            with archive.open(member) as file:
                try:
                    arrays[name] = _array(file, member.file_size)
                except InputError as error:
                    raise InputError(f"array {shown(name)}: {error}") from error
        return arrays


def read_npy(path: Path, what: str, most: int) -> Array:
    """Return the array of a ``.npy`` file; parameters and errors are those of `read_npz`."""
    size = check_regular(path, what, most)
    try:
        with path.open("rb") as file:
            return _array(file, size)
    except InputError as error:
        raise InputError(f"cannot read {what} {path}: {error}") from error
    except (OSError, MemoryError) as error:
        reason = error.strerror if isinstance(error, OSError) else "too large for this machine's memory"
        raise InputError(f"cannot read {what} {path}: {reason}") from error


def _array(file: IO[bytes], size: int) -> Array:
    """Return the array of an open ``.npy`` file of `size` bytes."""
    head = file.read(8)
    width = _VERSIONS.get(head[6], 0) if len(head) == 8 and head[:6] == _MAGIC else 0
    if not width:
        raise InputError("it does not start as NumPy's arrays do")
    length = int.from_bytes(file.read(width), "little")
    if length > _LONGEST_HEADER:
        raise InputError(f"its header has {length:,} bytes")
    match = _HEADER.fullmatch(file.read(length).decode("latin1"))
    if match is None:
        raise InputError("its header is not as NumPy writes it, or its dtype is no plain one")
    text = match["dtype"]
    item = item_bytes(text[1], int(text[2:]))
    if not item:
        raise InputError(f"its dtype {shown(text)} is none of bool, integer, float, bytes and text")
    shape = tuple(int(each) for each in match["shape"].split(",") if each.strip())
    left = size - len(head) - width - length
    # a dimension of 0 must not hide others that are too large for numpy
    if len(shape) > _MOST_DIMENSIONS or item * math.prod(max(each, 1) for each in shape) > max(left, 1 << 31):
        raise InputError(f"its shape {shown(shape)} is too large")
    if math.prod(shape) * item != left:
        raise InputError(f"its shape {shown(shape)} needs {math.prod(shape) * item:,} bytes; it has {left:,}")
    fortran = match["fortran"] == "True"
    array: Array = np.empty(shape[::-1] if fortran else shape, dtype=np.dtype(text))
    at = 0
    while at < array.nbytes:
        chunk = file.read(min(_CHUNK, array.nbytes - at))
        if not chunk:
            raise InputError("it is truncated")
        array.reshape(-1).view(np.uint8)[at : at + len(chunk)] = np.frombuffer(chunk, np.uint8)
        at += len(chunk)
    check_items(array)
    return array.T if fortran else array


def check_items(array: Array) -> None:
    """Refuse bytes that are no value of their dtype, before numpy meets them in a place that says less."""
    kind = array.dtype.kind
    if not array.nbytes:
        return
    if kind == "b" and array.view(np.uint8).max() > 1:
        raise InputError("it has truth values that are neither true nor false")
    if kind == "U" and array.reshape(-1).view(array.dtype.byteorder + "u4").max() > 0x10FFFF:
        raise InputError("it has characters that are none")
