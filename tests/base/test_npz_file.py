"""Files of arrays: what NumPy wrote is read to the bit, and whatever else stands in them is one line."""

from __future__ import annotations

import io
import os
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchkit.base.errors import InputError
from benchkit.base.npz_file import read_npy, read_npz

MOST = 1_000_000

ARRAYS = {
    "flags": np.array([True, False, True]),
    "bytes": np.arange(24, dtype=np.uint8).reshape(2, 3, 4),
    "integers": np.array([-(2**63), 2**63 - 1]),
    "big-endian": np.arange(5, dtype=">i4"),
    "floats": np.array([[0.5, -0.0, np.inf], [np.nan, 1e-308, 3.0]]),
    "half": np.arange(3, dtype=np.float16),
    "single number": np.float32(2.5),
    "empty": np.empty((0, 224, 3), dtype=np.float32),
    "texts": np.array(["a", "größe", ""]),
    "byte strings": np.array([b"a", b"\xff\0b"]),
    "columns first": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
}


def one(content: bytes, folder: Path, name: str = "x.npy") -> Path:
    """An archive with one member."""
    path = folder / "one.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, content)
    return path


def npy(header: str, data: bytes = b"", version: int = 1) -> bytes:
    width = 2 if version == 1 else 4
    return b"\x93NUMPY" + bytes([version, 0]) + len(header).to_bytes(width, "little") + header.encode() + data


def header(dtype: str, shape: str) -> str:
    return f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}, }}\n"


def test_what_numpy_wrote_is_read_to_the_bit(tmp_path: Path) -> None:
    path = tmp_path / "all.npz"
    np.savez(path, **ARRAYS)
    found = read_npz(path, "arrays", MOST)
    assert list(found) == list(ARRAYS)
    with np.load(path) as loaded:
        for name, array in found.items():
            want = loaded[name]
            assert (array.dtype.str, array.shape) == (want.dtype.str, want.shape), name
            assert array.tobytes() == want.tobytes(), name
            assert array.flags.writeable
            single = tmp_path / "one.npy"
            np.save(single, ARRAYS[name])
            assert read_npy(single, "array", MOST).tobytes() == want.tobytes(), name


def test_members_that_are_no_arrays_are_left_alone_if_they_are_known(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, a=np.arange(3))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("about.json", "{}")
    assert list(read_npz(path, "arrays", MOST, besides=("about.json",))) == ["a"]
    with pytest.raises(InputError, match=r"about\.json' is no array"):
        read_npz(path, "arrays", MOST)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (npy(header("'|O'", "(1,)"), bytes(8)), "dtype is no plain one"),
        (npy(header("'|O8'", "(1,)"), bytes(8)), "dtype '|O8' is none of bool"),
        (npy(header("[('a', '<f8')]", "(1,)"), bytes(8)), "no plain one"),
        (npy(header("'<M8[ns]'", "(1,)"), bytes(8)), "no plain one"),
        (npy(header("'<f16'", "(1,)"), bytes(16)), "dtype '<f16' is none of"),
        (npy(header("'|V8'", "(1,)"), bytes(8)), "dtype '|V8' is none of"),
        (npy(header("'<U0'", "(2,)")), "dtype '<U0' is none of"),
        (npy(header("'<U999999'", "(1,)")), "dtype '<U999999' is none of"),
        (npy(header("'<f8'", "(1000000000000,)"), bytes(8)), "too large"),
        (npy(header("'<f8'", "(0, 9999999999999999999)")), "too large"),
        (npy(header("'<f8'", "(2,)"), bytes(8)), "needs 16 bytes; it has 8"),
        (npy(header("'<f8'", "(1,)"), bytes(9)), "needs 8 bytes; it has 9"),
        (npy(header("'<f8'", "(-1,)"), bytes(8)), "not as NumPy writes it"),
        (npy(header("'<f8'", "(" + "1," * 33 + ")"), bytes(8)), "too large"),
        (npy(header("'<f8'", "(1,) + (2,)"), bytes(8)), "not as NumPy writes it"),
        (npy("(" * 9_000), "not as NumPy writes it"),
        (npy("x" * 20_000), "header has 20,000 bytes"),
        (npy("", version=2)[:8] + b"\xff\xff\xff\xff", "header has 4,294,967,295 bytes"),
        (npy(header("'|b1'", "(2,)"), b"\1\2"), "neither true nor false"),
        (npy(header("'<U1'", "(1,)"), b"\xff\xff\xff\xff"), "characters that are none"),
        (b"\x93NUMPY\7\0", "does not start as"),
        (b"", "does not start as"),
    ],
)
def test_a_header_that_cannot_be_true_is_one_line(content: bytes, says: str, tmp_path: Path) -> None:
    path = one(content, tmp_path)
    with pytest.raises(InputError, match=says.replace("|", r"\|")) as caught:
        read_npz(path, "trainings", MOST)
    line = str(caught.value)
    assert line.startswith(f"cannot read trainings {path}: array 'x': ")
    assert "\n" not in line
    single = tmp_path / "x.npy"
    single.write_bytes(content)
    with pytest.raises(InputError, match="cannot read scores"):
        read_npy(single, "scores", MOST)


