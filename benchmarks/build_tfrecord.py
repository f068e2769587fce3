"""Build a NAS-Bench-101 file in the exact official layout, of any size up to the official one.

``python -m benchmarks.build_tfrecord FILE [--cells N] [--budgets 108] [--repeats 3]``

The bytes are put together here from the published layout, without the reader's own code for framing or
messages, so that a reader that misunderstands it does not agree with this by construction.

The first 30,001 cells are those of the embedded table nasbench101-sample, with its validation accuracy as
the first repeat and its seconds and parameters; the rest enumerates the space. What the embedded table
does not have is made up, deterministically and as multiples of 1/9984 like the official figures: such a
file measures a reader and says nothing about architectures.
"""

from __future__ import annotations

import argparse
import base64
import json
import struct
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
import numpy.typing as npt

from benchkit.data.tables import Metric, open_table
from benchkit.spaces.base import Batch
from benchkit.spaces.nasbench101 import hash as graph
from benchkit.spaces.nasbench101.encoding import NASBench101

__all__ = ["OFFICIAL_CELLS", "build", "distinct_cells", "encode_metrics", "encode_record", "enumerate_space"]

OFFICIAL_CELLS = 423_624
_IMAGES = 9984
_CHUNK = 4096

Evaluation = tuple[float, float, float, float, float]
"""Epoch, seconds; train, validation and test accuracy as fractions."""


def enumerate_space() -> Batch:
    """Return int8[423624, 26]: one row of every cell, the smaller cells first.

    The graphs without labels are told apart first, then all labellings of one of each.
    """
    place = {
        pair: i for i, pair in enumerate(zip(graph.SOURCES.tolist(), graph.TARGETS.tolist(), strict=True))
    }
    found = []
    for v in range(2, graph.VERTICES + 1):
        vertices = [*range(v - 1), graph.VERTICES - 1]
        pairs = [place[vertices[i], vertices[j]] for i in range(v) for j in range(i + 1, v)]
        bits = (np.arange(1 << len(pairs))[:, None] >> np.arange(len(pairs)) & 1).astype(np.int8)
        edges = bits.sum(axis=1)
        bits = bits[(edges >= v - 1) & (edges <= graph.MAX_EDGES)]
        rows = np.zeros((len(bits), 26), dtype=np.int8)
        rows[:, pairs] = bits
        graphs = _distinct(rows[graph.prune(rows)[1].sum(axis=1) == v])
        labels = np.array(list(product(range(3), repeat=v - 2)), dtype=np.int8)
        labelled = np.repeat(graphs, len(labels), axis=0)
        labelled[:, 21 : 21 + v - 2] = np.tile(labels, (len(graphs), 1))
        found.append(_distinct(labelled))
    return np.concatenate(found)


def _distinct(rows: Batch) -> Batch:
    """Return the first row of each cell."""
    parts = [graph.signature(rows[i : i + 32768]) for i in range(0, len(rows), 32768)]
    _, first = np.unique(np.concatenate(parts), return_index=True)
    return rows[np.sort(first)]


def distinct_cells(n: int) -> Batch:
    """Return int8[n, 26]: different cells, first those of the embedded sample, then others."""
    rows = open_table("nasbench101-sample").rows
    if n > len(rows):
        every = enumerate_space()
        others = every[~np.isin(_signatures(every), _signatures(rows))]
        rows = np.concatenate([rows, others])
    if n > len(rows):
        raise ValueError(f"there are {len(rows):,} cells, not {n:,}")
    return rows[:n]


def _signatures(rows: Batch) -> npt.NDArray[np.uint64]:
    return np.concatenate([graph.signature(rows[i : i + 32768]) for i in range(0, len(rows), 32768)])


def encode_metrics(evaluations: Sequence[Evaluation], parameters: int) -> bytes:
    """Return a serialised ModelMetrics message.

    Parameters
    ----------
    evaluations : at the start, halfway and at the end.
    """
    parts = [
        b"\x0a\x2d" + struct.pack("<BdBdBdBdBd", 9, one[0], 17, one[1], 25, one[2], 33, one[3], 41, one[4])
        for one in evaluations
    ]
    digits = []
    while parameters > 127:
        digits.append(parameters & 127 | 128)
        parameters >>= 7
    total = 1.2 * evaluations[-1][1]
    return b"".join([*parts, b"\x10", bytes([*digits, parameters]), struct.pack("<Bd", 25, total)])


