"""Doors of image data: official archives, folders of pictures, IDX files, and what the cache holds."""

from __future__ import annotations

import gzip
import io
import json
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np

from benchkit.data.images.image_set import image_set
from benchkit.data.images.importing import import_images
from benchkit.data.images.storage import read_image_set, write_image_set
from benchmarks.fuzz.damage_bytes import damage_bytes, damage_text
from benchmarks.fuzz.damage_pickle import damage_pickle, random_program
from benchmarks.fuzz.damage_tree import damage_tree
from benchmarks.fuzz.door import Door
from benchmarks.fuzz.doors.official import is_pickle
from tests.data.images import layouts

__all__ = ["IdxFiles", "ImageArchives", "ImageFolders", "StoredImages"]


class ImageArchives(Door):
    """CIFAR as pickles, as binaries and as strips of pictures, in tar archives and in folders."""

    name = "image archives"

    def prepare(self, folder: Path) -> None:
        ten, hundred = layouts.make_loaded(), layouts.make_loaded(n=200, classes=100)
        layouts.as_folder(layouts.cifar10_pickles(ten), folder / "pickles")
        layouts.as_folder(layouts.cifar100_pickles(hundred), folder / "pickles100")
        layouts.as_folder(layouts.cifar10_binary(ten), folder / "binary")
        layouts.as_folder(layouts.png_strips(ten), folder / "strips")

    def damage(self, seeds: Path, folder: Path, rng: np.random.Generator) -> None:
        kinds = sorted(path for path in seeds.iterdir())
        files = {
            path.name: path.read_bytes() for path in sorted(kinds[int(rng.integers(len(kinds)))].iterdir())
        }
        names = list(files)
        chosen = names[int(rng.integers(len(names)))]
        content = files[chosen]
        if is_pickle(content):
            files[chosen] = random_program(rng) if rng.random() < 0.1 else damage_pickle(content, rng)
        elif chosen.endswith(".json"):
            files[chosen] = json.dumps(damage_tree(json.loads(content), rng)).encode()
        else:
            files[chosen] = damage_bytes(content, rng)
        if rng.random() < 0.1:
            del files[names[int(rng.integers(len(names)))]]
        if rng.random() < 0.4:
            layouts.as_folder(files, folder / "given")
            return
        path = layouts.as_archive(files, folder / "given.tar.gz")
        if rng.random() < 0.25:
            path.write_bytes(damage_bytes(path.read_bytes(), rng))

    def read(self, folder: Path) -> None:
        given = folder / "given"
        import_images(given if given.exists() else folder / "given.tar.gz", "some")

    def past_header(self, folder: Path) -> bool:
        if (folder / "given").exists():
            return True
        with tarfile.open(folder / "given.tar.gz") as archive:
            return len(archive.getmembers()) > 1


