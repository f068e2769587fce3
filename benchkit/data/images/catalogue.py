"""Finds image data: the embedded digits, and what was imported into the user's own folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchkit.base.errors import InputError, shown, unknown
from benchkit.base.home import check_entry, home
from benchkit.data.images.image_set import ImageSet
from benchkit.data.images.published import PUBLISHED
from benchkit.data.images.reduce import limit_training, resize
from benchkit.data.images.storage import read_about, read_image_set
from benchkit.data.images.streamed import StreamedSet, read_streamed, read_streamed_about

EMBEDDED = "digits"
ARRAYS_SUFFIX, STREAM_SUFFIX = ".npz", ".stream.json"


def _imported() -> dict[str, Path]:
    return {
        path.name.removesuffix(suffix): path
        for suffix in (ARRAYS_SUFFIX, STREAM_SUFFIX)
        for path in sorted(home("images").glob(f"[!.]*{suffix}"))
    }


def image_set_names() -> list[str]:
    """Return the names of all data sets that can be opened: the embedded one, then the imported ones."""
    return [EMBEDDED, *sorted(_imported())]


def imported_place(name: str, suffix: str = ARRAYS_SUFFIX) -> Path:
    """Return the path of an imported data set; raise InputError for a bad name."""
    check_entry(name, "data set")
    if name == EMBEDDED:
        raise InputError(f"{shown(name)} is embedded; choose another name with --as")
    return home("images") / f"{name}{suffix}"


def _place(name: str) -> Path:
    imported = _imported()
    if name in imported:
        return imported[name]
    if name in PUBLISHED:
        raise InputError(
            f"{name} is not imported yet: benchkit data import PATH, or benchkit data fetch {name}"
        )
    raise unknown("data set", name, image_set_names())


def about_image_set(name: str) -> dict[str, Any]:
    """Return what is known of a data set without reading its images.

    Keys: name, kind (embedded, imported or streamed), train, test, size, classes, class_names, sha256,
    source, licence, path. Raises InputError where there is no such data set, or its file is damaged.
    """
    path = None if name == EMBEDDED else _place(name)
    if path is None:
        fact = PUBLISHED[EMBEDDED]
        kind, train, test, size = "embedded", fact.train, fact.test, list(fact.size or ())
        about: dict[str, Any] = {
            "class_names": [str(label) for label in range(fact.classes)],
            "sha256": fact.sha256,
            "source": "scikit-learn, sklearn.datasets.load_digits",
            "licence": fact.licence,
        }
    elif path.name.endswith(STREAM_SUFFIX):
        about = read_streamed_about(path)
        kind, train, test, size = "streamed", about["train"], about["test"], None
        about["source"] = about["folder"]
    else:
        about = read_about(path)
        (train, *size), test = about["shapes"]["x_train"], about["shapes"]["x_test"][0]
        kind = "imported"
    return {
        "name": name,
        "kind": kind,
        "train": train,
        "test": test,
        "size": size,
        "classes": len(about["class_names"]),
        **{key: about[key] for key in ("class_names", "sha256", "source", "licence")},
        "path": None if path is None else str(path),
    }


def open_image_set(
    name: str, image_size: int | None = None, limit: int | None = None, limit_seed: int = 0
) -> ImageSet:
    """Return a data set, whole or reduced.

    Parameters
    ----------
    image_size : Side to average all images to; it must divide theirs.
    limit : Number of training images to keep, drawn class by class with `limit_seed`.

    Raises
    ------
    InputError : no such data set, a damaged file, a streamed one (see `open_streamed`), or a reduction that
        does not apply.
    """
    if name == EMBEDDED:
        from benchkit.data.images.digits import load_digits

        images = load_digits()
    else:
        path = _place(name)
        if path.name.endswith(STREAM_SUFFIX):
            raise InputError(f"{name} is streamed from disk: it does not fit into memory as a whole")
        images = read_image_set(path)
    if limit is not None:  # before pooling, so that there is less to pool
        images = limit_training(images, limit, limit_seed)
    return images if image_size is None else resize(images, image_size)


def open_streamed(name: str) -> StreamedSet:
    """Return a data set that is streamed from disk.

    Raises InputError for no such data set, one that is not streamed, or a folder that is gone or has changed.
    """
    path = home("images") / name if name == EMBEDDED else _place(name)
    if not path.name.endswith(STREAM_SUFFIX):
        raise InputError(f"{name} is not streamed: it is opened as a whole")
    return read_streamed(path)
