"""Reads a pickle from the internet as data: nothing that it names is called.

A pickle is a program. Its GLOBAL instructions name any function of any module, and REDUCE calls it, so that
opening a hostile file with `pickle.load` runs whatever its author wished; and a state that lies to numpy
reads and writes memory that is not there. Here `machine` runs the few instructions that make data, within
limits, and `values` has what may be named: containers, and numpy's dtypes, arrays and scalars, made by our
own code of checked parts.

`stream_entries` reads a pickled dictionary of millions of objects in the memory of a few: it hands out each
entry of the dictionary below one key as soon as that entry is complete, and forgets it.

Deviations and choices
----------------------
- A pickle may refer back to any earlier object. Of each entry that was handed out, what later entries were
  seen to share is kept: the names of classes and functions, dtypes, and the short texts of the first
  `_REMEMBERED` entries (the keys that all of them have). A reference to anything else that was forgotten is
  an error that says so; it cannot yield a wrong value.
- The entries' dictionary is filled between a MARK and a SETITEMS, up to a thousand entries at a time, which
  wait on the stack as key, value, key, value: so a completed value is followed by a number at that depth.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import struct
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any

from benchkit.base.errors import InputError, shown
from benchkit.base.pickles.machine import Machine
from benchkit.base.pickles.tape import Limits
from benchkit.base.pickles.values import ALLOWED, Dtype, StandIn

__all__ = ["ALLOWED", "Limits", "first_texts", "load_pickle", "load_pickles", "stream_entries"]

_REMEMBERED = 16
_ENTRY = Limits(program=8_000_000, payload=1_000_000, made=100_000, kept=1_000_000)
# an entry of the official files has 84 to 326 kB, the list of all names 1.4 MB

Consume = Callable[[Any, Any], None]
"""Function of an entry's key and value."""


@contextmanager
def _told(where: str) -> Iterator[None]:
    """Turn whatever a damaged pickle raises into one line."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    except (EOFError, struct.error) as error:
        raise InputError(f"{where} is truncated: it ends before its data do") from error
    except UnicodeDecodeError as error:  # its own words quote the bytes, all of them
        raise InputError(f"{where} is damaged: a text is not in {error.encoding}") from error
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise InputError(f"{where} is damaged: {_reason(error)}") from error
    except MemoryError as error:
        raise InputError(f"{where} is too large for this machine's memory") from error
    except OSError as error:
        if error.errno is not None:
            raise  # the disk's fault, not the file's
        raise InputError(f"{where} is damaged: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    return shown(str(error))[1:-1] or type(error).__name__


def load_pickle(
    source: bytes | IO[bytes], where: str, encoding: str = "ASCII", limits: Limits | None = None
) -> Any:
    """Return what a pickle holds; a file, which can seek, is read from its place up to the pickle's end.

    `where` names the source in errors; `encoding` is that of the texts in a pickle of Python 2, ``latin1``
    where it holds arrays. Raises InputError for one that is truncated, damaged, too large, or naming anything
    not in `ALLOWED`.
    """
    return load_pickles(source, 1, where, encoding, limits)[0]


def load_pickles(
    source: bytes | IO[bytes],
    count: int,
    where: str,
    encoding: str = "ASCII",
    limits: Limits | None = None,
) -> list[Any]:
    """Return what `count` pickles hold, one after another in a file; raises as `load_pickle`."""
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    start = file.tell()
    with _told(where):
        machine = Machine(file, limits or Limits(), encoding)
        found = [machine.load() for _ in range(count)]
        file.seek(start + machine.position)
        return found


def first_texts(start: bytes) -> list[str]:
    """Return the texts that the first bytes of a pickle hold, without building anything; [] if it is none."""
    texts: list[str] = []
    if start[:1] != pickle.PROTO:
        return texts
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes that are none: it is not read here
            for code, argument, _ in pickletools.genops(start):
                if code.name == "PROTO" or isinstance(argument, str):
                    texts.append(str(argument))
    except (ValueError, OverflowError, LookupError, struct.error):  # the end of these bytes, or no pickle
        pass
    return texts[1:]


def stream_entries(source: IO[bytes], below: str, consume: Consume, where: str) -> dict[Any, Any]:
    """Read a pickled dictionary, and hand out the entries of one of its dictionaries one at a time.

    Parameters
    ----------
    source : File, open at the start of the pickle; `where` names it in errors.
    below : Key of the dictionary ``{number: entry}`` whose entries, dictionaries with texts for keys, are
        handed out.
    consume : Function called with each number and entry, in the file's order; its InputErrors are passed on.

    Returns
    -------
    dict : the whole dictionary, with None in the place of each entry.

    Raises
    ------
    InputError : as `load_pickle`; no such dictionary; or an entry that refers to an earlier one.
    """
    with _told(where):
        reader = _Streaming(source, below, consume)
        found = reader.load()
        if not isinstance(found, dict) or not isinstance(found.get(below), dict):
            raise InputError(f"it is not a dictionary that has a dictionary {below!r}")
        if reader.handed_out != sum(entry is None for entry in found[below].values()):
            raise InputError(f"it has another dictionary {below!r} in a dictionary of its own")
        for number, entry in found[below].items():
            if entry is not None:  # written in a way that cannot be streamed, such as a single entry
                consume(number, entry)
                found[below][number] = None
        return found


class _Streaming(Machine):
    """Hands out each entry of ``root[below]`` when the key of the next is read, or the last is stored."""

    def __init__(self, file: IO[bytes], below: str, consume: Consume) -> None:
        super().__init__(file, _ENTRY)
        self._below = below
        self._consume = consume
        self.handed_out = 0
        self._shared: dict[int, Any] = {}  # kept of what came before this entry; its own are in self.memo

    def _complete(self) -> None:
        """Hand out the entry on top of the stack, and forget it."""
        self.check_filled()
        self._consume(*self.stack[-2:])
        self.stack[-1] = None
        self.handed_out += 1
        kept = (str, bytes, Dtype, StandIn) if self.handed_out <= _REMEMBERED else (Dtype, StandIn)
        self._shared |= {key: value for key, value in self.memo.items() if type(value) in kept}
        self.memo.clear()
        self.start_counting()

    def forgotten(self, key: int) -> Any:
        try:
            return self._shared[key]
        except KeyError:
            raise InputError(
                f"its entry number {self.handed_out} refers to data of an earlier one, which is no longer "
                f"in memory: use the folder with one file for each architecture instead"
            ) from None

    def mark(self) -> None:
        depth, stack = len(self.marks) + 1, self.stack
        floor = self.marks[-1] if self.marks else 0
        super().mark()
        # of what the root holds the depth is 2, or 1 where it holds one thing
        in_root = (depth == 2 and len(stack) - floor > 1) or (depth == 1 and len(stack) == 3)
        if in_root and type(stack[-2]) is str and stack[-2] == self._below and isinstance(stack[-1], dict):
            self.entry_depth = depth
            self._shared |= self.memo
            self.memo.clear()
            self.start_counting()

    def _between_entries(self) -> bool:
        """Return whether the stack ends with an entry that nothing is missing of, if its keys are texts."""
        if len(self.marks) != self.entry_depth or not self.entry_depth:
            return False
        waiting = len(self.stack) - self.marks[-1]
        return waiting == 2 or (waiting > 2 and self.stack[-3] is None)

    def before_number(self) -> None:
        if self._between_entries():
            self._complete()

    def set_marked(self) -> None:
        if self._between_entries():
            self._complete()
        if len(self.marks) == self.entry_depth:
            self.entry_depth = 0
        super().set_marked()
