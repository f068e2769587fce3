"""Reads NAS-Bench-201's own halves of CIFAR-10's training images and of CIFAR-100's test images, embedded.

Each ``*.npy`` holds one bit an image, most significant first: 1 where the image is in the half named in
`HALVES`. They stem from ``cifar-split.txt`` and ``cifar100-test-split.txt`` in GitHub D-X-Y/AutoDL-Projects,
folder configs/nas-benchmark (MIT).
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["HALVES", "in_first_half"]

CIFAR10_FILE = "nasbench201_split_cifar10.csv.gz"
CIFAR100_FILE = "nasbench201_split_cifar100_test.csv.gz"
_HERE = Path(__file__).resolve().parent


class _Half(NamedTuple):
    """A CSV file, the number of images in it, the names of the half with bit 1 and of the other."""

    file: str
    images: int
    first: str
    second: str


HALVES = {
    "cifar10": _Half(CIFAR10_FILE, 50_000, "train", "valid"),
    "cifar100": _Half(CIFAR100_FILE, 10_000, "xvalid", "xtest"),
}
"""Data set -> its halves: of the training images (cifar10), of the test images (cifar100)."""


def in_first_half(dataset: str) -> npt.NDArray[np.bool_]:
    """Return bool[n], in the official order of the images: which are in the first half of `HALVES`."""
    packed = np.load(_HERE / f"{dataset}.npy", allow_pickle=False)
    return np.unpackbits(packed, count=HALVES[dataset].images).astype(np.bool_)
