"""Finished trainings of a study, a file each: it may be stopped at any moment and goes on from them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchkit.base.errors import InputError
from benchkit.base.files import MEGABYTE, replacing
from benchkit.base.npz_file import read_npz

__all__ = ["Arrays", "PartStore"]

_MOST_BYTES = 4_000 * MEGABYTE  # parameters of one network, a few times

Arrays = dict[str, npt.NDArray[np.generic]]


class PartStore:
    """Named groups of arrays in a folder.

    Parameters
    ----------
    folder : made when the first group is kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __contains__(self, name: str) -> bool:
        return self._path(name).is_file()

    def get(self, name: str) -> Arrays:
        """Return the arrays of a group.

        Raises
        ------
        InputError : there is no such group, or its file is damaged.
        """
        path = self._path(name)
        try:
            return read_npz(path, "trainings", _MOST_BYTES)
        except InputError as error:
            raise InputError(f"{error}; delete it to train again") from error

    def keep(self, name: str, arrays: Mapping[str, npt.ArrayLike]) -> None:
        """Write a group, whole or not at all."""
        with replacing(self._path(name)) as temporary, temporary.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]

    def discard(self) -> None:
        """Remove all groups."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.npz"
