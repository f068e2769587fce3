"""Make a table of a user's own CSV file, described by a small YAML file.

.. code-block:: yaml

    architecture: arch            # the column with the space's notation; leave it out for a space of
                                  # choices whose columns are named like the choices
    choices: {op0: [conv, skip], op1: [conv, skip, pool]}   # only without --space
    metrics:
      - {column: val, dataset: cifar10, split: valid, epochs: 200}             # mean over runs
      - {column: val_0, dataset: cifar10, split: valid, epochs: 200, run: 0}
      - {column: time, dataset: cifar10, epochs: 200, quantity: train_seconds}
    source: where the figures come from
    licence: under which they may be used

Accuracies are percent; ``scale: 100`` turns a column of fractions into them.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from benchkit.spaces import InputError, Space, get_space, unknown
from benchkit.spaces.base import Batch
from benchkit.spaces.categorical import CategoricalSpace
from benchkit.tables.metric import Metric
from benchkit.tables.write import Column, TableSource, write_table

__all__ = ["ColumnMapping", "Mapping", "import_csv", "load_mapping"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ColumnMapping(_Strict):
    """One column of the CSV file and the metric that it holds."""

    column: str
    dataset: str
    split: Literal["train", "valid", "test"] | None = None
    epochs: int | None = Field(default=None, gt=0)
    run: int | None = Field(default=None, ge=0)
    quantity: str = "accuracy"
    variant: str = ""
    scale: float = Field(default=1.0, gt=0)
    note: str = ""

    def metric(self) -> Metric:
        return Metric(self.dataset, self.split, self.epochs, self.run, self.quantity, self.variant)


class Mapping(_Strict):
    """How the columns of a CSV file map to a space and its metrics."""

    metrics: list[ColumnMapping] = Field(min_length=1)
    architecture: str | None = None
    choices: dict[str, list[str | int | float | bool]] | None = None
    title: str = ""
    source: str = "not stated"
    licence: str = "not stated"
    warnings: list[str] = []


def load_mapping(path: Path) -> Mapping:
    """Read the YAML file that describes a CSV file.

    Raises
    ------
    InputError : no such file, not YAML, an unknown key or a value of the wrong type.
    """
    try:
        return Mapping.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise InputError(f"{path}: {place}: {first['msg']}") from error


def import_csv(path: Path, mapping: Mapping, target: Path, name: str, space_name: str | None = None) -> None:
    """Write the table of a CSV file.

    Parameters
    ----------
    target : the table file to write.
    space_name : a built-in space; None where `mapping` defines the choices.

    Raises
    ------
    InputError : a missing file or column, text where a number belongs, an invalid or repeated
        architecture (with its line), accuracy outside 0..100.
    """
    if (space_name is None) == (mapping.choices is None):
        raise InputError("give either --space NAME or choices: {...} in the mapping, not both or neither")
    space: Space
    described: str | CategoricalSpace
    if mapping.choices is not None:
        space = described = CategoricalSpace(name, mapping.choices)
    else:
        described = space_name or ""
        space = get_space(described)
    try:
        content = path.read_bytes()
        frame = pd.read_csv(path, dtype=str)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not a CSV file: {' '.join(str(error).split())}") from error
    batch = _architectures(frame, mapping, space, path)
    metrics = {entry.metric(): Column(_numbers(frame, entry, path), entry.note) for entry in mapping.metrics}
    if len(metrics) < len(mapping.metrics):
        raise InputError("the mapping names one metric twice")
    source = TableSource(
        name=name,
        space=described,
        title=mapping.title or f"{len(frame):,} architectures imported from {path.name}",
        source=mapping.source,
        licence=mapping.licence,
        source_sha256={path.name: hashlib.sha256(content).hexdigest()},
        warnings=tuple(mapping.warnings),
    )
    write_table(target, source, batch, metrics)


def _column(frame: pd.DataFrame, name: str, path: Path) -> Any:
    if name not in frame.columns:
        raise unknown("column", name, frame.columns, str(path))
    return frame[name]


def _architectures(frame: pd.DataFrame, mapping: Mapping, space: Space, path: Path) -> Batch:
    if mapping.architecture is not None:
        texts = _column(frame, mapping.architecture, path).fillna("").tolist()
    elif isinstance(space, CategoricalSpace):
        parts = [key + "=" + _column(frame, key, path).fillna("") for key in space.choices]
        texts = ["|".join(words) for words in zip(*parts, strict=True)]
    else:
        raise InputError("the mapping must name the column of the architectures, as in architecture: arch")
    rows = []
    for line, text in enumerate(texts, start=2):
        try:
            rows.append(space.parse(text))
        except InputError as error:
            raise InputError(f"{path}, line {line}: {error}") from error
    return np.array(rows, dtype=np.int8).reshape(len(rows), space.length)


def _numbers(frame: pd.DataFrame, entry: ColumnMapping, path: Path) -> npt.NDArray[np.float64]:
    text = _column(frame, entry.column, path)
    values: npt.NDArray[np.float64] = pd.to_numeric(text, errors="coerce").to_numpy(dtype=float) * entry.scale
    wrong = np.flatnonzero((np.isnan(values) & text.notna().to_numpy()) | np.isinf(values))
    if len(wrong):
        raise InputError(f"{path}, line {wrong[0] + 2}: {entry.column} is {text[wrong[0]]!r}, not a number")
    if entry.quantity == "accuracy":
        outside = np.flatnonzero((values < 0) | (values > 100))
        if len(outside):
            raise InputError(
                f"{path}, line {outside[0] + 2}: accuracy {entry.column} is {values[outside[0]]:g}, not in "
                f"0..100 percent (scale: 100 turns fractions into percent)"
            )
        present = values[~np.isnan(values)]
        if len(present) and present.max() <= 1:
            raise InputError(
                f"{path}: accuracy {entry.column} never exceeds 1: a fraction? Add scale: 100 to its mapping"
            )
    return values
