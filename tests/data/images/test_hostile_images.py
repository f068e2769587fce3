"""Archives, pictures and folders that are made to fill memory or never to end, read in a child with 1 GB."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import struct
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.data.images import layouts
from tests.hostile import outcomes

ZEROS = 60_000_000


def header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    member = tarfile.TarInfo(name)
    member.size, member.type = size, kind
    return member.tobuf(tarfile.GNU_FORMAT)


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % 512)


def mended(block: bytearray) -> bytes:
    """A header whose checksum fits what was changed."""
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def sparse() -> bytes:
    """20 kB that say that they are 6 GB with a hole."""
    block = bytearray(header("data_batch_1", 512, tarfile.GNUTYPE_SPARSE))
    block[386:410] = b"%011o\0%011o\0" % (0, 512)
    block[483:495] = b"%011o\0" % 6_000_000_000
    return mended(block) + bytes(512) + bytes(19_000)


def sparse_map() -> bytes:
    """A list of holes that never ends."""
    block = bytearray(header("data_batch_1", 0, tarfile.GNUTYPE_SPARSE))
    block[482] = 1
    more = (b"%011o\0%011o\0" % (0, 1)) * 21 + b"\1" + bytes(7)
    return gzip.compress(mended(block) + more * 20_000, 1)


def negative() -> bytes:
    """A member that ends before it begins: the next header is the same one."""
    block = bytearray(header("data_batch_1", 0))
    block[124:136] = b"\xff" * 11 + b"\0"  # -256 in base 256
    return mended(block) + bytes(2048)


def pax(text: bytes) -> bytes:
    return header("pax", len(text), tarfile.XHDTYPE) + padded(text)


def xz_of_4_gigabytes() -> bytes:
    """A few bytes, whose header asks for a dictionary of 4 GiB."""
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 16}]
    content = bytearray(lzma.compress(header("test_batch", 0) + bytes(1024), lzma.FORMAT_XZ, filters=filters))
    length = 4 * (content[12] + 1)
    content[16] = 40
    content[12 + length - 4 : 12 + length] = struct.pack("<I", zlib.crc32(content[12 : 12 + length - 4]))
    return bytes(content)


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    )


ARCHIVES: dict[str, tuple[Callable[[], bytes], str]] = {
    "sparse member": (sparse, "sparse"),
    "sparse without an end": (sparse_map, "larger than any"),
    "negative size": (negative, "damaged: get it again"),
    "name of 60 MB": (
        lambda: gzip.compress(header("x", ZEROS, tarfile.GNUTYPE_LONGNAME) + bytes(ZEROS), 1),
        "larger than any",
    ),
    "attributes of 60 MB": (
        lambda: gzip.compress(header("x", ZEROS, tarfile.XHDTYPE) + bytes(ZEROS), 1),
        "larger than any",
    ),
    "headers of headers": (lambda: pax(b"11 path=ab\n") * 5000, "damaged|larger than any"),
    "member of 60 MB of zeros": (
        lambda: gzip.compress(header("data_batch_1.bin", ZEROS) + bytes(ZEROS), 9),
        "100 times its size",
    ),
    "the same in bzip2": (
        lambda: bz2.compress(header("data_batch_1.bin", ZEROS) + bytes(ZEROS), 1),
        "100 times its size",
    ),
    "member of 8 GB that is not there": (lambda: header("data_batch_1", 8_000_000_000), "damaged"),
    "twenty thousand members": (
        lambda: b"".join(header(f"{number}", 0) for number in range(20_000)) + bytes(1024),
        "more than 10,000 members",
    ),
    "xz that asks for 4 GB": (xz_of_4_gigabytes, "damaged"),
    "a text": (lambda: b"hello", "neither a folder nor a tar archive"),
}


def _files(path: Path, **changed: bytes) -> None:
    layouts.as_folder({**layouts.idx_files(layouts.make_loaded(size=7, channels=1)), **changed}, path)


def gz_bomb(path: Path) -> None:
    _files(path)
    (path / "train-images-idx3-ubyte").unlink()
    start = struct.pack(">4I", 0x803, ZEROS // 784, 28, 28)
    (path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(start + bytes(ZEROS), 9))


def idx_of_nothing(path: Path) -> None:
    _files(path)
    (path / "train-images-idx3-ubyte").write_bytes(struct.pack(">4I", 0x803, 2**32 - 1, 2**32 - 1, 2**32 - 1))


def idx_of_255_dimensions(path: Path) -> None:
    _files(path)
    content = b"\0\0\x08\xff" + struct.pack(">I", 1) * 255 + b"\1"
    (path / "train-labels-idx1-ubyte").write_bytes(content)


def linked(target: str, name: str = "train-images-idx3-ubyte") -> Callable[[Path], None]:
    def write(path: Path) -> None:
        _files(path)
        (path / name).unlink()
        (path / name).symlink_to(target)

    return write


def grown(path: Path) -> None:
    _files(path)
    with (path / "train-images-idx3-ubyte").open("ab") as file:
        file.truncate(5_000_000_000)


def strips(content: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        files = layouts.png_strips(layouts.make_loaded())
        layouts.as_folder({**files, "data_batch_1.png": content}, path)

    return write


def labels_in_each_other(path: Path) -> None:
    files = layouts.png_strips(layouts.make_loaded())
    layouts.as_folder({**files, "train_lables.json": b"[" * 500_000}, path)


FOLDERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "IDX in gzip of 60 MB of zeros": (gz_bomb, "100 times its size"),
    "IDX that says more than there is": (idx_of_nothing, "truncated or damaged"),
    "IDX of 255 dimensions": (idx_of_255_dimensions, "255 dimensions"),
    "a link to a device": (linked("/dev/zero"), "lacks train-images"),  # no file: not even looked at
    "a file of 5 GB": (grown, "at most 256.0 MB"),
    "strip of 3.6 billion pixels": (strips(png_header(60_000, 60_000)), "pixels"),
    "strip that is PostScript": (strips(b"%!PS-Adobe-3.0 EPSF-3.0\n"), "not a picture"),
    "labels in each other": (labels_in_each_other, "nested deeper"),
    "a device": (lambda path: path.symlink_to("/dev/zero"), "no regular file"),
    "a pipe": (os.mkfifo, "no regular file"),
    "a link to itself": (lambda path: path.symlink_to(path), "no file or folder|symbolic links"),
}


def pictures(name: str, write: Callable[[Path], object]) -> Callable[[Path], None]:
    def made(path: Path) -> None:
        layouts.picture_folder(path, [(8, 8)] * 8)
        write(path / "train" / "class0" / name)

    return made


def _bomb(path: Path) -> None:
    path.write_bytes(png_header(60_000, 60_000))


PICTURES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a link to a device": (pictures("z.png", lambda path: path.symlink_to("/dev/zero")), "no regular file"),
    "a pipe": (pictures("z.png", os.mkfifo), "no regular file"),
    "a picture of 3.6 billion pixels": (pictures("z.png", _bomb), "pixels"),
    "a picture of 1 GB": (
        pictures("z.png", lambda path: (path.touch(), os.truncate(path, 1_000_000_000))),
        "at most 128.0 MB",
    ),
}

Answers = dict[str, tuple[str, str]]


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Answers]:
    folder = tmp_path_factory.mktemp("archives")
    files = {name: folder / f"{number}.tar" for number, name in enumerate(ARCHIVES)}
    for name, (make, _) in ARCHIVES.items():
        files[name].write_bytes(make())
    yield outcomes("images", files)
    for file in files.values():
        file.unlink()


def _made(folder: Path, cases: dict[str, tuple[Callable[[Path], object], str]]) -> dict[str, Path]:
    files = {name: folder / f"{number}" for number, name in enumerate(cases)}
    for name, (write, _) in cases.items():
        write(files[name])
    return files


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Answers:
    return outcomes("images", _made(tmp_path_factory.mktemp("folders"), FOLDERS))


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Answers:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCHKIT_HOME", str(tmp_path_factory.mktemp("home")))
        return outcomes("folder", _made(tmp_path_factory.mktemp("pictures"), PICTURES))


def check(answer: tuple[str, str], says: str) -> None:
    became, line = answer
    assert became == "refused", line
    assert any(words in line for words in says.split("|")), line
    assert "\n" not in line
    assert len(line) < 400


@pytest.mark.parametrize("name", ARCHIVES)
def test_an_archive_is_one_line(name: str, archives: Answers) -> None:
    check(archives[name], ARCHIVES[name][1])


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_of_official_files_is_one_line(name: str, folders: Answers) -> None:
    check(folders[name], FOLDERS[name][1])


@pytest.mark.parametrize("name", PICTURES)
def test_a_folder_of_pictures_is_one_line(name: str, imported: Answers) -> None:
    check(imported[name], PICTURES[name][1])


def test_an_archive_with_a_plain_member_of_megabytes_is_read(tmp_path: Path) -> None:
    """The window of the archive is small; what passes through it is not."""
    from benchkit.data.images.readers.archive import members

    content = np.random.default_rng(0).integers(0, 256, 5_000_000, dtype=np.uint8).tobytes()
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as archive:
        for name in ("a" * 300, "b"):  # a long name has a header of its own
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    assert [(name, read() == content) for name, read in members(path)] == [("a" * 300, True), ("b", True)]
