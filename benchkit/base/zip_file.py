"""Opens zip archives from strangers only as far as their kind can be large.

Python's zipfile reads the whole directory of an archive before anyone can ask how long it is: some 100 bytes
of a file become an object of a kilobyte. Here the directory has a limit, and so has what each member says
that it unpacks to.
"""

from __future__ import annotations

import io
import lzma
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchkit.base.errors import InputError, shown
from benchkit.base.files import MEGABYTE, check_regular

# NotImplementedError: a method of compression, or a version, that zipfile lacks; RuntimeError: encrypted
_DAMAGED = (
    zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, OverflowError, EOFError, struct.error,
    zlib.error, lzma.LZMAError,
)  # fmt: skip

_DIRECTORY_ENTRY = 1_000  # bytes that an entry of the directory may take: names and extra fields are short
_ENCRYPTED = 1


class _Bounded(io.BufferedReader):
    """A file that refuses to be read in pieces of more than `most` bytes."""

    most = 0  # no limit

    def read(self, size: int | None = -1, /) -> bytes:
        if self.most and size is not None and size > self.most:
            raise InputError(f"its directory says {size:,} bytes, more than such a file can have")
        return super().read(size)


@contextmanager
def opened_zip(
    path: Path,
    what: str,
    most: int,
    members: int,
    unpacked: int,
    methods: Collection[int] = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED),
) -> Iterator[zipfile.ZipFile]:
    """Yield an archive whose directory was checked; what reading its members raises becomes one line.

    Parameters
    ----------
    path : Archive of at most `most` bytes, which `what` names in errors.
    members : Largest number of members.
    unpacked : Largest number of bytes that all members together unpack to.
    methods : Ways of compression that such a file uses.

    Raises
    ------
    InputError : no regular file, too large, damaged, with a name twice, encrypted, or compressed in
        another way. Inside the block, a damaged member.
    """
    check_regular(path, what, most)
    try:
        with _Bounded(io.FileIO(path)) as file:
            file.most = max(1 << 17, members * _DIRECTORY_ENTRY)  # a comment has up to 64 kB
            with zipfile.ZipFile(file) as archive:
                file.most = 0
                _check(archive, members, unpacked, methods)
                yield archive
    except InputError as error:
        raise InputError(f"cannot read {what} {path}: {error}") from error
    except OSError as error:
        raise InputError(f"cannot read {what} {path}: {error.strerror or 'damaged'}") from error
    except (MemoryError, *_DAMAGED) as error:
        raise InputError(f"cannot read {what} {path}: damaged or cut short") from error


def _check(archive: zipfile.ZipFile, members: int, unpacked: int, methods: Collection[int]) -> None:
    found = archive.infolist()
    if len(found) > members:
        raise InputError(f"it has {len(found):,} members, but such a file has at most {members:,}")
    name, count = Counter(member.filename for member in found).most_common(1)[0] if found else ("", 0)
    if count > 1:
        raise InputError(f"it has {count} members of one name, {shown(name)}")
    total = sum(member.file_size for member in found)
    if total > unpacked:
        raise InputError(
            f"it unpacks to {total / MEGABYTE:,.1f} MB, "
            f"but such a file has at most {unpacked / MEGABYTE:,.1f} MB"
        )
    for member in found:
        if member.flag_bits & _ENCRYPTED:
            raise InputError(f"its member {shown(member.filename)} is encrypted")
        if member.compress_type not in methods:
            raise InputError(f"its member {shown(member.filename)} is compressed in a way that is not read")
