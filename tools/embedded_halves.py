"""Makes the embedded halves of NAS-Bench-201 (`benchkit.data.images.halves`).

``python -m tools.embedded_halves --from FOLDER`` reads the two gzip-compressed CSV files named in `INPUTS`
(columns ``image_index,half``), checks their SHA-256, and writes ``cifar10.npy`` and ``cifar100.npy`` into the
package.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
import io
from pathlib import Path

import numpy as np

import benchkit.data.images.halves
from benchkit.base.errors import InputError
from benchkit.base.files import replacing
from benchkit.data.images.halves import CIFAR10_FILE, CIFAR100_FILE, HALVES

__all__ = ["INPUTS", "build_halves"]

INPUTS = {
    CIFAR10_FILE: "a498c5dcd56b7f390c85efa5a7844e207763c95a02f1d5b1074275c1d7240083",
    CIFAR100_FILE: "88d474f5af566237bb88565c753e0b663f7fbbc214fba81136e398fb6aa3454e",
}
"""Input file -> SHA-256."""


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


if __name__ == "__main__":
    here = Path(benchkit.data.images.halves.__file__).parent
    parser = argparse.ArgumentParser(description="Make the embedded halves of NAS-Bench-201.")
    parser.add_argument("--from", dest="source", type=Path, required=True, help="folder of the CSV files")
    parser.add_argument("--to", type=Path, default=here, help="folder of the two .npy files")
    arguments = parser.parse_args()
    build_halves(arguments.source, arguments.to)
