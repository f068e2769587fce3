"""Where images come from: the files of a folder, or those inside a tar archive, found by their own names.

An archive is read in one pass and never unpacked to disk, so the paths inside it are of no consequence. In
a folder, files one level down are found too: that is where official archives put them.
"""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import NoReturn

from benchkit.spaces import InputError

__all__ = ["Source"]

_CHUNK = 2**20


class Source:
    """A folder, or a tar archive (compressed or not).

    Attributes
    ----------
    path : as it was given.
    is_folder : whether it is a folder.

    Raises
    ------
    InputError : there is nothing at `path`, it cannot be read, or it is neither a folder nor an archive.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_folder = path.is_dir()
        if not path.exists():
            raise InputError(f"no file or folder at {path}")

    @cached_property
    def names(self) -> dict[str, str]:
        """File name -> where it is in the source; of files of one name, the one nearest to the top.

        Raises
        ------
        InputError : the source is truncated, or cannot be read.
        """
        places = self._in_folder() if self.is_folder else self._in_archive()
        found: dict[str, str] = {}
        for place in sorted(places, key=lambda each: (each.count("/"), each)):
            name = PurePosixPath(place).name
            if not name.startswith("."):
                found.setdefault(name, place)
        return found

    def read(self, names: Iterable[str]) -> dict[str, bytes]:
        """Return the content of these files; files named ``.gz`` are unpacked.

        Raises
        ------
        InputError : a file is missing, truncated, or cannot be read.
        """
        wanted = list(names)
        missing = [name for name in wanted if name not in self.names]
        if missing:
            raise InputError(f"{self.path} lacks {', '.join(missing)}")
        places = {self.names[name]: name for name in wanted}
        content: dict[str, bytes] = {}
        try:
            if self.is_folder:
                for place, name in places.items():
                    content[name] = (self.path / place).read_bytes()
            else:
                with tarfile.open(self.path) as archive:
                    for member in archive:
                        file = archive.extractfile(member) if member.name in places else None
                        if file is not None:
                            content[places[member.name]] = file.read()
        except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
            self._fail(error)
        return {name: self._unpack(name, content[name]) for name in wanted}

    def _unpack(self, name: str, content: bytes) -> bytes:
        if not name.endswith(".gz"):
            return content
        try:
            return gzip.decompress(content)
        except (EOFError, OSError, zlib.error) as error:
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
            if not tarfile.is_tarfile(self.path):
                raise InputError(f"{self.path} is neither a folder nor a tar archive")
            with tarfile.open(self.path) as archive:
                found = [member.name for member in archive if member.isfile()]
                # to the end, where a compressed file keeps its checksum
                while archive.fileobj is not None and archive.fileobj.read(_CHUNK):
                    pass
                return found
        except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
            self._fail(error)

    def _fail(self, error: Exception) -> NoReturn:
        if isinstance(error, OSError) and error.strerror and not isinstance(error, gzip.BadGzipFile):
            raise InputError(f"cannot read {self.path}: {error.strerror}") from error
        raise InputError(f"{self.path} is truncated or damaged: get it again") from error
