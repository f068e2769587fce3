"""Reads the figures of a CSV file, from the ways in which people write them.

A number has a decimal point. A decimal comma, or commas between thousands, is read where the file as a whole
leaves no doubt which of them it is. ``%`` is read where the figure is in percent.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from benchkit.base.errors import InputError, shown
from benchkit.data.tables.csv_mapping import ColumnMapping
from benchkit.data.tables.csv_sheet import Sheet
from benchkit.data.tables.metric import Quantity

Values = npt.NDArray[np.float64]

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_DECIMAL_COMMA = re.compile(r"[-+]?(\d+|\d{1,3}(\.\d{3})+),\d+([eE][-+]?\d+)?")
_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?([eE][-+]?\d+)?")
_SPREAD = re.compile(r"±|\+/?-|\d\s*\(\d")
_MISSING = frozenset({"", "na", "n/a", "#n/a", "<na>", "nan", "null", "none", "-"})


def read_numbers(
    sheet: Sheet, entries: Sequence[ColumnMapping], quantities: Mapping[str, Quantity]
) -> list[Values]:
    """Return float64[rows] for each column: its figures, scaled; NaN for a cell that says that there is none.

    Raises InputError, with the line, for a cell that is no number or may be two, an infinite one, accuracy
    outside 0..100, and negative seconds of training; and for a column without a number.
    """
    comma = _comma(sheet, entries)
    return [_column(sheet, entry, quantities[entry.quantity], comma) for entry in entries]


def _comma(sheet: Sheet, entries: Sequence[ColumnMapping]) -> str | None:
    """Return what replaces a comma (``.``, or nothing between thousands), or None where none is read."""
    decimal = thousands = True
    example: tuple[int, str, str] | None = None
    for name in dict.fromkeys(entry.column for entry in entries):
        for row, cell in enumerate(sheet.column(name)):
            if "," in cell:
                number = _plain(cell).removesuffix("%").rstrip()
                example = example or (row, name, cell)
                decimal = decimal and _DECIMAL_COMMA.fullmatch(number) is not None
                thousands = thousands and _THOUSANDS.fullmatch(number) is not None
            elif "." in cell:
                decimal = False
    if example is None or not (decimal or thousands):
        return None
    if decimal and thousands:
        row, name, cell = example
        raise sheet.error(
            row,
            f"{name} is {shown(cell)}: a decimal comma, or a comma between thousands? Write numbers with a "
            f"decimal point and no other marks",
        )
    return "." if decimal else ""


def _plain(cell: str) -> str:
    """Return a cell with the hyphen for the minus sign that typesetters use."""
    return cell.replace("\N{MINUS SIGN}", "-")


def _column(sheet: Sheet, entry: ColumnMapping, quantity: Quantity, comma: str | None) -> Values:
    cells = sheet.column(entry.column)
    values = np.full(len(cells), np.nan)
    signs: bool | None = None  # whether the cells of this column have percent signs
    for row, cell in enumerate(cells):
        if cell.lower() in _MISSING:
            continue
        number = _plain(cell)
        percent = number.endswith("%")
        if percent:
            number = number[:-1].rstrip()
            if quantity.unit != "%" or entry.scale != 1:
                why = (
                    f"{entry.quantity} is not in %"
                    if quantity.unit != "%"
                    else f"it has scale: {entry.scale:g}"
                )
                raise sheet.error(row, f"{entry.column} is {shown(cell)}, but {why}")
        if signs not in (None, percent):
            raise sheet.error(row, f"{entry.column} has a percent sign in some rows and not in others")
        signs = percent
        if comma is not None and "," in number:
            number = number.replace(".", "").replace(",", ".") if comma else number.replace(",", "")
        if not _NUMBER.fullmatch(number):
            raise sheet.error(row, f"{entry.column} is {shown(cell)}, not a number{_reason(cell)}")
        values[row] = float(number) * entry.scale
        _check(sheet, row, entry, cell, float(values[row]))
    if np.isnan(values).all():
        raise InputError(f"{sheet.path}: column {entry.column} holds no number")
    if entry.quantity == "accuracy" and not signs and np.nanmax(values) <= 1:
        raise InputError(
            f"{sheet.path}: accuracy {entry.column} never exceeds 1: a fraction? "
            f"Add scale: 100 to its mapping"
        )
    return values


def _reason(cell: str) -> str:
    if _SPREAD.search(cell):
        return ": a mean with its spread? Keep the mean in its column, and the spread in another"
    if "," in cell:
        return " (a decimal comma is read where all numbers of the file have one)"
    return ""


def _check(sheet: Sheet, row: int, entry: ColumnMapping, cell: str, value: float) -> None:
    if not math.isfinite(value):
        raise sheet.error(row, f"{entry.column} is {shown(cell)[1:-1]}, too large a number")
    if entry.quantity == "accuracy" and not 0 <= value <= 100:
        advice = "; what is no percentage needs another quantity, as in quantity: score, better: higher"
        raise sheet.error(
            row,
            f"accuracy {entry.column} is {value:.12g}, not in 0..100 percent"
            + (advice if entry.scale == 1 else ""),
        )
    if entry.quantity == "train_seconds" and value < 0:
        raise sheet.error(row, f"{entry.column} is {value:.12g}, but no training takes negative seconds")
