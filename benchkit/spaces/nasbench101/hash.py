"""Pruning and the official graph hash of NAS-Bench-101, over batches of cells.

Ying et al., "NAS-Bench-101: Towards Reproducible Neural Architecture Search", ICML 2019, section 2 and
the module specification of the official code. A cell is pruned to the vertices on a path from input to
output; its hash refines the states of those vertices as Weisfeiler and Lehman do, with MD5 in place of
a table of colours:

===================  =============================================================================
state of a vertex    value
===================  =============================================================================
before round 1       MD5 of the text ``(out_degree, in_degree, label)``
after each round     MD5 of ``sorted states of its sources | sorted states of its targets | its own``
hash of the cell     after as many rounds as vertices: MD5 of the text of the sorted list of states
===================  =============================================================================

Labels are -1 for the input, -2 for the output, and otherwise the operation's position in (conv3x3,
conv1x1, maxpool3x3). MD5 itself, some 57 calls a cell, is what cannot be saved; everything around it
runs over all cells with equally many vertices at once. A few cells are hashed faster one by one.

All arrays of rows are ``int8[n, 26]``: 21 bits of the strict upper triangle of the 7 x 7 matrix, row by
row, then 5 operations.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import md5
from typing import Any

import numpy as np
import numpy.typing as npt

from benchkit.base.errors import ArchitectureError
from benchkit.spaces.base import Batch

VERTICES = 7
MAX_EDGES = 9
SOURCES, TARGETS = (index.astype(np.int64) for index in np.triu_indices(VERTICES, 1))
"""Source and target vertex of the edge at each of the first 21 positions of a row."""

_EDGES = len(SOURCES)
_INPUT, _OUTPUT = -1, -2  # labels
_FEW = 24  # up to so many cells, one by one is faster
_HEX_PAIRS = np.frombuffer(bytes(range(256)).hex().encode(), dtype=np.uint16)
_ROW_RADIX = np.concatenate([1 << np.arange(_EDGES), (1 << _EDGES) * 3 ** np.arange(VERTICES - 2)])
_COLOURS = 128  # more than there are states before round 1: 6 + 6, and 3 labels x 25 degrees
_PAIRS = [(int(s), int(t)) for s, t in zip(SOURCES, TARGETS, strict=True)]


def adjacency(batch: Batch) -> npt.NDArray[np.float32]:
    """Return float32[n, 7, 7]: 1 where a row has an edge from the first index to the second."""
    matrix = np.zeros((len(batch), VERTICES, VERTICES), dtype=np.float32)
    matrix[:, SOURCES, TARGETS] = batch[:, :_EDGES]
    return matrix


def prune(batch: Batch) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Remove the vertices that lie on no path from the input to the output.

    Returns
    -------
    matrix : float32[n, 7, 7], without the edges of removed vertices.
    used : bool[n, 7], the vertices kept; all False where input and output are not connected.
    """
    matrix = adjacency(batch)
    one = matrix + np.eye(VERTICES, dtype=np.float32)  # walks of at most one edge
    two = one @ one
    six = two @ two @ two  # no path is longer than six edges
    used = (six[:, 0, :] > 0) & (six[:, :, -1] > 0)
    return matrix * used[:, :, None] * used[:, None, :], used


def pack(batch: Batch) -> Batch:
    """Return int8[n, 26]: pruned cells, interior vertices moved up to 1, 2, ..., the rest zero.

    Rows whose input and output are not connected become all zero.
    """
    matrix, used = prune(batch)
    labels = np.zeros(used.shape, dtype=np.int8)
    labels[:, 1:-1] = batch[:, _EDGES:] * used[:, 1:-1]
    rank = np.where(used, 0, 1)
    rank[:, 0], rank[:, -1] = -1, 2
    order = np.argsort(rank, axis=1, kind="stable")
    rows = np.arange(len(batch))[:, None]
    packed = np.empty((len(batch), _EDGES + VERTICES - 2), dtype=np.int8)
    packed[:, :_EDGES] = matrix[rows, order[:, SOURCES], order[:, TARGETS]]
    packed[:, _EDGES:] = labels[rows, order[:, 1:-1]]
    return packed


