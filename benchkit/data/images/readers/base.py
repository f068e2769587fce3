"""Says what a reader of an official image format offers, and reads formats of fixed file names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from benchkit.base.errors import InputError
from benchkit.data.images.image_set import LabelledImages, Loaded
from benchkit.data.images.readers.source import Source

Images = tuple[LabelledImages, LabelledImages, tuple[str, ...]]
"""Training images, test images, and the names of the classes."""


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


class NamedFiles:
    """A format of fixed file names, `files`; any of `marks`, or of them all, tells that it is there."""

    title: str
    dataset: str
    files: Sequence[str]
    marks: Sequence[str] = ()

    def recognise(self, source: Source) -> bool:
        return any(name in source.names for name in self.marks or self.files)

    def read(self, source: Source) -> tuple[str, Loaded]:
        missing = [name for name in self.files if name not in source.names]
        if missing:
            raise InputError(f"{source.path} looks like {self.title}, but lacks {', '.join(missing)}")
        return self.dataset, Loaded(*self.images(source), self.title)

    def images(self, source: Source) -> Images:
        """Return what the files hold; all of them are there."""
        raise NotImplementedError


class Batches(NamedFiles):
    """A format of several files of training images and, the last of `files`, one of test images."""

    classes: tuple[str, ...]

    def part(self, content: bytes, where: str) -> LabelledImages:
        """Return the images of one file."""
        raise NotImplementedError

    def images(self, source: Source) -> Images:
        found = {name: self.part(data, f"{name} in {source.path}") for name, data in source.each(self.files)}
        *train, test = (found[name] for name in self.files)
        x, y = np.concatenate([part.x for part in train]), np.concatenate([part.y for part in train])
        return LabelledImages(x, y), test, self.classes
