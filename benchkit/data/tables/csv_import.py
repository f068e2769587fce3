"""Makes a table of a user's own CSV file, which a small YAML file describes.

.. code-block:: yaml

    architecture: arch            # the column with the space's notation; leave it out for a space of
                                  # choices whose columns are named like the choices
    choices: {op0: [conv, skip], op1: [conv, skip, pool]}   # only without --space
    metrics:
      - {column: val, dataset: cifar10, split: valid, epochs: 200}             # mean over runs
      - {column: val_0, dataset: cifar10, split: valid, epochs: 200, run: 0}
      - {column: time, dataset: cifar10, epochs: 200, quantity: train_seconds}
      - {column: ppl, dataset: ptb, split: valid, epochs: 50, quantity: perplexity, better: lower}
    repeats: runs                 # the rows of one architecture are its runs, in the order of the file
    source: where the figures come from
    licence: under which they may be used

Accuracies are percent; ``scale: 100`` turns a column of fractions into them. Other quantities have the unit
and the direction (``better: higher`` or ``lower``) that the mapping says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchkit.base.errors import InputError, shown
from benchkit.data.tables.csv_mapping import ColumnMapping, Mapping, load_mapping
from benchkit.data.tables.csv_numbers import read_numbers
from benchkit.data.tables.csv_sheet import Sheet, read_sheet
from benchkit.data.tables.metric import QUANTITIES, Metric
from benchkit.data.tables.table import Table
from benchkit.data.tables.write import Column, TableSource, write_table
from benchkit.data.tables.written import differing
from benchkit.spaces import Space, get_space
from benchkit.spaces.base import Batch
from benchkit.spaces.categorical import CategoricalSpace

__all__ = ["ColumnMapping", "Mapping", "import_csv", "load_mapping"]

Values = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
_Check = tuple[Metric, Rows, Values]
"""A column of the table, the rows of the file behind it, and the figures of all rows."""

_MOST_RUNS = 1000
_SLICE = 1 << 15  # rows at a time that are compared with the written file


def import_csv(
    path: Path, mapping: Mapping, target: Path, name: str, space_name: str | None = None
) -> tuple[str, ...]:
    """Write the table of a CSV file.

    Before the file gets its name it is opened, and the table is asked for every architecture by the words of
    the CSV file; every answer must be the figure that stands there.

    Parameters
    ----------
    path : CSV file.
    mapping : Meaning of its columns.
    target : Table file to write.
    name : Name of the table.
    space_name : Name of a built-in space; None where `mapping` defines the choices.

    Returns
    -------
    Sentences on what was left out or put together, for the user.

    Raises
    ------
    InputError : a missing file or column, text where a number belongs, an invalid or repeated
        architecture (with its line), accuracy outside 0..100, a quantity of unknown direction.
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
    quantities = mapping.quantities()
    metrics = [entry.metric() for entry in mapping.metrics]
    if len(set(metrics)) < len(metrics):
        raise InputError("the mapping names one metric twice")
    places = _columns_of_architectures(mapping, space)
    sheet = read_sheet(path, list(dict.fromkeys([*places, *(entry.column for entry in mapping.metrics)])))
    texts = _texts(sheet, mapping, places)
    rows = _parsed(sheet, texts, space)
    entries = _Entries(sheet, texts, space, rows, mapping.repeats == "runs")
    figures = read_numbers(sheet, mapping.metrics, quantities)

    columns: dict[Metric, Column] = {}
    checks: list[_Check] = []
    for entry, metric, values in zip(mapping.metrics, metrics, figures, strict=True):
        quantity = quantities[entry.quantity]
        better = None if entry.quantity in QUANTITIES else "higher" if quantity.higher_is_better else "lower"
        for each, chosen in entries.columns(entry, metric, values):
            content = np.full(entries.n, np.nan)
            content[entries.entry[chosen]] = values[chosen]
            columns[each] = Column(content, entry.note, unit=quantity.unit, better=better)  # type: ignore[arg-type]
            checks.append((each, chosen, values))
    file = path.name.encode("utf-8", "backslashreplace").decode()
    source = TableSource(
        name=name,
        space=described,
        title=mapping.title or f"{entries.n:,} architectures imported from {file}",
        source=mapping.source,
        licence=mapping.licence,
        source_sha256={file: sheet.sha256},
        warnings=tuple(mapping.warnings),
        extra={"ignored_columns": sheet.ignored} if sheet.ignored else {},
    )
    by_name = partial(_check_by_name, sheet=sheet, texts=texts, checks=checks)
    write_table(target, source, rows[entries.first], columns, check=by_name)
    names = ", ".join(sheet.ignored[:20]) + (", ..." if len(sheet.ignored) > 20 else "")
    left_out = [f"columns that the mapping does not name were left out: {names}"] if names else []
    return (*left_out, *entries.notes())


