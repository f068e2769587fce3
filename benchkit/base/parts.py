"""Keeps finished parts of a run, a file each: a run that was stopped goes on from them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchkit.base.errors import InputError
from benchkit.base.files import MEGABYTE, replacing
from benchkit.base.npz_file import read_npz

_MOST_BYTES = 4_000 * MEGABYTE  # parameters of one network, a few times

Arrays = dict[str, npt.NDArray[np.generic]]


class Parts:
    """Files of one kind in a folder, by name.

    Parameters
    ----------
    folder : Folder; it is made when the first part is kept.
    suffix : Ending of the files, such as ``".arrow"``.
    """

    def __init__(self, folder: Path, suffix: str) -> None:
        self.folder, self._suffix = folder, suffix

    def __contains__(self, name: str) -> bool:
        return self.path(name).is_file()

    def path(self, name: str) -> Path:
        """Return the file of a part, whether or not it is there."""
        return self.folder / f"{name}{self._suffix}"

    def writing(self, name: str) -> AbstractContextManager[Path]:
        """Yield a path to write a part to; the part is there, whole, when the block succeeds."""
        return replacing(self.path(name))

    def discard(self) -> None:
        """Remove all parts."""
        shutil.rmtree(self.folder, ignore_errors=True)


class ArrayParts(Parts):
    """Parts that are named groups of arrays.

    Parameters
    ----------
    folder : Folder; it is made when the first part is kept.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, ".npz")

    def get(self, name: str) -> Arrays:
        """Return the arrays of a part.

        Raises
        ------
        InputError : there is no such part, or its file is damaged.
        """
        try:
            return read_npz(self.path(name), "trainings", _MOST_BYTES)
        except InputError as error:
            raise InputError(f"{error}; delete it to train again") from error

    def keep(self, name: str, arrays: Mapping[str, npt.ArrayLike]) -> None:
        """Write a part, whole or not at all."""
        with self.writing(name) as temporary, temporary.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
