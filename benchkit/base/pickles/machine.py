"""Runs those instructions of a pickle that make plain data.

Python's own unpicklers trust lengths: a number of 4 bytes makes the C one reserve memory for 4 billion
objects, a length of 8 bytes any number of bytes, and neither can be told where to stop. This one makes
nothing that the pickle did not pay for with bytes of its own, and has an upper limit for each kind of thing
(`Limits`). What is not needed to write data has no instruction here: no instances of classes, no extension
objects, no buffers out of band.

Format: the standard library's ``pickletools``, which documents every instruction.

Deviations and choices
----------------------
- The instructions that make up a file of results (number, short text, float, and the memo of them) are run
  in the loop itself.
- The lengths of frames are not looked at: they change nothing but the way of reading.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable
from typing import Any

from benchkit.base.errors import InputError
from benchkit.base.pickles.stack import Stack

_double = struct.Struct(">d").unpack_from


class Machine(Stack):
    """Runs one pickle after another from a file; see `Stack`."""

    entry_depth = 0  # marks below which numbers are looked at; 0 for none

    def load(self) -> Any:
        """Run the next pickle; return what it holds.

        Raises InputError where it does what is not data, or too much of it; EOFError, LookupError, ValueError
        or struct.error where it is truncated or damaged.
        """
        self.clear()
        self._run()
        if self.at > self.end:
            raise EOFError
        (found,) = self.pop(1)
        if self.stack or self.marks:
            raise InputError("it ends before its data are complete")
        self.check_filled()
        return found

    def before_number(self) -> None:
        """Do what there is to do before a number comes at `entry_depth`."""

    def _run(self) -> None:
        # what follows a number or a text most often is done at once: its memo, and a float
        binfloat, memoize, short_text, short_bytes = _FLOAT, _MEMOIZE, _TEXT, _BYTES
        binint1, binint2, binint, binget, long_binget = _INT1, _INT2, _INT4, _GET1, _GET4
        stack, memo, marks, push = self.stack, self.memo, self.marks, self.stack.append
        stored = 0  # number that MEMOIZE, which has none of its own, gives to the next object
        buffer, at, safe = self.buffer, self.at, self.safe
        while True:
            if at >= safe:
                self.at = at
                self.refill()
                buffer, at, safe = self.buffer, self.at, self.safe
            code = buffer[at]
            at += 1
            if code == short_text:
                start = at + 1
                at = start + buffer[at]
                try:
                    text = buffer[start:at].decode()
                except UnicodeDecodeError:
                    text = str(buffer[start:at], "utf-8", "surrogatepass")
                push(text)
                if buffer[at] == memoize:
                    memo[stored] = text
                    stored += 1
                    at += 1
                if buffer[at] == binfloat:
                    push(_double(buffer, at + 1)[0])
                    at += 9
            elif code == binint1 or code == binint2 or code == binint:  # noqa: SIM109 (this is faster)
                if self.entry_depth == len(marks) > 0:
                    self.at = at - 1
                    self.before_number()
                if code == binint1:
                    push(buffer[at])
                    at += 1
                else:
                    start = at
                    at += 2 if code == binint2 else 4
                    push(int.from_bytes(buffer[start:at], "little", signed=code == binint))
                if buffer[at] == binfloat:
                    push(_double(buffer, at + 1)[0])
                    at += 9
            elif code == binfloat:
                push(_double(buffer, at)[0])
                at += 8
            elif code == memoize:
                memo[stored] = stack[-1]
                stored += 1
            elif code == binget:
                found = memo.get(buffer[at])
                push(found if type(found) is str else self.recall(buffer[at]))
                at += 1
            elif code == long_binget:
                key = int.from_bytes(buffer[at : at + 4], "little")
                found = memo.get(key)
                push(found if type(found) is str else self.recall(key))
                at += 4
            elif code == short_bytes:
                start = at + 1
                at = start + buffer[at]
                push(buffer[start:at])
            elif code == _STOP:
                self.at = at
                return
            else:
                self.at = at
                if at > self.end:
                    raise EOFError
                instruction = _INSTRUCTIONS.get(code)
                if instruction is None:
                    raise InputError(f"it has an instruction that is not for data ({bytes((code,))!r})")
                instruction(self)
                buffer, at, safe = self.buffer, self.at, self.safe


def _counted(method: Callable[[Machine, int], object], width: int) -> Callable[[Machine], object]:
    return lambda machine: method(machine, machine.integer(width))


def _pushes(value: Any) -> Callable[[Machine], object]:
    return lambda machine: machine.stack.append(value)


_RARE: dict[bytes, Callable[[Machine], object]] = {
    pickle.PROTO: Machine.protocol,
    pickle.FRAME: lambda machine: machine.take(8),
    # the stack and the memo
    pickle.MARK: lambda machine: machine.mark(),
    pickle.POP: Machine.drop,
    pickle.POP_MARK: Machine.pop_marked,
    pickle.DUP: Machine.double,
    pickle.GET: lambda machine: machine.stack.append(machine.recall(machine.digits())),
    pickle.PUT: lambda machine: machine.store(machine.digits()),
    pickle.BINPUT: _counted(Machine.store, 1),
    pickle.LONG_BINPUT: _counted(Machine.store, 4),
    # numbers, texts and bytes
    pickle.NONE: _pushes(None),
    pickle.NEWTRUE: _pushes(True),
    pickle.NEWFALSE: _pushes(False),
    pickle.INT: Machine.decimal,
    pickle.LONG: Machine.decimal,
    pickle.LONG1: _counted(Machine.long, 1),
    pickle.LONG4: _counted(Machine.long, 4),
    pickle.FLOAT: Machine.float_in_line,
    pickle.STRING: Machine.quoted,
    pickle.BINSTRING: _counted(Machine.old_text, 4),
    pickle.SHORT_BINSTRING: _counted(Machine.old_text, 1),
    pickle.UNICODE: Machine.text_in_line,
    pickle.BINUNICODE: _counted(Machine.text, 4),
    pickle.BINUNICODE8: _counted(Machine.text, 8),
    pickle.BINBYTES: lambda machine: machine.stack.append(machine.take(machine.integer(4))),
    pickle.BINBYTES8: lambda machine: machine.stack.append(machine.take(machine.integer(8))),
    # containers
    pickle.EMPTY_LIST: lambda machine: machine.make([]),
    pickle.EMPTY_DICT: lambda machine: machine.make({}),
    pickle.EMPTY_SET: lambda machine: machine.make(set()),
    pickle.EMPTY_TUPLE: _pushes(()),
    pickle.LIST: lambda machine: machine.make(machine.pop_marked()),
    pickle.DICT: Machine.dictionary,
    pickle.FROZENSET: Machine.frozen,
    pickle.TUPLE: lambda machine: machine.make(tuple(machine.pop_marked())),
    pickle.TUPLE1: lambda machine: machine.make(tuple(machine.pop(1))),
    pickle.TUPLE2: lambda machine: machine.make(tuple(machine.pop(2))),
    pickle.TUPLE3: lambda machine: machine.make(tuple(machine.pop(3))),
    pickle.APPEND: lambda machine: machine.append(machine.pop(1)),
    pickle.APPENDS: lambda machine: machine.append(machine.pop_marked()),
    pickle.ADDITEMS: Machine.add_items,
    pickle.SETITEM: lambda machine: machine.set_items(machine.pop(2)),
    pickle.SETITEMS: lambda machine: machine.set_marked(),
    # names and calls
    pickle.GLOBAL: Machine.name_in_lines,
    pickle.STACK_GLOBAL: Machine.name_on_stack,
    pickle.REDUCE: Machine.reduce,
    pickle.BUILD: Machine.build,
    pickle.PERSID: Machine.tensors,
    pickle.BINPERSID: Machine.tensors,
}
_INSTRUCTIONS = {code[0]: instruction for code, instruction in _RARE.items()}
_FLOAT, _MEMOIZE, _TEXT, _BYTES = (
    code[0] for code in (pickle.BINFLOAT, pickle.MEMOIZE, pickle.SHORT_BINUNICODE, pickle.SHORT_BINBYTES)
)
_INT1, _INT2, _INT4 = (code[0] for code in (pickle.BININT1, pickle.BININT2, pickle.BININT))
_GET1, _GET4, _STOP = (code[0] for code in (pickle.BINGET, pickle.LONG_BINGET, pickle.STOP))
