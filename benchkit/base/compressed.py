"""Unpacks files compressed by gzip, bzip2 or xz a piece at a time, and no further than they may be large.

Forty bytes of bzip2 can be 45 MB, and ten times as many of xz a request for 4 GB of memory. A file is known
by its first bytes, whatever its name is, and stops with an error where its kind cannot be that large.
"""

from __future__ import annotations

import bz2
import io
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from benchkit.base.errors import InputError
from benchkit.base.files import MEGABYTE, check_regular

UNPACKING = (zlib.error, lzma.LZMAError, EOFError, OSError, ValueError)
"""Errors that the decompressors raise on damaged files; of the OSErrors those without a number."""

_CHUNK = 1 << 16
_XZ_MEMORY = 1 << 27  # bytes that a dictionary of xz may take: xz -9 makes one of 64 MiB
_MAGIC: dict[bytes, Callable[[], Any]] = {
    b"\x1f\x8b": lambda: zlib.decompressobj(31),
    b"BZh": bz2.BZ2Decompressor,
    b"\xfd7zXZ\0": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY),
}


def is_compressed(start: bytes) -> bool:
    """Return whether a file with these first bytes is compressed in a way that is known."""
    return start.startswith(tuple(_MAGIC))


class Unpacked(io.RawIOBase):
    """The content of a compressed file, to be read in one direction.

    Parameters
    ----------
    file : File, open at the start; one that is not compressed is read as it is.
    most : Largest number of bytes that it may hold.
    ratio : Largest number of bytes that a byte of the file may hold, past the first megabyte; 0 for any.
    """

    def __init__(self, file: IO[bytes], most: int, ratio: int = 0) -> None:
        self._file = file
        self._most = most
        self._ratio = ratio
        self._given = self._taken = 0
        self._pending = self._read()
        self._decompressor: Any = None
        self._maker = next((make for magic, make in _MAGIC.items() if self._pending.startswith(magic)), None)

    def readable(self) -> bool:
        return True

    def readinto(self, room: Any, /) -> int:
        found = self._next(len(room))
        self._given += len(found)
        if self._given > self._most:
            raise InputError(f"it unpacks to more than {self._most / MEGABYTE:,.1f} MB")
        if self._ratio and self._given > MEGABYTE + self._ratio * self._taken:
            raise InputError(f"it unpacks to more than {self._ratio} times its size: no file of its kind")
        room[: len(found)] = found
        return len(found)

    def _read(self) -> bytes:
        found = self._file.read(_CHUNK)
        self._taken += len(found)
        return found

    def _next(self, size: int) -> bytes:
        """Return at least one byte and at most so many; none at the end."""
        while True:
            # zlib's decompressor always needs more, and says nothing of it
            if not self._pending and getattr(self._decompressor, "needs_input", True):
                self._pending = self._read()
                if not self._pending:
                    if self._decompressor is not None:
                        raise EOFError("it ends inside its compressed data")
                    return b""
            if self._maker is None:
                found, self._pending = self._pending[:size], self._pending[size:]
                return found
            if self._decompressor is None:
                self._pending = self._pending.lstrip(b"\0")  # gzip and xz may be padded
                if not self._pending:
                    continue
                self._decompressor = self._maker()
            found = self._decompressor.decompress(self._pending, size)
            self._pending = getattr(self._decompressor, "unconsumed_tail", b"")
            if self._decompressor.eof:  # another stream may follow
                self._pending, self._decompressor = self._decompressor.unused_data, None
            if found:
                return bytes(found)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def opened(path: Path, what: str, most: int, unpacked: int, ratio: int = 0) -> io.BufferedReader:
    """Open a file for reading its content, compressed or not; `what` names it in errors.

    The file has at most `most` bytes, and holds at most `unpacked`; `ratio` is that of `Unpacked`. Raises
    InputError for no regular file, or one that is too large. Reading raises `UNPACKING`, and InputError past
    `unpacked`.
    """
    check_regular(path, what, most)
    return io.BufferedReader(Unpacked(path.open("rb"), unpacked, ratio), _CHUNK)


def unpack(content: bytes, most: int, ratio: int = 0) -> bytes:
    """Return what compressed bytes hold; those that are not compressed are returned as they are.

    Raises InputError for more than `most` bytes, or `ratio` times as many as it has; `UNPACKING` for damage.
    """
    return io.BufferedReader(Unpacked(io.BytesIO(content), most, ratio), _CHUNK).read()