def _compressed(path: Path) -> None:
    np.savez_compressed(path, a=np.zeros(10_000_000))


def _twice(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.npy", b"2")


def _encrypted(path: Path) -> None:
    np.savez(path, a=np.arange(3))
    content = path.read_bytes()
    at = content.index(b"PK\1\2")
    path.write_bytes(content[: at + 8] + b"\1" + content[at + 9 :])


def _flipped(path: Path) -> None:
    np.savez(path, a=np.arange(3.0))
    content = path.read_bytes()
    at = content.index(np.arange(3.0).tobytes())
    path.write_bytes(content[: at + 15] + b"\1" + content[at + 16 :])


def _long_directory(path: Path) -> None:
    """Its directory, not the data, is what would take the memory: 300,000 names of nothing."""
    entry = b"PK\1\2" + bytes(42)
    count = 300_000
    size = len(entry) * count
    end = b"PK\5\6" + bytes(4) + (b"\xff\xff" * 2) + size.to_bytes(4, "little") + bytes(6)
    path.write_bytes(entry * count + end)


@pytest.mark.parametrize(
    ("write", "says"),
    [
        (_compressed, "compressed in a way|unpacks to"),
        (_twice, "2 members of one name, 'a.npy'"),
        (_encrypted, "encrypted"),
        (_flipped, "damaged or cut short"),
        (_long_directory, "directory says 13,800,000 bytes"),
        (lambda path: path.write_bytes(b""), "damaged or cut short"),
        (lambda path: path.write_bytes(bytes(MOST + 1)), "at most 1.0 MB"),
        (lambda path: path.mkdir(), "Is a directory"),
        (lambda path: os.mkfifo(path), "no regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "no regular file"),
        (lambda path: None, "No such file"),
    ],
)
def test_an_archive_of_another_kind_is_one_line(
    write: Callable[[Path], object], says: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.npz"
    write(path)
    with pytest.raises(InputError, match=says) as caught:
        read_npz(path, "trainings", 20_000_000 if write is _long_directory else MOST)
    assert str(caught.value).startswith("cannot read trainings")
    assert "\n" not in str(caught.value)


def test_whatever_is_changed_the_answer_is_arrays_or_one_line(tmp_path: Path) -> None:
    """Bytes of headers, of the directory and of the data; the checksums are mended, or hardly any get far."""
    whole = io.BytesIO()
    np.save(whole, np.arange(12, dtype=np.int16).reshape(3, 4))
    rng = random.Random(0)
    refused: list[str] = []
    path = tmp_path / "x.npz"
    for number in range(600):
        content = bytearray(whole.getvalue())
        if number % 2:
            content[rng.randrange(8, 80)] = rng.choice(b"0123456789,() 'iufOUVS<>|=")
        one(bytes(content), tmp_path).replace(path)
        if number % 2 == 0:
            archive = bytearray(path.read_bytes())
            archive[rng.randrange(len(archive))] ^= 1 << rng.randrange(8)
            path.write_bytes(archive)
        try:
            for array in read_npz(path, "arrays", MOST).values():
                assert array.nbytes <= len(whole.getvalue())
        except InputError as error:
            refused.append(str(error))
    assert 300 < len(refused) < 600
    assert all("\n" not in line and len(line) < 300 + len(str(path)) for line in refused)
