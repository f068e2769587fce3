"""How image data is kept: an uncompressed ``.npz`` of four arrays, and a JSON member about them."""

from __future__ import annotations

import json
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from benchkit.base.files import replacing
from benchkit.images.image_set import ARRAYS, ImageSet, digest
from benchkit.spaces import InputError

__all__ = ["read_about", "read_image_set", "write_image_set"]

_ABOUT = "about.json"
_FORMAT = "benchkit images 1"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same images give the same file
# what damaged archives make the libraries raise; RuntimeError: encrypted, or compressed in a strange way
_DAMAGED = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, RuntimeError)
_KEYS = ("name", "sha256", "source", "licence", "class_names", "shapes")


def write_image_set(path: Path, images: ImageSet) -> None:
    """Write a data set, whole or not at all.

    Raises
    ------
    InputError : the disk is full, or the place cannot be written to.
    """
    arrays = {name: getattr(images, name) for name in ARRAYS}
    about = {
        "format": _FORMAT,
        "name": images.name,
        "sha256": images.sha256,
        "source": images.source,
        "licence": images.licence,
        "class_names": list(images.class_names),
        "shapes": {name: list(array.shape) for name, array in arrays.items()},
    }
    with replacing(path) as temporary:
        with temporary.open("wb") as file:  # a path would be given the suffix .npz
            np.savez(file, **arrays)
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr(zipfile.ZipInfo(_ABOUT, _EPOCH), json.dumps(about, indent=1))


def read_about(path: Path) -> dict[str, Any]:
    """Return what a file says of itself, without reading its images.

    Raises
    ------
    InputError : not a file of benchkit's images, or a damaged one.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            about = json.loads(archive.read(_ABOUT))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except KeyError as error:
        raise InputError(
            f"{path} was not written by benchkit: import its source with benchkit data import"
        ) from error
    except _DAMAGED as error:
        raise _damaged(path) from error
    if (
        not isinstance(about, dict)
        or about.get("format") != _FORMAT
        or any(key not in about for key in _KEYS)
    ):
        raise InputError(f"{path} is not of the format {_FORMAT!r}: import its source again")
    return about


def read_image_set(path: Path) -> ImageSet:
    """Read a data set and check it against its own SHA-256.

    Raises
    ------
    InputError : not a file of benchkit's images, or a damaged one.
    """
    about = read_about(path)
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in ARRAYS}
        intact = digest(arrays) == about["sha256"]
    except (OSError, KeyError, MemoryError, *_DAMAGED) as error:
        raise _damaged(path) from error
    if not intact:
        raise _damaged(path)
    return ImageSet(
        name=about["name"],
        class_names=tuple(about["class_names"]),
        source=about["source"],
        licence=about["licence"],
        sha256=about["sha256"],
        train_index=np.arange(len(arrays["x_train"]), dtype=np.int64),
        **arrays,
    )


def _damaged(path: Path) -> InputError:
    return InputError(f"{path} is damaged or cut short: import its source again with benchkit data import")
