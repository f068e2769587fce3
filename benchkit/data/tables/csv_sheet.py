"""Reads the cells of a CSV file: no row shifted, no column renamed, no option lost.

A general reader takes the option ``None`` for a missing cell, numbers lines without the blank ones, and moves
the columns of a row that has a cell too many. Here the separator is the one under which the line of names has
the columns that are asked for; what could be read in two ways is refused, with the line.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchkit.base.errors import InputError, shown, unknown
from benchkit.base.files import MEGABYTE, read_bytes

MOST_BYTES = 256 * MEGABYTE
"""Largest CSV file that is read: twice the size of NAS-Bench-101, 423,624 architectures with three runs."""

MOST_ROWS = 2_000_000
"""Number of rows that are read; three runs of NAS-Bench-101 have 1.3 million."""

MOST_COLUMNS = 10_000
_LONGEST_LINE = 1_000_000
_MOST_SHARED = 10_000
_SEPARATORS = (",", ";", "\t", "|")
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_SEPARATOR_LINE = re.compile(r'"?sep=([,;|\t])"?[,;|\t]*', re.IGNORECASE)  # as spreadsheets write it


@dataclass
class Sheet:
    """The cells of a CSV file, without the spaces around them.

    Attributes
    ----------
    path : File that was read.
    sha256 : SHA-256 of the file.
    columns : Cells of the columns that were asked for, by their names.
    ignored : Names of the other columns.
    lines : Number of the line that each row begins on.
    """

    path: Path
    sha256: str
    columns: dict[str, list[str]] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)

    def column(self, name: str) -> list[str]:
        """Return the cells of a column that was asked for; raise InputError where there is no such column."""
        if name not in self.columns:
            raise unknown("column", name, [*self.columns, *self.ignored], str(self.path))
        return self.columns[name]

    def error(self, row: int, text: str) -> InputError:
        """Return the error for a row, with its line."""
        return InputError(f"{self.path}, line {self.lines[row]}: {text}")


def read_sheet(path: Path, wanted: Sequence[str]) -> Sheet:
    """Read the columns of a CSV file.

    Parameters
    ----------
    path : File to read, UTF-8, or UTF-16 with a byte order mark. Its cells are separated by commas,
        semicolons, tabs or bars; a line ``sep=;``, lines that begin with ``#``, blank lines and empty columns
        at the end are passed over.
    wanted : Names of the columns to keep.

    Raises
    ------
    InputError : the file cannot be read, is too long, is no text or no CSV, has no rows, names a wanted
        column twice, or has a row with a cell too many or too few.
    """
    content = read_bytes(path, "CSV file", MOST_BYTES)
    sheet = Sheet(path, hashlib.sha256(content).hexdigest())
    text = _decoded(content, path)
    start, before, separator = _find_header(text, path, wanted)
    reader = csv.reader(_lines(text, path, start, before), delimiter=separator, strict=True)
    try:
        _read(reader, sheet, list(wanted), separator, before)
    except csv.Error as error:
        line = before + reader.line_num
        raise InputError(f"{path}, line {line}: not a CSV file: {error}") from error
    return sheet


def _decoded(content: bytes, path: Path) -> str:
    encoding, name = "utf-8-sig", "UTF-8"
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = name = "UTF-16"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = _line_at(content[: error.start])
        raise InputError(
            f"{path} is not a CSV file: not {name} text (line {line}, byte {content[error.start]:#04x}); "
            f"a spreadsheet saves it as 'CSV UTF-8'"
        ) from error
    if "\0" not in text:
        return text
    if 2 * text[:1000].count("\0") >= len(text[:1000]) - 1 and "\0\0" not in text[:1000]:
        raise InputError(f"{path} looks like UTF-16 without a byte order mark: save it as UTF-8")
    line = _line_at(text[: text.index("\0")].encode())
    raise InputError(f"{path}, line {line}: a zero byte, so the file is damaged or no text")


def _line_at(before: bytes) -> int:
    return 1 + len(re.findall(rb"\r\n|\r|\n", before))


def _lines(text: str, path: Path, start: int, before: int) -> Iterator[str]:
    """Yield lines with their ends, from a place in the text that `before` lines lie before."""
    for number, found in enumerate(_LINE.finditer(text, start), start=before + 1):
        if found.end() - found.start() > _LONGEST_LINE:
            raise InputError(f"{path}, line {number}: longer than {_LONGEST_LINE:,} characters")
        yield found[0]


def _find_header(text: str, path: Path, wanted: Sequence[str]) -> tuple[int, int, str]:
    """Return where the line of column names begins, how many lines lie before it, and the separator."""
    separators: Sequence[str] = _SEPARATORS
    for number, found in enumerate(_LINE.finditer(text)):
        line = found[0].strip()
        stated = _SEPARATOR_LINE.fullmatch(line)
        if stated and separators is _SEPARATORS:
            separators = stated[1]
            continue
        if not line.strip(",;|\t "):
            continue
        separator, have = _separator(text, path, found.start(), number, separators, wanted)
        if line.startswith("#") and have < len(set(wanted)) - 1:
            continue  # a remark; names may begin with '#' too
        return found.start(), number, separator
    raise _no_rows(path)


def _no_rows(path: Path) -> InputError:
    return InputError(f"{path} has no rows: it needs a line of column names and a line an architecture")


def _separator(
    text: str, path: Path, start: int, before: int, separators: Sequence[str], wanted: Sequence[str]
) -> tuple[str, int]:
    """Return the separator under which a line has most of the wanted names, and how many."""
    found = []
    for each in separators:
        try:
            names = next(csv.reader(_lines(text, path, start, before), delimiter=each, strict=True))
        except csv.Error:
            names = []  # of quotes that another separator may explain
        found.append((each, len(set(wanted) & {name.strip() for name in names})))
    return max(found, key=lambda pair: pair[1])  # the first of equals


def _read(reader: Any, sheet: Sheet, wanted: list[str], separator: str, before: int) -> None:
    """Fill a sheet with the rows of a reader that stands before the line of names."""
    header = [name.strip() for name in next(reader)]
    if len(header) > MOST_COLUMNS:
        raise InputError(f"{sheet.path} has {len(header):,} columns; at most {MOST_COLUMNS:,} are read")
    often = Counter(header)
    twice = [name for name in wanted if often[name] > 1]
    if twice:
        raise InputError(f"{sheet.path} has two columns named {shown(twice[0])}")
    kept = [(header.index(name), sheet.columns.setdefault(name, [])) for name in wanted if name in header]
    unnamed = {place: False for place, name in enumerate(header) if not name}
    width = 0  # cells of a row; more than names where every row ends in a separator
    line = before + reader.line_num
    same: dict[str, str] = {}  # an option is kept once, not once a row
    remark, marked = None, False  # the error for a row that is passed over; whether rows begin with '#'
    for row in reader:
        first, line = line + 1, before + reader.line_num
        if not any(cell.strip() for cell in row):
            continue
        excess = row[len(header) :]
        if not width:
            width = len(header) if any(cell.strip() for cell in excess) else max(len(row), len(header))
        if len(row) != width or any(cell.strip() for cell in excess):
            text = f"{len(row)} cells, but there are {len(header)} columns"
            if separator == "," and len(row) > len(header):
                text += "; a cell with a comma in it, such as a decimal comma, needs quotes"
            error = InputError(f"{sheet.path}, line {first}: {text}")
            if not row[0].lstrip().startswith("#"):
                raise error
            remark = remark or error
            continue
        marked |= row[0].lstrip().startswith("#")
        if len(sheet.lines) == MOST_ROWS:
            raise InputError(f"{sheet.path} has more than {MOST_ROWS:,} rows, the most that are read")
        sheet.lines.append(first)
        for place, cells in kept:
            cell = row[place].strip()
            cells.append(same.setdefault(cell, cell) if len(same) < _MOST_SHARED else same.get(cell, cell))
        for place in unnamed:
            unnamed[place] |= bool(row[place].strip())
    if remark is not None and marked:  # what looks like a remark may be a row that is cut short
        raise remark
    sheet.ignored += [name for name in dict.fromkeys(header) if name and name not in wanted]
    sheet.ignored += [f"column {place + 1}, which has no name" for place, used in unnamed.items() if used]
    if not sheet.lines:
        raise _no_rows(sheet.path)
