"""Selects the best share of scored rows, and draws from the mixture, for every form of VAENAS.

"VAENAS: Sampling Matters in Neural Architecture Search" (anonymous, under double-blind review).

=========================================================  ================
paper                                                      here
=========================================================  ================
Algorithm 1, lines 1 and 2: rank, select the top K %       `top_share`
Algorithm 2, line 11: epsilon <- epsilon + epsilon_inc     `exploitation`
Eq. 5: (1 - epsilon) U + epsilon p_theta                   `mixture`
=========================================================  ================

Deviations and choices
----------------------
- Algorithm 2 never stops raising epsilon; here it ends at 1.
- The top K % of n rows are ceil(n K / 100), so that one row is always left; among equal scores the earlier
  row comes first.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from benchkit.spaces.base import Batch
from benchkit.strategies.protocol import Scores


def top_share(rows: Batch, scores: Scores, percent: float) -> Batch:
    """Return the best K percent of int8[n, d] rows, best first (Algorithm 1, lines 1 and 2).

    Parameters
    ----------
    scores : float64[n], higher is better; a row that was scored twice counts twice.
    percent : Percentage K in (0, 100].
    """
    count = math.ceil(len(rows) * percent / 100 * (1 - 1e-12))  # 25 % of 6,000 is 1,500, despite rounding
    best: Batch = rows[np.argsort(-scores, kind="stable")[:count]]
    return best


def exploitation(iterations: float, increase: float) -> float:
    """Return epsilon in [0, 1] after so many iterations, each of which raises it by `increase`, from 0."""
    return min(1.0, max(0.0, iterations * increase))


def mixture(
    rng: np.random.Generator,
    n: int,
    epsilon: float,
    uniform: Callable[[int], Batch],
    learned: Callable[[int], Batch],
) -> Batch:
    """Return int8[n, d], independent draws of (1 - epsilon) U + epsilon p_theta (Eq. 5).

    Parameters
    ----------
    rng : Generator that decides which of the two each row comes from.
    epsilon : Probability, in [0, 1], of the learned distribution.
    uniform, learned : Functions from a number m to int8[m, d]; one that has no row to draw is not called.
    """
    from_learned = rng.random(n) < epsilon
    count = int(from_learned.sum())
    parts = [draw(m) for draw, m in ((learned, count), (uniform, n - count)) if m]
    drawn = np.concatenate(parts) if parts else uniform(0)
    rows = np.empty_like(drawn)
    rows[np.argsort(~from_learned, kind="stable")] = drawn
    return rows
