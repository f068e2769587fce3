"""Keeps image data as an uncompressed ``.npz`` of four arrays, with a JSON member about them."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from benchkit.base.errors import InputError
from benchkit.base.files import MEGABYTE, replacing
from benchkit.base.json_text import parse_json
from benchkit.base.npz_file import read_npz
from benchkit.base.shapes import Number, check_shape
from benchkit.base.zip_file import opened_zip
from benchkit.data.images.image_set import ARRAYS, ImageSet, digest, label_type

_ABOUT = "about.json"
_FORMAT = "benchkit images 1"
_REMEDY = "import its source again with benchkit data import"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same images give the same file
_LARGEST = 16_000 * MEGABYTE  # whatever was stored may be read; no array is larger than its file
_LARGEST_ABOUT = 4 * MEGABYTE  # names of 65,536 classes
_LENGTHS = [Number(1, whole=True)]
_SHAPE = {
    **dict.fromkeys(("name", "sha256", "source", "licence"), str),
    "class_names": [str],
    "shapes": dict.fromkeys(ARRAYS, _LENGTHS),
}


def write_image_set(path: Path, images: ImageSet) -> None:
    """Write a data set, whole or not at all; an InputError says why it cannot be written."""
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
    """Return what a file says of itself, without reading its images; an InputError says what is damaged."""
    try:
        with opened_zip(
            path, "images", _LARGEST, len(ARRAYS) + 1, _LARGEST, (zipfile.ZIP_STORED,)
        ) as archive:
            if _ABOUT not in archive.namelist():
                raise InputError("it was not written by benchkit")
            if archive.getinfo(_ABOUT).file_size > _LARGEST_ABOUT:
                raise InputError(f"its {_ABOUT} is too long")
            text = archive.read(_ABOUT)
        about: Any = parse_json(text, f"{_ABOUT} in {path}")
        if not isinstance(about, dict) or about.get("format") != _FORMAT:
            raise InputError(f"{path} is not of the format {_FORMAT!r}")
        check_shape(about, _SHAPE, f"{_ABOUT} in {path}")
    except InputError as error:
        raise InputError(f"{error}: {_REMEDY}") from error
    if any(len(about["shapes"][name]) != (4 if name.startswith("x") else 1) for name in ARRAYS):
        raise _damaged(path)
    found: dict[str, Any] = about
    return found


def read_image_set(path: Path) -> ImageSet:
    """Read a data set and check it against its own SHA-256; an InputError says what is damaged."""
    about = read_about(path)
    try:
        arrays: dict[str, Any] = read_npz(path, "images", _LARGEST, besides=(_ABOUT,))
    except InputError as error:
        raise InputError(f"{error}: {_REMEDY}") from error
    classes = len(about["class_names"])
    types = {"x": np.dtype(np.uint8), "y": np.dtype(label_type(classes))}
    if (
        {name: list(array.shape) for name, array in arrays.items()} != about["shapes"]
        or any(array.dtype != types[name[0]] for name, array in arrays.items())
        or digest(arrays) != about["sha256"]
        or any(len(arrays[f"x_{part}"]) != len(arrays[f"y_{part}"]) for part in ("train", "test"))
        or any(int(arrays[name].max()) >= classes for name in ("y_train", "y_test"))
    ):
        raise _damaged(path)
    return ImageSet(
        **{key: about[key] for key in ("name", "source", "licence", "sha256")},
        class_names=tuple(about["class_names"]),
        train_index=np.arange(len(arrays["x_train"]), dtype=np.int64),
        **arrays,
    )


def _damaged(path: Path) -> InputError:
    return InputError(f"{path} is damaged or cut short: {_REMEDY}")
