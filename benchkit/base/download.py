"""Downloads a file with a published checksum, and no more bytes than it can have.

The checksum is that of the whole file: a server that never stops sending would fill the disk before the
checksum is computed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchkit.base.errors import InputError, clipped
from benchkit.base.files import MEGABYTE, check_regular

_HASHES = {"sha256": "SHA-256", "md5": "MD5"}


def retrieve(url: str, known_hash: str, folder: Path, most: int, command: str) -> Path:
    """Return a file of a folder, downloaded unless it is there already.

    Parameters
    ----------
    url : Address, whose last part is the file's name.
    known_hash : Checksum as published, such as ``sha256:4c39...``.
    folder : Folder to keep the file in.
    most : Largest number of bytes that the file can have.
    command : Command that imports the file, for a user who gets it another way.

    Raises
    ------
    InputError : what stands in its place is no regular file, the server sends more than `most` bytes or
        a file with another checksum (it is removed), there is no network, or no room.
    """
    import pooch

    file = url.rsplit("/", 1)[-1]
    place = folder / file
    if place.exists() or place.is_symlink():
        check_regular(place, "download")
    counted = _Counted(url, most)
    download = pooch.HTTPDownloader(progressbar=counted, hooks={"response": counted.keep})
    try:
        found = pooch.retrieve(url=url, known_hash=known_hash, fname=file, path=folder, downloader=download)
        return Path(found)
    except InputError:
        raise
    except ValueError as error:  # the checksum is another one
        kind, digest = known_hash.split(":")
        raise InputError(
            f"{url} does not have the published {_HASHES[kind]} "
            f"{digest if kind == 'md5' else f'{digest[:12]}...'}: try again, or get it another way and use "
            f"{command}"
        ) from error
    except OSError as error:  # those of requests, too
        raise InputError(f"cannot download {url}: {clipped(str(error))}") from error


class _Counted:
    """Progress bar of a download; it ends the download where there is too much.

    `total` is the number of bytes that the server announces.
    """

    def __init__(self, url: str, most: int) -> None:
        self._url, self._most, self._got = url, most, 0
        self._bar: Any = None  # a file that is there already has no bar
        self._response: Any = None

    def keep(self, response: Any, *_: Any, **__: Any) -> None:
        """Remember the response to close; it is what pooch reads from."""
        self._response = response

    @property
    def total(self) -> int:
        return int(self._bar.total or 0) if self._bar is not None else 0

    @total.setter
    def total(self, announced: int) -> None:
        from tqdm import tqdm  # type: ignore[import-untyped]

        self._bar = tqdm(total=announced, ncols=79, unit="B", unit_scale=True)
        self._got = 0  # another attempt

    def update(self, count: int) -> None:
        """Count bytes that came; pooch counts a last, smaller piece as a whole one."""
        self._got += count
        if self._got > self._most:
            self.close()  # the error has a line of its own
            self._response.close()
            raise InputError(f"{self._url} sends more than {self._most / MEGABYTE:,.1f} MB: another file")
        self._bar.update(count)

    def reset(self) -> None:
        """Begin at zero, as pooch does before it shows the whole."""
        self._bar.reset()

    def close(self) -> None:
        """End the bar."""
        self._bar.close()
