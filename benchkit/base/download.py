"""Fetch a file with a published checksum, and no more of it than it can have.

The checksum is that of the whole file: a server that never stops sending would fill the disk before it is
asked for.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchkit.base.errors import InputError
from benchkit.base.files import MEGABYTE, check_regular

__all__ = ["retrieve"]


def retrieve(url: str, known_hash: str, file: str, folder: Path, most: int) -> Path:
    """Return a file of a folder, downloaded unless it is there already.

    Parameters
    ----------
    url : address.
    known_hash : checksum as published, such as ``sha256:4c39...``.
    file : name of the file.
    folder : place to keep it.
    most : largest number of bytes that it can have.

    Raises
    ------
    InputError : what stands in its place is no regular file, or the server sends more than `most` bytes.
    ValueError : the checksum is another one (pooch's word; the file is removed).
    OSError, requests.exceptions.RequestException : no network, or no room.
    """
    import pooch

    place = folder / file
    if place.exists() or place.is_symlink():
        check_regular(place, "download")

    progress = _Counted(url, most)
    return Path(pooch.retrieve(url=url, known_hash=known_hash, fname=file, path=folder, progressbar=progress))


class _Counted:
    """The progress bar of a download, which ends it where there is too much.

    Attributes
    ----------
    total : number of bytes that the server announces.
    """

    def __init__(self, url: str, most: int) -> None:
        self._url, self._most, self._got = url, most, 0
        self._bar: Any = None  # none is shown of a file that is there

    @property
    def total(self) -> int:
        return int(self._bar.total or 0) if self._bar is not None else 0

    @total.setter
    def total(self, announced: int) -> None:
        from tqdm import tqdm  # type: ignore[import-untyped]

        self._bar = tqdm(total=announced, ncols=79, unit="B", unit_scale=True)
        self._got = 0  # another attempt

    def update(self, count: int) -> None:
        """Take note of bytes that came; pooch counts a last, smaller piece as a whole one."""
        self._got += count
        if self._got > self._most:
            self.close()  # the error has a line of its own
            raise InputError(f"{self._url} sends more than {self._most / MEGABYTE:,.1f} MB: another file")
        self._bar.update(count)

    def reset(self) -> None:
        """Begin at zero, as pooch does before it shows the whole."""
        self._bar.reset()

    def close(self) -> None:
        """End the bar."""
        self._bar.close()
