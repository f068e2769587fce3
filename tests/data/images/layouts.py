"""Tiny files in the official layouts, made here: what the readers' tests read (nothing of it is real)."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import struct
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchkit.data.images.image_set import LabelledImages, Loaded

Files = dict[str, bytes]


def make_loaded(n: int = 40, size: int = 32, channels: int = 3, classes: int = 10, seed: int = 0) -> Loaded:
    """`n` random training and 20 random test images, all different, labels in turn."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 256, (n + 20, size, size, channels), dtype=np.uint8)
    y = np.arange(n + 20) % classes
    names = tuple(f"c{label}" for label in range(classes))
    return Loaded(LabelledImages(x[:n], y[:n]), LabelledImages(x[n:], y[n:]), names, "made here")


def planes(x: np.ndarray) -> np.ndarray:
    """NHWC -> rows of all red, all green, all blue pixels."""
    return np.stack([image.transpose(2, 0, 1).ravel() for image in x])


def _short_string(text: bytes) -> bytes:
    return pickle.SHORT_BINSTRING + struct.pack("<B", len(text)) + text


def python2_pickle(entries: dict[str, Any]) -> bytes:
    """The bytes that Python 2's cPickle writes, protocol 2, for arrays and lists of integers or texts."""
    out = [pickle.PROTO + b"\x02", pickle.EMPTY_DICT]
    for key, value in entries.items():
        out.append(_short_string(key.encode()))
        if isinstance(value, np.ndarray):
            out += [
                b"cnumpy.core.multiarray\n_reconstruct\n",
                b"cnumpy\nndarray\n",
                pickle.BININT1 + b"\x00" + pickle.TUPLE1,
                _short_string(b"b") + pickle.TUPLE3 + pickle.REDUCE,
                pickle.MARK + pickle.BININT1 + b"\x01",
                b"".join(pickle.BININT + struct.pack("<i", length) for length in value.shape) + pickle.TUPLE2,
                b"cnumpy\ndtype\n" + _short_string(b"u1"),
                pickle.BININT1 + b"\x00" + pickle.BININT1 + b"\x01" + pickle.TUPLE3 + pickle.REDUCE,
                pickle.MARK + pickle.BININT1 + b"\x03" + _short_string(b"|") + pickle.NONE * 3,
                (pickle.BININT + struct.pack("<i", -1)) * 2 + pickle.BININT1 + b"\x00",
                pickle.TUPLE + pickle.BUILD + pickle.NEWFALSE,
                pickle.BINSTRING + struct.pack("<i", value.nbytes) + value.tobytes(),
                pickle.TUPLE + pickle.BUILD,
            ]
        else:
            out += [pickle.EMPTY_LIST, pickle.MARK]
            for item in value:
                number = isinstance(item, int)
                out.append(
                    pickle.BININT + struct.pack("<i", item) if number else _short_string(item.encode())
                )
            out.append(pickle.APPENDS)
        out.append(pickle.SETITEM)
    return b"".join([*out, pickle.STOP])


def integers(y: np.ndarray) -> list[int]:
    return [int(label) for label in y]


def cifar10_pickles(loaded: Loaded) -> Files:
    parts = np.array_split(np.arange(len(loaded.train)), 5)
    files = {
        f"data_batch_{number}": python2_pickle(
            {"data": planes(loaded.train.x[part]), "labels": integers(loaded.train.y[part])}
        )
        for number, part in enumerate(parts, start=1)
    }
    test = {"data": planes(loaded.test.x), "labels": integers(loaded.test.y)}
    return {**files, "test_batch": python2_pickle(test)}


def cifar100_pickles(loaded: Loaded) -> Files:
    files = {
        name: python2_pickle(
            {"data": planes(part.x), "fine_labels": integers(part.y), "coarse_labels": integers(part.y // 5)}
        )
        for name, part in (("train", loaded.train), ("test", loaded.test))
    }
    return {**files, "meta": python2_pickle({"fine_label_names": list(loaded.class_names)})}


def cifar10_binary(loaded: Loaded) -> Files:
    def records(x: np.ndarray, y: np.ndarray) -> bytes:
        return b"".join(bytes([label]) + row.tobytes() for label, row in zip(y, planes(x), strict=True))

    parts = np.array_split(np.arange(len(loaded.train)), 5)
    files = {
        f"data_batch_{i}.bin": records(loaded.train.x[p], loaded.train.y[p]) for i, p in enumerate(parts, 1)
    }
    return {**files, "test_batch.bin": records(loaded.test.x, loaded.test.y)}


def cifar100_binary(loaded: Loaded) -> Files:
    def records(part: LabelledImages) -> bytes:
        rows = zip(part.y, planes(part.x), strict=True)
        return b"".join(bytes([label // 5, label]) + row.tobytes() for label, row in rows)

    names = "\n".join(loaded.class_names).encode() + b"\n"
    return {
        "train.bin": records(loaded.train),
        "test.bin": records(loaded.test),
        "fine_label_names.txt": names,
    }


def idx_files(loaded: Loaded, compressed: bool = False) -> Files:
    files = {}
    for part, images in (("train", loaded.train), ("t10k", loaded.test)):
        n, height, width, _ = images.x.shape
        files[f"{part}-images-idx3-ubyte"] = struct.pack(">4I", 0x803, n, height, width) + images.x.tobytes()
        files[f"{part}-labels-idx1-ubyte"] = struct.pack(">2I", 0x801, n) + bytes(integers(images.y))
    return {f"{k}.gz": gzip.compress(v, mtime=0) for k, v in files.items()} if compressed else files


def imagenet16_pickles(batches: list[LabelledImages]) -> Files:
    names = [*(f"train_data_batch_{number}" for number in range(1, 11)), "val_data"]
    return {
        name: python2_pickle({"data": planes(part.x), "labels": integers(part.y)})
        for name, part in zip(names, batches, strict=True)
    }


def png(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def png_strips(loaded: Loaded) -> Files:
    def strip(x: np.ndarray) -> bytes:
        return png(x.reshape(len(x), 32 * 32, 3))

    parts = np.array_split(np.arange(len(loaded.train)), 5)
    files = {f"data_batch_{i}.png": strip(loaded.train.x[part]) for i, part in enumerate(parts, start=1)}
    return {
        **files,
        "test_batch.png": strip(loaded.test.x),
        "train_lables.json": json.dumps(integers(loaded.train.y)).encode(),
        "test_lables.json": json.dumps(integers(loaded.test.y)).encode(),
    }


def as_folder(files: Files, path: Path) -> Path:
    path.mkdir(parents=True)
    for name, content in files.items():
        (path / name).write_bytes(content)
    return path


def as_archive(files: Files, path: Path, inside: str = "package") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{inside}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def picture_folder(
    path: Path, sizes: list[tuple[int, int]], classes: int = 2, test: str = "val", seed: int = 0
) -> Path:
    """Random pictures, one a size in turn over classes, half of them in train/."""
    rng = np.random.default_rng(seed)
    for number, (height, width) in enumerate(sizes):
        part = "train" if number < len(sizes) // 2 else test
        folder = path / part / f"class{number % classes}"
        folder.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        (folder / f"{number:03}.png").write_bytes(png(pixels))
    return path
