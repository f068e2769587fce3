"""Keeps a data set that is too large for memory: the place of its pictures, and what they were.

The pictures stay in their folder. A small JSON file in the cache names it, with the identity of the listing
(`FolderListing.sha256`); when the data set is opened the folder is listed again, and must be the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchkit.base.errors import InputError, shown
from benchkit.base.files import MEGABYTE, write_text
from benchkit.base.json_text import read_json
from benchkit.base.shapes import COUNT, check_shape
from benchkit.data.images.folder import FileList, FolderListing, list_folder
from benchkit.data.images.reduce import stratified
from benchkit.data.images.splits import split

USUAL_SIZE = 224
"""Height and width of the crops of ImageNet, where nothing else is asked for."""

_FORMAT = "benchkit streamed images 1"
_ABOUT = {
    **dict.fromkeys(("name", "sha256", "folder", "licence", "source"), str),
    "class_names": [str],
    **dict.fromkeys(("train", "test"), COUNT),
}
_LARGEST = 4 * MEGABYTE  # names of 65,536 classes


@dataclass(frozen=True, eq=False)
class SearchStream:
    """The pictures of a search on a streamed data set; it lists no test image.

    Attributes
    ----------
    train, valid : Pictures to train on, and to validate on.
    class_names : Names of the classes, in the order of the labels.
    identity : Entry of a manifest.
    image_size : Height and width that pictures are brought to as they are read.
    """

    train: FileList
    valid: FileList
    class_names: tuple[str, ...]
    identity: Mapping[str, Any]
    image_size: int = USUAL_SIZE

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @property
    def size(self) -> tuple[int, int, int]:
        """Height, width and channels of one image of a batch."""
        return self.image_size, self.image_size, 3


@dataclass(frozen=True, eq=False)
class StreamedSet:
    """Pictures on disk, listed and checked against what was imported."""

    name: str
    train: FileList
    test: FileList
    class_names: tuple[str, ...]
    licence: str
    sha256: str
    changes: Mapping[str, int] = field(default_factory=dict)

    def identity(self) -> dict[str, Any]:
        """Return a manifest's entry: the name, the SHA-256 of the listing, and every reduction."""
        return {"name": self.name, "sha256": self.sha256, "streamed": True, **self.changes}

    def sized(self, image_size: int) -> StreamedSet:
        """Return the data set with every picture brought to `image_size` pixels a side as it is read."""
        if image_size < 1:
            raise InputError(f"image size {image_size} must be at least 1")
        return replace(self, changes={**self.changes, "image_size": image_size})

    def limited(self, limit: int, seed: int = 0) -> StreamedSet:
        """Return the data set with `limit` training pictures (`images.reduce.stratified`)."""
        kept = stratified(self.train.labels, limit, seed)
        changes = {**self.changes, "limit": limit, "limit_seed": seed}
        return replace(self, train=self.train.take(kept), changes=changes)

    def divide(self, valid: int, seed: int = 0) -> tuple[SearchStream, FileList]:
        """Return the pictures of a search, and the test pictures, which go to the reporter alone.

        An InputError says that there are too few pictures to set `valid` aside.
        """
        first, second = split(len(self.train), valid, seed)
        identity = {**self.identity(), "split": "seeded", "valid": valid, "split_seed": seed}
        parts = self.train.take(first), self.train.take(second)
        size = self.changes.get("image_size", USUAL_SIZE)
        return SearchStream(*parts, self.class_names, identity, size), self.test


def write_streamed(path: Path, name: str, folder: Path, listing: FolderListing, licence: str) -> None:
    """Write where the pictures are, whole or not at all."""
    about = {
        "format": _FORMAT,
        "name": name,
        "sha256": listing.sha256,
        "folder": str(folder.resolve()),
        "source": "a folder of images, left where it is",
        "licence": licence,
        "class_names": list(listing.class_names),
        "train": len(listing.train),
        "test": len(listing.test),
    }
    write_text(path, json.dumps(about, indent=1) + "\n")


def read_streamed_about(path: Path) -> dict[str, Any]:
    """Return what is kept of a streamed data set, without its folder; raise InputError for damage."""
    try:
        about = read_json(path, "images", _LARGEST)
    except InputError as error:
        raise InputError(f"{error}: import its folder again") from error
    if not isinstance(about, dict) or about.get("format") != _FORMAT:
        raise InputError(f"{path} is not of the format {_FORMAT!r}: import its folder again")
    result: dict[str, Any] = check_shape(about, _ABOUT, f"images {path}")
    return result


def read_streamed(path: Path) -> StreamedSet:
    """Return a streamed data set, after listing its folder again.

    An InputError says that its file is damaged, or that the folder is gone or has changed.
    """
    about = read_streamed_about(path)
    folder = Path(about["folder"])
    if "\0" in about["folder"] or not folder.is_dir():
        raise InputError(
            f"the images of {about['name']} are no longer at {shown(about['folder'])}: import them again"
        )
    listing = list_folder(folder)
    if listing.sha256 != about["sha256"]:
        raise InputError(
            f"the files in {folder} have changed since {about['name']} was imported: import it again"
        )
    names = tuple(about["class_names"])
    return StreamedSet(about["name"], listing.train, listing.test, names, about["licence"], about["sha256"])
