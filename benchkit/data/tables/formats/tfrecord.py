"""Reads the framing of TFRecord files: records of bytes, each with its length and two checksums.

========================  =====================================================
bytes                     content
========================  =====================================================
8                         length n of the data, little-endian
4                         masked CRC-32C of those 8 bytes
n                         data
4                         masked CRC-32C of the data
========================  =====================================================

A masked checksum is ``rotate_right(crc, 15) + 0xa282ead8`` modulo 2**32. Source: TensorFlow's documentation,
"TFRecord and tf.train.Example", section "TFRecords format details". Compressed files are not read: the
official benchmark files are not compressed.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Generator
from pathlib import Path

from google_crc32c import value as crc32c

from benchkit.base.errors import InputError
from benchkit.base.files import check_regular

_CHUNK = 1 << 22
_HEADER = struct.Struct("<QI")
_FOOTER = struct.Struct("<I")
_LONGEST_RECORD = 1 << 16  # bytes; those of NAS-Bench-101 have some 1,000
_MASK = 0xA282EAD8


def masked_crc(data: bytes) -> int:
    """Return the masked CRC-32C of `data`, in 0..2**32 - 1."""
    crc: int = crc32c(data)
    return ((crc >> 15 | crc << 17) + _MASK) & 0xFFFFFFFF


def frame(data: bytes) -> bytes:
    """Return one record as it stands in a file."""
    length = len(data).to_bytes(8, "little")
    return b"".join((length, _FOOTER.pack(masked_crc(length)), data, _FOOTER.pack(masked_crc(data))))


def is_tfrecord(path: Path) -> bool:
    """Return whether a file begins with a length and its checksum (by chance: once in 2**32 files)."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(_HEADER.size)
    return len(head) == _HEADER.size and _HEADER.unpack(head)[1] == masked_crc(head[:8])


def read_records(
    path: Path, on_chunk: Callable[[bytes], object] | None = None
) -> Generator[tuple[int, int, bytes], None, None]:
    """Yield (number, byte offset, data) of each record, the number from 1; both checksums are checked.

    Parameters
    ----------
    on_chunk : Function that is given all bytes of the file, a few MB at a time, as they are read, so that the
        caller can hash the file in the same pass.

    Raises
    ------
    InputError : no regular file, an empty one, one that ends inside a record, a wrong checksum, or a record
        of more than 64 kB; it names the record and its byte offset.
    """
    size = check_regular(path, "file")
    if size == 0:
        raise InputError(f"{path} is empty")
    with path.open("rb") as file:
        buffer, start = b"", 0  # bytes read and not yet yielded; where they stand in the file
        number = 0
        while chunk := file.read(_CHUNK):
            if on_chunk is not None:
                on_chunk(chunk)
            buffer = buffer + chunk if buffer else chunk
            at = 0
            while at + _HEADER.size <= len(buffer):
                length, length_crc = _HEADER.unpack_from(buffer, at)
                if length_crc != masked_crc(buffer[at : at + 8]):
                    if number == 0:
                        raise InputError(
                            f"{path} is not a TFRecord file: its first bytes (record 1, byte 0) are no "
                            f"length with its checksum"
                        )
                    raise _damaged(path, number + 1, start + at, "its length")
                data_at = at + _HEADER.size
                end = data_at + length + _FOOTER.size
                if start + end > size:
                    raise _truncated(path, number + 1, start + at, size)
                if length > _LONGEST_RECORD:
                    raise InputError(
                        f"{path}, record {number + 1} (byte {start + at}): {length:,} bytes, but a record of "
                        f"NAS-Bench-101 has at most {_LONGEST_RECORD:,}"
                    )
                if end > len(buffer):
                    break
                data = buffer[data_at : end - _FOOTER.size]
                if _FOOTER.unpack_from(buffer, end - _FOOTER.size)[0] != masked_crc(data):
                    raise _damaged(path, number + 1, start + at, "its data")
                number += 1
                yield number, start + at, data
                at = end
            buffer = buffer[at:]
            start += at
        if buffer:
            raise _truncated(path, number + 1, start, size)


def _damaged(path: Path, number: int, offset: int, what: str) -> InputError:
    return InputError(
        f"{path} is damaged: record {number} (byte {offset}) has a wrong checksum of {what}; "
        f"get the file again"
    )


def _truncated(path: Path, number: int, offset: int, size: int) -> InputError:
    return InputError(
        f"{path} is truncated: it ends at byte {size}, inside record {number} (byte {offset}); "
        f"get the file again"
    )
