"""One batch of an official archive for Python: a pickled dictionary of pixels and labels.

The official files were pickled by Python 2, whose texts are bytes: they are read as Latin-1.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchkit.images.image_set import LabelledImages
from benchkit.spaces import InputError
from benchkit.tables.formats.safe_pickle import load_pickle

__all__ = ["pickled_batch", "pickled_dictionary"]


def pickled_dictionary(content: bytes, where: str) -> dict[str, Any]:
    """Return the dictionary in a pickle of Python 2 or 3, its keys as text.

    Raises
    ------
    InputError : truncated, damaged, not a dictionary, or naming anything but plain data.
    """
    found = load_pickle(content, where, encoding="latin1")
    if not isinstance(found, dict):
        raise InputError(f"{where} holds a {type(found).__name__}, not a dictionary of images and labels")
    texts = (key.decode("latin1") if isinstance(key, bytes) else str(key) for key in found)
    return dict(zip(texts, found.values(), strict=True))


def pickled_batch(content: bytes, size: int, label: str, where: str) -> LabelledImages:
    """Return the images of a batch whose rows hold 3 planes of `size` x `size` pixels, red first.

    Parameters
    ----------
    label : key of the labels, integers.

    Raises
    ------
    InputError : as `pickled_dictionary`; or images or labels that are missing or of another shape.
    """
    batch = pickled_dictionary(content, where)
    missing = [key for key in ("data", label) if key not in batch]
    if missing:
        raise InputError(f"{where} has no {missing[0]!r}, only {', '.join(batch) or 'nothing'}")
    data = batch["data"]
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape[1:] != (3 * size * size,):
        raise InputError(f"{where} does not hold rows of {3 * size * size} bytes: not {size} x {size} images")
    try:
        y = np.asarray(batch[label])
    except ValueError as error:
        raise InputError(f"{where}: {label!r} is not a list of integers") from error
    if y.shape != (len(data),) or y.dtype.kind not in "iu":
        raise InputError(f"{where} holds {len(data):,} images, but {label!r} of shape {y.shape}")
    x = data.reshape(-1, 3, size, size).transpose(0, 2, 3, 1)
    return LabelledImages(np.ascontiguousarray(x), y.astype(np.int64))
