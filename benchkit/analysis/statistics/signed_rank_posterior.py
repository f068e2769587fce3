"""The Bayesian signed-rank test: how probably two strategies are practically the same, or one is better.

Source: Benavoli, Corani, Demsar and Zaffalon (2017), Time for a Change: a Tutorial for Comparing Multiple
Classifiers Through Bayesian Analysis, JMLR 18(77), section 4.2. The differences of paired runs have a
Dirichlet process as their prior. A draw from the posterior gives every difference, and one pseudo-observation
of no difference, a random weight w; the shares of the Walsh averages (z_i + z_j) / 2 that lie above, within
and below the region of practical equivalence are sums of w_i w_j. The probability of each of the three is
how often its share is the largest.

Deviations and choices
----------------------
- The pseudo-observation weighs s = 1/2, as in the authors' package baycomp.
- An average on the edge of the region counts half on either side of it, as there.
- A draw whose largest shares are equal counts for all of these alike, so that without a region two strategies
  that never differ are at one half each. In baycomp rounding decides, draw by draw.
- Own code: baycomp weighs all pairs of runs in a loop over draws, seconds for one pair of strategies with 500
  seeds and 5,000 draws; the same sums as a matrix product are some 15 times as quick. The tests compare both.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

_PRIOR = 0.5
_DECIMALS = 9  # as in `benchkit.analysis.statistics.ranking`: rounding neither makes nor breaks a tie


class Posterior(NamedTuple):
    """Probabilities, in sum 1, that the differences lie `above`, `within` or `below` the region."""

    above: float
    within: float
    below: float


def signed_rank_weights(n: int, rng: np.random.Generator, samples: int) -> npt.NDArray[np.float64]:
    """Return float64[samples, n + 1], rows in sum 1: posterior weights, the pseudo-observation's first.

    They depend on the number of differences alone, so all pairs of strategies can share them.

    Raises
    ------
    ValueError : no differences, or no samples.
    """
    if n < 1 or samples < 1:
        raise ValueError(f"needs at least 1 difference and 1 sample, got {n} and {samples}")
    return rng.dirichlet(np.concatenate([[_PRIOR], np.ones(n)]), size=samples)


def signed_rank_posterior(
    differences: npt.ArrayLike, weights: npt.NDArray[np.float64], rope: float
) -> Posterior:
    """Return the posterior probabilities of the three outcomes.

    Parameters
    ----------
    differences : float[n], of paired runs.
    weights : see `signed_rank_weights`.
    rope : half the width of the region of practical equivalence, in the differences' unit, at least 0; at 0
        there is no region, and `within` is 0.

    Raises
    ------
    ValueError : a negative rope, a difference that is not finite, or weights of another n.
    """
    z = np.concatenate([[0.0], np.asarray(differences, dtype=np.float64)])
    if not rope >= 0:
        raise ValueError(f"a region of practical equivalence is at least 0 wide, got {rope}")
    if not np.isfinite(z).all() or weights.shape[1:] != z.shape:
        raise ValueError(f"needs finite differences and {len(z)} weights a sample, got {weights.shape}")
    beyond = (z[:, None] + z - 2 * rope).round(_DECIMALS)
    short = (z[:, None] + z + 2 * rope).round(_DECIMALS)
    shares = np.zeros((len(weights), 3))
    shares[:, 0] = _weighed(weights, np.heaviside(beyond, 0.5))
    shares[:, 2] = _weighed(weights, np.heaviside(-short, 0.5))
    if rope > 0:
        shares[:, 1] = 1 - shares[:, 0] - shares[:, 2]
    largest = shares >= shares.max(axis=1, keepdims=True) - 1e-12
    above, within, below = (largest / largest.sum(axis=1, keepdims=True)).mean(axis=0)
    return Posterior(float(above), float(within), float(below))


def _weighed(weights: npt.NDArray[np.float64], chosen: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return float64[samples]: the sum over i, j of w_i w_j chosen_ij."""
    total: npt.NDArray[np.float64] = ((weights @ chosen) * weights).sum(axis=1)
    return total