class ImageFolders(Door):
    """Folders of pictures, a folder a class."""

    name = "image folders"
    share = 0.5

    def prepare(self, folder: Path) -> None:
        layouts.picture_folder(folder / "given", [(8, 8)] * 8)

    def damage(self, seeds: Path, folder: Path, rng: np.random.Generator) -> None:
        if rng.random() < 0.5:
            (folder / "stream").touch()
        sources = sorted((seeds / "given").rglob("*.png"))
        chosen = int(rng.integers(len(sources)))
        for number, source in enumerate(sources):
            target = folder / source.relative_to(seeds)
            target.parent.mkdir(parents=True, exist_ok=True)
            data = source.read_bytes()
            if number == chosen:
                match int(rng.integers(6)):
                    case 0:
                        data = _png(
                            int(rng.choice([1, 40_000, 2**31 - 1])), int(rng.choice([0, 40_000, 2**30]))
                        )
                    case 1:
                        data = damage_bytes(data, rng)
                    case 2:
                        target.symlink_to(str(rng.choice(["/dev/zero", "nowhere", target.name])))
                        continue
                    case 3:
                        target = target.with_name(
                            str(rng.choice(["\udcff.png", "a\nb.png", "x" * 200 + ".png"]))
                        )
                    case 4:
                        data = _recounted(data, rng)
                    case _:
                        data = data[:16] + damage_bytes(data[16:], rng)
            target.write_bytes(data)

    def read(self, folder: Path) -> None:
        import_images(folder / "given", "some", stream=(folder / "stream").exists())

    def past_header(self, folder: Path) -> bool:
        files = [path for path in (folder / "given").rglob("*") if path.is_file()]
        return all(path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n" for path in files)


def _chunk(kind: bytes, data: bytes) -> bytes:
    import zlib

    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(width: int, height: int) -> bytes:
    """Return a picture that claims a size, with nothing behind it."""
    import zlib

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    content = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", content) + _chunk(b"IEND", b"")


def _recounted(data: bytes, rng: np.random.Generator) -> bytes:
    """Return a picture with faults inside its chunks, whose checksums are right again."""
    out, at = data[:8], 8
    while at + 8 <= len(data):
        n = int.from_bytes(data[at : at + 4], "big")
        kind, content = data[at + 4 : at + 8], data[at + 8 : at + 8 + n]
        out += _chunk(kind, damage_bytes(content, rng) if content and rng.random() < 0.5 else content)
        at += 12 + n
    return out


class IdxFiles(Door):
    """MNIST's form: four files, compressed or not."""

    name = "idx"
    share = 0.7

    def prepare(self, folder: Path) -> None:
        layouts.as_folder(layouts.idx_files(layouts.make_loaded(size=28, channels=1)), folder / "given")

    def damage(self, seeds: Path, folder: Path, rng: np.random.Generator) -> None:
        (folder / "given").mkdir()
        sources = sorted((seeds / "given").iterdir())
        chosen, packed = int(rng.integers(len(sources))), rng.random() < 0.4
        for number, source in enumerate(sources):
            data = source.read_bytes()
            behind = 0 if rng.random() < 0.2 else 4
            if number == chosen:
                length = len(data)
                data = damage_bytes(data, rng, start=behind)
                if rng.random() < 0.5:  # as many bytes as the header says
                    data = data[:length].ljust(length, b"\7")
                if rng.random() < 0.3:
                    data = data[:4] + struct.pack(">I", int(rng.choice([0, 2**31, 2**32 - 1]))) + data[8:]
            name, content = source.name, data
            if packed:
                name, content = f"{name}.gz", gzip.compress(data, 1)
                if number == chosen and rng.random() < 0.3:
                    content = damage_bytes(content, rng)
            (folder / "given" / name).write_bytes(content)

    def read(self, folder: Path) -> None:
        import_images(folder / "given", "some")

    def past_header(self, folder: Path) -> bool:
        for path in (folder / "given").iterdir():
            data = path.read_bytes()
            data = gzip.decompress(data) if path.suffix == ".gz" else data
            if data[:3] != b"\x00\x00\x08":
                return False
        return True


class StoredImages(Door):
    """The ``.npz`` of the cache."""

    name = "npz"

    def prepare(self, folder: Path) -> None:
        write_image_set(folder / "some.npz", image_set("some", layouts.make_loaded(), "CC0"))

    def damage(self, seeds: Path, folder: Path, rng: np.random.Generator) -> None:
        source, target = seeds / "some.npz", folder / "some.npz"
        if rng.random() < 0.25:
            target.write_bytes(damage_bytes(source.read_bytes(), rng))
            return
        with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
            names = old.namelist()
            chosen = names[int(rng.integers(len(names)))]
            for name in names:
                content = old.read(name)
                if name == chosen and name.endswith(".json"):
                    content = json.dumps(damage_tree(json.loads(content), rng)).encode()
                elif name == chosen:
                    content = _damaged_array(content, rng)
                if name != chosen or rng.random() > 0.05:
                    new.writestr(name, content)

    def read(self, folder: Path) -> None:
        read_image_set(folder / "some.npz")

    def past_header(self, folder: Path) -> bool:
        with zipfile.ZipFile(folder / "some.npz") as archive:
            return bool(archive.namelist())


def _damaged_array(content: bytes, rng: np.random.Generator) -> bytes:
    """Return an ``.npy`` file with another header, of the right length or not."""
    length = int.from_bytes(content[8:10], "little")
    header, data = content[10 : 10 + length].decode("latin1"), content[10 + length :]
    if rng.random() < 0.4:
        shape = str(
            rng.choice(["(2**40,)", "(1099511627776,)", "(-1,)", "()", "(0,)", "(3, 4)", "((1,),)", "None"])
        )
        descr = str(rng.choice(["|u1", "|O", "<f8", "|V1000", "<M8[s]", "[('a', '<f8')]", "|S0", "<U5"]))
        header = repr({"descr": descr, "fortran_order": False, "shape": ()}).replace("()", shape)
    else:
        header = damage_text(header, rng)
    raw = header.encode("latin1", "replace")
    size = len(raw) if rng.random() < 0.8 else int(rng.choice([0, 65535, 10]))
    out = io.BytesIO()
    out.write(content[:8] + struct.pack("<H", size) + raw + data)
    return out.getvalue()
