"""Brings image data into the cache: it is read in its official form, checked, and stored under a name."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from benchkit.base.errors import InputError
from benchkit.data.images.catalogue import ARRAYS_SUFFIX, STREAM_SUFFIX, imported_place
from benchkit.data.images.folder import FolderListing, list_folder, read_folder, read_picture
from benchkit.data.images.image_set import ImageSet, image_set
from benchkit.data.images.published import check_counts, check_published, licence_of
from benchkit.data.images.readers import read_images
from benchkit.data.images.storage import write_image_set
from benchkit.data.images.streamed import write_streamed

STREAM_BYTES = 2**31
"""Number of bytes (2 GiB) of arrays above which a folder of pictures is streamed from disk."""

_PROBED = 32  # pictures looked at to estimate the whole


def import_images(
    path: Path, name: str | None = None, image_size: int | None = None, stream: bool | None = None
) -> str:
    """Store what is at `path` in the cache; return the name that it was given.

    Parameters
    ----------
    path : Official archive or its folder, or a folder of images (``train/CLASS/FILE``).
    name : Name of the data set; None takes the usual one, where the files tell it.
    image_size : Side of the squares that a folder's images become.
    stream : Whether a folder's images are left on disk; None decides by `STREAM_BYTES`.

    Raises
    ------
    InputError : see the readers; a name that is needed or taken; or images that are not those of the name.
    """
    if name is not None:
        imported_place(name)  # a bad name is known before gigabytes are read
    found = read_images(path)
    if found is None:
        return _import_folder(path, name, image_size, stream)
    if image_size is not None or stream is not None:
        raise InputError(
            "--image-size and --stream are for folders of images; reduce other data sets when they are used"
        )
    usual, loaded = found
    chosen = _named(name or usual, path)
    _store(image_set(chosen, loaded, licence_of(chosen)))
    return chosen


def _store(images: ImageSet) -> None:
    """Write a data set, and remove what was kept under its name in the other form."""
    write_image_set(imported_place(images.name, ARRAYS_SUFFIX), check_published(images))
    imported_place(images.name, STREAM_SUFFIX).unlink(missing_ok=True)


def _import_folder(path: Path, name: str | None, image_size: int | None, stream: bool | None) -> str:
    listing = list_folder(path)
    chosen = _named(name or "", path)
    if stream is None:
        stream = _array_bytes(listing, image_size) > STREAM_BYTES
    if stream:
        check_counts(chosen, len(listing.train), len(listing.test), len(listing.class_names))
        place = imported_place(chosen, STREAM_SUFFIX)
        write_streamed(place, chosen, path, listing, licence_of(chosen))
        imported_place(chosen, ARRAYS_SUFFIX).unlink(missing_ok=True)
    else:
        _store(image_set(chosen, read_folder(listing, image_size), licence_of(chosen)))
    return chosen


def _named(name: str, path: Path) -> str:
    if not name:
        raise InputError(f"{path} does not say which data set it is: name it with --as NAME")
    return name


def _array_bytes(listing: FolderListing, image_size: int | None) -> int:
    """Return about how many bytes the pictures take as arrays, judged by a few of them."""
    n = len(listing.train) + len(listing.test)
    if image_size is not None:
        return n * image_size * image_size * 3
    probed = np.unique(np.linspace(0, len(listing.train) - 1, _PROBED).astype(int))
    sizes = [math.prod(read_picture(listing.train, int(index)).shape) for index in probed]
    return round(n * float(np.mean(sizes)))
