"""scikit-learn's handwritten digits: embedded, in that they come with a package that benchkit needs anyway.

1,797 images of 8 x 8 pixels with values 0..16 (UCI "Optical recognition of handwritten digits"). There is
no official split: the last 360 images, by writers who are few in the others, are the test images here.
Values are scaled to 0..255, rounded.
"""

from __future__ import annotations

import numpy as np

from benchkit.images.image_set import ImageSet, LabelledImages, Loaded, image_set
from benchkit.images.published import PUBLISHED, check_published

__all__ = ["load_digits"]


def load_digits() -> ImageSet:
    """Return the digits.

    Raises
    ------
    InputError : the installed scikit-learn has other digits.
    """
    from sklearn.datasets import load_digits as load

    bunch = load()
    x = np.floor(bunch.images * (255 / 16) + 0.5).astype(np.uint8)[..., None]
    y = bunch.target.astype(np.uint8)
    cut = PUBLISHED["digits"].train
    loaded = Loaded(
        LabelledImages(x[:cut], y[:cut]),
        LabelledImages(x[cut:], y[cut:]),
        tuple(str(digit) for digit in range(10)),
        "scikit-learn, sklearn.datasets.load_digits",
    )
    return check_published(image_set("digits", loaded, PUBLISHED["digits"].licence))
