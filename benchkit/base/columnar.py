"""Reads Arrow and Parquet files without trusting them.

Arrow trusts what a file says of itself: buffers that are shorter than their arrays, compressed buffers that
claim to be large, codes beyond their dictionary. Here only what our own files hold is taken: columns of fixed
width, uncompressed, in one batch, each as long as its buffers are.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from benchkit.base.errors import InputError, clipped, shown
from benchkit.base.files import MEGABYTE, check_regular
from benchkit.base.parquet_pages import check_pages

_MAGIC = b"ARROW1"
_MOST_FIELDS = 100_000
_NO_PARQUET = "it is truncated or not a Parquet file"
_MOST_ROWS = 20_000_000
"""Number of rows of the longest Parquet file that is read, twenty times that of the longest kept study."""
_ROWS_A_BYTE = 8
_FEW_ROWS = 10_000
_MOST_PARQUET = 2_000 * MEGABYTE
_MOST_WIDTH = 4096
_MOST_TEXT = 500 * MEGABYTE
# what pyarrow raises on damaged files; a name of a column that is not UTF-8 is a ValueError
_DAMAGED = (
    pa.ArrowException, OSError, ValueError, KeyError, TypeError, OverflowError, MemoryError, struct.error,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of column of a Parquet file: its name in words, the Arrow types that are of it, and `gaps`.

    `gaps` says whether entries may be missing.
    """

    name: str
    fits: Callable[[pa.DataType], bool]
    gaps: bool = False


def is_number(kind: pa.DataType) -> bool:
    """Return whether a type is an integer or a floating-point number of 32 or 64 bits."""
    return bool(pa.types.is_integer(kind) or pa.types.is_float32(kind) or pa.types.is_float64(kind))


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(_plain(kind)) or pa.types.is_large_string(_plain(kind)))


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_fixed_size_binary(_plain(kind))) and _plain(kind).byte_width > 0


NUMBER = Kind("numbers", is_number)
NUMBER_OR_MISSING = Kind("numbers", is_number, gaps=True)
WHOLE = Kind("whole numbers", pa.types.is_integer)
TEXT = Kind("text", _is_text)
BYTES = Kind("rows of bytes", _is_bytes)


def read_arrow(path: Path, what: str) -> pa.Table:
    """Map an Arrow IPC file of one record batch into memory; `what` names it in errors.

    Columns are numbers, truth values, fixed-size bytes, or fixed-size lists of numbers. Nothing is read
    beyond the schema and the lengths: a column is looked at when it is used.

    Raises InputError for no regular file, one that is truncated or not an Arrow file, several batches,
    columns of other types, and compression.
    """
    check_regular(path, what)
    with _damage(f"{what} {path}", "it is truncated or not an Arrow file"):
        return _mapped(path, f"{what} {path}")


def _mapped(path: Path, origin: str) -> pa.Table:
    with pa.memory_map(str(path)) as source:
        if source.size() < 2 * len(_MAGIC) + 4 or source.read(len(_MAGIC)) != _MAGIC:
            raise InputError(f"{origin} cannot be read: it is truncated or not an Arrow file")
        source.seek(source.size() - len(_MAGIC))
        if source.read(len(_MAGIC)) != _MAGIC:
            raise InputError(f"{origin} cannot be read: it is truncated")
        source.seek(8)
        messages = pa.ipc.MessageReader.open_stream(source)
        try:
            head = messages.read_next_message()
            # Arrow would take anything for one, and read what is not there
            if head.type != "schema" or _header(head.metadata.to_pybytes()) is None:
                raise InputError(f"{origin} cannot be read: it does not start with a schema")
            schema = pa.ipc.read_schema(head)
            _check_types(schema, origin)
            message = messages.read_next_message()
            about = message.metadata.to_pybytes()
            header = _header(about)
            # field 3 of a record batch's header names its compression
            if message.type != "record batch" or header is None or _field(about, header, 3) is not None:
                raise InputError(f"{origin} cannot be read: its batch is compressed, or is none")
            batch = pa.ipc.read_record_batch(message, schema)
        except StopIteration as error:
            raise InputError(f"{origin} cannot be read: it has no record batch") from error
        try:
            messages.read_next_message()
        except StopIteration:
            pass
        else:
            raise InputError(f"{origin} cannot be read: it has several record batches")
    batch.validate()  # buffers are as long as their columns need
    return pa.Table.from_batches([batch])