def module_hash(batch: Batch) -> npt.NDArray[np.bytes_]:
    """Return S32[n]: the official module hash of each row, in lower-case hexadecimal.

    Operations must be in 0..2; the limit of 9 edges plays no part here.

    Raises
    ------
    ArchitectureError : a row whose input and output are not connected has no hash.
    """
    if len(batch) <= _FEW:
        return np.array([_hash_one(row) for row in batch.tolist()], dtype="S32")
    packed = pack(batch)
    if not packed[:, :_EDGES].any(axis=1).all():
        raise _not_connected()
    _, first, inverse = np.unique(packed @ _ROW_RADIX, return_index=True, return_inverse=True)
    packed = packed[first]
    matrix = adjacency(packed) > 0
    interior = (matrix[:, 1:-1].any(axis=2)).sum(axis=1)
    hashes = np.empty(len(packed), dtype="S32")
    for count in np.unique(interior):
        cells = np.flatnonzero(interior == count)
        kept = [*range(count + 1), VERTICES - 1]
        labels = np.full((len(cells), count + 2), _INPUT)
        labels[:, 1:-1] = packed[cells, _EDGES : _EDGES + count]
        labels[:, -1] = _OUTPUT
        hashes[cells] = _hash_many(matrix[np.ix_(cells, kept, kept)], labels)
    return hashes[inverse]


def signature(batch: Batch) -> npt.NDArray[np.uint64]:
    """Return uint64[n]: equal for cells of equal `module_hash`, and nearly always different otherwise.

    The same refinement with integer mixing in place of MD5: some twenty times faster, and enough to
    rule out most cells before their hash is computed. Rows that are not connected share one value.

    Two cells of v vertices that agree through v rounds agree through any number: each class of equal
    states has members in both cells, so there are at most v classes, and refinement stops when their
    number stops growing. Hence seven rounds for all sizes.
    """
    matrix, used = prune(batch)
    edges = matrix.astype(np.uint64)
    backward = np.ascontiguousarray(edges.transpose(0, 2, 1))
    labels = np.full(used.shape, 4, dtype=np.uint64)
    labels[:, 1:-1] = batch[:, _EDGES:]
    labels[:, -1] = 5
    kept = used.astype(np.uint64)
    state = _mix(edges.sum(axis=2) * 64 + edges.sum(axis=1) * 8 + labels) * kept
    for _ in range(VERTICES):
        outward = (edges @ state[:, :, None])[:, :, 0]
        inward = (backward @ state[:, :, None])[:, :, 0]
        state = _mix(state + _mix(outward + np.uint64(1)) * 3 + _mix(inward + np.uint64(2)) * 5) * kept
    total: npt.NDArray[np.uint64] = state.sum(axis=1, dtype=np.uint64)
    return total


