"""Estimates a kernel density over categorical choices, by which BOHB models good and bad architectures.

The product of one Aitchison-Aitken kernel a choice (Aitchison and Aitken, "Multivariate binary
discrimination by the kernel method", Biometrika 63, 1976): with c categories and bandwidth h, a datum
gives 1 - h to its own category and h / (c - 1) to each other. At h = 0 that is the datum alone, at
h = (c - 1) / c the uniform distribution; larger h would make a datum repel its own category.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchkit.spaces.base import Batch

Floats = npt.NDArray[np.float64]


def uniform_bandwidth(arity: tuple[int, ...]) -> Floats:
    """Return float64[d], the bandwidths (c - 1) / c at which the kernels are uniform."""
    categories = np.array(arity, dtype=np.float64)
    return np.asarray((categories - 1) / categories)


def normal_reference(data: Batch, arity: tuple[int, ...], smallest: float) -> Floats:
    """Return float64[d], the bandwidths of the normal-reference rule, kept inside the kernels' range.

    ``h_j = 1.06 * sigma_j * n ** (-1 / (4 + d))``, with sigma_j the standard deviation (ddof 0) of column j
    of `data`, int8[n, d], is clipped into [smallest, (c - 1) / c].
    """
    rows, length = data.shape
    rule: Floats = 1.06 * data.std(axis=0, dtype=np.float64) * rows ** (-1 / (4 + length))
    return np.asarray(np.clip(rule, smallest, None).clip(None, uniform_bandwidth(arity)))


@dataclass(frozen=True, slots=True)
class CategoricalKDE:
    """The mean of one product kernel for each datum.

    Attributes
    ----------
    data : int8[n, d], n >= 1.
    bandwidth : float64[d], each in (0, (c - 1) / c]; any value where c = 1.
    arity : Number c of categories of each of the d choices.
    """

    data: Batch
    bandwidth: Floats
    arity: tuple[int, ...]

    def log_density(self, batch: Batch) -> Floats:
        """Return float64[m]: the log probability of each row of int8[m, d]."""
        categories = np.array(self.arity)
        fixed = categories == 1  # always a match, and certain
        same = np.log(np.where(fixed, 1.0, 1 - self.bandwidth))
        other = np.log(np.where(fixed, 1.0, self.bandwidth / np.maximum(categories - 1, 1)))
        matches = (batch[:, None, :] == self.data[None, :, :]).astype(np.float64)
        log_kernels = other.sum() + matches @ (same - other)
        highest = log_kernels.max(axis=1)  # d = 26 small factors underflow without it
        mean = np.exp(log_kernels - highest[:, None]).mean(axis=1)
        return np.asarray(highest + np.log(mean))

    def sample(self, rng: np.random.Generator, n: int, widen: float = 1.0) -> Batch:
        """Return int8[n, d], draws from the density with every bandwidth multiplied by `widen`.

        A widened bandwidth stops at (c - 1) / c, the uniform kernel.
        """
        categories = np.array(self.arity)
        bandwidth = np.minimum(self.bandwidth * widen, uniform_bandwidth(self.arity))
        rows = self.data[rng.integers(len(self.data), size=n)]
        moves = rng.random(rows.shape) < bandwidth
        shift = rng.integers(1, np.maximum(categories, 2), size=rows.shape)
        moved = (rows + shift) % categories
        return np.where(moves, moved, rows).astype(np.int8)
