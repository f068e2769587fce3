"""Read a pickle from the internet as data: nothing that it names is called unless it is listed here.

A pickle is a program. Its GLOBAL instructions name any function of any module, and REDUCE calls it, so that
opening a hostile file with `pickle.load` runs whatever its author wished. Here every name is looked up in
`ALLOWED` (containers, and numpy's dtypes, arrays and scalars); any other ends the reading before it is
imported, let alone called.

`stream_entries` reads a pickled dictionary of millions of objects in the memory of a few: it hands out each
entry of the dictionary below one key as soon as that entry is complete, and forgets it.

Deviations and choices
----------------------
- Streaming rests on the pure-Python unpickler of the standard library, whose instructions can be overridden.
  It is of the speed of the C one here: both spend their time on the objects.
- A pickle may refer back to any earlier object. Of each entry that was handed out, what later entries were
  seen to share is kept: the names of classes and functions, dtypes, and the short texts of the first
  `_REMEMBERED` entries (the keys that all of them have). A reference to anything else that was forgotten is
  an error that says so; it cannot yield a wrong value.
"""

from __future__ import annotations

import codecs
import io
import pickle
import pickletools
import struct
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any, ClassVar

import numpy as np

from benchkit.spaces import InputError

__all__ = ["ALLOWED", "first_texts", "load_pickle", "load_pickles", "stream_entries"]

_REMEMBERED = 16

Consume = Callable[[Any, Any], None]
"""Called with an entry's key and value."""


class _Latin1Encode:
    """Stands in for `codecs.encode`: old pickles write bytes as its argument, always in Latin-1."""

    __slots__ = ()  # a pickle can set attributes of what it names; this has none

    def __call__(self, text: str, encoding: str = "latin1") -> bytes:
        if encoding.lower() not in ("latin1", "latin-1"):
            raise pickle.UnpicklingError(f"bytes encoded as {encoding!r}")
        return codecs.latin_1_encode(text)[0]


def _allowed() -> dict[tuple[str, str], Any]:
    builtin = {
        each.__name__: each for each in (bool, bytes, complex, dict, float, frozenset, int, list, set, str)
    }
    found: dict[tuple[str, str], Any] = {
        ("collections", "OrderedDict"): OrderedDict,
        ("collections", "defaultdict"): defaultdict,
        ("_codecs", "encode"): _Latin1Encode(),
        ("numpy", "dtype"): np.dtype,
        ("numpy", "ndarray"): np.ndarray,
    }
    for module in ("builtins", "__builtin__"):  # Python 3 and 2
        found |= {(module, name): each for name, each in builtin.items()}
    array, scalar = np.arange(0), np.float64(0)
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):  # numpy 1 and 2
        found[module, "_reconstruct"] = array.__reduce__()[0]
        found[module, "scalar"] = scalar.__reduce__()[0]
    return found


ALLOWED = _allowed()
"""(module, name) as a pickle writes it -> what it stands for."""


def _find(module: str, name: str) -> Any:
    try:
        return ALLOWED[module, name]
    except KeyError:
        raise InputError(
            f"it asks for {module}.{name}, which is not plain data: refused, and nothing of it was run"
        ) from None


class _Restricted(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str) -> Any:
        return _find(module_name, global_name)


@contextmanager
def _told(where: str) -> Iterator[None]:
    """Turn whatever a damaged pickle raises into one line."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    except EOFError as error:
        raise InputError(f"{where} is truncated: it ends before its data do") from error
    except (pickle.UnpicklingError, struct.error, ArithmeticError, AttributeError, LookupError) as error:
        raise InputError(f"{where} is damaged: {error or type(error).__name__}") from error
    except (OSError, TypeError, ValueError, MemoryError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's fault, not the file's
        raise InputError(f"{where} is damaged: {error or type(error).__name__}") from error


def load_pickle(source: bytes | IO[bytes], where: str, encoding: str = "ASCII") -> Any:
    """Return what a pickle holds; a file is read up to the pickle's end.

    Parameters
    ----------
    where : what to call it in errors.
    encoding : of the texts in a pickle of Python 2; ``latin1`` where it holds arrays.

    Raises
    ------
    InputError : truncated, damaged, or naming anything that is not in `ALLOWED`.
    """
    return load_pickles(source, 1, where, encoding)[0]


def load_pickles(source: bytes | IO[bytes], count: int, where: str, encoding: str = "ASCII") -> list[Any]:
    """Return what so many pickles hold, one after another in a file; raises as `load_pickle`."""
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    with _told(where):
        return [_Restricted(file, encoding=encoding).load() for _ in range(count)]


def first_texts(start: bytes) -> list[str]:
    """Return the texts that the first bytes of a pickle hold, without building anything; [] if it is none."""
    texts: list[str] = []
    try:
        for code, argument, _ in pickletools.genops(start):
            if code.name == "PROTO" or isinstance(argument, str):
                texts.append(str(argument))
    except (ValueError, UnicodeDecodeError):  # the end of these bytes, or no pickle
        pass
    return texts[1:] if start[:1] == pickle.PROTO else []


def stream_entries(source: IO[bytes], below: str, consume: Consume, where: str) -> dict[Any, Any]:
    """Read a pickled dictionary, and hand out the entries of one of its dictionaries one at a time.

    Parameters
    ----------
    source : a file, open at the start of the pickle.
    below : the key of the dictionary ``{number: entry}`` whose entries, dictionaries with texts for keys, are
        handed out.
    consume : called with each number and entry, in the file's order; its InputErrors are passed on.
    where : what to call the file in errors.

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