def encode_record(fields: Sequence[Any]) -> bytes:
    """Return one framed record: the JSON of `fields`, whose metrics may still be bytes."""
    *fields, metrics = fields
    if isinstance(metrics, bytes):
        metrics = base64.b64encode(metrics).decode()
    return _frame(json.dumps([*fields, metrics]).encode())


def _frame(data: bytes) -> bytes:
    def checksum(part: bytes) -> bytes:
        crc = google_crc32c.value(part)
        return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32)

    length = struct.pack("<Q", len(data))
    return length + checksum(length) + data + checksum(data)


def _texts(row: npt.NDArray[np.int8]) -> tuple[str, str]:
    """Return a pruned cell as the official file writes its matrix and operations."""
    matrix, ops = NASBench101().decode(row)
    return "".join(map(str, matrix.ravel().tolist())), ",".join(ops)


def _figures(
    n: int, rows: Batch
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Return per cell the images right at 108 epochs, the seconds of one epoch, and the parameters."""
    table = open_table("nasbench101-sample")
    known = min(n, len(table))
    rng = np.random.default_rng(101)
    right = rng.integers(round(0.86 * _IMAGES), round(0.945 * _IMAGES), size=n)
    seconds = rng.uniform(4.0, 40.0, size=n)
    parameters = rng.integers(227_274, 49_979_274, size=n)
    right[:known] = np.round(table.values(Metric("cifar10", "valid", 108, 0))[:known] / 100 * _IMAGES)
    seconds[:known] = table.values(Metric("cifar10", None, 108, quantity="train_seconds"))[:known] / 108
    parameters[:known] = table.values(Metric("cifar10", None, None, quantity="parameters"))[:known]
    return right, seconds, parameters


def _records(n: int, budgets: Sequence[int], repeats: int) -> Iterator[bytes]:
    rows = distinct_cells(n)
    right, epoch_seconds, parameters = _figures(n, rows)
    rng = np.random.default_rng(9984)
    for start in range(0, n, _CHUNK):
        part = slice(start, min(n, start + _CHUNK))
        hashes = graph.module_hash(rows[part]).astype(str).tolist()
        shape = (len(hashes), len(budgets), repeats)
        # the fewer epochs, the fewer images right; every repeat but the first a little worse
        share = np.log1p(np.array(budgets))[:, None] / np.log1p(108)
        valid = right[part, None, None] * share - rng.integers(0, 90, size=shape) * (np.arange(repeats) > 0)
        counts = np.stack([valid + 400, valid, valid - rng.integers(10, 80, size=shape)], axis=-1)
        counts = np.clip(np.round(counts), 0, _IMAGES)
        end = (counts / _IMAGES).astype(np.float32).tolist()
        half = (np.round(0.8 * counts) / _IMAGES).astype(np.float32).tolist()
        wobble = rng.uniform(0.99, 1.01, size=shape) * np.array(budgets)[:, None]
        seconds = (epoch_seconds[part, None, None] * wobble).astype(np.float32).tolist()
        for i, digits in enumerate(hashes):
            matrix, ops = _texts(rows[start + i])
            for b, epochs in enumerate(budgets):
                for r in range(repeats):
                    spent = seconds[i][b][r]
                    evaluations: list[Evaluation] = [
                        (0.0, 0.0, 0.1, 0.1, 0.1),
                        (epochs / 2, spent / 2, *half[i][b][r]),
                        (float(epochs), spent, *end[i][b][r]),
                    ]
                    metrics = encode_metrics(evaluations, int(parameters[start + i]))
                    yield encode_record([digits, epochs, matrix, ops, metrics])


def build(path: Path, cells: int, budgets: Sequence[int] = (108,), repeats: int = 3) -> int:
    """Write a file; return its number of records (cells x budgets x repeats)."""
    count = 0
    with path.open("wb", buffering=1 << 20) as file:
        for record in _records(cells, budgets, repeats):
            file.write(record)
            count += 1
    return count


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Build a NAS-Bench-101 file in the official layout.")
    parser.add_argument("path", type=Path)
    parser.add_argument("--cells", type=int, default=OFFICIAL_CELLS)
    parser.add_argument("--budgets", type=int, nargs="+", default=[108])
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    print(f"{build(given.path, given.cells, given.budgets, given.repeats):,} records in {given.path}")
