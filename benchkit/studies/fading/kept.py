"""Reads the files of finished studies of fading, and checks what they hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchkit.base.json_text import read_json
from benchkit.base.shapes import COUNT, Each, Maybe, check_shape

_MEAN: dict[str, type] = {"mean": float, "low": float, "high": float, "values?": object}
_PLACE: dict[str, type] = {"layer": object, "operator": object}
COLUMNS: dict[str, dict[str, type]] = {
    "divergence-mean": {
        **{"approximation": str, "start": str, "law": str, "measure": str, "models": int},
        **{**_PLACE, **_MEAN, "containing": float, "parameters": float},
    },
    "function_space-mean": {"start": str, "measure": str, "models": int, **_PLACE, **_MEAN},
    "correlation-mean": {"models": int, "start": str, "of": str, "measure": str, "n": float, **_MEAN},
    "floor": {"start": str, "measure": str, "n": float, **_PLACE, **_MEAN},
    "correlations": {
        **{"seed": int, "training": str, "interval": int, "epoch": int, "sample": str, "measure": str},
        **{"n": int, "value": float, "low": float, "high": float},
    },
    "scatter": {
        **{"seed": int, "training": str, "architecture": str},
        **{"inherited_accuracy": float, "standalone_accuracy": float},
    },
}
"""Columns of each table of a study that is read, by the table's name."""

_ROW = {"start": str, "measure": str, "mean": Maybe(float), "low": Maybe(float), "high": Maybe(float)}
_RESULT = {
    **{"space": str, "data": str},
    "divergence": [{**_ROW, "approximation": str, "law": str, "layer": str, "models": COUNT}],
    "function_space": [{**_ROW, "models": COUNT}],
    "correlation": [{**_ROW, "of": str, "models": COUNT}],
}
_INTERVAL_RESULT = {
    **{"space": str, "table": str, "intervals": COUNT, "truth": {"dataset": str, "split": str}},
    "mean": [
        {
            **{"training": str, "sample": str, "measure": str, "seeds": COUNT},
            **{"mean": Maybe(float), "low": Maybe(float), "high": Maybe(float)},
        }
    ],
}
_FADING = {
    **{"space": str, "data": {"name": str}, "models": [COUNT], "starts": [str], "seeds": [COUNT]},
    **{"subspaces": COUNT, "architectures": COUNT, "seed": COUNT, "network": Each(COUNT)},
    **{"supernet_epochs": Each(COUNT)},
    "recipe": {"epochs": COUNT, "batch_size": COUNT, "learning_rate": float, "weight_decay": float},
}
_INTERVALS = {
    **{"space": str, "data": {"name": str}, "table": {"name": str, "sha256": str}},
    "searches": [{"search": str}],
}


def read_result(folder: Path) -> dict[str, Any]:
    """Return the result of ``benchkit fading run``.

    Raises
    ------
    InputError : it cannot be read, or is of something else.
    """
    return _read(folder / "result.json", _RESULT)


def read_interval_result(folder: Path) -> dict[str, Any]:
    """Return the result of ``benchkit fading intervals``; raises as `read_result`."""
    return _read(folder / "result.json", _INTERVAL_RESULT)


def read_fading(folder: Path) -> dict[str, Any]:
    """Return what is studied by ``benchkit fading run``; raises as `read_result`."""
    return _read(folder / "fading.json", _FADING)


def read_intervals(folder: Path) -> dict[str, Any]:
    """Return what is studied by ``benchkit fading intervals``; raises as `read_result`."""
    return _read(folder / "intervals.json", _INTERVALS)


def _read(path: Path, shape: Any) -> dict[str, Any]:
    found: dict[str, Any] = check_shape(read_json(path), shape, str(path))
    return found