_PurePython: Any = pickle._Unpickler  # its instructions can be overridden; the C one's cannot


class _Streaming(_PurePython):  # type: ignore[misc]
    """Hands out each entry of ``root[below]`` when the key of the next is read, or the last is stored.

    The entries' dictionary is filled between a MARK and a SETITEMS, up to a thousand entries at a time, which
    wait on the stack as key, value, key, value: so a completed value is followed by a number at that depth.
    """

    def __init__(self, file: IO[bytes], below: str, consume: Consume) -> None:
        super().__init__(file)
        self._below = below
        self._consume = consume
        self.handed_out = 0
        self._depth = 0  # of the stacks at which entries wait; 0 while none do
        self._stored = 0  # number that MEMOIZE, which has none of its own, gives to the next object
        self._shared: dict[int, Any] = {}  # kept of what came before this entry; its own are in self.memo

    def find_class(self, module: str, name: str) -> Any:
        return _find(module, name)

    def persistent_load(self, pid: Any) -> Any:
        raise InputError("it holds tensors (network weights), not only results")

    def _complete(self) -> None:
        """Hand out the entry on top of the stack, and forget it."""
        self._consume(*self.stack[-2:])
        self.stack[-1] = None
        self.handed_out += 1
        texts = self.handed_out <= _REMEMBERED
        self._shared |= {
            key: value
            for key, value in self.memo.items()
            if isinstance(value, np.dtype) or callable(value) or (texts and isinstance(value, str | bytes))
        }
        self.memo.clear()

    def _recall(self, key: int) -> None:
        try:
            self.append(self.memo[key] if key in self.memo else self._shared[key])
        except KeyError:
            raise InputError(
                f"its entry number {self.handed_out} refers to data of an earlier one, which is no longer "
                f"in memory: use the folder with one file for each architecture instead"
            ) from None

    def load_mark(self) -> None:
        parent = self.stack
        super().load_mark()
        depth = len(self.metastack)  # of what the root holds: 2, or 1 where it holds one thing
        in_root = (depth == 2 and len(parent) > 1) or (depth == 1 and len(parent) == 3)
        if in_root and parent[-2] == self._below and isinstance(parent[-1], dict):
            self._depth = depth
            self._shared |= self.memo
            self.memo.clear()

    def _between_entries(self) -> bool:
        """Return whether the stack ends with an entry that nothing is missing of, if its keys are texts."""
        stack = self.stack
        return len(self.metastack) == self._depth > 0 and len(stack) > 1 and stack[-3:-2] in ([], [None])

    def load_setitems(self) -> None:
        if self._between_entries():
            self._complete()
        if len(self.metastack) == self._depth:
            self._depth = 0
        super().load_setitems()

    def _number(self, value: int) -> None:
        if self._between_entries():
            self._complete()
        self.append(value)

    def load_binint(self) -> None:
        self._number(int.from_bytes(self.read(4), "little", signed=True))

    def load_binint1(self) -> None:
        self._number(self.read(1)[0])

    def load_binint2(self) -> None:
        self._number(int.from_bytes(self.read(2), "little"))

    def load_get(self) -> None:
        self._recall(int(self.readline()[:-1]))

    def load_binget(self) -> None:
        self._recall(self.read(1)[0])

    def load_long_binget(self) -> None:
        self._recall(int.from_bytes(self.read(4), "little"))

    def load_memoize(self) -> None:
        self.memo[self._stored] = self.stack[-1]
        self._stored += 1

    dispatch: ClassVar[dict[int, Any]] = {
        **_PurePython.dispatch,
        pickle.MARK[0]: load_mark,
        pickle.SETITEMS[0]: load_setitems,
        pickle.BININT[0]: load_binint,
        pickle.BININT1[0]: load_binint1,
        pickle.BININT2[0]: load_binint2,
        pickle.GET[0]: load_get,
        pickle.BINGET[0]: load_binget,
        pickle.LONG_BINGET[0]: load_long_binget,
        pickle.MEMOIZE[0]: load_memoize,
    }
