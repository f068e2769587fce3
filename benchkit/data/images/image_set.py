"""Defines a set of labelled images: four arrays, the names of the classes, and an identity.

Images are ``uint8[n, height, width, channels]``; labels are ``uint8[n]`` (``uint16[n]`` past 256 classes).
The identity is a SHA-256 over the four arrays, so that two files that hold the same images in the same
order are the same data set, whatever archive they came from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from benchkit.base.errors import InputError

Images = npt.NDArray[np.uint8]
"""``uint8[n, height, width, channels]``."""
Labels = npt.NDArray[Any]
"""``uint8[n]``, or ``uint16[n]`` past 256 classes."""

ARRAYS = ("x_train", "y_train", "x_test", "y_test")
_CHANNELS = (1, 3)


@dataclass(frozen=True, slots=True, eq=False)
class LabelledImages:
    """Images and their labels, and nothing else."""

    x: Images
    y: Labels

    def __len__(self) -> int:
        return len(self.x)

    def take(self, chosen: npt.NDArray[Any]) -> LabelledImages:
        """Return a copy of the images at some places, or where bool[n] is true."""
        return LabelledImages(self.x[chosen], self.y[chosen])


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """The images that a reader makes of a source, in their official order.

    `class_names` are in the order of the labels; `source` is the kind of file that they came from.
    """

    train: LabelledImages
    test: LabelledImages
    class_names: tuple[str, ...]
    source: str


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Training and test images as they are stored, or reduced (see `benchkit.data.images.reduce`).

    Made by `image_set`. A search is never given this object, see `benchkit.data.images.splits`.

    Attributes
    ----------
    x_train, y_train, x_test, y_test : uint8 images (NHWC) and labels.
    train_index : int64[n], place of each training image in the official order; 0..n-1 unless reduced.
    sha256 : SHA-256 of the four arrays as stored, before any reduction.
    changes : Reductions since, such as ``{"image_size": 16, "limit": 1000, "limit_seed": 0}``.
    """

    name: str
    x_train: Images
    y_train: Labels
    x_test: Images
    y_test: Labels
    class_names: tuple[str, ...]
    source: str
    licence: str
    sha256: str
    train_index: npt.NDArray[np.int64]
    changes: Mapping[str, int] = field(default_factory=dict)

    @property
    def train(self) -> LabelledImages:
        """The training images."""
        return LabelledImages(self.x_train, self.y_train)

    @property
    def test(self) -> LabelledImages:
        """The test images."""
        return LabelledImages(self.x_test, self.y_test)

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @property
    def size(self) -> tuple[int, int, int]:
        """Height, width and channels of one image."""
        height, width, channels = self.x_train.shape[1:]
        return height, width, channels

    def identity(self) -> dict[str, Any]:
        """Return what a manifest keeps: the name, the SHA-256 of the stored arrays, and every reduction."""
        return {"name": self.name, "sha256": self.sha256, **self.changes}


def label_type(classes: int) -> type[np.uint8] | type[np.uint16]:
    """Return the type in which labels are stored."""
    return np.uint8 if classes <= 256 else np.uint16


def image_set(name: str, loaded: Loaded, licence: str) -> ImageSet:
    """Return a checked set of images with its identity.

    Raises
    ------
    InputError : a part is empty, images and labels do not fit each other, a label has no class, or a class
        has no training image.
    """
    train, test, names = loaded.train, loaded.test, loaded.class_names
    for what, part in (("training", train), ("test", test)):
        _check_part(name, what, part, len(names))
    if train.x.shape[1:] != test.x.shape[1:]:
        raise InputError(f"{name}: training images are {_by(train.x)}, test images {_by(test.x)}")
    counts = np.bincount(train.y, minlength=len(names))
    if not counts.all():
        empty = int(np.flatnonzero(counts == 0)[0])
        raise InputError(f"{name}: class {empty} ({names[empty]}) has no training image")
    kind = label_type(len(names))
    arrays: dict[str, Any] = {
        "x_train": np.ascontiguousarray(train.x),
        "y_train": train.y.astype(kind),
        "x_test": np.ascontiguousarray(test.x),
        "y_test": test.y.astype(kind),
    }
    return ImageSet(
        name=name,
        class_names=tuple(names),
        source=loaded.source,
        licence=licence,
        sha256=digest(arrays),
        train_index=np.arange(len(train), dtype=np.int64),
        **arrays,
    )


def digest(arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    """Return the SHA-256 over the four arrays: of each its name, type and shape, then its bytes."""
    total = hashlib.sha256()
    for name in ARRAYS:
        array = np.ascontiguousarray(arrays[name])
        total.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        total.update(array.reshape(-1).view(np.uint8).data)
    return total.hexdigest()


def _check_part(name: str, what: str, part: LabelledImages, classes: int) -> None:
    if part.x.ndim != 4 or part.x.dtype != np.uint8 or part.x.shape[3] not in _CHANNELS:
        raise InputError(
            f"{name}: {what} images must be uint8[n, height, width, 1 or 3]; got {part.x.dtype}{part.x.shape}"
        )
    if len(part) == 0:
        raise InputError(f"{name}: there are no {what} images")
    if part.y.shape != (len(part),) or part.y.dtype.kind not in "iu":
        raise InputError(f"{name}: {len(part):,} {what} images, but labels of shape {part.y.shape}")
    low, high = int(part.y.min()), int(part.y.max())
    if low < 0 or high >= classes:
        wrong = high if high >= classes else low
        raise InputError(f"{name}: a {what} label is {wrong}, but there are {classes} classes")


def _by(x: Images) -> str:
    return " x ".join(str(length) for length in x.shape[1:])
