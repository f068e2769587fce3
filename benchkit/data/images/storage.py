"""How image data is kept: an uncompressed ``.npz`` of four arrays, and a JSON member about them."""

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
from benchkit.base.zip_file import opened_zip
from benchkit.data.images.image_set import ARRAYS, ImageSet, digest, label_type

__all__ = ["read_about", "read_image_set", "write_image_set"]

_ABOUT = "about.json"
_FORMAT = "benchkit images 1"
_REMEDY = "import its source again with benchkit data import"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same images give the same file
_LARGEST = 16_000 * MEGABYTE  # whatever was stored may be read; no array is larger than its file
_LARGEST_ABOUT = 4 * MEGABYTE  # names of 65,536 classes
_STORED = (zipfile.ZIP_STORED,)
_TEXTS = ("name", "sha256", "source", "licence")


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
        with opened_zip(
            path, "images", _LARGEST, len(ARRAYS) + 1, _LARGEST, (zipfile.ZIP_STORED,)
        ) as archive:
            if _ABOUT not in archive.namelist():
                raise InputError("it was not written by benchkit")
            if archive.getinfo(_ABOUT).file_size > _LARGEST_ABOUT:
                raise InputError(f"its {_ABOUT} is too long")
            text = archive.read(_ABOUT)
        about = parse_json(text, f"{_ABOUT} in {path}")
    except InputError as error:
        raise InputError(f"{error}: {_REMEDY}") from error
    if not isinstance(about, dict) or about.get("format") != _FORMAT:
        raise InputError(f"{path} is not of the format {_FORMAT!r}: import its source again")
    _check_about(path, about)
    return about


def _check_about(path: Path, about: dict[str, Any]) -> None:
    names, shapes = about.get("class_names"), about.get("shapes")
    if (
        not all(isinstance(about.get(key), str) for key in _TEXTS)
        or not isinstance(names, list)
        or not all(isinstance(name, str) for name in names)
        or not isinstance(shapes, dict)
        or not all(_is_shape(shapes.get(name), 4 if name.startswith("x") else 1) for name in ARRAYS)
    ):
        raise _damaged(path)


def _is_shape(shape: Any, dimensions: int) -> bool:
    return (
        isinstance(shape, list)
        and len(shape) == dimensions
        and all(type(length) is int and length > 0 for length in shape)
    )


def read_image_set(path: Path) -> ImageSet:
    """Read a data set and check it against its own SHA-256.

    Raises
    ------
    InputError : not a file of benchkit's images, or a damaged one.
    """
    about = read_about(path)
    try:
        arrays = read_npz(path, "images", _LARGEST, besides=(_ABOUT,))
    except InputError as error:
        raise InputError(f"{error}: {_REMEDY}") from error
    found = {name: list(array.shape) for name, array in arrays.items()}
    types = {array.dtype.str for name, array in arrays.items() if name.startswith("x")}
    labels = {arrays[name].dtype.str for name in arrays if name.startswith("y")}
    if found != about["shapes"] or types != {"|u1"} or labels != {np.dtype(_labels(about)).str}:
        raise _damaged(path)
    if digest(arrays) != about["sha256"]:
        raise _damaged(path)
    for part in ("train", "test"):
        if len(arrays[f"x_{part}"]) != len(arrays[f"y_{part}"]):
            raise _damaged(path)
        if int(arrays[f"y_{part}"].max()) >= len(about["class_names"]):
            raise _damaged(path)
    return ImageSet(
        name=about["name"],
        class_names=tuple(about["class_names"]),
        source=about["source"],
        licence=about["licence"],
        sha256=about["sha256"],
        train_index=np.arange(len(arrays["x_train"]), dtype=np.int64),
        x_train=arrays["x_train"],
        y_train=arrays["y_train"],
        x_test=arrays["x_test"],
        y_test=arrays["y_test"],
    )


def _labels(about: dict[str, Any]) -> type[Any]:
    return label_type(len(about["class_names"]))


def _damaged(path: Path) -> InputError:
    return InputError(f"{path} is damaged or cut short: {_REMEDY}")
