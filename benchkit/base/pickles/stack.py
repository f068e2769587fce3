"""Keeps the stack and the memo of a pickle, and does with them what its instructions say.

Every instruction checks what it is applied to: a list is appended to, a dictionary has items set, a stand-in
is called (see `values`), and only what was announced as an array or a dtype has its state set. `machine` says
which instruction is which method.
"""

from __future__ import annotations

import codecs
import pickle
import re
from collections import OrderedDict, defaultdict
from typing import IO, Any

from benchkit.base.errors import InputError
from benchkit.base.pickles.tape import Limits, Tape
from benchkit.base.pickles.values import Blank, Dtype, call, check_keys, find, set_state

_LONGEST_NUMBER = 255  # bytes, or digits
_LATIN = 1 << 16  # longer texts are bytes in disguise: Latin-1
_LAST_OF_LATIN = 0xC3  # first byte of the last of its characters in UTF-8
_PAST_LATIN = re.compile(rb"\\U|\\u(?!00)")
_QUOTED = re.compile(rb"""(['"])(?:[^\\]|\\[\\'"abfnrtv]|\\x[0-9a-fA-F]{2})*\1""")
_MAPPINGS = (dict, OrderedDict, defaultdict)


class Stack(Tape):
    """The objects that a pickle in an open file works with, within limits.

    Attributes
    ----------
    stack : Objects that wait.
    marks : Heights of the stack that MARK remembers.
    memo : Number -> object to refer back to.
    unfilled : Number of arrays that were announced and have no content yet.
    """

    def __init__(self, file: IO[bytes], limits: Limits, encoding: str = "ASCII") -> None:
        super().__init__(file, limits)
        self._encoding = encoding
        self.clear()

    def clear(self) -> None:
        """Begin a pickle."""
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.unfilled = 0
        self.start_counting()

    def start_counting(self) -> None:
        """Begin the limits anew: what came before is forgotten."""
        super().start_counting()
        self._made = 0

    def refill(self) -> None:
        """Read on, if the memo has not outgrown its limit."""
        if len(self.memo) > self.limits.kept:
            raise InputError(f"more than {self.limits.kept:,} objects to refer back to: no file of results")
        super().refill()

    # -- the stack ----------------------------------------------------------------------------

    def pop(self, count: int) -> list[Any]:
        """Take `count` objects from the stack; not past the last mark."""
        start = len(self.stack) - count
        if start < (self.marks[-1] if self.marks else 0):
            raise IndexError("it takes more from its stack than is there")
        found = self.stack[start:]
        del self.stack[start:]
        return found

    def pop_marked(self) -> list[Any]:
        """Take what came since the last mark, and the mark."""
        if not self.marks:
            raise IndexError("it goes back to a mark that is not there")
        return self.pop(len(self.stack) - self.marks.pop())

    def top(self) -> Any:
        """Return the object on top, which stays."""
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise IndexError("it takes more from its stack than is there")
        return self.stack[-1]

    def mark(self) -> None:
        self.marks.append(len(self.stack))
        if len(self.marks) > self.limits.made:
            raise InputError("more marks than a file of results has")

    def drop(self) -> None:
        """Take the object on top, or the mark."""
        if self.marks and self.marks[-1] == len(self.stack):
            self.marks.pop()
        else:
            self.pop(1)

    def double(self) -> None:
        top = self.top()
        if type(top) in (Blank, Dtype):
            raise InputError("it doubles an array before its content")
        self.stack.append(top)

    def make(self, made: Any) -> None:
        """Put on the stack an object that takes more memory than its instruction has bytes."""
        self._made += 1
        if self._made > self.limits.made:
            raise InputError(f"more than {self.limits.made:,} lists and dictionaries: no file of results")
        self.stack.append(made)

    # -- the memo -----------------------------------------------------------------------------

    def recall(self, key: int) -> Any:
        """Return the object of that number."""
        found = self.memo[key] if key in self.memo else self.forgotten(key)
        if type(found) is Blank:
            if found.value is None:
                raise InputError("it refers to an array before its content")
            return found.value
        return found

    def forgotten(self, key: int) -> Any:
        """Return an object that is not in the memo, or raise the error that says so."""
        raise LookupError(f"it refers to object {key:,}, which is not there")

    def store(self, key: int) -> None:
        """Remember the object on top under a number."""
        self.memo[key] = self.top()

    # -- containers ---------------------------------------------------------------------------

    def dictionary(self) -> None:
        items = self.pop_marked()
        self.make({})
        self.set_items(items)

    def frozen(self) -> None:
        members = self.pop_marked()
        check_keys(members)
        self.make(frozenset(members))

    def append(self, items: list[Any]) -> None:
        target = self.top()
        if type(target) is not list:
            raise InputError(f"it appends to a {type(target).__name__}")
        target.extend(items)

    def add_items(self) -> None:
        members = self.pop_marked()
        target = self.top()
        if type(target) is not set:
            raise InputError(f"it adds members to a {type(target).__name__}")
        check_keys(members)
        target.update(members)

    def set_items(self, items: list[Any]) -> None:
        """Set items of the mapping on top: key, value, key, value."""
        target = self.top()
        if type(target) not in _MAPPINGS:
            raise InputError(f"it sets items of a {type(target).__name__}")
        keys = items[::2]
        if 2 * len(keys) != len(items):
            raise InputError("a key without a value")
        check_keys(keys)
        target.update(zip(keys, items[1::2], strict=True))

    def set_marked(self) -> None:
        self.set_items(self.pop_marked())

    # -- names and calls ----------------------------------------------------------------------

    def name_in_lines(self) -> None:
        module, name = self.line(), self.line()
        self.stack.append(find(str(module, "utf-8"), str(name, "utf-8")))

    def name_on_stack(self) -> None:
        module, name = self.pop(2)
        if type(module) is not str or type(name) is not str:
            raise InputError("it asks for a name that is no text")
        self.stack.append(find(module, name))

    def reduce(self) -> None:
        made = call(*self.pop(2))
        self.unfilled += type(made) is Blank
        self.make(made)

    def build(self) -> None:
        """Set a state; an array takes the place of its announcement."""
        (state,) = self.pop(1)
        target = self.top()
        set_state(target, state)
        if type(target) is Blank:
            self.stack[-1] = target.value
            self.unfilled -= 1

    def check_filled(self) -> None:
        """Refuse arrays that were announced and have no content."""
        if self.unfilled:
            raise InputError("it has an array without its content")

    def tensors(self) -> None:
        """Refuse a persistent name, which torch gives to its storages."""
        raise InputError("it holds tensors (network weights), not only results")

    # -- numbers and texts --------------------------------------------------------------------

    def protocol(self) -> None:
        version = self.integer(1)
        if version > pickle.HIGHEST_PROTOCOL:
            raise InputError(f"protocol {version} is not known")

    def digits(self) -> int:
        """Return the number in the line."""
        line = self.line()
        digits = line.removesuffix(b"L")
        if not digits.removeprefix(b"-").isdigit() or len(digits) > _LONGEST_NUMBER:
            raise InputError("a number that is not written in digits")
        return int(digits)

    def decimal(self) -> None:
        """Read a number; 00 and 01 are truth values."""
        line = self.buffer[self.at : self.at + 3]
        number = self.digits()
        self.stack.append(bool(number) if line in (b"00\n", b"01\n") else number)

    def float_in_line(self) -> None:
        self.stack.append(float(self.line()))

    def long(self, size: int) -> None:
        if size > _LONGEST_NUMBER:
            raise InputError(f"an integer of {size:,} bytes")
        self.stack.append(int.from_bytes(self.take(size), "little", signed=True))

    def text(self, size: int) -> None:
        raw = self.take(size)
        if size > _LATIN and max(raw) > _LAST_OF_LATIN:
            raise InputError(f"a text of {size:,} bytes, which is no data in Latin-1")
        self.stack.append(str(raw, "utf-8", "surrogatepass"))

    def text_in_line(self) -> None:
        raw = self.line(long=True)
        if len(raw) > _LATIN and _PAST_LATIN.search(raw):
            raise InputError(f"a text of {len(raw):,} bytes, which is no data in Latin-1")
        self.stack.append(str(raw, "raw-unicode-escape"))

    def old_text(self, size: int) -> None:
        self.stack.append(str(self.take(size), self._encoding))

    def quoted(self) -> None:
        """Read a text with the escapes that Python 2 writes, and no other."""
        line = self.line()
        if not _QUOTED.fullmatch(line):
            raise InputError("a text that is not quoted as Python 2 does")
        raw, _ = codecs.escape_decode(line[1:-1])
        self.stack.append(str(raw, self._encoding))
