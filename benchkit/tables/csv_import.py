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

import csv
import hashlib
import io
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from benchkit.base.yaml_text import read_yaml
from benchkit.spaces import InputError, Space, get_space, unknown
from benchkit.spaces.base import Batch
from benchkit.spaces.categorical import CategoricalSpace
from benchkit.tables.metric import Metric
from benchkit.tables.write import Column, TableSource, write_table

__all__ = ["ColumnMapping", "Mapping", "import_csv", "load_mapping"]

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "-"})


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
    data = read_yaml(path, "mapping")
    try:
        return Mapping.model_validate(data)
    except ValidationError as error:
        # an unknown key explains the missing one that was meant
        first = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
        if first["type"] == "extra_forbidden":
            model: type[BaseModel] = Mapping if len(first["loc"]) == 1 else ColumnMapping
            text = str(unknown("key", first["loc"][-1], model.model_fields, "this part of a mapping"))
            raise InputError(f"{path}: {text}") from error
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        given = "" if first["type"] == "missing" else f" (got {first['input']!r})"
        raise InputError(f"{path}: {place}: {first['msg']}{given}") from error


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
    content = _read(path)
    sheet = _parse(content, path)
    batch = _architectures(sheet, mapping, space)
    metrics = {entry.metric(): Column(_numbers(sheet, entry), entry.note) for entry in mapping.metrics}
    if len(metrics) < len(mapping.metrics):
        raise InputError("the mapping names one metric twice")
    source = TableSource(
        name=name,
        space=described,
        title=mapping.title or f"{len(batch):,} architectures imported from {path.name}",
        source=mapping.source,
        licence=mapping.licence,
        source_sha256={path.name: hashlib.sha256(content).hexdigest()},
        warnings=tuple(mapping.warnings),
    )
    write_table(target, source, batch, metrics)


@dataclass(frozen=True, slots=True)
class _Sheet:
    """The cells of a CSV file, and the line that each row begins on."""

    path: Path
    columns: dict[str, list[str]]
    lines: list[int]

    def column(self, name: str) -> list[str]:
        if name not in self.columns:
            raise unknown("column", name, self.columns, str(self.path))
        return self.columns[name]

    def error(self, row: int, text: str) -> InputError:
        return InputError(f"{self.path}, line {self.lines[row]}: {text}")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


def _parse(content: bytes, path: Path) -> _Sheet:
    """Return the cells, without the spaces around them: no row shifted, no column renamed, no option lost.

    A general reader takes the option ``None`` for a missing cell, numbers lines without the blank ones, and
    moves the columns of a row that has a cell too many.
    """
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        reader = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        before = 0
        for row in reader:
            if any(cell.strip() for cell in row):
                rows.append([cell.strip() for cell in row])
                lines.append(before + 1)
            before = reader.line_num
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not a CSV file: not UTF-8 text") from error
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: not a CSV file: {error}") from error
    if len(rows) < 2:
        raise InputError(f"{path} has no rows: it needs a line of column names and a line an architecture")
    header = rows[0]
    for name in header:
        if header.count(name) > 1:
            raise InputError(f"{path} has two columns named {name!r}")
    for line, row in zip(lines, rows, strict=True):
        if len(row) != len(header):
            raise InputError(f"{path}, line {line}: {len(row)} cells, but there are {len(header)} columns")
    cells = zip(*rows[1:], strict=True)
    return _Sheet(path, {name: list(column) for name, column in zip(header, cells, strict=True)}, lines[1:])


def _architectures(sheet: _Sheet, mapping: Mapping, space: Space) -> Batch:
    if mapping.architecture is not None:
        texts = sheet.column(mapping.architecture)
    elif isinstance(space, CategoricalSpace):
        parts = [[f"{key}={cell}" for cell in sheet.column(key)] for key in space.choices]
        texts = ["|".join(words) for words in zip(*parts, strict=True)]
    else:
        raise InputError("the mapping must name the column of the architectures, as in architecture: arch")
    batch = np.empty((len(texts), space.length), dtype=np.int8)
    for row, text in enumerate(texts):
        try:
            batch[row] = space.parse(text)
        except InputError as error:
            raise sheet.error(row, str(error)) from error
    first: dict[int | bytes, int] = {}
    for row, key in enumerate(space.key(batch).tolist()):
        earlier = first.setdefault(key, row)
        if earlier != row:
            raise sheet.error(row, f"{texts[row]} is there already, in line {sheet.lines[earlier]}")
    return batch


def _numbers(sheet: _Sheet, entry: ColumnMapping) -> npt.NDArray[np.float64]:
    """Return float64[n]: a column's figures; NaN for a cell that is empty or says that there is none."""
    cells = sheet.column(entry.column)
    values = np.full(len(cells), np.nan)
    for row, cell in enumerate(cells):
        if cell.lower() in _MISSING:
            continue
        if not _NUMBER.fullmatch(cell):
            raise sheet.error(row, f"{entry.column} is {cell!r}, not a number")
        value = float(cell) * entry.scale
        if not math.isfinite(value):
            raise sheet.error(row, f"{entry.column} is {cell}, too large a number")
        if entry.quantity == "accuracy" and not 0 <= value <= 100:
            advice = " (scale: 100 turns fractions into percent)" if entry.scale == 1 else ""
            raise sheet.error(row, f"accuracy {entry.column} is {value:g}, not in 0..100 percent{advice}")
        values[row] = value
    if np.isnan(values).all():
        raise InputError(f"{sheet.path}: column {entry.column} holds no number")
    if entry.quantity == "accuracy" and np.nanmax(values) <= 1:
        raise InputError(
            f"{sheet.path}: accuracy {entry.column} never exceeds 1: a fraction? "
            f"Add scale: 100 to its mapping"
        )
    return values
