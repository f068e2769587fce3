"""Encodes an architecture as the set of its paths from input to output.

White, Neiswanger and Savani, "BANANAS", AAAI 2021, section 3: there is one binary feature for each sequence
of operations, 1 where some path from the cell's input to its output applies just that sequence. Two cells
that differ only in how vertices are numbered, or in parts that no path reaches, have one encoding. The
truncated encoding keeps the short paths alone; random cells have few others.

Features are ordered by length, then by the operations as digits, the first the most significant.

Choices
-------
- NAS-Bench-101 (operations on vertices, 3 of them): a path has 0 to 5 operations, 364 features; truncated
  to at most 3 operations, the 40 features of the authors' code.
- NAS-Bench-201 (operations on edges): a path has 1 to 3 operations. A ``none`` edge carries nothing, so a
  path over it does not exist, as a missing edge in NAS-Bench-101 (the authors' code counts ``none`` as a
  fifth operation); ``skip_connect`` is an operation like the others. 4 + 16 + 64 = 84 features; truncated
  to at most 2 operations, 20 features (of 30 in the authors' code, which has 5 operations). In the
  truncated encoding the edge from node 1 to node 2 leaves no mark.
- Any other space has no graph, or a single path on which the encoding would be a table: it gets the one-hot
  encoding of its choices.
- A restricted space is encoded as the space it restricts.
"""

from __future__ import annotations

from functools import singledispatch

import numpy as np
import numpy.typing as npt

from benchkit.spaces.base import Batch, Space
from benchkit.spaces.nasbench101.encoding import NASBench101
from benchkit.spaces.nasbench201.encoding import EDGES, OPERATIONS, NASBench201
from benchkit.spaces.restricted import RestrictedSpace

Features = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]

_VERTICES = 7
_LONGEST_101, _TRUNCATED_101 = 5, 3
_LONGEST_201, _TRUNCATED_201 = 3, 2


def encode(space: Space, batch: Batch, longest: int | None = None) -> Features:
    """Return float32[n, f], the path encoding of int8[n, d], one-hot where a space has no paths.

    `longest` is the most operations on a path that is kept; None is the published truncation. A space without
    paths ignores it.
    """
    while isinstance(space, RestrictedSpace):
        space = space.space
    return _encode(space, batch, longest)


def one_hot(batch: Batch, arity: tuple[int, ...]) -> Features:
    """Return float32[n, sum(arity)], one feature for each option of each choice."""
    blocks = [batch[:, [position]] == np.arange(c) for position, c in enumerate(arity)]
    return np.concatenate(blocks, axis=1).astype(np.float32)


def nasbench201_paths(batch: Batch, longest: int = _TRUNCATED_201) -> Features:
    """Return float32[n, 4 + 16 + ...] for int8[n, 6] rows of operations on `EDGES`.

    `longest`, 1 to 3, is the most operations on a path that is kept.
    """
    operations = len(OPERATIONS) - 1  # without none, which is choice 0
    blocks = []
    for length in range(1, min(longest, _LONGEST_201) + 1):
        block = np.zeros((len(batch), operations**length), dtype=bool)
        for positions in _edge_paths(0, 3):
            if len(positions) == length:
                on_path = batch[:, positions].astype(np.int64)
                exists = np.flatnonzero((on_path > 0).all(axis=1))
                feature = (on_path - 1) @ operations ** np.arange(length)[::-1]
                block[exists, feature[exists]] = True
        blocks.append(block)
    return np.concatenate(blocks, axis=1).astype(np.float32)


def _edge_paths(source: int, target: int) -> list[list[int]]:
    """Return the positions in a row along each way from one node to another."""
    if source == target:
        return [[]]
    return [
        [position, *rest]
        for position, (start, end) in enumerate(EDGES)
        if start == source
        for rest in _edge_paths(end, target)
    ]


def nasbench101_paths(batch: Batch, longest: int = _TRUNCATED_101) -> Features:
    """Return float32[n, 1 + 3 + 9 + ...] for int8[n, 26] rows: 21 upper-triangle bits, 5 operations.

    `longest`, 0 to 5, is the most operations on a path that is kept.
    """
    n = len(batch)
    edge = np.zeros((n, _VERTICES, _VERTICES), dtype=bool)
    rows, columns = np.triu_indices(_VERTICES, k=1)
    edge[:, rows, columns] = batch[:, : len(rows)] == 1
    operation = batch[:, len(rows) :, None] == np.arange(3)  # [n, 5, 3], of vertices 1 to 5
    # reach[v][:, p]: some path from the input applies the sequence p before it arrives at v
    reach: list[Flags] = [edge[:, 0, v, None] for v in range(_VERTICES)]
    blocks = [reach[-1]]
    for _ in range(min(longest, _LONGEST_101)):
        through = [
            (reach[v][:, :, None] & operation[:, v - 1, None, :]).reshape(n, -1)
            for v in range(1, _VERTICES - 1)
        ]
        reach = [
            np.logical_or.reduce(
                [through[u - 1] & edge[:, u, v, None] for u in range(1, v)] or [np.zeros_like(through[0])]
            )
            for v in range(_VERTICES)
        ]
        blocks.append(reach[-1])
    return np.concatenate(blocks, axis=1).astype(np.float32)


@singledispatch
def _encode(space: Space, batch: Batch, longest: int | None) -> Features:
    return one_hot(batch, space.arity)


@_encode.register
def _(space: NASBench101, batch: Batch, longest: int | None) -> Features:
    return nasbench101_paths(batch, _TRUNCATED_101 if longest is None else longest)


@_encode.register
def _(space: NASBench201, batch: Batch, longest: int | None) -> Features:
    return nasbench201_paths(batch, _TRUNCATED_201 if longest is None else longest)
