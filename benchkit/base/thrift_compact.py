"""Reads structures in Thrift's compact protocol, without a schema.

Protocol: Apache Thrift, "Thrift Compact protocol encoding". Integers are zigzag varints, a field's head is
its distance to the one before and its type.
"""

from __future__ import annotations

from typing import Any

_DEEPEST = 16
_LONGEST_VARINT = 63  # bits
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCTURE = 1, 2, 3, 7, 8, 9, 10, 11, 12
_INTEGERS = (4, 5, 6)


def read_structure(content: bytes) -> tuple[dict[int, Any], int]:
    """Return the structure at the start of some bytes, and how many bytes it takes.

    By the number of the field: int, bool, bytes, list, or a dict for a structure inside; a floating-point
    number and a map are None. Raises IndexError where it goes on beyond the content, and ValueError for no
    such structure, or one that is nested too deeply.
    """
    reader = _Reader(content)
    return reader.structure(0), reader.place


class _Reader:
    def __init__(self, content: bytes) -> None:
        self._content, self.place = content, 0

    def structure(self, depth: int) -> dict[int, Any]:
        self._check_depth(depth)
        found: dict[int, Any] = {}
        number = 0
        while (head := self._byte()) != 0:
            number = number + (head >> 4) if head >> 4 else self._integer()
            found[number] = self._value(head & 15, depth)
        return found

    def _value(self, kind: int, depth: int, inside: bool = False) -> Any:
        if kind in (_TRUE, _FALSE):  # of a field the type is the value; in a list it is a byte
            return self._byte() == _TRUE if inside else kind == _TRUE
        if kind == _BYTE:
            return self._byte()
        if kind in _INTEGERS:
            return self._integer()
        if kind == _DOUBLE:
            self._bytes(8)
            return None
        if kind == _BINARY:
            return self._bytes(self._varint())
        if kind in (_LIST, _SET):
            head = self._byte()
            many = self._varint() if head >> 4 == 15 else head >> 4
            self._check_depth(depth)
            return [self._value(head & 15, depth + 1, inside=True) for _ in range(many)]
        if kind == _MAP:
            many = self._varint()
            self._check_depth(depth)
            kinds = self._byte() if many else 0
            for _ in range(many):
                self._value(kinds >> 4, depth + 1, inside=True)
                self._value(kinds & 15, depth + 1, inside=True)
            return None
        if kind == _STRUCTURE:
            return self.structure(depth + 1)
        raise ValueError("it has a field of no known type")

    def _check_depth(self, depth: int) -> None:
        if depth > _DEEPEST:
            raise ValueError("it is nested too deeply")

    def _byte(self) -> int:
        value = self._content[self.place]
        self.place += 1
        return value

    def _bytes(self, many: int) -> bytes:
        if self.place + many > len(self._content):
            raise IndexError("it goes on")
        self.place += many
        return self._content[self.place - many : self.place]

    def _varint(self) -> int:
        value = shift = 0
        while shift <= _LONGEST_VARINT:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
        raise ValueError("it has a number of too many digits")

    def _integer(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
