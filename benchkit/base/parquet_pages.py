"""How large the pages of a Parquet file say they are: read from their headers, before anything is unpacked.

A page states the size that it is unpacked to, and Arrow makes room for it. A few bytes can state gigabytes.
The headers are read with Thrift's compact protocol: of a page its kind, both sizes and its number of values.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from benchkit.base.files import MEGABYTE

if TYPE_CHECKING:
    import pyarrow.parquet as pq

__all__ = ["MOST_PAGE", "MOST_TOTAL", "check_pages"]

MOST_PAGE = 64 * MEGABYTE
"""Largest number of bytes that a page may be unpacked to; those that are written here have 1 MB."""

MOST_TOTAL = 2_000 * MEGABYTE
"""Largest number of bytes of the pages of a file, unpacked one after the other."""

_HEADER = 4096  # bytes in which the header of a page ends; statistics of a page are part of it
_LONG_HEADER = 1 << 20
_TYPE, _UNPACKED, _PACKED = 1, 2, 3
_DATA, _DICTIONARY, _DATA_2 = 5, 7, 8  # fields that hold what is said of a page of that kind
_MOST_DEPTH = 16


def check_pages(path: Path, metadata: pq.FileMetaData, columns: Collection[str]) -> None:
    """Read the headers of all pages of some columns.

    Parameters
    ----------
    path : the Parquet file.
    metadata : its footer.
    columns : names of the columns that are going to be read.

    Raises
    ------
    ValueError : a page that does not lie in the file, is larger than `MOST_PAGE`, or all larger than
        `MOST_TOTAL`, or pages of more values than their column.
    """
    total = 0
    size = path.stat().st_size
    with path.open("rb") as file:
        for group in range(metadata.num_row_groups):
            rows = metadata.row_group(group)
            for index in range(rows.num_columns):
                chunk = rows.column(index)
                if chunk.path_in_schema.split(".")[0] not in columns:
                    continue
                start = chunk.data_page_offset
                if chunk.has_dictionary_page and 0 < (chunk.dictionary_page_offset or 0) < start:
                    start = chunk.dictionary_page_offset
                end = start + chunk.total_compressed_size
                if not 4 <= start <= end <= size:
                    raise ValueError(f"the pages of {chunk.path_in_schema} do not lie in the file")
                total += _walk(file, start, end, chunk.num_values)
                if total > MOST_TOTAL:
                    raise ValueError(f"its pages are unpacked to more than {MOST_TOTAL / MEGABYTE:,.0f} MB")


def _walk(file: BinaryIO, start: int, end: int, values: int) -> int:
    """Return the bytes that the pages of a column's chunk are unpacked to."""
    total = 0
    while values > 0 and start < end:
        length, said = _header(file, start)
        unpacked, packed = said.get(_UNPACKED, -1), said.get(_PACKED, -1)
        if unpacked < 0 or packed < 0 or start + length + packed > end:
            raise ValueError("a page does not lie in the file")
        if unpacked > MOST_PAGE:
            raise ValueError(f"a page is unpacked to {unpacked / MEGABYTE:,.0f} MB")
        held = said.get(_DATA, said.get(_DATA_2, 0))
        if not 0 <= held <= values or not 0 <= said.get(_DICTIONARY, 0) <= max(unpacked, 1):
            raise ValueError("a page has another number of values than its column")
        values -= held
        total += unpacked
        start += length + packed
    if values > 0:
        raise ValueError("a column has fewer values than it says")
    return total


def _header(file: BinaryIO, start: int) -> tuple[int, dict[int, int]]:
    """Return the length of a page's header, and by field its numbers and those of values of its kind."""
    for most in (_HEADER, _LONG_HEADER):
        file.seek(start)
        reader = _Compact(file.read(most))
        try:
            said = reader.structure(0)
        except IndexError:  # it goes on
            continue
        return reader.place, said
    raise ValueError("the header of a page does not end")


class _Compact:
    """Reads a structure in Thrift's compact protocol; an IndexError where it goes on beyond the content."""

    def __init__(self, content: bytes) -> None:
        self._content, self.place = content, 0

    def structure(self, depth: int) -> dict[int, int]:
        """Return the integers by the number of their field; of a structure inside, its first integer."""
        if depth > _MOST_DEPTH:
            raise ValueError("the header of a page is nested too deeply")
        found: dict[int, int] = {}
        number = 0
        while (head := self._byte()) != 0:
            kind = head & 15
            number = number + (head >> 4) if head >> 4 else self._integer()
            value = self._value(kind, depth)
            if value is not None:
                found[number] = value
        return found

    def _value(self, kind: int, depth: int) -> int | None:
        if kind in (1, 2):  # true and false are their kind
            return None
        if kind == 3:
            return self._byte()
        if kind in (4, 5, 6):
            return self._integer()
        if kind == 7:
            self._skip(8)
        elif kind == 8:
            self._skip(self._varint())
        elif kind in (9, 10):
            head = self._byte()
            many = self._varint() if head >> 4 == 15 else head >> 4
            for _ in range(many):
                self._item(head & 15, depth)
        elif kind == 12:
            return self.structure(depth + 1).get(1)
        else:
            raise ValueError("the header of a page is damaged")
        return None

    def _item(self, kind: int, depth: int) -> None:
        if kind in (1, 2):  # in a list they take a byte
            self._skip(1)
        else:
            self._value(kind, depth + 1)

    def _byte(self) -> int:
        value = self._content[self.place]
        self.place += 1
        return value

    def _skip(self, many: int) -> None:
        if self.place + many > len(self._content):
            raise IndexError
        self.place += many

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
            if shift > 63:
                raise ValueError("the header of a page is damaged")

    def _integer(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
