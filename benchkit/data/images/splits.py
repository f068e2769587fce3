"""Divides a data set into images to train on, images to validate on, and test images that no search sees.

`NASBench201Split` is the benchmark's own (Dong and Yang, 2020, section 2.2). It halves CIFAR-10's training
images, one half to train on and one to validate on. Of CIFAR-100 it trains on all training images, and halves
the test images into validation and test. `SeededSplit` draws the validation images from the training images.

Deviations and choices
----------------------
- The halves of ImageNet16-120's validation images are not embedded; that data set is split by a seed.
- A limited data set (see `benchkit.data.images.reduce`) keeps to the halves: each kept image stays in its
  own.
- Means and standard deviations for the normalisation are those of the images trained on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from benchkit.base.errors import InputError, shown
from benchkit.data.images.halves import HALVES, in_first_half
from benchkit.data.images.image_set import ImageSet, LabelledImages
from benchkit.data.images.published import CIFAR10_SHA256, PUBLISHED

Indices = npt.NDArray[np.int64]

_COUNT = re.compile(r"[1-9][0-9]{0,9}")
"""A number of images, as a user writes it."""


class Normalisation(NamedTuple):
    """Mean and standard deviation of each channel, of pixels in 0..1."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class SearchImages:
    """The images of a search; it holds no test image, nor anything that leads to one.

    Attributes
    ----------
    train, valid : Images to train on, and to validate on.
    class_names : Names of the classes, in the order of the labels.
    identity : Entry of a manifest: the data set's identity, its reductions, and the split.
    """

    train: LabelledImages
    valid: LabelledImages
    class_names: tuple[str, ...]
    identity: Mapping[str, Any]

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @property
    def size(self) -> tuple[int, int, int]:
        """Height, width and channels of one image."""
        height, width, channels = self.train.x.shape[1:]
        return height, width, channels

    @cached_property
    def normalisation(self) -> Normalisation:
        """Means and standard deviations of the training images."""
        return normalisation(self.train)


Parts = tuple[LabelledImages, LabelledImages, LabelledImages]
"""Images to train on, to validate on, and to test on."""


class Split(Protocol):
    """A division of a data set into training, validation and test images."""

    def parts(self, images: ImageSet) -> Parts:
        """Return the three parts, which share no image; raise InputError where the split does not apply."""
        ...

    def identity(self) -> dict[str, Any]:
        """Return the split as a manifest names it."""
        ...


@dataclass(frozen=True)
class SeededSplit:
    """`valid` of the training images, drawn by `seed`, to validate on; the rest to train on."""

    valid: int
    seed: int = 0

    def parts(self, images: ImageSet) -> Parts:
        train, valid = split(len(images.x_train), self.valid, self.seed)
        return images.train.take(train), images.train.take(valid), images.test

    def identity(self) -> dict[str, Any]:
        return {"split": "seeded", "valid": self.valid, "split_seed": self.seed}


@dataclass(frozen=True)
class NASBench201Split:
    """The benchmark's own halves; CIFAR-10 and CIFAR-100 have them."""

    def parts(self, images: ImageSet) -> Parts:
        if images.sha256 == CIFAR10_SHA256:
            to_train = in_first_half("cifar10")[images.train_index]
            return images.train.take(to_train), images.train.take(~to_train), images.test
        if images.name == "cifar100" and images.classes == PUBLISHED["cifar100"].classes:
            to_validate = in_first_half("cifar100")
            return images.train, images.test.take(to_validate), images.test.take(~to_validate)
        raise InputError(
            f"NAS-Bench-201's halves are known for {' and '.join(HALVES)}, not for {images.name}: give the "
            f"number of validation images instead"
        )

    def identity(self) -> dict[str, Any]:
        return {"split": "nasbench201"}


def parse_split(text: str, seed: int = 0) -> Split:
    """Return the split that a user wrote: ``nasbench201``, or a number of validation images.

    Anything else is an InputError.
    """
    if text == "nasbench201":
        return NASBench201Split()
    if _COUNT.fullmatch(text):
        return SeededSplit(int(text), seed)
    raise InputError(f"split {shown(text)} is neither nasbench201 nor a number of validation images")


def split(n: int, valid: int, seed: int) -> tuple[Indices, Indices]:
    """Return int64[n - valid] and int64[valid], each ascending: a random division of 0..n-1.

    An InputError says that `valid` is not in 1..n-1.
    """
    if valid >= n:
        raise InputError(
            f"a split of {valid:,} validation images is larger than the data: of {n:,} training images at "
            f"most {max(n - 1, 0):,} can be set aside"
        )
    if valid < 1:
        raise InputError(f"a split needs at least one validation image, got {valid}")
    order = np.random.default_rng(seed).permutation(n)
    return np.sort(order[valid:]), np.sort(order[:valid])


def divide(images: ImageSet, how: Split) -> tuple[SearchImages, LabelledImages]:
    """Return the images of a search, and the test images, which go to the reporter alone.

    An InputError says that the split does not apply, or that a part of it is empty.
    """
    train, valid, test = how.parts(images)
    train, valid = _owned(train), _owned(valid)
    if not len(train) or not len(valid):
        raise InputError(f"{images.name} is too small for this split: {len(train)} and {len(valid)} images")
    identity = {**images.identity(), **how.identity()}
    return SearchImages(train, valid, images.class_names, identity), test


def _owned(part: LabelledImages) -> LabelledImages:
    """Return the part in arrays of its own: a view would lead to what it is a view of, test images too."""
    return LabelledImages(*(array.copy() if array.base is not None else array for array in (part.x, part.y)))


def normalisation(images: LabelledImages) -> Normalisation:
    """Return each channel's mean and standard deviation (of the whole, not of a sample), in 0..1.

    A constant channel has the standard deviation 1: there is nothing to scale.
    """
    levels = np.arange(256) / 255
    mean, std = [], []
    for channel in range(images.x.shape[3]):
        plane = np.ascontiguousarray(images.x[..., channel]).reshape(-1)
        share = np.bincount(plane, minlength=256) / plane.size
        mean.append(float(share @ levels))
        std.append(float(np.sqrt(share @ (levels - mean[-1]) ** 2)) or 1.0)
    return Normalisation(tuple(mean), tuple(std))
