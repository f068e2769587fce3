"""A correlation matrix that is kept: ``matrix.csv``, and ``matrix.json`` with what it is of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchkit.base.files import write_text
from benchkit.spaces import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["holds_matrix", "read_matrix", "write_matrix"]


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
    from benchkit.analysis.correlation_matrix import MATRIX_COLUMNS
    from benchkit.frame_files import read_csv

    try:
        matrix = read_csv(folder / "matrix.csv")[list(MATRIX_COLUMNS)]
        about = json.loads((folder / "matrix.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"cannot read the matrix in {folder}: {error}") from error
    return matrix, about