def _mix(value: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Return a bijective scrambling of 64-bit integers (the finaliser of SplitMix64)."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@lru_cache(maxsize=1024)
def _initial(out_degree: int, in_degree: int, label: int) -> str:
    return md5(str((out_degree, in_degree, label)).encode()).hexdigest()


def _not_connected() -> ArchitectureError:
    return ArchitectureError("a nasbench101 cell without a path from input to output has no hash")


def _hash_one(row: list[int]) -> str:
    """Return the hash of one unpacked row."""
    forward, backward = 1, 1 << (VERTICES - 1)  # bit v: vertex v is reached
    edges = [pair for pair, bit in zip(_PAIRS, row, strict=False) if bit]
    for source, target in edges:  # by ascending source, so one pass suffices
        if forward >> source & 1:
            forward |= 1 << target
    for source, target in reversed(edges):
        if backward >> target & 1:
            backward |= 1 << source
    used = forward & backward
    if not used & 1:
        raise _not_connected()
    position = {v: i for i, v in enumerate(v for v in range(VERTICES) if used >> v & 1)}
    sources: list[list[int]] = [[] for _ in position]
    targets: list[list[int]] = [[] for _ in position]
    for source, target in edges:
        if source in position and target in position:
            sources[position[target]].append(position[source])
            targets[position[source]].append(position[target])
    labels = [_INPUT, *(row[_EDGES + v - 1] for v in position if 0 < v < VERTICES - 1), _OUTPUT]
    wiring = list(zip(sources, targets, range(len(labels)), strict=True))
    states = [_initial(len(t), len(s), labels[v]) for s, t, v in wiring]
    for _ in position:
        states = [
            md5(
                (
                    f"{''.join(sorted([states[w] for w in s]))}|"
                    f"{''.join(sorted([states[w] for w in t]))}|{states[v]}"
                ).encode()
            ).hexdigest()
            for s, t, v in wiring
        ]
    return md5(str(sorted(states)).encode()).hexdigest()


def _hash_many(matrix: npt.NDArray[np.bool_], labels: npt.NDArray[np.int64]) -> npt.NDArray[np.bytes_]:
    """Return S32[m]: the hashes of m pruned cells of v vertices each.

    Parameters
    ----------
    matrix : bool[m, v, v].
    labels : int64[m, v].
    """
    m, v, _ = matrix.shape
    in_degree, out_degree = matrix.sum(axis=1), matrix.sum(axis=2)
    colour, states = _initial_states(out_degree, in_degree, labels)
    # vertices with equally many sources and targets have messages of one length
    kinds = (in_degree * v + out_degree).ravel()
    groups = [(divmod(int(kind), v), np.flatnonzero(kinds == kind)) for kind in np.unique(kinds)]
    first = np.arange(m)[:, None] * v
    no_place = np.int8(3 * v)
    sourceward = np.where(matrix.transpose(0, 2, 1), np.int8(0), no_place)
    targetward = np.where(matrix, np.int8(v), no_place)
    sideways = np.minimum(sourceward, targetward)  # 0: a source; v: a target; 3v: neither
    for turn in range(v):
        order, rank = _order_within_cells(states, m, v)
        # the neighbours in message order: sources before targets, each by ascending state
        places = np.sort(sideways + rank[:, None, :], axis=2).reshape(m * v, v)
        by_rank = (first + order).ravel()
        text = _hexadecimal(states)
        refined = np.empty_like(states)
        for (ins, outs), vertices in groups:
            start = vertices // v * v
            parts = [by_rank[start + places[vertices, i] - (v if i >= ins else 0)] for i in range(ins + outs)]
            parts.append(vertices)
            inverse: Any = slice(None)
            if turn == 0:  # only now do many vertices, about nine in ten, share a message
                seen = np.zeros(len(vertices), dtype=np.int64)
                for part in parts:
                    seen = seen * _COLOURS + colour[part]
                _, once, inverse = np.unique(seen, return_index=True, return_inverse=True)
                parts = [part[once] for part in parts]
            message = np.empty(len(parts[0]), dtype=_message_type(ins, outs))
            for bar in ("bar0", "bar1"):
                message[bar] = b"|"
            for i, part in enumerate(parts):
                message[f"state{i}"] = text.take(part)
            refined[vertices] = _digests(message)[inverse]
        states = refined
    order, _ = _order_within_cells(states, m, v)
    text = _hexadecimal(states)
    listed = np.empty(m, dtype=_list_type(v))
    listed["open"], listed["close"] = b"['", b"']"
    for i in range(v):
        listed[f"state{i}"] = text.take(first[:, 0] + order[:, i])
        if i:
            listed[f"comma{i}"] = b"', '"
    return _hexadecimal(_digests(listed))


def _message_type(ins: int, outs: int) -> np.dtype[np.void]:
    """Return the fields of a round's message: sources, a bar, targets, a bar, the vertex itself."""
    fields = [(f"state{i}", "S32") for i in range(ins + outs + 1)]
    fields.insert(ins + outs, ("bar1", "S1"))
    fields.insert(ins, ("bar0", "S1"))
    return np.dtype(fields)


def _list_type(v: int) -> np.dtype[np.void]:
    """Return the fields of the text of a list of v states."""
    fields = [("open", "S2"), ("state0", "S32")]
    for i in range(1, v):
        fields += [(f"comma{i}", "S4"), (f"state{i}", "S32")]
    return np.dtype([*fields, ("close", "S2")])


def _initial_states(
    out_degree: npt.NDArray[np.int64], in_degree: npt.NDArray[np.int64], labels: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """Return int64[m * v], a small number for each state before round 1, and its digest, uint8[m * v, 16]."""
    code = ((out_degree * 8 + in_degree) * 8 + labels - _OUTPUT).ravel()
    distinct, colour = np.unique(code, return_inverse=True)
    texts = [_initial(c // 64, c // 8 % 8, c % 8 + _OUTPUT) for c in distinct.tolist()]
    return colour, np.frombuffer(bytes.fromhex("".join(texts)), dtype=np.uint8).reshape(-1, 16)[colour]


def _order_within_cells(states: npt.NDArray[np.uint8], m: int, v: int) -> tuple[Any, npt.NDArray[np.int8]]:
    """Return the vertices of each cell by ascending state, and each vertex's rank (both [m, v]).

    The order of raw digests is that of their hexadecimal text.
    """
    words = states.view(">u8").astype(np.uint64).reshape(m, v, 2)
    order = np.lexsort((words[:, :, 1], words[:, :, 0]), axis=1)
    rank = np.empty((m, v), dtype=np.int8)
    np.put_along_axis(rank, order, np.arange(v, dtype=np.int8)[None], axis=1)
    return order, rank


def _hexadecimal(digests: npt.NDArray[np.uint8]) -> npt.NDArray[np.bytes_]:
    """Return S32[k]: the text of raw digests, uint8[k, 16]."""
    return _HEX_PAIRS.take(digests).view("S32")[:, 0]


def _digests(messages: npt.NDArray[np.void]) -> npt.NDArray[np.uint8]:
    """Return uint8[k, 16]: the MD5 of each record, taken as text."""
    texts = messages.view(f"S{messages.dtype.itemsize}").tolist()  # none ends in a zero byte
    joined = b"".join([state.digest() for state in map(md5, texts)])
    return np.frombuffer(joined, dtype=np.uint8).reshape(-1, 16)
