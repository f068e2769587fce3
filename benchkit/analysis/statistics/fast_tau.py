"""Kendall's tau-b and Vigna's weighted tau of many bootstrap samples of one paired sample.

A bootstrap sample is the paired sample with multiplicities (how often each pair was drawn), so what is
above what never changes: the merge sort that counts discordant pairs (Knight 1966) is laid out once, and
every sample then only adds up multiplicities along it, many samples at once, in O(n log n) each.

| quantity | source | function |
| --- | --- | --- |
| discordant pairs, by merging | Knight (1966), JASA 61, pages 436-439 | `discordant` |
| tau-b | Kendall (1945), Biometrika 33, pages 239-251 | `kendall_tau` |
| weighted tau, additive hyperbolic | Vigna (2015), WWW, pages 1166-1176 | `weighted_tau` |

Choices
-------
`scipy.stats.kendalltau` and `scipy.stats.weightedtau` (its defaults) on the repeated pairs give the same
figures, and are the oracle of the tests. A pair drawn twice is tied with itself in both orders, which
tau-b leaves out of numerator and denominator alike.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.float64]
"""``float64[samples, n]``: how often each sample holds each pair; whole numbers."""

Figures = npt.NDArray[np.float64]
"""``float64[samples]``."""

_LEAF = 32  # pairs compared all with all by one small matrix product; below it merging costs more


class _Level(NamedTuple):
    """One level of the merge: every left run beside its right run, `width` places each.

    left : Places of the left runs' elements, each run by falling y.
    right : Places of the right runs' elements.
    above : Place, for each of `right`, where the running total of its left run stands after all with larger
        y.
    """

    width: int
    left: npt.NDArray[np.intp]
    right: npt.NDArray[np.intp]
    above: npt.NDArray[np.intp]


class PairedRanks:
    """A paired sample's order, laid out for counting over its bootstrap samples.

    Parameters
    ----------
    x, y : float[n], n >= 1, finite; any unit, larger is larger.

    Raises
    ------
    ValueError : not two finite one-dimensional arrays of one length, or empty.
    """

    def __init__(self, x: npt.ArrayLike, y: npt.ArrayLike) -> None:
        first, second = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
        if first.ndim != 1 or first.shape != second.shape or len(first) == 0:
            raise ValueError(
                f"x and y must be of one length n >= 1, got shapes {first.shape}, {second.shape}"
            )
        if not (np.isfinite(first).all() and np.isfinite(second).all()):
            raise ValueError("x and y must be finite: leave out what is missing on either side first")
        self.n = len(first)
        rank_x = np.unique(first, return_inverse=True)[1]
        rank_y = np.unique(second, return_inverse=True)[1]
        self._order = np.lexsort((rank_y, rank_x))  # by x, within it by y: no tie in x is discordant
        self._x, self._y = rank_x[self._order], rank_y[self._order]
        self._by_y = np.argsort(self._y, kind="stable")  # by y, within it by x
        new_x, new_y = np.diff(self._x) != 0, np.diff(self._y) != 0
        self._x_ties = _starts(new_x)
        self._y_ties = _starts(np.diff(self._y[self._by_y]) != 0)
        self._joint_ties = _starts(new_x | new_y)
        self._places = _LEAF * 2 ** max(0, int(np.ceil(np.log2(self.n / _LEAF))))
        padded = np.concatenate([self._y, np.full(self._places - self.n, self._y.max(initial=0))])
        runs = padded.reshape(-1, _LEAF)
        earlier = np.triu(np.ones((_LEAF, _LEAF), dtype=bool), 1)
        self._leaves = (earlier & (runs[:, :, None] > runs[:, None, :])).astype(np.float64)
        self._levels = _levels(padded)

    def varies(self, counts: Counts) -> npt.NDArray[np.bool_]:
        """Return bool[samples]: whether x and y each take two values or more; else no measure is defined."""
        total = counts.sum(axis=1)
        ordered = counts[:, self._order]
        largest_x = np.add.reduceat(ordered, self._x_ties, axis=1).max(axis=1)
        largest_y = np.add.reduceat(ordered[:, self._by_y], self._y_ties, axis=1).max(axis=1)
        both: npt.NDArray[np.bool_] = (largest_x < total) & (largest_y < total)
        return both

    def midranks(self, counts: Counts) -> tuple[Counts, Counts]:
        """Return the mean rank of each pair's x and y within each sample, less the sample's mean rank.

        Returns
        -------
        Two of float64[samples, n], in the order in which the pairs were given.
        """
        ordered = counts[:, self._order]
        half = counts.sum(axis=1, keepdims=True) / 2
        ranks = []
        for rank, sums in (
            (self._x, np.add.reduceat(ordered, self._x_ties, axis=1)),
            (self._y, np.add.reduceat(ordered[:, self._by_y], self._y_ties, axis=1)),
        ):
            middle = np.cumsum(sums, axis=1) - sums / 2 - half
            given = np.empty_like(counts)
            given[:, self._order] = middle[:, rank]
            ranks.append(given)
        return ranks[0], ranks[1]

    def kendall_tau(self, counts: Counts) -> Figures:
        """Return tau-b of each sample, in -1..1; NaN where it is not defined (see `varies`)."""
        ordered = counts[:, self._order]
        balance, scale = self._without_discordance(ordered, ordered, weigh=False)
        return self._defined(counts, (balance - 2 * self.discordant(ordered, ordered)) / scale)

    def weighted_tau(self, counts: Counts) -> Figures:
        """Return Vigna's weighted tau of each sample, in -1..1; NaN where it is not defined.

        A pair of ranks r, s (0 is the largest) weighs 1/(r + 1) + 1/(s + 1); the figure is the mean of
        those with ranks by (x, y) and by (y, x), as `scipy.stats.weightedtau` has it.
        """
        ordered = counts[:, self._order]
        by_x = _hyperbolic(ordered)
        by_y = np.empty_like(ordered)
        by_y[:, self._by_y] = _hyperbolic(ordered[:, self._by_y])
        balance_x, scale_x = self._without_discordance(ordered, by_x, weigh=True)
        balance_y, scale_y = self._without_discordance(ordered, by_y, weigh=True)
        # a sum over discordant pairs is linear in the weights: one count serves both rankings
        both = by_x / scale_x[:, None] + by_y / scale_y[:, None]
        discordant = self.discordant(both, ordered) + self.discordant(ordered, both)
        return self._defined(counts, (balance_x / scale_x + balance_y / scale_y) / 2 - discordant)

    def discordant(self, lower: Counts, upper: Counts) -> Figures:
        """Return the sum of ``lower[i] * upper[j]`` over all i, j with x_i < x_j and y_i > y_j.

        Both are float64[samples, n] in the order by (x, y).
        """
        samples = len(lower)
        padding = ((0, 0), (0, self._places - self.n))
        low = np.pad(lower, padding)
        high = low if upper is lower else np.pad(upper, padding)
        low_runs = low.reshape(samples, -1, _LEAF).transpose(1, 0, 2)
        high_runs = high.reshape(samples, -1, _LEAF).transpose(1, 0, 2)
        total: Figures = np.einsum("rsj,rsj->s", low_runs @ self._leaves, high_runs)
        for width, left, right, above in self._levels:
            runs = np.take(low, left, axis=1).reshape(samples, -1, width)
            running = np.zeros((samples, runs.shape[1], width + 1))
            np.cumsum(runs, axis=2, out=running[:, :, 1:])
            larger = np.take(running.reshape(samples, -1), above, axis=1)
            total += np.einsum("sj,sj->s", larger, np.take(high, right, axis=1))
        return total

    def _without_discordance(self, ordered: Counts, weights: Counts, weigh: bool) -> tuple[Figures, Figures]:
        """Return tau's numerator less its discordant pairs, and its denominator (1 where that is 0)."""
        everything = np.zeros(1, dtype=np.intp)
        total = _pairs_within(ordered, weights, everything, weigh)
        tied_x = _pairs_within(ordered, weights, self._x_ties, weigh)
        tied_y = _pairs_within(ordered[:, self._by_y], weights[:, self._by_y], self._y_ties, weigh)
        tied_both = _pairs_within(ordered, weights, self._joint_ties, weigh)
        square = np.maximum(total - tied_x, 0) * np.maximum(total - tied_y, 0)
        return total - tied_x - tied_y + tied_both, np.sqrt(np.where(square > 0, square, 1.0))

    def _defined(self, counts: Counts, tau: Figures) -> Figures:
        """Return tau, within -1..1 (rounding may pass them by an ulp), NaN where it is not defined."""
        return np.where(self.varies(counts), np.clip(tau, -1, 1), np.nan)


