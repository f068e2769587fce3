"""Reads the members of a tar archive from a stranger, one after another, within limits.

Python's tarfile believes a header: a member of 20 kB that is "sparse" becomes 6 GB of zeros, a name has as
many bytes as its length says, and one header may ask for the next without an end. Here the archive is read
through a window that moves forwards only, and that gives little at a time.
"""

from __future__ import annotations

import struct
import tarfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, cast

from benchkit.base.compressed import UNPACKING, opened
from benchkit.base.errors import InputError, shown
from benchkit.base.files import MEGABYTE

DAMAGED = (tarfile.TarError, struct.error, LookupError, OverflowError, RecursionError, *UNPACKING)
"""Errors that the libraries raise on damaged archives."""

LARGEST_FILE = 256 * MEGABYTE
"""Number of bytes of the largest file of images: the training images of CIFAR-100 have 155 MB."""
RATIO = 100
"""Largest growth of a file of images when unpacked: MNIST has 5, and no picture more than 50."""

_LARGEST_ARCHIVE = 4_000 * MEGABYTE  # ImageNet16 has 1.1 GB
_MOST_MEMBERS = 10_000  # the official archives have a dozen
_HEADERS = 1 << 17  # bytes of the headers of one member
_CHUNK = 1 << 20


class _Window:
    """A file that tarfile reads forwards only, and a limited number of bytes at a time."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._at = 0
        self.left = _HEADERS  # bytes that may be read before `left` is set again

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        if size < 0 or size > self.left:
            raise InputError("a header that is larger than any of an archive of images")
        found = self._file.read(size)
        self.left -= len(found)
        self._at += len(found)
        return found

    def seek(self, to: int, whence: int = 0) -> int:
        if whence or to < self._at:
            raise tarfile.ReadError("it goes backwards")
        while self._at < to and (found := self._file.read(min(_CHUNK, to - self._at))):
            self._at += len(found)
        return self._at


def members(path: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Yield the name of each regular file in an archive, with what reads its content before the next.

    The archive is read to its end, where a compressed one keeps its checksum. Raises InputError where there
    is no regular file, or more of anything than an archive of images has, and `DAMAGED`.
    """
    with opened(path, "archive", _LARGEST_ARCHIVE, _LARGEST_ARCHIVE, RATIO) as file:
        window = _Window(file)
        count = 0
        with tarfile.open(fileobj=cast(IO[bytes], window), mode="r:") as archive:
            while (member := archive.next()) is not None:
                archive.members.clear()  # type: ignore[attr-defined]  # it keeps them all
                count += 1
                if count > _MOST_MEMBERS:
                    raise InputError(f"it has more than {_MOST_MEMBERS:,} members")
                if member.issparse():
                    raise InputError(
                        f"its member {shown(member.name)} is sparse: no archive of images has such"
                    )
                if member.size < 0:
                    raise tarfile.ReadError("a member that ends before it begins")
                if member.isreg():
                    yield member.name, partial(_content, archive, window, member)
                window.left = _HEADERS
        while file.read(_CHUNK):
            pass


def _content(archive: tarfile.TarFile, window: _Window, member: tarfile.TarInfo) -> bytes:
    if member.size > LARGEST_FILE:
        raise InputError(
            f"its member {shown(member.name)} has {member.size / MEGABYTE:,.1f} MB, "
            f"but a file of images has at most {LARGEST_FILE / MEGABYTE:,.0f} MB"
        )
    file = archive.extractfile(member)
    parts: list[bytes] = []
    left = member.size
    while file is not None and left > 0:
        window.left = 2 * _CHUNK  # it is read through a buffer
        parts.append(file.read(min(left, _CHUNK)))
        left -= len(parts[-1])
        if not parts[-1]:
            raise EOFError
    return b"".join(parts)
