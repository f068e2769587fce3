"""The halves as one bit an image: made of the CSV files once, read from the package ever after."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchkit.base.errors import InputError
from benchkit.base.files import replacing

__all__ = ["HALVES", "INPUTS", "build_halves", "in_first_half"]

CIFAR10_FILE = "nasbench201_split_cifar10.csv.gz"
CIFAR100_FILE = "nasbench201_split_cifar100_test.csv.gz"
_HERE = Path(__file__).resolve().parent


class _Half(NamedTuple):
    """`file` of the CSV input; `images` in it; the names of the half with bit 1 and of the other."""

    file: str
    images: int
    first: str
    second: str


HALVES = {
    "cifar10": _Half(CIFAR10_FILE, 50_000, "train", "valid"),
    "cifar100": _Half(CIFAR100_FILE, 10_000, "xvalid", "xtest"),
}
"""Data set -> its halves: of the training images (cifar10), of the test images (cifar100)."""

INPUTS = {
    CIFAR10_FILE: "a498c5dcd56b7f390c85efa5a7844e207763c95a02f1d5b1074275c1d7240083",
    CIFAR100_FILE: "88d474f5af566237bb88565c753e0b663f7fbbc214fba81136e398fb6aa3454e",
}
"""Input file -> SHA-256."""


def in_first_half(dataset: str) -> npt.NDArray[np.bool_]:
    """Return bool[n], in the official order of the images: which are in the first half of `HALVES`."""
    packed = np.load(_HERE / f"{dataset}.npy", allow_pickle=False)
    return np.unpackbits(packed, count=HALVES[dataset].images).astype(np.bool_)


def build_halves(source: Path, target: Path) -> list[Path]:
    """Write the embedded files into `target` from the CSV files in `source`; return their paths.

    Raises
    ------
    InputError : an input is missing, is not the file that this was written for, or is not two equal halves.
    """
    written = []
    for dataset, half in HALVES.items():
        path = source / half.file
        if not path.is_file():
            raise InputError(f"no input file {path}")
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        if digest != INPUTS[half.file]:
            raise InputError(f"{path} has SHA-256 {digest}, expected {INPUTS[half.file]}")
        rows = list(csv.DictReader(io.StringIO(gzip.decompress(content).decode("utf-8"))))
        bits = np.array([row["half"] == half.first for row in rows])
        others = sum(row["half"] == half.second for row in rows)
        ordered = [int(row["image_index"]) for row in rows] == list(range(half.images))
        if not ordered or bits.sum() != half.images // 2 or others != half.images // 2:
            raise InputError(f"{path} does not hold two halves of {half.images:,} images in order")
        with replacing(target / f"{dataset}.npy") as temporary, temporary.open("wb") as file:
            np.save(file, np.packbits(bits))
        written.append(target / f"{dataset}.npy")
    return written
