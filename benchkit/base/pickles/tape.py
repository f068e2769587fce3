"""Reads the bytes of a pickle as they are needed, and counts them: what it takes has an upper limit.

A length in a pickle is a claim. Here nothing is reserved for it: what is long is read only if `Limits` allow
it, and only as far as there are bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO

from benchkit.base.errors import InputError

_CHUNK = 1 << 16
_MARGIN = 300  # bytes of the longest short instruction with what is done at once after it, and some
_LONGEST_LINE = 1000  # of a text instruction


@dataclass(frozen=True, slots=True)
class Limits:
    """Largest sizes of a pickle (of a file that is read entry by entry: of an entry).

    Attributes
    ----------
    program : Number of bytes of instructions, long texts and bytes apart.
    payload : Number of bytes of long texts and bytes, all together.
    made : Number of lists, dictionaries, sets, tuples and calls.
    kept : Number of objects in memory for the pickle to refer back to.
    """

    program: int = 12_000_000
    payload: int = 16_000_000
    made: int = 400_000
    kept: int = 2_000_000


class Tape:
    """A file, read from where it stands, within limits that count since `start_counting`.

    Attributes
    ----------
    buffer : Bytes that were read and may not have been used yet; at the end of the file zeros follow, so
        that a short instruction finds the bytes that it takes, and the end after it.
    at : Position in the buffer.
    end : Number of bytes in the buffer that are of the file.
    safe : Position up to which a short instruction is whole.
    """

    def __init__(self, file: IO[bytes], limits: Limits) -> None:
        self._file = file
        self.limits = limits
        self.buffer = b""
        self.at = 0
        self.end = 0
        self.safe = -1
        self._ended = False
        self._before = 0  # bytes that came before the buffer
        self.start_counting()

    @property
    def position(self) -> int:
        """Number of bytes of the file that were used."""
        return self._before + self.at

    def start_counting(self) -> None:
        """Begin the limits anew: what came before is forgotten."""
        self._since, self._payload = self.position, 0

    def refill(self) -> None:
        """Read on where the buffer comes to its end."""
        if self.position - self._since - self._payload > self.limits.program:
            raise InputError(
                f"more than {self.limits.program:,} bytes of numbers and texts: no file of results"
            )
        if self.at > self.end:
            raise EOFError
        if not self._ended:
            self._extend()

    def _extend(self) -> None:
        more = self._file.read(_CHUNK)
        self._ended = not more
        self._fill(self.buffer[self.at : self.end] + more)

    def _fill(self, content: bytes) -> None:
        self._before += self.at
        self.at, self.end = 0, len(content)
        self.safe = self.end + 1 if self._ended else self.end - _MARGIN
        self.buffer = content + bytes(_MARGIN) if self._ended else content

    def take(self, size: int) -> bytes:
        """Return the next bytes; raise EOFError for fewer, InputError for more than the limits allow."""
        if size > _MARGIN:
            self._take_long(size)
        elif self.at + size > self.end:
            self.refill()
        if self.at + size > self.end:
            raise EOFError
        found = self.buffer[self.at : self.at + size]
        self.at += size
        return found

    def _take_long(self, size: int) -> None:
        self._payload += size
        if self._payload > self.limits.payload:
            raise InputError(f"texts or bytes of more than {self.limits.payload:,} bytes")
        missing = self.at + size - self.end
        if missing > 0 and not self._ended:
            parts = [self.buffer[self.at : self.end]]
            while missing > 0 and (more := self._file.read(missing)):
                parts.append(more)
                missing -= len(more)
            self._fill(b"".join(parts))

    def integer(self, size: int) -> int:
        """Return the number in the next bytes, little-endian and not negative."""
        return int.from_bytes(self.take(size), "little")

    def line(self, long: bool = False) -> bytes:
        """Return the text up to the end of the line; where it is not `long`, it is a name or a number."""
        looked = 0
        while (stop := self.buffer.find(b"\n", self.at + looked, self.end)) < 0:
            looked = self.end - self.at
            if self._ended:
                raise EOFError
            self._check_line(looked, long)
            self._extend()
        self._check_line(stop - self.at, long)
        found = self.buffer[self.at : stop]
        if len(found) > _LONGEST_LINE:
            self._payload += len(found)
        self.at = stop + 1
        return found

    def _check_line(self, size: int, long: bool) -> None:
        most = self.limits.payload - self._payload if long else _LONGEST_LINE
        if size > most:
            raise InputError(f"a line of more than {most:,} bytes")
