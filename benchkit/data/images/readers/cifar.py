"""Reads CIFAR-10 and CIFAR-100 as their authors offer them, for C and for Python, in archives or unpacked.

Layout: https://www.cs.toronto.edu/~kriz/cifar.html. For C, a record is one label byte (CIFAR-100: the coarse,
then the fine label) and 3,072 pixel bytes: 1,024 red, 1,024 green, 1,024 blue, row by row. For Python, the
files are pickles of rows of such pixels.
"""

from __future__ import annotations

import numpy as np

from benchkit.base.errors import InputError
from benchkit.data.images.image_set import LabelledImages
from benchkit.data.images.published import CIFAR10_CLASSES
from benchkit.data.images.readers.base import Batches, Images, NamedFiles
from benchkit.data.images.readers.pickled_batch import pickled_batch, pickled_dictionary
from benchkit.data.images.readers.source import Source

_PIXELS = 3 * 32 * 32
_BATCHES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")


def _records(content: bytes, labels: int, where: str) -> LabelledImages:
    """Return the images of a file for C, whose records begin with `labels` label bytes; the last counts."""
    length = labels + _PIXELS
    if not content or len(content) % length:
        raise InputError(
            f"{where} is truncated: {len(content):,} bytes are not a whole number of {length}-byte records"
        )
    rows = np.frombuffer(content, dtype=np.uint8).reshape(-1, length)
    x = rows[:, labels:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return LabelledImages(np.ascontiguousarray(x), rows[:, labels - 1].astype(np.int64))


class Cifar10Pickles(Batches):
    """CIFAR-10 for Python."""

    title, dataset, classes = "CIFAR-10 for Python", "cifar10", CIFAR10_CLASSES
    files = _BATCHES

    def part(self, content: bytes, where: str) -> LabelledImages:
        return pickled_batch(content, 32, "labels", where)


class Cifar10Binary(Batches):
    """CIFAR-10 for C."""

    title, dataset, classes = "CIFAR-10 binary", "cifar10", CIFAR10_CLASSES
    files = tuple(f"{name}.bin" for name in _BATCHES)

    def part(self, content: bytes, where: str) -> LabelledImages:
        return _records(content, 1, where)


class Cifar100Pickles(NamedFiles):
    """CIFAR-100 for Python, with its 100 fine labels."""

    title, dataset = "CIFAR-100 for Python", "cifar100"
    files = ("train", "test", "meta")

    def recognise(self, source: Source) -> bool:
        return "meta" in source.names and ("train" in source.names or "test" in source.names)

    def images(self, source: Source) -> Images:
        content = source.read(self.files)
        classes = pickled_dictionary(content["meta"], f"meta in {source.path}").get("fine_label_names")
        if not isinstance(classes, list) or not classes or not all(type(each) is str for each in classes):
            raise InputError(f"meta in {source.path} does not list fine_label_names")
        train, test = (
            pickled_batch(content[name], 32, "fine_labels", f"{name} in {source.path}")
            for name in ("train", "test")
        )
        return train, test, tuple(classes)


class Cifar100Binary(NamedFiles):
    """CIFAR-100 for C, with its 100 fine labels."""

    title, dataset = "CIFAR-100 binary", "cifar100"
    files = ("train.bin", "test.bin", "fine_label_names.txt")
    marks = files[:2]

    def images(self, source: Source) -> Images:
        content = source.read(self.files)
        train, test = (_records(content[name], 2, f"{name} in {source.path}") for name in self.marks)
        classes = tuple(content[self.files[2]].decode("utf-8", errors="replace").split())
        if not classes:
            raise InputError(f"{self.files[2]} in {source.path} lists no classes")
        return train, test, classes
