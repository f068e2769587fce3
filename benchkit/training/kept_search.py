"""Reads and checks the files of a finished search or training: ``search.json`` and the others.

A folder of a search may come from anybody. Everything that reads one of its files does so here.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from benchkit.base.columnar import NUMBER, TEXT, WHOLE, Kind
from benchkit.base.errors import InputError, shown
from benchkit.base.json_text import read_json
from benchkit.base.shapes import COUNT, LARGEST, Each, Maybe, Number, check_shape
from benchkit.training.settings import SearchSettings

_SEED = Number(0, LARGEST, whole=True)
_MANY = Maybe(Number(0, 2**31 - 1, whole=True))
_RATE = Maybe(Number(0, 1e9))
_CHOICE = Number(0, 127, whole=True)
_ACCURACY = {"accuracy": float, "images": COUNT}

_SETTINGS = {
    **{"strategy": str, "space": str, "data": str, "preset?": str, "seed?": _SEED, "split?": Maybe(str)},
    **dict.fromkeys(("epochs?", "batch_size?", "queries?", "images?", "scoring_batch?"), _MANY),
    **dict.fromkeys(("learning_rate?", "label_smoothing?", "weight_decay?"), _RATE),
    **dict.fromkeys(("image_size?", "limit?"), _MANY),
    **{"bfloat16?": bool, "compile?": bool, "accumulate?": COUNT, "threads?": Number(1, 4096, whole=True)},
    **{"recalibrate?": COUNT, "options?": Each(object), "size?": Each(COUNT)},
    **{"limits?": Each(Number(0)), "latency?": Maybe(dict)},
}
_ENTRY = {
    **{"dataset": str, "split": str, "epochs": COUNT, "runs": Maybe(COUNT)},
    **{"accuracy": float, "optimum": float},
}
_BEST = {"dataset": str, "k": COUNT, "valid": float, "random_valid": float}
_RESULT: dict[str, Any] = {
    **{"strategy": str, "space": str, "data": str, "architecture": str, "row": [_CHOICE]},
    **{"supernet_accuracy": Maybe(float), "images": Maybe(COUNT), "queries": COUNT, "distinct": COUNT},
    **{"findings?": dict, "costs?": Each(float), "test": Maybe(_ACCURACY)},
    "table": Maybe({"name?": str, "missing?": str, "accuracy?": [_ENTRY]}),
    "samples?": Maybe([{"name": str, "best": [_BEST]}]),
    "seconds": {"training": float, "search": float},
}
_FINAL = {
    **{"space": str, "data": str, "architecture": str, "parameters": COUNT, "flops": COUNT, "epochs": COUNT},
    **{"images": {"train": COUNT}, "loss": float, "valid": Maybe(_ACCURACY), "test": Maybe(_ACCURACY)},
    "seconds": float,
}
_MANIFEST: dict[str, Any] = {"trace": str, "data": {"name?": str}, "device?": str}

TRACE: dict[str, Kind] = {"step": WHOLE, "architecture": TEXT, "score": NUMBER}
"""Columns of ``trace.parquet`` that are read."""

TRAINING: dict[str, type] = {"seconds": float, "images_per_second": float}
"""Columns of ``training.csv`` that are read."""


def read_settings(folder: Path) -> SearchSettings:
    """Return the settings of a search, from ``search.json``.

    Raises
    ------
    InputError : they cannot be read, or are none that a search has.
    """
    path = folder / "search.json"
    found = check_shape(read_json(path, "settings"), _SETTINGS, f"settings {path}")
    other = sorted(set(found) - {field.name for field in fields(SearchSettings)})
    if other:
        raise InputError(f"{path} cannot be read as the settings of a search: none is {shown(other[0])}")
    try:
        return SearchSettings(**found)
    except InputError as error:
        raise InputError(f"{path} cannot be read as the settings of a search: {error}") from error


def settings_of(folder: Path) -> SearchSettings:
    """Return the settings of a finished search.

    Raises
    ------
    InputError : There is none in the folder, or its settings cannot be read.
    """
    if not (folder / "result.json").is_file():
        raise InputError(f"{folder} holds no finished search; benchkit search makes one")
    return read_settings(folder)


def found_by(folder: Path) -> dict[str, Any]:
    """Return ``space``, ``data``, ``architecture`` and ``split`` of a finished search."""
    settings = settings_of(folder)
    architecture: str = read_result(folder, "architecture")["architecture"]
    return {
        "space": settings.space,
        "data": settings.data,
        "architecture": architecture,
        "split": settings.split,
    }


def read_result(folder: Path, *keys: str) -> dict[str, Any]:
    """Return what ``result.json`` of a search says.

    Parameters
    ----------
    keys : Keys that are used, and have to be there; all by default.

    Raises
    ------
    InputError : it cannot be read, or is of something else.
    """
    return _read(folder / "result.json", _part(_RESULT, keys), "result")


def read_final_result(folder: Path) -> dict[str, Any]:
    """Return what ``result.json`` of a stand-alone training says; raises as `read_result`."""
    return _read(folder / "result.json", _FINAL, "result")


def read_manifest(folder: Path, *keys: str) -> dict[str, Any]:
    """Return what ``manifest.json`` of a search says; parameters and errors are those of `read_result`."""
    return _read(folder / "manifest.json", _part(_MANIFEST, keys), "manifest")


def _part(shape: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {name: each for name, each in shape.items() if not keys or name.removesuffix("?") in keys}


def _read(path: Path, shape: Any, what: str) -> dict[str, Any]:
    found: dict[str, Any] = check_shape(read_json(path, what), shape, f"{what} {path}")
    return found
