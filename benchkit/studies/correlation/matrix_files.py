"""A correlation matrix that is kept: ``matrix.csv``, and ``matrix.json`` with what it is of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchkit.base.files import write_text
from benchkit.base.frames import read_frame
from benchkit.base.json_text import read_json
from benchkit.base.shapes import COUNT, Maybe, check_shape

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["holds_matrix", "read_matrix", "write_matrix"]

_ABOUT = {"table": {"name": str, "sha256": str}, "n": COUNT, "sample_seed?": Maybe(COUNT)}


def write_matrix(folder: Path, matrix: pd.DataFrame, about: dict[str, Any]) -> None:
    """Write both files, each whole or not at all; ``matrix.json`` last.

    Raises
    ------
    InputError : the place cannot be written to.
    """
    text = matrix.to_csv(index=False, float_format="%.10g", lineterminator="\n")
    write_text(folder / "matrix.csv", text)
    write_text(folder / "matrix.json", json.dumps(about, indent=1) + "\n")


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
    about: dict[str, Any] = check_shape(read_json(path, "matrix"), _ABOUT, f"matrix {path}")
    return matrix, about
