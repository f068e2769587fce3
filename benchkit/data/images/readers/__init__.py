"""Reads image data in its official forms. A new form is one new file and one line in `_READERS`."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from benchkit.base.errors import InputError
from benchkit.data.images.image_set import Loaded
from benchkit.data.images.readers.base import ImageReader
from benchkit.data.images.readers.source import Source

__all__ = ["read_images"]

# module:class; tried in this order, imported when a source is first looked at
_READERS = (
    "cifar:Cifar10Pickles",
    "cifar:Cifar100Pickles",
    "cifar:Cifar10Binary",
    "cifar:Cifar100Binary",
    "imagenet16:ImageNet16Pickles",
    "idx:IdxFiles",
    "png_strips:PngStrips",
)


def read_images(path: Path) -> tuple[str, Loaded] | None:
    """Return the usual name and the images of what is at `path`; None for a folder of no official form.

    Raises
    ------
    InputError : nothing there, unreadable, truncated or damaged, or an archive of no known form.
    """
    source = Source(path)
    titles = []
    for entry in _READERS:
        module, attribute = entry.split(":")
        reader: ImageReader = getattr(import_module(f"{__name__}.{module}"), attribute)()
        titles.append(reader.title)
        if reader.recognise(source):
            return reader.read(source)
    if source.is_folder:
        return None
    raise InputError(f"{path} holds none of the forms that benchkit reads: {', '.join(titles)}")
