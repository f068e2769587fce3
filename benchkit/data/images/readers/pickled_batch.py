"""Reads a batch of an official archive for Python: a pickled dictionary of pixels and labels.

The official files were pickled by Python 2, whose texts are bytes: they are read as Latin-1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from benchkit.base.errors import InputError, shown
from benchkit.base.pickles.reader import Limits, load_pickle
from benchkit.data.images.image_set import LabelledImages
from benchkit.data.images.readers.archive import LARGEST_FILE

# pixels are long bytes; labels, and names of files, are a few bytes each of 130,000 images
_LIMITS = Limits(program=16_000_000, payload=LARGEST_FILE, made=10_000, kept=1_000_000)
_LABELS = 2**31


def pickled_dictionary(content: bytes, where: str) -> dict[str, Any]:
    """Return the dictionary in a pickle of Python 2 or 3, its keys as text.

    Raises InputError for what is truncated, damaged, not a dictionary, or naming anything but plain data.
    """
    found = load_pickle(content, where, encoding="latin1", limits=_LIMITS)
    if not isinstance(found, dict):
        raise InputError(f"{where} holds a {type(found).__name__}, not a dictionary of images and labels")
    texts = [key.decode("latin1") if isinstance(key, bytes) else str(key) for key in found]
    if len(set(texts)) < len(texts):
        raise InputError(f"{where} has an entry twice, as text and as bytes")
    return dict(zip(texts, found.values(), strict=True))


def pickled_batch(content: bytes, size: int, label: str, where: str) -> LabelledImages:
    """Return the images of a batch whose rows hold 3 planes of `size` x `size` pixels, red first.

    `label` is the key of the labels, integers. Raises InputError as `pickled_dictionary`, and for images or
    labels that are missing or of another shape.
    """
    batch = pickled_dictionary(content, where)
    missing = [key for key in ("data", label) if key not in batch]
    if missing:
        raise InputError(f"{where} has no {missing[0]!r}, only {shown(list(batch)) if batch else 'nothing'}")
    data = batch["data"]
    rows = 3 * size * size
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape[1:] != (rows,):
        raise InputError(f"{where} does not hold rows of {rows} bytes: not {size} x {size} images")
    y = _integers(batch[label], f"{where}: {label!r}")
    if len(y) != len(data):
        raise InputError(f"{where} holds {len(data):,} images, but {len(y):,} {label}")
    x = data.reshape(-1, 3, size, size).transpose(0, 2, 3, 1)
    return LabelledImages(np.ascontiguousarray(x), y)


def _integers(labels: Any, where: str) -> npt.NDArray[np.int64]:
    """Return int64[n] of a list of integers, or of an array of them; nothing else is given to numpy."""
    if isinstance(labels, list) and all(type(each) is int and abs(each) < _LABELS for each in labels):
        return np.array(labels, dtype=np.int64)
    plain = isinstance(labels, np.ndarray) and labels.dtype.kind in "iu" and labels.ndim == 1
    if plain and (not labels.size or max(int(labels.max()), -int(labels.min())) < _LABELS):
        found: npt.NDArray[np.int64] = labels.astype(np.int64)
        return found
    raise InputError(f"{where} is not a list of integers")
