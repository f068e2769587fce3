"""Reads the folder of a finished correlation study; writes and reads a correlation matrix."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchkit.base.columnar import NUMBER_OR_MISSING, TEXT, WHOLE, Kind
from benchkit.base.errors import InputError
from benchkit.base.files import write_text
from benchkit.base.frames import as_records, read_frame
from benchkit.base.json_text import read_json, to_json
from benchkit.base.shapes import COUNT, Each, Maybe, check_shape

if TYPE_CHECKING:
    import pandas as pd

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

_CHECKPOINT = ("training", "seed", "epoch", "images")
_MATRIX = {"table": {"name": str, "sha256": str}, "n": COUNT, "sample_seed?": Maybe(COUNT)}


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


def checkpoint_figures(folder: Path) -> list[dict[str, Any]]:
    """Return what a finished study found, an entry for each checkpoint and number of images.

    Returns
    -------
    JSON-ready, in the order of ``correlations.csv`` (training by training, by ascending epochs): training,
    seed (None where the training does not say its own), epoch, images, mean_supernet_accuracy and
    best_supernet_accuracy in percent, and correlations: truth, fraction, measure, n, value, low, high.

    Raises
    ------
    InputError : a table of the study is missing or damaged.
    """
    import pandas as pd

    path = folder / "correlations.csv"
    try:
        correlations = pd.read_csv(path, dtype={"training": str}).astype({"seed": "Int64"})
        path = folder / "scores.parquet"
        scores = pd.read_parquet(path, columns=["training", "epoch", "images", "supernet_accuracy"])
        by_checkpoint = scores.groupby(["training", "epoch", "images"], observed=True)["supernet_accuracy"]
        accuracies = {key: (float(values.mean()), float(values.max())) for key, values in by_checkpoint}
        found = []
        for _, rows in correlations.groupby(["training", "epoch", "images"], sort=False):
            about: dict[str, Any] = as_records(rows[list(_CHECKPOINT)].head(1))[0]
            mean, best = accuracies[about["training"], about["epoch"], about["images"]]
            about |= {"mean_supernet_accuracy": mean, "best_supernet_accuracy": best}
            found.append({**about, "correlations": as_records(rows.drop(columns=list(_CHECKPOINT)))})
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"cannot read {path}: {' '.join(str(error).split())}") from error
    names = list(dict.fromkeys(each["training"] for each in found))
    found.sort(key=lambda each: (names.index(each["training"]), each["epoch"], each["images"]))
    return found


def write_matrix(folder: Path, matrix: pd.DataFrame, about: dict[str, Any]) -> None:
    """Write both files, each whole or not at all; ``matrix.json`` last.

    Raises
    ------
    InputError : the place cannot be written to.
    """
    text = matrix.to_csv(index=False, float_format="%.10g", lineterminator="\n")
    write_text(folder / "matrix.csv", text)
    write_text(folder / "matrix.json", to_json(about))


def holds_matrix(folder: Path) -> bool:
    """Return whether a folder is one of `write_matrix`."""
    return (folder / "matrix.json").is_file()


def read_matrix(folder: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return a matrix and what it is of.

    Raises
    ------
    InputError : a file is missing or damaged.
    """
    from benchkit.analysis.statistics.correlation_matrix import MATRIX_COLUMNS

    kinds = {name: str if name in ("row", "column", "measure") else float for name in MATRIX_COLUMNS}
    matrix = read_frame(folder / "matrix.csv", kinds, "matrix")[list(MATRIX_COLUMNS)]
    path = folder / "matrix.json"
    about: dict[str, Any] = check_shape(read_json(path, "matrix"), _MATRIX, f"matrix {path}")
    return matrix, about
