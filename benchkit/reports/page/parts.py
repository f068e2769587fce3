"""Parts of a page: sections with tables, figures, notes and their origin; no HTML here.

Tables and figures have filters: each row and each view bears one value of every filter, and the page shows
those whose values are chosen. Everything is in the page from the start, so it works without a network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

ALL = ""
"""Value of a filter's option that leaves every row in."""


@dataclass(frozen=True)
class Filter:
    """A choice that the reader has.

    Attributes
    ----------
    label : Name of what is chosen.
    options : Pairs of value and text; the value `ALL` leaves everything in.
    chosen : Value at first.
    """

    label: str
    options: tuple[tuple[str, str], ...]
    chosen: str


@dataclass(frozen=True)
class Column:
    """A column: its heading, whether it holds numbers, and what they are."""

    title: str
    numeric: bool = True
    about: str = ""


@dataclass(frozen=True)
class Cell:
    """What is shown, what it is sorted by (None comes last), and its interval in brackets."""

    text: str
    sort: float | str | None = None
    interval: str = ""


@dataclass(frozen=True)
class Row:
    """Cells, and a value for every filter of the table."""

    cells: tuple[Cell, ...]
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class DataTable:
    """A table that can be sorted and filtered.

    Attributes
    ----------
    caption : Text of what it shows, with units and intervals.
    sorted_by : Place of the column by which the rows are in ascending order; None where by none.
    commands : Commands that print the same numbers.
    """

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    filters: tuple[Filter, ...] = ()
    sorted_by: int | None = None
    commands: tuple[str, ...] = ()


@dataclass(frozen=True)
class Figure:
    """A figure that the page draws, and the table of the same numbers.

    Attributes
    ----------
    kind : Name, ``lines`` or ``scatter``.
    title : Text over it.
    about : Description for those who do not see it, with what the intervals are.
    data : JSON-ready object: ``views``, each with ``keys``, a value for every filter, and what it shows.
    table : Same numbers as a table; None where the page makes it of the data.
    """

    kind: str
    title: str
    about: str
    data: dict[str, Any]
    filters: tuple[Filter, ...] = ()
    table: DataTable | None = None
    commands: tuple[str, ...] = ()


@dataclass(frozen=True)
class Section:
    """What the page says of one folder.

    Attributes
    ----------
    title, kind : Heading, and kind of the study.
    lead : Sentences that say whose numbers these are.
    facts : Names and values of its origin: versions, tables, hashes.
    commands : Pairs (purpose, command) that make the folder again or check it.
    files : Pairs (name, text) of specification and manifest, as they are kept.
    """

    title: str
    kind: str
    lead: tuple[str, ...]
    tables: tuple[DataTable, ...] = ()
    figures: tuple[Figure, ...] = ()
    notes: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    commands: tuple[tuple[str, str], ...] = ()
    files: tuple[tuple[str, str], ...] = ()


def choice(label: str, values: Sequence[str], texts: Sequence[str] = (), everything: str = "") -> Filter:
    """Return a filter over values, the first of them chosen.

    Parameters
    ----------
    texts : Texts that are shown for the values; by default the values.
    everything : Text of an option before the others that leaves every row in, chosen at first; or empty.
    """
    options = list(zip(values, texts or values, strict=True))
    if everything and len(options) > 1:
        options.insert(0, (ALL, everything))
    return Filter(label, tuple(options), options[0][0])


def text_cell(value: object) -> Cell:
    """Return a text as a cell, sorted by itself."""
    return Cell(str(value), str(value))


def number_cell(value: float, form: str, low: float | None = None, high: float | None = None) -> Cell:
    """Return a number as a cell, with its interval where there is one; NaN is an empty cell."""
    if value != value:
        return Cell("–")
    known = low is not None and high is not None and low == low and high == high
    interval = f"[{low:{form}}, {high:{form}}]" if known else ""
    return Cell(f"{value:{form}}", float(value), interval)


def worded_cell(text: str, value: float) -> Cell:
    """Return a cell of words (see `benchkit.analysis.statistics.resolution`), sorted by its value.

    Words that do not begin with a number, as ``undefined`` or a ceiling that is not resolvable, come last.
    """
    shown, _, interval = text.partition(" ")
    try:
        float(shown)
    except ValueError:
        return Cell(text)
    return Cell(shown, float(value), interval)
