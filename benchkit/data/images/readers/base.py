"""What a reader of an official image format offers: recognise it by its file names, and read it whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from benchkit.base.errors import InputError
from benchkit.data.images.image_set import LabelledImages, Loaded
from benchkit.data.images.readers.source import Source

__all__ = ["ImageReader", "joined", "require"]


class ImageReader(Protocol):
    """One official format."""

    title: str

    def recognise(self, source: Source) -> bool:
        """Return whether the source holds any file that only this format has."""
        ...

    def read(self, source: Source) -> tuple[str, Loaded]:
        """Return the data set's usual name (empty where it has none), and its images.

        Raises
        ------
        InputError : a file is missing, truncated, damaged, or does not fit the others.
        """
        ...


def require(source: Source, names: Sequence[str], title: str) -> None:
    """Raise the error that says which files of a format are missing, if any are."""
    missing = [name for name in names if name not in source.names]
    if missing:
        raise InputError(f"{source.path} looks like {title}, but lacks {', '.join(missing)}")


def joined(parts: Sequence[LabelledImages]) -> LabelledImages:
    """Return the parts one after another."""
    return LabelledImages(
        np.concatenate([part.x for part in parts]), np.concatenate([part.y for part in parts])
    )
