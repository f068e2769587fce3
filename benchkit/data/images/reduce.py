"""Makes a data set small enough for two cores: fewer pixels, fewer training images.

Both are done once, when a data set is opened, and both are part of its identity in a manifest. The test
images are pooled like the others, and never fewer: what is reported is measured on all of them.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from benchkit.base.errors import InputError
from benchkit.data.images.image_set import Images, ImageSet, Labels

_ROWS = 4096  # images pooled at a time, so that the sums stay in a small block of memory


def average_pool(x: Images, size: int) -> Images:
    """Return uint8[n, size, size, c] of uint8[n, h, h, c]: the mean of each square block, rounded half up.

    Raises InputError where the images are not square, or `size` does not divide their side.
    """
    n, height, width, channels = x.shape
    if height != width:
        raise InputError(f"images of {height} x {width} pixels cannot be pooled to a square")
    if size < 1 or height % size:
        sizes = ", ".join(str(s) for s in range(height, 0, -1) if height % s == 0)
        raise InputError(f"image size {size} does not divide {height}; it can be one of {sizes}")
    block = height // size
    pooled = np.empty((n, size, size, channels), dtype=np.uint8)
    for start in range(0, n, _ROWS):
        part = x[start : start + _ROWS].reshape(-1, size, block, size, block, channels)
        total = part.sum(axis=(2, 4), dtype=np.uint32)
        pooled[start : start + _ROWS] = (2 * total + block * block) // (2 * block * block)
    return pooled


def stratified(y: Labels, n: int, seed: int) -> npt.NDArray[np.int64]:
    """Return int64[n] in ascending order: a random subset with the class shares of the whole.

    Each class gets its share of `n` rounded down; what is left over goes, one each, to the classes that lost
    most by rounding (the lower label where two lost the same). Raises InputError where `n` is less than the
    number of classes present, or more than there are images.
    """
    present, counts = np.unique(y, return_counts=True)
    if n > len(y):
        raise InputError(f"limit {n:,} is more than the {len(y):,} training images that there are")
    if n < len(present):
        raise InputError(f"limit {n} is less than one image for each of the {len(present)} classes")
    exact = n * counts
    share = exact // len(y)
    left = n - int(share.sum())
    share[np.argsort(-(exact % len(y)), kind="stable")[:left]] += 1
    if not share.all():  # a rare class keeps one image, at the cost of the commonest
        for rare in np.flatnonzero(share == 0):
            share[np.argmax(share)] -= 1
            share[rare] = 1
    rng = np.random.default_rng(seed)
    chosen = [
        rng.permutation(np.flatnonzero(y == label))[:take] for label, take in zip(present, share, strict=True)
    ]
    return np.sort(np.concatenate(chosen)).astype(np.int64)


def resize(images: ImageSet, image_size: int) -> ImageSet:
    """Return the data set with all images averaged to `image_size` (see `average_pool`)."""
    if images.size[:2] == (image_size, image_size):
        return images
    return replace(
        images,
        x_train=average_pool(images.x_train, image_size),
        x_test=average_pool(images.x_test, image_size),
        changes={**images.changes, "image_size": image_size},
    )


def limit_training(images: ImageSet, limit: int, seed: int = 0) -> ImageSet:
    """Return the data set with `limit` training images, drawn class by class (see `stratified`)."""
    kept = stratified(images.y_train, limit, seed)
    changes = {**images.changes, "limit": limit, "limit_seed": seed}
    arrays = {name: getattr(images, name)[kept] for name in ("x_train", "y_train", "train_index")}
    return replace(images, **arrays, changes=changes)
