"""Speed of the NAS-Bench-101 hash: a batch of 30,001 cells beside the official algorithm, plainly.

The peer hashes one cell at a time as the published algorithm is described (Ying et al., 2019, and its
module specification), on a matrix of plain Python lists, which makes it quicker than on an array.
"""

from __future__ import annotations

import sys
from hashlib import md5
from time import perf_counter

import numpy as np

from benchkit.data.tables import open_table
from benchkit.spaces.nasbench101.encoding import NASBench101

_PEER_CELLS = 5_000
_SINGLE_CELLS = 2_000
_LIMIT_US = 100.0
_LIMIT_RATIO = 3.0
_REPEATS = 3


def prune_plainly(matrix: list[list[int]], labels: list[int]) -> tuple[list[list[int]], list[int]]:
    """Return the cell without the vertices that are on no path from the first to the last."""
    v = len(matrix)
    from_input, frontier = {0}, [0]
    while frontier:
        vertex = frontier.pop()
        for w in range(vertex + 1, v):
            if matrix[vertex][w] and w not in from_input:
                from_input.add(w)
                frontier.append(w)
    to_output, frontier = {v - 1}, [v - 1]
    while frontier:
        vertex = frontier.pop()
        for w in range(vertex):
            if matrix[w][vertex] and w not in to_output:
                to_output.add(w)
                frontier.append(w)
    kept = sorted(from_input & to_output)
    return [[matrix[i][j] for j in kept] for i in kept], [labels[i] for i in kept]


def hash_plainly(matrix: list[list[int]], labels: list[int]) -> str:
    """Return the official hash of a pruned cell; labels are -1, operations, -2."""
    v = len(matrix)
    states = []
    for vertex in range(v):
        out_degree = sum(matrix[vertex])
        in_degree = sum(matrix[w][vertex] for w in range(v))
        states.append(md5(str((out_degree, in_degree, labels[vertex])).encode("utf-8")).hexdigest())
    for _ in range(v):
        refined = []
        for vertex in range(v):
            sources = [states[w] for w in range(v) if matrix[w][vertex]]
            targets = [states[w] for w in range(v) if matrix[vertex][w]]
            text = "".join(sorted(sources)) + "|" + "".join(sorted(targets)) + "|" + states[vertex]
            refined.append(md5(text.encode("utf-8")).hexdigest())
        states = refined
    return md5(str(sorted(states)).encode("utf-8")).hexdigest()


def as_lists(row: list[int]) -> tuple[list[list[int]], list[int]]:
    """Return the 7 x 7 matrix and the seven labels of a row."""
    matrix = [[0] * 7 for _ in range(7)]
    bits = iter(row)
    for source in range(7):
        for target in range(source + 1, 7):
            matrix[source][target] = next(bits)
    return matrix, [-1, *row[21:], -2]


def run() -> list[dict[str, str]]:
    """Time the batch, single cells, and the plain peer, in one process; best of three."""
    rows = open_table("nasbench101-sample").rows
    space = NASBench101()
    batch_us = single_us = plain_us = np.inf
    plain = [as_lists(row) for row in rows[:_PEER_CELLS].tolist()]
    for _ in range(_REPEATS):
        start = perf_counter()
        hashes = space.canonical(rows)
        batch_us = min(batch_us, (perf_counter() - start) / len(rows) * 1e6)

        start = perf_counter()
        expected = [hash_plainly(*prune_plainly(*cell)) for cell in plain]
        plain_us = min(plain_us, (perf_counter() - start) / len(plain) * 1e6)

        start = perf_counter()
        for i in range(_SINGLE_CELLS):
            space.canonical(rows[i : i + 1])
        single_us = min(single_us, (perf_counter() - start) / _SINGLE_CELLS * 1e6)
    if hashes[:_PEER_CELLS].tolist() != [text.encode() for text in expected]:
        raise RuntimeError("the batch and the plain algorithm disagree")
    return [
        {
            "what": f"NAS-Bench-101 hash, batch of {len(rows):,}",
            "measured": f"{batch_us:.1f} us a cell",
            "limit": f"{_LIMIT_US:.0f} us a cell",
            "ratio": f"{batch_us / _LIMIT_US:.2f} of the limit",
        },
        {
            "what": "NAS-Bench-101 hash, batch against the official algorithm written plainly",
            "measured": f"{batch_us:.1f} us beside {plain_us:.1f} us a cell",
            "limit": f"{_LIMIT_RATIO:.0f}x faster",
            "ratio": f"{plain_us / batch_us:.1f}x faster",
        },
        {
            "what": "NAS-Bench-101 hash, one cell at a time",
            "measured": f"{single_us:.1f} us a cell",
            "limit": f"{_LIMIT_US:.0f} us a cell",
            "ratio": f"{single_us / _LIMIT_US:.2f} of the limit",
        },
    ]


if __name__ == "__main__":
    for line in run():
        sys.stdout.write("  ".join(line.values()) + "\n")
