"""Writes files whole or not at all, and reads them only as far as their kind can be long.

A file from a stranger may be a device that never ends, or a name that leads to one. What is read here is a
regular file, and no longer than the caller says that such a file can be.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchkit.base.errors import InputError, shown

MEGABYTE = 1_000_000
"""Number of bytes by which limits on files are stated."""

_KEPT = 50  # characters of a file's name that its temporary name keeps: names end at 255 bytes


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path; put it in the place of `path` when the block succeeds.

    A link is followed: its target is replaced, and the link stays. What is no regular file, such as
    ``/dev/stdout`` or a pipe, is written to and stays what it is. On any failure the temporary file is
    removed and `path` is as it was.

    Raises
    ------
    InputError : the disk is full, the place cannot be written to, or `path` is a folder.
    """
    try:
        target = Path(os.path.realpath(path))
        special = is_special(target)
        if special:
            folder = tempfile.mkdtemp()
            temporary = Path(folder) / path.name
        else:
            # nobody else has a file of this name, or has made a link of it to somewhere else
            name = f".{target.name[:_KEPT]}.{os.getpid()}-{secrets.token_hex(4)}.tmp"
            temporary = target.with_name(name)
    except (OSError, ValueError) as error:
        raise _cannot_write(path, error) from error
    try:
        if not special:
            target.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        if special:
            with temporary.open("rb") as source, target.open("wb") as sink:
                shutil.copyfileobj(source, sink)
        else:
            os.replace(temporary, target)
    except OSError as error:
        raise _cannot_write(path, error) from error
    finally:
        with suppress(OSError):  # where the folder is no folder there is nothing to remove
            temporary.unlink()
        if special:
            shutil.rmtree(folder, ignore_errors=True)


def is_special(target: Path) -> bool:
    """Return whether there is something that is neither a regular file nor a folder, links followed."""
    try:
        mode = target.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):  # where its folder is a file, making it says so
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _cannot_write(path: Path, error: Exception) -> InputError:
    reason = error.strerror if isinstance(error, OSError) else None
    return InputError(f"cannot write {path}: {reason or error}")


def unfinished(path: Path) -> bool:
    """Return whether a file is what `replacing` leaves behind where its process is killed."""
    return path.name.startswith(".") and path.name.endswith(".tmp")


def write_text(path: Path, text: str) -> None:
    r"""Write a UTF-8 text file, whole or not at all; a byte that is no text is written as ``\udcff``."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def check_regular(path: Path, what: str, most: int | None = None) -> int:
    """Return the number of bytes of a regular file, links followed; `what` names it in errors.

    Raises InputError for no such file, a folder, a device, a pipe, and a file of more than `most` bytes.
    """
    try:
        found = path.stat()
    except (OSError, ValueError) as error:  # a ValueError is a name with a zero byte
        reason = error.strerror if isinstance(error, OSError) else None
        raise InputError(f"cannot read {what} {path}: {reason or error}") from error
    if stat.S_ISDIR(found.st_mode):
        raise InputError(f"cannot read {what} {path}: Is a directory")
    if not stat.S_ISREG(found.st_mode):
        raise InputError(f"cannot read {what} {path}: it is no regular file")
    if most is not None and found.st_size > most:
        raise InputError(
            f"cannot read {what} {path}: {found.st_size / MEGABYTE:,.1f} MB, "
            f"but such a file has at most {most / MEGABYTE:,.1f} MB"
        )
    return found.st_size


def check_name(name: str | Path, where: str) -> None:
    """Raise InputError where the name of a file, a thing that `where` says, is no text for a manifest."""
    text = str(name)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        # all that is no text may stand for single bytes
        is_raw = all(not "\ud800" <= each <= "\udfff" or "\udc80" <= each <= "\udcff" for each in text)
        raw = text.encode(errors="surrogateescape") if is_raw else text
        raise InputError(f"{where} is not UTF-8 text: {shown(raw)}; rename it") from error


def read_bytes(path: Path, what: str, most: int) -> bytes:
    """Return the content of a regular file of at most `most` bytes; raises as `check_regular`."""
    size = check_regular(path, what, most)
    try:
        with path.open("rb") as file:
            content = file.read(size + 1)  # it may have grown since; Python makes room for all that is asked
    except OSError as error:
        raise InputError(f"cannot read {what} {path}: {error.strerror or error}") from error
    if len(content) > size:
        raise InputError(f"cannot read {what} {path}: it grew while it was read")
    return content


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, which may be larger than memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_text(path: Path, what: str, most: int) -> str:
    """Return the text of a UTF-8 file of at most `most` bytes, without a byte order mark.

    Raises as `check_regular`, and InputError for bytes that are not UTF-8.
    """
    try:
        return read_bytes(path, what, most).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"cannot read {what} {path}: not UTF-8 text") from error