def _starts(changes: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """Return where each run of equal values starts, given where neighbours differ."""
    return np.concatenate([np.zeros(1, dtype=np.intp), np.flatnonzero(changes) + 1])


def _levels(y: npt.NDArray[np.intp]) -> list[_Level]:
    """Return the levels of the merge above the leaves; `y` is ranks by (x, y), a power of two of leaves."""
    places = np.arange(len(y))
    beyond = int(y.max()) + 1
    levels = []
    width = _LEAF
    while width < len(y):
        merge = places // (2 * width)
        falling = merge * beyond + (beyond - 1 - y)  # sorts by merge, within it by falling y
        is_left = places // width % 2 == 0
        left = places[is_left][np.argsort(falling[is_left], kind="stable")]
        right = places[~is_left]
        above = np.searchsorted(falling[left], falling[right], side="left") + merge[right]
        levels.append(_Level(width, left, right, above))
        width *= 2
    return levels


def _pairs_within(counts: Counts, weights: Counts, starts: npt.NDArray[np.intp], weigh: bool) -> Figures:
    """Return the number, or the weight, of unordered pairs within the groups that begin at `starts`."""
    sizes = np.add.reduceat(counts, starts, axis=1)
    if weigh:  # each of a group's T members adds its weight to T - 1 pairs
        sums = np.add.reduceat(weights, starts, axis=1)
        pairs: Figures = (np.maximum(sizes - 1, 0) * sums).sum(axis=1)
    else:
        pairs = (sizes * (sizes - 1)).sum(axis=1) / 2
    return pairs


def _hyperbolic(counts: Counts) -> Counts:
    """Return the summed 1/(rank + 1) of each pair's copies; ranks count from 0 at the last place."""
    above = np.cumsum(counts[:, ::-1], axis=1)[:, ::-1].astype(np.intp)
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, int(above.max()) + 1))])
    weights: Counts = harmonic[above] - harmonic[above - counts.astype(np.intp)]
    return weights
