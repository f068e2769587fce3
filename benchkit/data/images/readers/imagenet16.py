"""ImageNet16-120: the official ImageNet16 pickles, cut down to their first 120 classes.

ImageNet16 (Chrabaszcz et al., arXiv 1707.08819) is ``train_data_batch_1`` to ``_10`` and ``val_data``; a
batch holds rows of 3 x 256 bytes and labels that count from 1. NAS-Bench-201 (Dong and Yang, 2020,
section 2.2) keeps the labels 1..120 of the authors' order: 151,700 training and 6,000 validation images.
The latter are the test images here; NAS-Bench-201 halves them.
"""

from __future__ import annotations

import numpy as np

from benchkit.base.errors import InputError
from benchkit.data.images.image_set import LabelledImages, Loaded
from benchkit.data.images.readers.base import joined, require
from benchkit.data.images.readers.pickled_batch import pickled_batch
from benchkit.data.images.readers.source import Source

__all__ = ["CLASSES", "ImageNet16Pickles"]

CLASSES = 120
_ALL_CLASSES = 1000
_BATCHES = [f"train_data_batch_{number}" for number in range(1, 11)]


def first_classes(part: LabelledImages, where: str) -> LabelledImages:
    """Return the images with labels 1..120, labelled 0..119.

    Raises
    ------
    InputError : a label is not in 1..1000.
    """
    if len(part) and not (part.y.min() >= 1 and part.y.max() <= _ALL_CLASSES):
        raise InputError(f"{where} has a label outside 1..{_ALL_CLASSES}: not ImageNet16")
    kept = np.flatnonzero(part.y <= CLASSES)
    return LabelledImages(part.x[kept], part.y[kept] - 1)


class ImageNet16Pickles:
    """ImageNet16, ten training batches and the validation images."""

    title = "ImageNet16"

    def recognise(self, source: Source) -> bool:
        return any(name in source.names for name in [*_BATCHES, "val_data"])

    def read(self, source: Source) -> tuple[str, Loaded]:
        names = [*_BATCHES, "val_data"]
        require(source, names, self.title)
        parts = []
        for name in names:  # one at a time: all thousand classes take 1.1 GB
            where = f"{name} in {source.path}"
            batch = pickled_batch(source.read([name])[name], 16, "labels", where)
            parts.append(first_classes(batch, where))
        classes = tuple(f"class {label}" for label in range(1, CLASSES + 1))
        return "imagenet16-120", Loaded(joined(parts[:-1]), parts[-1], classes, self.title)
