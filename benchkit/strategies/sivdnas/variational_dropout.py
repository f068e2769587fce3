"""Gives the formulas of variational dropout of a supernet's units: noise, posterior and annealed prior.

Wang, Dai, Li, Zou and Xiong, "SI-VDNAS: Semi-Implicit Variational Dropout for Hierarchical One-shot Neural
Architecture Search", IJCAI 2020. A unit is an operation of an edge, or an edge. Its weight is multiplied by
noise that is 0 with probability delta / (1 + delta), and else normal around 1 with variance delta. The prior
has the same chance of 0. Elsewhere it has a variance of its own for each unit (automatic relevance
determination, ARD) and a mean that moves from 0 to the unit's weight as lambda is annealed from 0 to 1.

==================================================================  ==============================
paper                                                               here
==================================================================  ==============================
section 3.1: P(psi = 1) = 1 / (1 + delta)                           `keep_probability`, `kept`
Eq. 3: xi ~ N(psi, psi delta); section 2.2: additive form           `noisy_weights`
Eq. 12, 13: sum of phi zeta over edges, of w xi over operations     `mixture_weights`
Eq. 11, 17, 18: the KL at the best precision (Eq. 9, 10)            `annealed_kl`
Algorithm 1, lines 8 and 9: (1 - lambda)^2                          `annealed_gap`
d log P(psi) by log delta, for the score function                   `log_delta_score`
==================================================================  ==============================

Deviations and choices
----------------------
- Eq. 9 does not follow as printed. The KL of N(gamma, gamma^2 delta) from N(lambda gamma, 1 / eta) is
  -1/2 log(eta gamma^2 delta) + 1/2 eta gamma^2 [(1 - lambda)^2 + delta] - 1/2; the paper prints the factor 2
  where 1/2 stands. Eq. 10 and 11 follow from the right one. From the printed one the best precision would be
  a quarter of Eq. 10's, and Eq. 10 put into it gives Eq. 11 plus 3/2.
- Eq. 9 has no value at Phi = 0, where both variances are 0; the text says so, and the KL of a constant from
  itself is 0.
- Eq. 8 takes one draw for posterior and prior. Averaged over draws it is the KL of (tau, psi) together, an
  upper bound of that of tau alone which Eq. 7 means.
- Section 2.2 prints the noisy weight as w delta, and its form w (1 + sqrt(delta) epsilon) as additive; it is
  the multiplicative one. The additive one of Molchanov et al. (2017), w + s epsilon with s^2 = w^2 delta,
  takes s as a parameter beside w, so that the gradient of w carries no noise. Here delta is the parameter, as
  in Algorithm 1 and as Proposition 1 has it (a KL that does not know w). So the size of w inside s is held
  fixed in the gradient: w's gradient is then free of noise, and delta's is exact.
- With gates between 0 and 1 (concrete) the noise is psi (1 + sqrt(delta) epsilon): the same at 0 and 1, and
  without the infinite slope of sqrt(psi) at 0.
- delta is kept as its logarithm; log-odds of being kept are minus that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from torch import Tensor

Array = TypeVar("Array", "Tensor", npt.NDArray[np.float64])


def keep_probability(delta: Array) -> Array:
    """Return P(psi = 1) = 1 / (1 + delta), in (0, 1)."""
    return 1 / (1 + delta)


def kept(log_delta: Tensor, noise: Tensor) -> Tensor:
    """Return draws of psi, 0.0 or 1.0, without a gradient; `noise` is standard logistic of the same shape."""
    return (noise > log_delta.detach()).to(log_delta.dtype)


def noisy_weights(
    weights: Tensor, gates: Tensor, log_delta: Tensor, noise: Tensor, additive: bool = True
) -> Tensor:
    """Return draws of tau ~ N(w psi, w^2 psi delta) given psi (Eq. 3, 4, 15, 16).

    Parameters
    ----------
    weights, gates, log_delta : float[...]: w, psi and log delta.
    noise : Standard normal noise of the same shape.
    additive : Whether the gradient of w is that of the mean alone; else that of w (1 + sqrt(delta) epsilon).
    """
    held = weights.detach() if additive else weights
    return gates * (weights + held * (log_delta / 2).exp() * noise)


def mixture_weights(operations: Tensor, edges: Tensor) -> Tensor:
    """Return float[e, o], the weights mu of operations times those v, float[e], of their edges (Eq. 13)."""
    return edges[:, None] * operations


def annealed_kl(delta: Array, gap: float) -> Array:
    """Return the KL of a unit that is kept, in nats: 1/2 log(1 + (1 - lambda)^2 / delta) (Eq. 11, 17, 18).

    `gap`, (1 - lambda)^2, is in [0, 1]; 1 is the vanilla ARD prior.
    """
    ratio = gap / delta
    logarithm: Array = np.log1p(ratio) if isinstance(ratio, np.ndarray) else ratio.log1p()
    return logarithm / 2


def annealed_gap(initial: float, rate: float, times: int) -> float:
    """Return (1 - lambda)^2 after it was multiplied so many times by `rate`."""
    return initial * rate**times


def log_delta_score(gates: Tensor, log_delta: Tensor) -> Tensor:
    """Return d log P(psi) / d log delta, the chance of being kept less the gates psi, 0 or 1."""
    return (-log_delta).sigmoid() - gates
