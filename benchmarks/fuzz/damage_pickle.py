"""Damage to pickles: programs of the pickle machine that are nearly right, and programs meant to do harm."""

from __future__ import annotations

import pickle
import pickletools
import struct

import numpy as np

from benchmarks.fuzz.damage_bytes import damage_bytes

__all__ = ["damage_pickle", "random_program"]

_GLOBALS = (
    *("numpy dtype", "numpy ndarray", "numpy.core.multiarray _reconstruct", "numpy.core.multiarray scalar"),
    *(
        "numpy._core.multiarray _reconstruct",
        "numpy._core.multiarray scalar",
        "numpy._core.numeric _frombuffer",
    ),
    *(
        "collections OrderedDict",
        "collections defaultdict",
        "_codecs encode",
        "builtins set",
        "builtins dict",
    ),
    *(
        "builtins list",
        "builtins bytes",
        "builtins bytearray",
        "builtins str",
        "builtins int",
        "builtins float",
    ),
    *("builtins complex", "builtins frozenset", "builtins bool", "builtins range", "builtins getattr"),
    *(
        "builtins eval",
        "os system",
        "torch._utils _rebuild_tensor_v2",
        "torch FloatStorage",
        "torch ByteStorage",
    ),
    *("copyreg _reconstructor", "builtins object", "functools partial", "numpy.core.numeric _frombuffer"),
)
_DTYPES = (
    "u1",
    "f8",
    "i8",
    "O",
    "O8",
    "S5",
    "U3",
    "V8",
    "b1",
    "?",
    "c16",
    "M8",
    "m8[s]",
    "f2",
    "a" * 50,
    "<i4",
    "S0",
)
_INTEGERS = (0, 1, 2, 3, 7, 10, 255, 4096, 65535, 2**20, 2**31 - 1, -1, -2, -(2**31), 2**30)


def _integer(rng: np.random.Generator) -> bytes:
    value = int(_INTEGERS[int(rng.integers(len(_INTEGERS)))])
    if rng.random() < 0.15:
        wide = int(rng.choice(np.array([2**40, 2**62, 2**33])))
        return pickle.LONG1 + bytes([8]) + struct.pack("<q", wide)
    return pickle.BININT + struct.pack("<i", value)


def _text(rng: np.random.Generator) -> bytes:
    word = str(
        rng.choice(["a", "b", "latin1", "data", "arch2infos", "x" * 200, *_DTYPES, "|", "<", "="])
    ).encode()
    return pickle.BINUNICODE + struct.pack("<I", len(word)) + word


def _raw(rng: np.random.Generator) -> bytes:
    data = rng.bytes(int(rng.choice([0, 1, 4, 8, 16, 24, 64, 200])))
    return pickle.BINBYTES + struct.pack("<I", len(data)) + data


def _global(rng: np.random.Generator) -> bytes:
    module, name = str(rng.choice(_GLOBALS)).split()
    return pickle.GLOBAL + f"{module}\n{name}\n".encode()


def _tuple(parts: list[bytes]) -> bytes:
    return pickle.MARK + b"".join(parts) + pickle.TUPLE


def _shape(rng: np.random.Generator) -> bytes:
    return _tuple([_integer(rng) for _ in range(int(rng.integers(0, 4)))])


def _dtype(rng: np.random.Generator) -> bytes:
    word = str(rng.choice(_DTYPES)).encode()
    made = b"cnumpy\ndtype\n" + _tuple(
        [pickle.BINUNICODE + struct.pack("<I", len(word)) + word, pickle.NEWFALSE, pickle.NEWTRUE]
    )
    made += pickle.REDUCE
    if rng.random() < 0.6:
        state = [_integer(rng), _text(rng), pickle.NONE, pickle.NONE, pickle.NONE]
        state += [_integer(rng), _integer(rng), _integer(rng)]
        if rng.random() < 0.3:
            state[int(rng.integers(len(state)))] = _any(rng, 1)
        made += _tuple(state[: int(rng.integers(5, 9))]) + pickle.BUILD
    return made


def _array(rng: np.random.Generator) -> bytes:
    made = b"cnumpy.core.multiarray\n_reconstruct\n"
    made += _tuple([b"cnumpy\nndarray\n", _shape(rng), _raw(rng)]) + pickle.REDUCE
    content = _raw(rng) if rng.random() < 0.6 else _any(rng, 1)
    order = pickle.NEWFALSE if rng.random() < 0.7 else pickle.NEWTRUE
    return made + _tuple([_integer(rng), _shape(rng), _dtype(rng), order, content]) + pickle.BUILD


