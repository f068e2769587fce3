"""What the files of a finished correlation study have to hold: the doors for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchkit.base.columnar import NUMBER_OR_MISSING, TEXT, WHOLE, Kind
from benchkit.base.errors import InputError
from benchkit.base.json_text import read_json
from benchkit.base.shapes import COUNT, Each, Maybe, check_shape

__all__ = [
    "CEILING",
    "CORRELATIONS",
    "CORRELATIONS_MEAN",
    "SCATTER",
    "SCORES",
    "read_about",
    "read_finished",
    "read_settings",
]

SCORES: dict[str, Kind] = {
    **{"training": TEXT, "epoch": WHOLE, "images": WHOLE, "checkpoint": TEXT},
    **{"architecture": TEXT, "supernet_accuracy": NUMBER_OR_MISSING},
}
"""Columns of ``scores.parquet`` that are read."""

_VALUE: dict[str, type] = {"measure": str, "n": int, "value": float, "low": float, "high": float}
CORRELATIONS: dict[str, type] = {
    **{"training": str, "seed": float, "epoch": int, "images": int, "truth": str, "fraction": float},
    **_VALUE,
}
"""Columns of ``correlations.csv``."""

CORRELATIONS_MEAN: dict[str, type] = {
    **{"epoch": int, "images": int, "truth": str, "fraction": float, "measure": str},
    **{"mean": float, "low": float, "high": float, "values?": object},
}
"""Columns of ``correlations-mean.csv`` that are read."""

CEILING: dict[str, type] = {"truth": str, "fraction": float, "pairs": float, **_VALUE}
"""Columns of ``noise_ceiling.csv``."""

SCATTER: dict[str, type] = {
    **{"training": str, "architecture": str, "supernet_accuracy": float},
    **{"table_valid?": float, "table_test?": float, "table_all?": float},
}
"""Columns of ``scatter.csv``."""

_SETTINGS: dict[str, Any] = {
    **{"space": str, "strategy": str, "dataset": str, "data": {"name": str}},
    **{"n": COUNT, "images": COUNT, "final_images": COUNT, "seed": COUNT, "scoring_batch": COUNT},
    "table": {"name": str, "sha256": str},
}
_TRUTH = {
    **{"split": Maybe(str), "epochs": Maybe(COUNT), "dataset?": str, "run?": Maybe(COUNT), "quantity?": str},
    **{"variant?": str, "schedule?": Maybe(COUNT), "runs?": Maybe(COUNT), "unit?": str, "better?": str},
}
_RESULT = {"n": COUNT, "truths": [_TRUTH]}
_ROW = {
    **{"truth": str, "fraction": float, "measure": str, "n": COUNT},
    **{"value": Maybe(float), "low": Maybe(float), "high": Maybe(float)},
}
_WHOLE_RESULT = {
    **_RESULT,
    **{"strategy": str, "space": str, "dataset": str, "data": {"name": str}, "table": {"name": str}},
    "noise_ceiling": [_ROW],
    "trainings": [
        {
            **{"training": str, "epoch": COUNT, "images": COUNT, "mean_supernet_accuracy": float},
            "correlations": [_ROW],
        }
    ],
}


def read_settings(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return ``correlation.json`` and ``result.json`` of a finished study.

    Raises
    ------
    InputError : there is none, or a file cannot be read, or is of something else.
    """
    paths = (folder / "correlation.json", folder / "result.json")
    if not all(path.is_file() for path in paths):
        raise InputError(f"{folder} holds no finished study of benchkit correlate")
    settings, result = (
        check_shape(read_json(path), shape, str(path))
        for path, shape in zip(paths, (_SETTINGS, _RESULT), strict=True)
    )
    return settings, result


def read_about(folder: Path) -> dict[str, Any]:
    """Return what of ``correlation.json`` tells the study: its table, data set and number of architectures.

    Raises
    ------
    InputError : it cannot be read, or is of something else.
    """
    path, keys = folder / "correlation.json", ("table", "dataset", "n")
    found: dict[str, Any] = check_shape(read_json(path), {key: _SETTINGS[key] for key in keys}, str(path))
    return found


def read_finished(folder: Path) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Return ``manifest.json`` and ``result.json``; None where one is missing or of something else."""
    paths = (folder / "manifest.json", folder / "result.json")
    shapes: tuple[Any, Any] = ({"checkpoints": [Each(object)]}, _WHOLE_RESULT)
    try:
        manifest, result = (
            check_shape(read_json(path), shape, str(path)) for path, shape in zip(paths, shapes, strict=True)
        )
    except InputError:
        return None
    return manifest, result