def _check_types(schema: pa.Schema, origin: str) -> None:
    if len(schema) > _MOST_FIELDS:
        raise InputError(
            f"{origin} cannot be read: it has {len(schema):,} columns, more than {_MOST_FIELDS:,}"
        )
    if len(set(schema.names)) < len(schema):
        raise InputError(f"{origin} cannot be read: two of its columns have one name")
    for field in schema:
        kind = field.type
        if pa.types.is_fixed_size_list(kind):
            kind = kind.value_type if kind.list_size > 0 else pa.null()
        elif pa.types.is_fixed_size_binary(kind):
            kind = pa.uint8() if kind.byte_width > 0 else pa.null()
        if not (is_number(kind) or pa.types.is_boolean(kind)):
            raise InputError(
                f"{origin} cannot be read: column {shown(field.name)} is of type {clipped(str(field.type))}; "
                "columns hold numbers, truth values, fixed-size bytes or fixed-size lists of numbers"
            )


def _header(message: bytes) -> int | None:
    """Return where the header of a FlatBuffers ``Message`` lies; None where it has none."""
    place = _field(message, struct.unpack_from("<I", message, 0)[0], 2)
    return None if place is None else place + int(struct.unpack_from("<I", message, place)[0])


def _field(buffer: bytes, table: int, number: int) -> int | None:
    """Return where a field of a FlatBuffers table lies; None where the table does not have it."""
    layout = table - struct.unpack_from("<i", buffer, table)[0]
    (size,) = struct.unpack_from("<H", buffer, layout)
    if 4 + 2 * number + 2 > size:
        return None
    (offset,) = struct.unpack_from("<H", buffer, layout + 4 + 2 * number)
    return table + offset if offset else None


def read_parquet(path: Path, columns: Mapping[str, Kind], what: str) -> pa.Table:
    """Return columns of a Parquet file, of these kinds and in this order; `what` names the file in errors.

    Raises InputError for no regular file, one that is not Parquet or damaged, more rows or bytes than a file
    of its size can have, and a column that is missing, of another kind, or with gaps where it may have none.
    """
    import pyarrow.parquet as pq

    origin = f"{what} {path}"
    rows = row_count(path, what, columns)
    texts = [name for name, kind in columns.items() if kind is TEXT]
    # a long text in every row is kept once
    with _damage(origin, _NO_PARQUET), pq.ParquetFile(path, read_dictionary=texts) as file:
        schema = file.schema_arrow
        for name, kind in columns.items():
            found = [field.type for field in schema if field.name == name]
            if len(found) != 1:
                raise InputError(f"{origin} is damaged: it has {len(found) or 'no'} columns {name!r}")
            if pa.types.is_fixed_size_binary(found[0]) and found[0].byte_width > _MOST_WIDTH:
                raise InputError(
                    f"{origin} is damaged: column {name} has {found[0].byte_width:,} bytes a row"
                )
            if not kind.fits(found[0]):
                raise InputError(
                    f"{origin} is damaged: column {name} is of type {clipped(str(found[0]))}, not {kind.name}"
                )
        table = file.read(columns=list(columns)).select(list(columns))
        table.validate(full=True)
        _check_widths(table)
        if table.num_rows != rows:
            raise InputError(f"{origin} is damaged: it has {table.num_rows:,} rows, not as many as it says")
    for name, kind in columns.items():
        if not kind.gaps and table.column(name).null_count:
            raise InputError(f"{origin} is damaged: column {name} has missing entries")
    return table


def _check_widths(table: pa.Table) -> None:
    """Refuse texts so long that they could not be held a row each."""
    import pyarrow.compute as pc

    for column in table.columns:
        if pa.types.is_dictionary(column.type) and _is_text(column.type):
            for chunk in column.chunks:
                longest = pc.max(pc.binary_length(chunk.dictionary)).as_py() or 0
                if longest * table.num_rows > _MOST_TEXT:
                    raise ValueError(f"it has texts of {longest:,} bytes")


def row_count(path: Path, what: str, columns: Collection[str] = ()) -> int:
    """Return the number of rows that a Parquet file says it has, after a look at the pages of some columns.

    Raises as `read_parquet`.
    """
    size = check_regular(path, what, _MOST_PARQUET)
    origin = f"{what} {path}"
    with _damage(origin, _NO_PARQUET):
        rows = check_pages(path, columns)
    most = min(_MOST_ROWS, _FEW_ROWS + _ROWS_A_BYTE * size)
    if not 0 <= rows <= most:
        raise InputError(
            f"{origin} is damaged: it says it has {rows:,} rows; a file of its size has {most:,}"
        )
    return rows


@contextmanager
def _damage(origin: str, advice: str) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except _DAMAGED as error:
        lines = str(error).split("\n")
        raise InputError(f"{origin} cannot be read ({clipped(lines[0])}): {advice}") from error
