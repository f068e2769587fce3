"""Checks the size that a Parquet file says it has, in its footer and in the headers of its pages.

A page states the size that it is unpacked to, and Arrow makes room for it; a few bytes can state gigabytes.
Of some wrong footers Arrow does not raise an error, it ends the process. Both are written in Thrift's compact
protocol, and are read here, before Arrow sees them, as far as sizes, places and numbers of values go.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from benchkit.base.files import MEGABYTE
from benchkit.base.thrift_compact import read_structure

MOST_PAGE = 64 * MEGABYTE
"""Largest number of bytes that a page may be unpacked to; those that are written here have 1 MB."""

MOST_TOTAL = 2_000 * MEGABYTE
"""Largest number of bytes of the pages of a file, unpacked one after the other."""

_MAGIC = b"PAR1"
_MOST_FOOTER = 16 * MEGABYTE
_HEADERS = (1 << 12, 1 << 20)  # bytes in which the header of a page ends
# fields of what the schema says of a column, and values of its repetition and its type
_TYPE, _REPETITION, _NAME, _CHILDREN = 1, 3, 4, 5
_REQUIRED, _OPTIONAL, _BYTE_ARRAY = 0, 1, 6
# field of a column's statistics of sizes, and theirs
_SIZES, _TEXT_BYTES, _REPETITIONS, _DEFINITIONS = 16, 1, 2, 3
# fields of a page's header, and those of what it says of a page of its kind
_UNPACKED, _PACKED, _DATA, _DICTIONARY, _DATA_2 = 2, 3, 5, 7, 8


def check_pages(path: Path, columns: Collection[str]) -> int:
    """Read the footer and the headers of all pages of some columns; return the number of rows.

    Raises ValueError for no Parquet file, a page that does not lie in the file, is larger than `MOST_PAGE`,
    or all larger than `MOST_TOTAL`, or pages of another number of values than their column.
    """
    total = 0
    with path.open("rb") as file:
        size = file.seek(0, 2)
        footer = _footer(file, size)
        rows = _whole(footer.get(3))
        for leaf, chunk in _chunks(footer):
            about = _structure(chunk.get(3))
            _check_sizes(about, leaf)
            if leaf[_NAME].decode() not in columns:
                continue
            if 1 in chunk:
                raise ValueError("a column lies in another file")
            start, first = _whole(about.get(9)), about.get(11)
            if isinstance(first, int) and 0 < first < start:  # its dictionary comes before
                start = first
            end = start + _whole(about.get(7))
            if not 4 <= start <= end <= size:
                raise ValueError("the pages of a column do not lie in the file")
            total += _walk(file, start, end, _whole(about.get(5)))
            if total > MOST_TOTAL:
                raise ValueError(f"its pages are unpacked to more than {MOST_TOTAL / MEGABYTE:,.0f} MB")
    return rows


def _footer(file: BinaryIO, size: int) -> dict[int, Any]:
    if size < 12:
        raise ValueError("it is too short for a Parquet file")
    file.seek(size - 8)
    end = file.read(8)
    length = int.from_bytes(end[:4], "little")
    if end[4:] != _MAGIC or length > min(size - 12, _MOST_FOOTER):
        raise ValueError("it does not end as a Parquet file does")
    file.seek(size - 8 - length)
    try:
        return read_structure(file.read(length))[0]
    except IndexError as error:
        raise ValueError("its footer is cut short") from error


def _chunks(footer: dict[int, Any]) -> Iterator[tuple[dict[int, Any], dict[int, Any]]]:
    """Yield every chunk of a column with what the schema says of the column, which must not be nested."""
    root, *leaves = map(_structure, _items(footer.get(2)))
    if _whole(root.get(_CHILDREN)) != len(leaves):
        raise ValueError("its columns are nested, or its schema is damaged")
    for leaf in leaves:
        flat = not leaf.get(_CHILDREN) and leaf.get(_REPETITION) in (_REQUIRED, _OPTIONAL)
        if not flat or not isinstance(leaf.get(_NAME), bytes):
            raise ValueError("its columns are nested, or its schema is damaged")
    for group in _items(footer.get(4, [])):
        chunks = _items(_structure(group).get(1))
        if len(chunks) != len(leaves):
            raise ValueError("a group of its rows has another number of columns")
        yield from zip(leaves, map(_structure, chunks), strict=True)


def _check_sizes(about: dict[int, Any], leaf: dict[int, Any]) -> None:
    """Refuse statistics of sizes of another form than the column's: Arrow ends the process."""
    if about.get(_SIZES) is None:
        return
    sizes = _structure(about[_SIZES])
    levels = {_REPETITIONS: 1, _DEFINITIONS: 1 + (leaf[_REPETITION] == _OPTIONAL)}
    if any(len(_items(sizes.get(field, []))) not in (0, many) for field, many in levels.items()):
        raise ValueError("the statistics of a column are damaged")
    if sizes.get(_TEXT_BYTES) is not None and leaf.get(_TYPE) != _BYTE_ARRAY:
        raise ValueError("the statistics of a column are damaged")


def _walk(file: BinaryIO, start: int, end: int, values: int) -> int:
    """Return the bytes that the pages of a column's chunk are unpacked to."""
    total = 0
    while values > 0 and start < end:
        length, said = _header(file, start)
        unpacked, packed = _whole(said.get(_UNPACKED)), _whole(said.get(_PACKED))
        if start + length + packed > end:
            raise ValueError("a page does not lie in the file")
        if unpacked > MOST_PAGE:
            raise ValueError(f"a page is unpacked to {unpacked / MEGABYTE:,.0f} MB")
        held, entries = (
            0 if page is None else _whole(_structure(page).get(1))
            for page in (said.get(_DATA, said.get(_DATA_2)), said.get(_DICTIONARY))
        )
        if held > values or entries > max(unpacked, 1):
            raise ValueError("a page has another number of values than its column")
        values -= held
        total += unpacked
        start += length + packed
    if values > 0:
        raise ValueError("a column has fewer values than it says")
    return total


def _header(file: BinaryIO, start: int) -> tuple[int, dict[int, Any]]:
    """Return the length of a page's header, and what it says by the number of its fields."""
    for most in _HEADERS:
        file.seek(start)
        try:
            said, length = read_structure(file.read(most))
        except IndexError:  # it goes on
            continue
        return length, said
    raise ValueError("the header of a page does not end")


def _items(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError("its footer is damaged")
    return value


def _structure(value: Any) -> dict[int, Any]:
    if not isinstance(value, dict):
        raise ValueError("its footer is damaged")
    return value


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("a number of its footer is damaged")
    return value
