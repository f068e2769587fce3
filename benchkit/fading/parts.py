"""Finished trainings of a study, a file each: it may be stopped at any moment and goes on from them."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchkit.base.files import replacing
from benchkit.spaces import InputError

__all__ = ["Arrays", "PartStore"]

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
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                return dict(arrays)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise InputError(f"cannot read {path}: delete it to train again") from error

    def keep(self, name: str, arrays: Mapping[str, npt.ArrayLike]) -> None:
        """Write a group, whole or not at all."""
        with replacing(self._path(name)) as temporary, temporary.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]

    def discard(self) -> None:
        """Remove all groups."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.npz"
