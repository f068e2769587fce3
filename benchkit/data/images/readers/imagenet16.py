"""Reads ImageNet16-120: the official ImageNet16 pickles, cut down to their first 120 classes.

ImageNet16 (Chrabaszcz et al., arXiv 1707.08819) is ``train_data_batch_1`` to ``_10`` and ``val_data``; a
batch holds rows of 3 x 256 bytes and labels that count from 1. NAS-Bench-201 (Dong and Yang, 2020,
section 2.2) keeps the labels 1..120 of the authors' order: 151,700 training and 6,000 validation images.
The latter are the test images here; NAS-Bench-201 halves them.
"""

from __future__ import annotations

import numpy as np

from benchkit.base.errors import InputError
from benchkit.data.images.image_set import LabelledImages
from benchkit.data.images.readers.base import Batches
from benchkit.data.images.readers.pickled_batch import pickled_batch

CLASSES = 120
_ALL_CLASSES = 1000


class ImageNet16Pickles(Batches):
    """ImageNet16, ten training batches and the validation images."""

    title, dataset = "ImageNet16", "imagenet16-120"
    files = (*(f"train_data_batch_{number}" for number in range(1, 11)), "val_data")
    classes = tuple(f"class {label}" for label in range(1, CLASSES + 1))

    def part(self, content: bytes, where: str) -> LabelledImages:
        """Return the images with labels 1..120, labelled 0..119."""
        batch = pickled_batch(content, 16, "labels", where)
        if len(batch) and not (batch.y.min() >= 1 and batch.y.max() <= _ALL_CLASSES):
            raise InputError(f"{where} has a label outside 1..{_ALL_CLASSES}: not ImageNet16")
        kept = np.flatnonzero(batch.y <= CLASSES)
        return LabelledImages(batch.x[kept], batch.y[kept] - 1)
