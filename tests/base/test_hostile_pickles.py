"""Pickles that are made to crash a process, to fill its memory, or to keep it busy for ever."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Iterator

import pytest

from tests.hostile import outcomes


def text(value: str) -> bytes:
    return pickle.SHORT_BINUNICODE + bytes([len(value)]) + value.encode()


def small(number: int) -> bytes:
    return pickle.BININT + struct.pack("<i", number)


def large(number: int) -> bytes:
    return pickle.LONG1 + b"\x0a" + number.to_bytes(10, "little", signed=True)


def several(*parts: bytes) -> bytes:
    return pickle.MARK + b"".join(parts) + pickle.TUPLE


def named(name: str) -> bytes:
    module, _, attribute = name.rpartition(".")
    return pickle.GLOBAL + f"{module}\n{attribute}\n".encode()


def call(name: str, *arguments: bytes) -> bytes:
    return named(name) + several(*arguments) + pickle.REDUCE


def dtype(code: str, flags: int = 0, order: str = "<", size: int = -1, fields: bytes = pickle.NONE) -> bytes:
    made = call("numpy.dtype", text(code), pickle.NEWFALSE, pickle.NEWTRUE)
    state = several(
        small(3), text(order), pickle.NONE, pickle.NONE, fields, small(size), small(-1), small(flags)
    )
    return made + state + pickle.BUILD


BLANK = call("numpy.core.multiarray._reconstruct", named("numpy.ndarray"), several(small(0)), text("b"))
EIGHT = pickle.SHORT_BINBYTES + b"\x08" + b"\x41" * 8


def array(kind: bytes, content: bytes, *shape: bytes) -> bytes:
    state = several(small(1), several(*shape), kind, pickle.NEWFALSE, content)
    return BLANK + state + pickle.BUILD


def keyed(key: bytes) -> bytes:
    return pickle.EMPTY_DICT + key + pickle.NONE + pickle.SETITEM


def doubled(start: bytes, times: int) -> bytes:
    """A tuple of two of a tuple of two of ...: a few bytes, and 2**times when it is looked at."""
    return start + (pickle.MEMOIZE + pickle.DUP + pickle.TUPLE2) * times


def colliding(count: int) -> bytes:
    prime = 2**61 - 1  # integers are hashed modulo it
    keys = b"".join(large(prime * (number + 1)) + pickle.NONE for number in range(count))
    return pickle.EMPTY_DICT + pickle.MARK + keys + pickle.SETITEMS


HUGE = struct.pack("<Q", 2**60)
ATTACKS = {
    # numpy is told what is not so
    "flags of objects": array(dtype("f8", flags=63), EIGHT, small(1)),
    "flags in a scalar": call("numpy.core.multiarray.scalar", dtype("f8", flags=63), EIGHT),
    "dtype of objects": array(dtype("O8", flags=63, order="|"), EIGHT, small(1)),
    "objects without BUILD": array(call("numpy.dtype", text("O")), EIGHT, small(1)),
    "scalar of an object": call("numpy._core.multiarray.scalar", dtype("O8", order="|"), EIGHT),
    "ndarray over a buffer": call("numpy.ndarray", several(small(1)), text("O"), EIGHT),
    "ndarray of a shape": call("numpy.ndarray", several(large(2**36)), text("f8")),
    "dtype with fields": array(dtype("V8", fields=pickle.EMPTY_DICT), EIGHT, small(1)),
    "fields of a number": array(dtype("f8", fields=pickle.EMPTY_DICT), EIGHT, small(1)),
    "another size": array(dtype("f8", size=1), EIGHT, small(8)),
    "a record": array(call("numpy.dtype", text("f4,O")), EIGHT, small(1)),
    "void": array(dtype("V8"), EIGHT, small(1)),
    "time": array(dtype("M8"), EIGHT, small(1)),
    "a dtype of bytes of text": array(dtype("U999999"), EIGHT, small(1)),
    "too few bytes": array(dtype("f8"), EIGHT, small(2)),
    "too many bytes": array(dtype("i1"), EIGHT, small(7)),
    "huge shape": array(dtype("i1"), EIGHT, large(2**62), large(4)),
    "huge shape of none": array(dtype("i1"), pickle.SHORT_BINBYTES + b"\0", small(0), large(2**66)),
    "negative shape": array(dtype("i1"), EIGHT, small(-8), small(-1)),
    "shape of floats": array(dtype("i1"), EIGHT, pickle.BINFLOAT + struct.pack(">d", 8.0)),
    "33 dimensions": array(dtype("i1"), EIGHT[:1] + b"\x01A", *[small(1)] * 33),
    "characters that are none": array(dtype("U2", flags=8, size=8), EIGHT[:2] + b"\xff" * 8, small(1)),
    "truth of 65": array(dtype("b1", order="|"), EIGHT, small(8)),
    "state of another array": array(dtype("f8"), EIGHT, small(1)) + several(small(1)) + pickle.BUILD,
    "array without content": pickle.EMPTY_LIST + BLANK + pickle.APPEND,
    "array before its content": BLANK + pickle.BINPUT + b"\0" + pickle.BINGET + b"\0" + pickle.TUPLE2,
    "two of an array": BLANK + pickle.DUP + several(small(1)) + pickle.BUILD + pickle.TUPLE2,
    "items of an array": array(dtype("i8"), EIGHT, small(1)) + small(0) + small(7) + pickle.SETITEM,
    "append to an array": array(dtype("i8"), EIGHT, small(1)) + small(0) + pickle.APPEND,
    "array of another class": call(
        "numpy.core.multiarray._reconstruct", named("collections.OrderedDict"), several(small(0)), text("b")
    ),
    # states and calls of what is no array
    "attributes of a dictionary": call("collections.OrderedDict") + keyed(text("items")) + pickle.BUILD,
    "attributes of a class": named("collections.OrderedDict") + keyed(text("items")) + pickle.BUILD,
    "NEWOBJ": named("builtins.set") + pickle.EMPTY_TUPLE + pickle.NEWOBJ,
    "NEWOBJ_EX": named("builtins.set") + pickle.EMPTY_TUPLE + pickle.EMPTY_DICT + pickle.NEWOBJ_EX,
    "INST": pickle.MARK + pickle.INST + b"collections\nOrderedDict\n",
    "OBJ": pickle.MARK + named("collections.OrderedDict") + pickle.OBJ,
    "EXT1": pickle.EXT1 + b"\x01",
    "EXT4": pickle.EXT4 + b"\x01\0\0\0",
    "PERSID": pickle.PERSID + b"storage\n",
    "BINPERSID": text("storage") + pickle.BINPERSID,
    "buffer": pickle.NEXT_BUFFER,
    "call of a text": text("a") + pickle.EMPTY_TUPLE + pickle.REDUCE,
    "call without a tuple": named("collections.OrderedDict") + pickle.EMPTY_LIST + pickle.REDUCE,
    **{
        f"{name} of 10**10": call(f"builtins.{name}", large(10**10))
        for name in ("bytes", "bytearray", "str", "list", "range", "set", "frozenset", "int", "dict")
    },
    "a factory": call("collections.defaultdict", text("a")),
    "members of a text": call("builtins.set", text("abc")),
    "pairs of one": call("collections.OrderedDict", pickle.EMPTY_LIST + several(small(1)) + pickle.APPEND),
    # lengths
    **{
        f"{name} of 2**60": getattr(pickle, name) + HUGE
        for name in ("BINUNICODE8", "BINBYTES8", "BYTEARRAY8")
    },
    "BINBYTES of 4 GB": pickle.BINBYTES + b"\xff" * 4,
    "BINUNICODE of 4 GB": pickle.BINUNICODE + b"\xff" * 4,
    "BINSTRING of 4 GB": pickle.BINSTRING + b"\xff" * 4,
    "LONG4 of 2 GB": pickle.LONG4 + b"\xff\xff\xff\x7f",
    "a frame of 2**60, and nothing": pickle.FRAME + HUGE,
    "a number of a million digits": pickle.LONG + b"9" * 1_000_000 + b"L\n",
    "a line without an end": pickle.UNICODE + b"a" * 20_000_000,
    "a line of two bytes a letter": pickle.UNICODE + b"\\u0100" + b"a" * 1_000_000 + b"\n",
    "a name without an end": pickle.GLOBAL + b"a" * 1_000_000,
    # numbers of things
    "memo of objects that are not there": pickle.LONG_BINGET + b"\xff\xff\xff\x7f",
    "five million sets": pickle.EMPTY_SET * 5_000_000,
    "five million dictionaries": pickle.MARK + pickle.EMPTY_DICT * 5_000_000 + pickle.LIST,
    "memo of twenty million": pickle.NONE + pickle.MEMOIZE * 20_000_000,
    "twenty million of None": pickle.MARK + pickle.NONE * 20_000_000 + pickle.TUPLE,
    "five million marks": pickle.MARK * 5_000_000,
    "a million lists in each other": pickle.EMPTY_LIST * 1_000_000 + pickle.APPEND * 999_999,
    "a million tuples in each other": pickle.NONE + pickle.TUPLE1 * 1_000_000,
    # what takes for ever, or more of the stack than there is, to be hashed
    "key of tuples of tuples": keyed(pickle.NONE + pickle.TUPLE1 * 100_000),
    "key that doubles": keyed(doubled(pickle.EMPTY_TUPLE, 100)),
    "member that doubles": pickle.EMPTY_SET + pickle.MARK + doubled(pickle.NONE, 100) + pickle.ADDITEMS,
    "frozen set that doubles": pickle.MARK + doubled(pickle.NONE, 100) + pickle.FROZENSET,
    "pairs that double": call(
        "collections.OrderedDict",
        pickle.EMPTY_LIST + doubled(pickle.NONE, 100) + pickle.NONE + pickle.TUPLE2 + pickle.APPEND,
    ),
    "keys that collide": colliding(100_000),
    "key of a list": keyed(pickle.EMPTY_LIST),
    "key of an array": keyed(array(dtype("f8"), EIGHT, small(1))),
    # what is malformed
    "nothing on the stack": pickle.TUPLE2,
    "past a mark": pickle.NONE + pickle.MARK + pickle.TUPLE1,
    "no mark": pickle.NONE + pickle.TUPLE,
    "two values": pickle.NONE + pickle.NONE,
    "a mark too many": pickle.NONE + pickle.MARK,
    "a key too many": pickle.EMPTY_DICT + pickle.MARK + pickle.NONE + pickle.SETITEMS,
    "no UTF-8": pickle.SHORT_BINUNICODE + b"\x02\xff\xff",
    "long text of four bytes": pickle.BINUNICODE
    + struct.pack("<I", 4_000_004)
    + b"a" * 4_000_000
    + "😀".encode(),
    "protocol 200": pickle.PROTO + b"\xc8" + pickle.NONE,
}
"""What each does -> its pickle, less the end."""

HARMLESS = {"memo at 2**31": pickle.NONE + pickle.LONG_BINPUT + b"\xff\xff\xff\x7f"}
"""What took 3.5 GB in nine bytes: only the number is large, and here it is a number and no more."""


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, tuple[str, str]]]]:
    """Door -> attack -> what became of it, in a child with 1 GB."""
    folder = tmp_path_factory.mktemp("hostile")
    files = {}
    for number, (name, attack) in enumerate({**ATTACKS, **HARMLESS}.items()):
        files[name] = folder / f"{number}.pkl"
        files[name].write_bytes(pickle.PROTO + b"\x04" + attack + pickle.STOP)
    yield {door: outcomes(door, files) for door in ("pickle", "stream")}
    for file in files.values():
        file.unlink()


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("door", ["pickle", "stream"])
def test_an_attack_is_one_line(name: str, door: str, answers: dict[str, dict[str, tuple[str, str]]]) -> None:
    became, line = answers[door][name]
    assert became == "refused", line
    assert "\n" not in line
    assert len(line) < 300


def test_a_memo_that_begins_at_two_billion_takes_no_memory(
    answers: dict[str, dict[str, tuple[str, str]]],
) -> None:
    assert [answers["pickle"][name][0] for name in HARMLESS] == ["read"]


def test_the_parts_of_the_attacks_are_read_where_they_are_true() -> None:
    """Otherwise the attacks could be refused for another reason than theirs."""
    from benchkit.base.pickles.reader import load_pickle

    for kind, size in (("f8", 1), ("i8", 1), ("S8", 1), ("i1", 8)):
        order, itemsize = ("|", 8) if kind == "S8" else ("|" if kind == "i1" else "<", -1)
        content = array(dtype(kind, order=order, size=itemsize), EIGHT, small(size)) + pickle.STOP
        found = load_pickle(content, "it")
        assert found.tobytes() == b"A" * 8
        assert found.shape == (size,)
    assert load_pickle(call("builtins.frozenset", pickle.EMPTY_LIST) + pickle.STOP, "it") == frozenset()
    assert load_pickle(keyed(several(text("a"), small(777))) + pickle.STOP, "it") == {("a", 777): None}