def _direct(rng: np.random.Generator) -> bytes:
    return b"cnumpy\nndarray\n" + _tuple([_shape(rng), _dtype(rng), _raw(rng)]) + pickle.REDUCE


def _scalar(rng: np.random.Generator) -> bytes:
    return b"cnumpy.core.multiarray\nscalar\n" + _tuple([_dtype(rng), _raw(rng)]) + pickle.REDUCE


def _call(rng: np.random.Generator) -> bytes:
    arguments = _tuple([_any(rng, 1) for _ in range(int(rng.integers(0, 4)))])
    return _global(rng) + arguments + (pickle.REDUCE if rng.random() < 0.7 else pickle.NEWOBJ)


def _harm(rng: np.random.Generator) -> bytes:
    """Return instructions that claim much memory, refer to nothing, or go deep."""
    choices = [
        pickle.NONE + pickle.LONG_BINPUT + struct.pack("<I", int(rng.choice([2**20, 2**28, 2**32 - 1]))),
        pickle.BINUNICODE8 + struct.pack("<Q", 2**40),
        pickle.BINBYTES8 + struct.pack("<Q", 2**62),
        b"\x96" + struct.pack("<Q", 2**35),
        pickle.BINBYTES + struct.pack("<I", 2**31),
        pickle.FRAME + struct.pack("<Q", 2**50),
        pickle.LONG4 + struct.pack("<i", 2**30),
        pickle.BINGET + b"\xc8",
        pickle.LONG_BINGET + struct.pack("<I", 2**31),
        pickle.EMPTY_LIST * 3000,
        pickle.MARK * 5000,
        pickle.EMPTY_LIST + (pickle.DUP + pickle.APPEND) * 200,
        b"cbuiltins\nbytes\n"
        + _tuple([pickle.LONG1 + b"\x05" + struct.pack("<q", 2**34)[:5]])
        + pickle.REDUCE,
        b"cbuiltins\nlist\n"
        + _tuple([b"cbuiltins\nrange\n" + _tuple([_integer(rng)]) + pickle.REDUCE])
        + b"R",
        b"I" + b"9" * 6000 + b"\n",
        pickle.BINPERSID + pickle.POP,
        b"\x82\x01",
        b"(i__main__\nX\n",
    ]
    return choices[int(rng.integers(len(choices)))]


def _any(rng: np.random.Generator, depth: int = 0) -> bytes:
    simple = [_integer, _text, _raw]
    nested = [_dtype, _array, _direct, _scalar, _call, _harm, _global]
    kinds = simple if depth > 2 or rng.random() < 0.4 else nested
    return kinds[int(rng.integers(len(kinds)))](rng)


def random_program(rng: np.random.Generator) -> bytes:
    """Return a pickle of a dictionary of nearly valid arrays, calls, and instructions that do harm."""
    parts = [_text(rng) + _any(rng) for _ in range(int(rng.integers(1, 5)))]
    return (
        pickle.PROTO
        + b"\x04"
        + pickle.EMPTY_DICT
        + pickle.MARK
        + b"".join(parts)
        + pickle.SETITEMS
        + pickle.STOP
    )


def damage_pickle(data: bytes, rng: np.random.Generator) -> bytes:
    """Return a pickle with faults: instructions of others put in, taken out or doubled, or bytes changed."""
    if rng.random() < 0.3:
        return damage_bytes(data, rng, start=2)
    positions = []
    try:
        for _, _, position in pickletools.genops(data[:200_000]):
            positions.append(position or 0)
    except Exception:
        pass
    if len(positions) < 3:
        return random_program(rng)
    out = bytearray(data)
    for at in sorted(
        (int(rng.integers(2, len(positions) - 1)) for _ in range(int(rng.integers(1, 4)))), reverse=True
    ):
        begin, end = positions[at], positions[at + 1]
        match int(rng.integers(4)):
            case 0:
                out[begin:end] = _any(rng)
            case 1:
                out[begin:begin] = _any(rng)
            case 2:
                del out[begin:end]
            case _:
                out[begin:begin] = out[begin:end]
    return bytes(out)
