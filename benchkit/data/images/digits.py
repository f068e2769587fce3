"""Reads the embedded images: handwritten digits, in the file in which scikit-learn ships them.

1,797 images of 8 x 8 pixels with values 0..16 (UCI "Optical recognition of handwritten digits"). There is
no official split: the last 360 images, by writers who are few in the others, are the test images here.
Values are scaled to 0..255, rounded.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

from benchkit.data.images.image_set import ImageSet, LabelledImages, Loaded, image_set
from benchkit.data.images.published import PUBLISHED, check_published

_FILE = Path(__file__).with_name("digits.csv.gz")


def load_digits() -> ImageSet:
    """Return the digits; raise InputError where the file in the package holds other images."""
    with gzip.open(_FILE, "rt", encoding="ascii") as lines:
        rows = np.loadtxt(lines, dtype=np.uint8, delimiter=",")  # 64 pixels and a label
    x = np.floor(rows[:, :-1] * (255 / 16) + 0.5).astype(np.uint8).reshape(-1, 8, 8, 1)
    y = rows[:, -1].copy()
    cut = PUBLISHED["digits"].train
    loaded = Loaded(
        LabelledImages(x[:cut], y[:cut]),
        LabelledImages(x[cut:], y[cut:]),
        tuple("0123456789"),
        "scikit-learn, sklearn.datasets.load_digits",
    )
    return check_published(image_set("digits", loaded, PUBLISHED["digits"].licence))
