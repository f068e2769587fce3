"""CIFAR-10 and CIFAR-100 as their authors offer them for C: ``cifar-10-binary.tar.gz``, or unpacked.

Layout: https://www.cs.toronto.edu/~kriz/cifar.html. A record is one label byte (CIFAR-100: the coarse, then
the fine label) and 3,072 pixel bytes: 1,024 red, 1,024 green, 1,024 blue, row by row.
"""

from __future__ import annotations

import numpy as np

from benchkit.base.errors import InputError
from benchkit.data.images.image_set import LabelledImages, Loaded
from benchkit.data.images.published import CIFAR10_CLASSES
from benchkit.data.images.readers.base import joined, require
from benchkit.data.images.readers.source import Source

__all__ = ["Cifar10Binary", "Cifar100Binary"]

_PIXELS = 3 * 32 * 32
_BATCHES = [f"data_batch_{number}.bin" for number in range(1, 6)]


def _records(content: bytes, labels: int, where: str) -> LabelledImages:
    """Return the images of one file; of `labels` label bytes a record, the last counts."""
    length = labels + _PIXELS
    if not content or len(content) % length:
        raise InputError(
            f"{where} is truncated: {len(content):,} bytes are not a whole number of {length}-byte records"
        )
    rows = np.frombuffer(content, dtype=np.uint8).reshape(-1, length)
    x = rows[:, labels:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return LabelledImages(np.ascontiguousarray(x), rows[:, labels - 1].astype(np.int64))


class Cifar10Binary:
    """CIFAR-10, five training files and one test file."""

    title = "CIFAR-10 binary"

    def recognise(self, source: Source) -> bool:
        return any(name in source.names for name in [*_BATCHES, "test_batch.bin"])

    def read(self, source: Source) -> tuple[str, Loaded]:
        names = [*_BATCHES, "test_batch.bin"]
        require(source, names, self.title)
        content = source.read(names)
        parts = [_records(content[name], 1, f"{name} in {source.path}") for name in names]
        return "cifar10", Loaded(joined(parts[:-1]), parts[-1], CIFAR10_CLASSES, self.title)


class Cifar100Binary:
    """CIFAR-100 with its 100 fine labels."""

    title = "CIFAR-100 binary"

    def recognise(self, source: Source) -> bool:
        return "train.bin" in source.names or "test.bin" in source.names

    def read(self, source: Source) -> tuple[str, Loaded]:
        names = ["train.bin", "test.bin", "fine_label_names.txt"]
        require(source, names, self.title)
        content = source.read(names)
        train, test = (_records(content[name], 2, f"{name} in {source.path}") for name in names[:2])
        classes = tuple(content[names[2]].decode("utf-8", errors="replace").split())
        if not classes:
            raise InputError(f"{names[2]} in {source.path} lists no classes")
        return "cifar100", Loaded(train, test, classes, self.title)