def _columns_of_architectures(mapping: Mapping, space: Space) -> list[str]:
    if mapping.architecture is not None:
        return [mapping.architecture]
    if isinstance(space, CategoricalSpace):
        return list(space.choices)
    raise InputError("the mapping must name the column of the architectures, as in architecture: arch")


def _texts(sheet: Sheet, mapping: Mapping, places: Sequence[str]) -> list[str]:
    """Return the architecture of each row, in the space's notation, in the words of the file."""
    if mapping.architecture is not None:
        return sheet.column(mapping.architecture)
    parts = [[f"{key}={cell}" for cell in sheet.column(key)] for key in places]
    return ["|".join(words) for words in zip(*parts, strict=True)]


def _parsed(sheet: Sheet, texts: Sequence[str], space: Space) -> Batch:
    batch = np.empty((len(texts), space.length), dtype=np.int8)
    for row, text in enumerate(texts):
        try:
            batch[row] = space.parse(text)
        except InputError as error:
            raise sheet.error(row, str(error)) from error
    return batch


class _Entries:
    """The entry of the table to which each row of the file belongs, and the run of it that the row is.

    Attributes
    ----------
    n : Number of entries.
    entry : int64[rows], entry of each row.
    first : int64[n], first row of each entry.
    runs : Rows of each run, int64[k], by its number; a single one where no architecture is repeated.
    """

    def __init__(self, sheet: Sheet, texts: Sequence[str], space: Space, rows: Batch, repeats: bool) -> None:
        numbers: dict[int | bytes, int] = {}
        self.entry = np.empty(len(rows), dtype=np.int64)
        first: list[int] = []
        seen: list[int] = []  # rows of each entry so far
        run = np.zeros(len(rows), dtype=np.int64)
        for row, key in enumerate(space.key(rows).tolist()):
            number = self.entry[row] = numbers.setdefault(key, len(first))
            if number == len(first):
                first.append(row)
                seen.append(1)
                continue
            if not repeats:
                raise sheet.error(
                    row,
                    f"{shown(texts[row])[1:-1]} is there already, in line {sheet.lines[first[number]]}; "
                    f"repeats: runs in the column file takes the rows of one architecture as its runs",
                )
            run[row] = seen[number]
            seen[number] += 1
            if seen[number] > _MOST_RUNS:
                raise sheet.error(
                    row, f"more than {_MOST_RUNS:,} rows of one architecture, the most that are read"
                )
        self.first = np.array(first, dtype=np.int64)
        self.n = len(first)
        self._seen = np.array(seen)
        order = np.argsort(run, kind="stable")
        self.runs = np.split(order, np.searchsorted(run[order], np.arange(1, run.max() + 1)))

    def columns(self, entry: ColumnMapping, metric: Metric, values: Values) -> list[tuple[Metric, Rows]]:
        """Return the columns of the table that a column of the file makes, each with its rows of the file.

        Where architectures are repeated these are its runs; what depends on no training, such as parameters,
        is one column where the rows of an architecture agree. Raises InputError where the mapping numbers a
        run too.
        """
        if len(self.runs) == 1:
            return [(metric, self.runs[0])]
        if entry.run is not None:
            raise InputError(
                f"column {entry.column}: repeats: runs numbers the runs of repeated rows; "
                f"leave out run: {entry.run}"
            )
        agree = not len(differing(values[self.first][self.entry], values))
        if entry.split is None and entry.epochs is None and agree:
            return [(metric, self.first)]
        return [
            (replace(metric, run=number), rows)
            for number, rows in enumerate(self.runs)
            if not np.isnan(values[rows]).all()
        ]

    def notes(self) -> list[str]:
        if len(self.runs) == 1:
            return []
        fewest, most = int(self._seen.min()), int(self._seen.max())
        each = f"{most} runs" if fewest == most else f"{fewest} to {most} runs"
        return [f"{len(self.entry):,} rows are {each} of each of {self.n:,} architectures"]


def _check_by_name(table: Table, sheet: Sheet, texts: Sequence[str], checks: Sequence[_Check]) -> None:
    """Ask the written table for every architecture of the file by its text, and compare all figures."""
    entries = np.empty(len(texts), dtype=np.int64)
    for start in range(0, len(texts), _SLICE):
        batch = np.array([table.base_space.parse(text) for text in texts[start : start + _SLICE]])
        entries[start : start + _SLICE] = table.locate(batch)
    for metric, rows, values in checks:
        wrong = differing(table.values(metric)[entries[rows]], values[rows])
        if len(wrong):
            row = int(rows[wrong[0]])
            raise sheet.error(
                row,
                f"the written table answers another {metric} for {shown(texts[row])[1:-1]} than stands here; "
                f"it is not kept",
            )
