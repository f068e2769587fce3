"""Defines the trace of a search: what it asked, in order, what it was told, and the cost."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchkit.spaces.base import Batch

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Trace:
    """A trace with one row for each evaluation.

    Attributes
    ----------
    batch : int8[n, d], the architectures.
    scores : float64[n], as the search heard them: higher is better. Accuracy is in percent; another quantity
        is in its own unit, negated where lower values are better.
    fidelity : int32[n], epochs; 1 where the quantity has none.
    queries : float64[n], spent so far, this evaluation included, in full-cost equivalents.
    seconds : float64[n], simulated seconds spent so far; NaN where the table has no times.
    """

    batch: Batch
    scores: Floats
    fidelity: npt.NDArray[np.int32]
    queries: Floats
    seconds: Floats

    def __len__(self) -> int:
        return len(self.scores)

    def digest(self) -> str:
        """Return the SHA-256 of the trace, which is equal exactly when every field is equal, bit for bit."""
        state = hashlib.sha256(repr(self.batch.shape).encode())
        for array, dtype in (
            (self.batch, "i1"),
            (self.scores, "<f8"),
            (self.fidelity, "<i4"),
            (self.queries, "<f8"),
            (self.seconds, "<f8"),
        ):
            state.update(np.ascontiguousarray(array, dtype=dtype).tobytes())
        return state.hexdigest()

    def distinct(self) -> int:
        """Return how many different rows were evaluated."""
        rows = np.ascontiguousarray(self.batch)
        return len(np.unique(rows.view(f"V{rows.shape[1]}"))) if len(rows) else 0

    def incumbents(self) -> npt.NDArray[np.int64]:
        """Return int64[n], the row of the best evaluation so far (first among equals).

        A higher fidelity outranks a lower one, as in `SearchStrategy.recommend`.
        """
        best = np.zeros(len(self), dtype=np.int64)
        rank = (-np.inf, -np.inf)
        current = 0
        for row, pair in enumerate(zip(self.fidelity.tolist(), self.scores.tolist(), strict=True)):
            if pair > rank:
                rank, current = pair, row
            best[row] = current
        return best


def pack(batch: Batch, arity: Sequence[int]) -> npt.NDArray[np.uint8]:
    """Return uint8[n, bytes], each choice in as few bits as the largest arity needs."""
    width = max(1, (max(arity) - 1).bit_length())
    bits = (batch.view(np.uint8)[:, :, None] >> np.arange(width, dtype=np.uint8)) & 1
    return np.packbits(bits.reshape(len(batch), batch.shape[1] * width), axis=1)


def unpack(packed: npt.NDArray[np.uint8], arity: Sequence[int]) -> Batch:
    """Return int8[n, d], the inverse of `pack`."""
    width = max(1, (max(arity) - 1).bit_length())
    bits = np.unpackbits(packed, axis=1, count=len(arity) * width).reshape(len(packed), len(arity), width)
    values = (bits << np.arange(width, dtype=np.uint8)).sum(axis=2, dtype=np.uint8)
    rows: Batch = values.view(np.int8)
    return rows
