"""Reads a folder of images: ``train/CLASS/FILE`` and ``test/CLASS/FILE`` (or ``val/``), as ImageNet is kept.

The classes are the subfolders in the order of their names, the same in both parts. Files are pictures by
their suffix (`SUFFIXES`); hidden files and other suffixes are not looked at. Links are followed. A device or
a pipe is an error: it has no size, and reading it has no end.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchkit.base.errors import InputError
from benchkit.base.files import MEGABYTE, check_name, check_regular, read_bytes
from benchkit.data.images.image_set import Images, LabelledImages, Loaded
from benchkit.data.images.readers.picture import decode, open_picture

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm")
_TEST = ("test", "val")
_LARGEST_PICTURE = 128 * MEGABYTE  # ImageNet's largest file has 16 MB


@dataclass(frozen=True, eq=False)
class FileList:
    """Labelled pictures on disk: n paths relative to the folder `root`, and int64[n] labels."""

    root: Path
    files: tuple[str, ...]
    labels: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.files)

    def take(self, indices: npt.NDArray[np.int64]) -> FileList:
        """Return the pictures at these positions."""
        return FileList(self.root, tuple(self.files[i] for i in indices), self.labels[indices])


@dataclass(frozen=True, eq=False)
class FolderListing:
    """The files of both parts of a folder, and its identity.

    `sha256` is over the relative path and the size in bytes of every file. The pixels are not read for it, as
    that would take an hour for ImageNet.
    """

    class_names: tuple[str, ...]
    train: FileList
    test: FileList
    sha256: str


def list_folder(path: Path) -> FolderListing:
    """Return the pictures of a folder.

    Raises
    ------
    InputError : no train/ or no test/ with pictures in class folders, both test/ and val/, or classes
        that differ between the parts.
    """
    tests = [name for name in _TEST if _subfolders(path / name)]
    if not _subfolders(path / "train") or not tests:
        raise InputError(
            f"no images found in {path}: expected train/CLASS/FILE and test/CLASS/FILE (or val/), or the "
            f"files of a known archive"
        )
    if len(tests) > 1:
        raise InputError(f"{path} has both test/ and val/ with classes in them: leave one of them")
    try:
        parts = {
            name: {folder.name: list(_pictures(path, folder)) for folder in _subfolders(path / name)}
            for name in ("train", tests[0])
        }
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    classes = tuple(parts["train"])
    other = sorted(set(classes) ^ set(parts[tests[0]]))
    if other:
        raise InputError(
            f"train/ of {path} has {len(classes)} classes, {tests[0]}/ has {len(parts[tests[0]])}: "
            f"{other[0]} is in only one of them"
        )
    total = hashlib.sha256()
    lists = []
    for name, found in parts.items():
        files = [file for label in classes for file in found[label]]
        for file, size in files:
            total.update(f"{file}\0{size}\n".encode())
        labels = np.repeat(np.arange(len(classes)), [len(found[label]) for label in classes])
        lists.append(FileList(path, tuple(file for file, _ in files), labels.astype(np.int64)))
        empty = [label for label in classes if not found[label]]
        if empty and name == "train":
            raise InputError(f"class {empty[0]} has no image in {path / name}")
    if not len(lists[1]):
        raise InputError(f"no images found in {path / tests[0]}")
    return FolderListing(classes, lists[0], lists[1], total.hexdigest())


def _subfolders(path: Path) -> list[Path]:
    if not path.is_dir():
        return []
    found = sorted(each for each in path.iterdir() if each.is_dir() and not each.name.startswith("."))
    for each in found:
        check_name(each.name, f"the name of a class in {path}")
    return found


def _pictures(root: Path, folder: Path) -> Iterator[tuple[str, int]]:
    """Yield relative path and number of bytes of each picture, in the order of the names."""
    for file in sorted(folder.iterdir()):
        if file.suffix.lower() in SUFFIXES and not file.name.startswith(".") and not file.is_dir():
            check_name(file.name, f"the name of a picture in {folder}")
            yield file.relative_to(root).as_posix(), check_regular(file, "picture", _LARGEST_PICTURE)


def read_picture(files: FileList, index: int) -> Images:
    """Return uint8[height, width, 1 or 3] of one picture; raise InputError where it cannot be read."""
    return decode(picture_bytes(files, index), str(files.root / files.files[index]))


def picture_bytes(files: FileList, index: int) -> bytes:
    """Return the content of one file; raise InputError where it cannot be read or is too large."""
    return read_bytes(files.root / files.files[index], "picture", _LARGEST_PICTURE)


def squared(content: bytes, size: int, where: str) -> Images:
    """Return uint8[size, size, 1 or 3]: the shorter side averaged down to `size`, then the middle.

    Raises InputError for what is not a picture, and for one with a side shorter than `size`.
    """
    from PIL.Image import Resampling

    picture = open_picture(content, where)
    width, height = picture.size
    if min(width, height) < size:
        raise InputError(f"{where} is {height} x {width} pixels, too small for --image-size {size}")
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    box = (left, top, left + side, top + side)
    pixels = np.array(picture.resize((size, size), Resampling.BOX, box=box), dtype=np.uint8)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def read_folder(listing: FolderListing, image_size: int | None = None) -> Loaded:
    """Return all pictures of a folder as arrays; grey ones become colour if any other is in colour.

    Parameters
    ----------
    image_size : Side of the square that every picture becomes (see `squared`); None takes them as they are.

    Raises
    ------
    InputError : a file is not a picture; or they differ in size, or are not square, and no size is given.
    """
    lists = (listing.train, listing.test)
    parts = [[_read(files, index, image_size) for index in range(len(files))] for files in lists]
    channels = max(picture.shape[2] for pictures in parts for picture in pictures)
    first = parts[0][0].shape
    for files, pictures in zip(lists, parts, strict=True):
        for name, picture in zip(files.files, pictures, strict=True):
            if picture.shape[:2] != first[:2] or picture.shape[0] != picture.shape[1]:
                raise InputError(
                    f"images differ in size or are not square ({listing.train.files[0]} is "
                    f"{first[0]} x {first[1]}, {name} is {picture.shape[0]} x {picture.shape[1]} pixels): "
                    f"--image-size N makes all N x N, --stream leaves them on disk"
                )
    train, test = (
        LabelledImages(
            np.stack([np.broadcast_to(p, (*p.shape[:2], channels)) for p in pictures]), files.labels
        )
        for files, pictures in zip(lists, parts, strict=True)
    )
    return Loaded(train, test, listing.class_names, "a folder of images")


def _read(files: FileList, index: int, image_size: int | None) -> Images:
    if image_size is None:
        return read_picture(files, index)
    return squared(picture_bytes(files, index), image_size, str(files.root / files.files[index]))
