"""CIFAR-10 and CIFAR-100 as their authors offer them for Python: ``cifar-10-python.tar.gz``, or unpacked.

Layout: https://www.cs.toronto.edu/~kriz/cifar.html. CIFAR-10 has ``data_batch_1`` to ``data_batch_5`` and
``test_batch``; CIFAR-100 has ``train`` and ``test``. Rows hold 1,024 red, 1,024 green, 1,024 blue pixels.
"""

from __future__ import annotations

from benchkit.base.errors import InputError
from benchkit.data.images.image_set import Loaded
from benchkit.data.images.published import CIFAR10_CLASSES
from benchkit.data.images.readers.base import joined, require
from benchkit.data.images.readers.pickled_batch import pickled_batch, pickled_dictionary
from benchkit.data.images.readers.source import Source

__all__ = ["Cifar10Pickles", "Cifar100Pickles"]

_BATCHES = [f"data_batch_{number}" for number in range(1, 6)]


class Cifar10Pickles:
    """CIFAR-10, five training batches and one test batch."""

    title = "CIFAR-10 for Python"

    def recognise(self, source: Source) -> bool:
        return any(name in source.names for name in [*_BATCHES, "test_batch"])

    def read(self, source: Source) -> tuple[str, Loaded]:
        names = [*_BATCHES, "test_batch"]
        require(source, names, self.title)
        content = source.read(names)
        batches = [pickled_batch(content[n], 32, "labels", f"{n} in {source.path}") for n in names]
        return "cifar10", Loaded(joined(batches[:-1]), batches[-1], CIFAR10_CLASSES, self.title)


class Cifar100Pickles:
    """CIFAR-100 with its 100 fine labels."""

    title = "CIFAR-100 for Python"

    def recognise(self, source: Source) -> bool:
        return "meta" in source.names and ("train" in source.names or "test" in source.names)

    def read(self, source: Source) -> tuple[str, Loaded]:
        names = ["train", "test", "meta"]
        require(source, names, self.title)
        content = source.read(names)
        classes = pickled_dictionary(content["meta"], f"meta in {source.path}").get("fine_label_names")
        if not isinstance(classes, list) or not classes or not all(type(each) is str for each in classes):
            raise InputError(f"meta in {source.path} does not list fine_label_names")
        train, test = (
            pickled_batch(content[n], 32, "fine_labels", f"{n} in {source.path}") for n in names[:2]
        )
        return "cifar100", Loaded(train, test, tuple(classes), self.title)
