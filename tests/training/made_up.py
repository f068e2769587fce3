"""Images of random pixels, to start settings that would train for weeks."""

from __future__ import annotations

import numpy as np

from benchkit.data.images import SearchImages
from benchkit.data.images.image_set import LabelledImages


def made_up(size: int, classes: int, train: int = 4, valid: int = 4) -> SearchImages:
    """Return so many training and validation images, alternately of the first and the last class."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (train + valid, size, size, 3), dtype=np.uint8)
    labels = np.resize(np.array([0, classes - 1], dtype=np.uint16), train + valid)
    parts = (
        LabelledImages(pixels[:train], labels[:train]),
        LabelledImages(pixels[train:], labels[train:]),
    )
    return SearchImages(*parts, tuple(map(str, range(classes))), {"name": "made-up"})
