"""Finds the files that images come from by their names, in a folder or inside a tar archive.

An archive is read in one pass and never unpacked to disk, so the paths inside it are of no consequence. In
a folder, files one level down are found too: that is where official archives put them. Nothing is larger
than files of images are (`LARGEST_FILE`, `RATIO`), and what is no regular file is none of them.
"""

from __future__ import annotations

import tarfile
from collections.abc import Collection, Iterable, Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import NoReturn

from benchkit.base.compressed import UNPACKING, is_compressed, unpack
from benchkit.base.errors import InputError
from benchkit.base.files import MEGABYTE, read_bytes
from benchkit.data.images.readers.archive import DAMAGED, LARGEST_FILE, RATIO, members

_MOST_AT_ONCE = 400 * MEGABYTE  # bytes of all files of a data set: CIFAR-10 and -100 have 190 MB


class Source:
    """A folder, or a tar archive (compressed or not); every method raises InputError where it is damaged."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_folder = path.is_dir()
        if not path.exists():
            raise InputError(f"no file or folder at {path}")

    @cached_property
    def names(self) -> dict[str, str]:
        """File name -> place in the source; of files of one name, the one nearest to the top."""
        places = self._in_folder() if self.is_folder else self._in_archive()
        found: dict[str, str] = {}
        for place in sorted(places, key=lambda each: (each.count("/"), each)):
            name = PurePosixPath(place).name
            if not name.startswith("."):
                found.setdefault(name, place)
        return found

    def each(self, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Yield name and content of these files, in the source's order; files named ``.gz`` are unpacked."""
        wanted = list(names)
        missing = [name for name in wanted if name not in self.names]
        if missing:
            raise InputError(f"{self.path} lacks {', '.join(missing)}")
        places = {self.names[name]: name for name in wanted}
        for place, content in self._found(places):
            yield places[place], self._unpacked(places[place], content)

    def read(self, names: Iterable[str]) -> dict[str, bytes]:
        """Return the content of these files, all at once; see `each`."""
        content: dict[str, bytes] = {}
        left = _MOST_AT_ONCE
        for name, found in self.each(names):
            content[name] = found
            left -= len(found)
            if left < 0:
                raise InputError(
                    f"{self.path} has more than {_MOST_AT_ONCE / MEGABYTE:,.0f} MB of images: no data set of "
                    f"that form has"
                )
        return content

    def _found(self, places: Collection[str]) -> Iterator[tuple[str, bytes]]:
        """Yield place and content of the files at these places."""
        if self.is_folder:
            for place in places:
                yield place, read_bytes(self.path / place, "file", LARGEST_FILE)
            return
        seen = set()
        try:
            for place, content in members(self.path):
                if place in places and place not in seen:
                    seen.add(place)
                    yield place, content()
        except DAMAGED as error:
            self._fail(error)

    def _unpacked(self, name: str, content: bytes) -> bytes:
        if not name.endswith(".gz"):
            return content
        try:
            return unpack(content, LARGEST_FILE, RATIO)
        except InputError as error:
            raise InputError(f"{name} in {self.path}: {error}") from error
        except UNPACKING as error:
            raise InputError(f"{name} in {self.path} is truncated or damaged") from error

    def _in_folder(self) -> list[str]:
        try:
            top = sorted(self.path.iterdir())
            below = [each for folder in top if folder.is_dir() for each in folder.iterdir()]
            return [each.relative_to(self.path).as_posix() for each in [*top, *below] if each.is_file()]
        except OSError as error:
            self._fail(error)

    def _in_archive(self) -> list[str]:
        try:
            return [place for place, _ in members(self.path)]
        except tarfile.ReadError as error:
            with self.path.open("rb") as file:
                start = file.read(512)
            if b"ustar" not in start and not is_compressed(start):
                raise InputError(f"{self.path} is neither a folder nor a tar archive") from error
            self._fail(error)
        except DAMAGED as error:
            self._fail(error)

    def _fail(self, error: Exception) -> NoReturn:
        if isinstance(error, InputError):
            line = str(error)
            raise (error if line.startswith("cannot read") else InputError(f"{self.path}: {line}")) from error
        if isinstance(error, OSError) and error.strerror:
            raise InputError(f"cannot read {self.path}: {error.strerror}") from error
        raise InputError(f"{self.path} is truncated or damaged: get it again") from error
