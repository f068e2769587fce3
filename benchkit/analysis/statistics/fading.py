"""Posterior fading: how far the posterior that models share lies from the posterior of each alone.

Li, Lin, Li, Sun, Wu, Yan and Ouyang, "Improving One-Shot NAS by Suppressing the Posterior Fading", CVPR 2020
(arXiv:1910.02543), sections 3.1 and 3.2. Training the weights of K models together maximises the product of
the K posteriors that each has when it is trained alone. The paper argues that this product moves away from
each of them as K grows. Here every stand-alone posterior is a Gaussian with a diagonal covariance, so that
product, normaliser and divergences have closed forms.

==========================  ==================================================
paper                       here
==========================  ==================================================
p_alone, Eq. 3              `laplace`, `over_seeds`
p_share, Eq. 5, 8, 9        `share`, Z: `log_normaliser`
-int p_k log p_i, Eq. 10    `cross_entropies`
Eq. 10, last line           `paper_divergences`
Eq. 10, first line          `exact_divergences`
Eq. 4, with its 1 / K       ``share(..., law="mean")``
==========================  ==================================================

A Laplace approximation has precision N F + N lambda: N images, F the mean over them of the squared gradient
of one image's loss (the diagonal of the empirical Fisher matrix), lambda the weight decay, which is a normal
prior of mean 0 and precision N lambda.

What the last line of Eq. 10 leaves out
---------------------------------------
The first line is a divergence, never negative. The last one drops log Z, so that exactly

    KL(p_k || p_share) = sum over i != k of H(p_k, p_i) + log Z.

The sum need not be positive, although the paper says that each term is. A differential cross-entropy is
negative where p_i is dense: H(p_k, p_i) >= 0 is certain only if the density of p_i is at most 1 everywhere,
that is, if the product of its precisions is at most (2 pi)^p. Many images make posteriors denser than that.
Nor does the sum mean the same in other units: parameters that are c times as large add (K - 1) p log c. The
exact value is free of both.

Nor does an exact value that grows with K say that models disagree. K equal posteriors have
KL = p (K - 1 - log K) / 2: the product is narrower than its factors. `Divergences` tells the two apart:
``concentration`` is this narrowing, ``displacement`` the distance of the means.

Deviations and choices
----------------------
- The prior stands in every p_alone, so that Eq. 5 counts it K times (``law="product"``). With
  ``law="prior-once"`` it is counted once: p_share is the product over prior^(K - 1), the posterior given the
  data of K models. ``law="mean"`` takes the K-th root of the product, as the 1 / K of Eq. 4 says; the prior
  is then counted once and K equal posteriors have no divergence.
- A model without theta_{l,o} has a flat p_alone of it (section 3.2) and changes nothing: K counts the models
  that have it, and the others are not among the rows given.
- A few seeds say little of single weights: `over_seeds` pools the variance within theta_{l,o}. A variance
  from S - 1 < 3 degrees of freedom would give divergences without an expectation.
- What needs no Gaussian: `prediction_divergence` compares networks by their predictions, `relative_distance`
  by their parameters.
- Divergences are in nats, and of all p parameters of theta_{l,o} together; by Eq. 7 those of several add up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

LAWS = ("product", "prior-once", "mean")
"""How p_share is made of the p_alone, see above."""

Values = npt.NDArray[np.float64]
_LOG_TWO_PI = float(np.log(2 * np.pi))


@dataclass(frozen=True, eq=False)
class Gaussians:
    """n normal distributions of the same p parameters, with diagonal covariances.

    Attributes
    ----------
    mean : float64[n, p].
    precision : float64[n, p], 1 / variance.

    Raises
    ------
    ValueError : shapes that do not fit, no rows, or a precision that is not positive and finite.
    """

    mean: Values
    precision: Values

    def __post_init__(self) -> None:
        if self.mean.ndim != 2 or len(self.mean) == 0 or self.mean.shape != self.precision.shape:
            raise ValueError(
                f"means and precisions must have one shape (n >= 1, p), got {self.mean.shape} and "
                f"{self.precision.shape}"
            )
        if not np.isfinite(self.mean).all():
            raise ValueError("means must be finite")
        if not (np.isfinite(self.precision).all() and (self.precision > 0).all()):
            raise ValueError("precisions must be positive and finite")

    def __len__(self) -> int:
        return len(self.mean)

    def rows(self, index: npt.ArrayLike) -> Gaussians:
        """Return those of these rows."""
        chosen = np.asarray(index)
        return Gaussians(self.mean[chosen], self.precision[chosen])


class Divergences(NamedTuple):
    """KL(p_k || p_share) of n models, float64[n] each, in nats.

    Attributes
    ----------
    total : concentration + displacement; at least 0.
    concentration : Divergence that is left where all means are equal; at least 0.
    displacement : half the squared distance from the shared mean, in shared standard deviations.
    """

    total: Values
    concentration: Values
    displacement: Values


def laplace(
    optimum: npt.ArrayLike, fisher: npt.ArrayLike, images: int, prior_precision: float = 0.0
) -> Gaussians:
    """Return the diagonal Laplace approximation of each posterior.

    Parameters
    ----------
    optimum : float[n, p], where each training ended.
    fisher : float[n, p], the mean over images of the squared gradient of one image's loss, at the optimum.
    images : N, at least 1.
    prior_precision : N times the weight decay of the mean loss; at least 0.

    Raises
    ------
    ValueError : numbers out of range, or a precision of 0: neither images nor a prior hold that parameter.
    """
    if images < 1 or not prior_precision >= 0:
        raise ValueError(
            f"there must be at least 1 image and a prior precision of at least 0, got {images} and "
            f"{prior_precision}"
        )
    squares = np.asarray(fisher, dtype=np.float64)
    if (squares < 0).any():
        raise ValueError("a mean of squared gradients cannot be negative")
    return Gaussians(np.asarray(optimum, dtype=np.float64), images * squares + prior_precision)


def over_seeds(endpoints: npt.ArrayLike, pooled: bool = True) -> Gaussians:
    """Return the normal distributions with the mean and the variance of several trainings' ends.

    Parameters
    ----------
    endpoints : float[n, seeds, p], seeds >= 2.
    pooled : one variance for all p parameters of a model, the mean of theirs; else one each.

    Raises
    ------
    ValueError : another shape, a single seed, or ends that do not differ.
    """
    ends = np.asarray(endpoints, dtype=np.float64)
    if ends.ndim != 3 or ends.shape[1] < 2:
        raise ValueError(f"endpoints must have shape (n, seeds >= 2, p), got {ends.shape}")
    variance = ends.var(axis=1, ddof=1)
    if pooled:
        variance = np.broadcast_to(variance.mean(axis=1, keepdims=True), variance.shape)
    if not (variance > 0).all():
        raise ValueError("seeds that all end in one point have no variance")
    return Gaussians(ends.mean(axis=1), 1 / variance)


def share(alone: Gaussians, law: str = "product", prior_precision: float = 0.0) -> Gaussians:
    """Return p_share, a single row (Eq. 5, 9).

    Parameters
    ----------
    law : One of `LAWS`.
    prior_precision : Precision of the prior of mean 0 that every row contains; only ``prior-once`` asks for
        it.

    Raises
    ------
    ValueError : an unknown law, or rows that cannot contain such a prior K - 1 times.
    """
    total = alone.precision.sum(axis=0, keepdims=True)
    # around the first row: the product of one is exactly that one
    apart = (alone.precision * (alone.mean - alone.mean[0])).sum(axis=0, keepdims=True)
    mean = alone.mean[:1] + apart / total
    if law == "product":
        return Gaussians(mean, total)
    if law == "mean":
        return Gaussians(mean, total / len(alone))
    if law == "prior-once":
        once = total - (len(alone) - 1) * prior_precision
        if not (once > 0).all():
            raise ValueError(
                f"these posteriors are wider than a prior of precision {prior_precision:g}: it cannot be "
                f"taken out of them"
            )
        return Gaussians(mean * (total / once), once)
    raise ValueError(f"unknown law {law!r}; there are {', '.join(LAWS)}")


def log_normaliser(alone: Gaussians) -> float:
    """Return log Z of Eq. 5: the logarithm of the integral of the product of all rows, in nats."""
    joint = share(alone)
    spread = (alone.precision * (alone.mean - joint.mean) ** 2).sum()
    log_precisions = np.log(alone.precision).sum() - np.log(joint.precision).sum()
    free = (len(alone) - 1) * alone.mean.shape[1] * _LOG_TWO_PI
    return float(log_precisions - free - spread) / 2


def cross_entropies(alone: Gaussians) -> Values:
    """Return float64[n, n]: H(p_k, p_i) = - int p_k log p_i in row k and column i, in nats (Eq. 10).

    The diagonal holds entropies. Negative where p_i is dense, see above.
    """
    precision = alone.precision
    centred = alone.mean - alone.mean.mean(axis=0)  # the squares below lose no digits
    size = alone.mean.shape[1]
    distances = (centred**2) @ precision.T - 2 * centred @ (precision * centred).T
    distances += (precision * centred**2).sum(axis=1)
    widths = (1 / precision) @ precision.T
    values: Values = (size * _LOG_TWO_PI - np.log(precision).sum(axis=1) + widths + distances) / 2
    return values


def cross_entropies_to_prior(alone: Gaussians, prior_precision: float) -> Values:
    """Return float64[n]: H(p_k, prior), the prior of mean 0.

    Raises
    ------
    ValueError : a precision that is not positive.
    """
    if not prior_precision > 0:
        raise ValueError(f"the precision of a prior must be positive, got {prior_precision}")
    squares = (1 / alone.precision + alone.mean**2).sum(axis=1)
    size = alone.mean.shape[1]
    values: Values = (size * (_LOG_TWO_PI - np.log(prior_precision)) + prior_precision * squares) / 2
    return values


def paper_divergences(crossed: Values, to_prior: Values | None = None) -> Values:
    """Return float64[n]: the last line of Eq. 10, the sum of H(p_k, p_i) over i != k; 0 for n = 1.

    Parameters
    ----------
    crossed : float64[n, n], what `cross_entropies` returns, or its rows and columns of some models.
    to_prior : float64[n], what `cross_entropies_to_prior` returns; with it the prior is counted once:
        (n - 1) H(p_k, prior) is taken off.
    """
    sums: Values = crossed.sum(axis=1) - np.diagonal(crossed)
    return sums if to_prior is None else sums - (len(crossed) - 1) * to_prior


def exact_divergences(alone: Gaussians, shared: Gaussians) -> Divergences:
    """Return KL(p_k || p_share) of every row (Eq. 10, first line).

    Parameters
    ----------
    shared : Single row, from `share`.

    Raises
    ------
    ValueError : `shared` has several rows, or other parameters.
    """
    if shared.mean.shape != (1, alone.mean.shape[1]):
        raise ValueError(f"p_share must have shape (1, {alone.mean.shape[1]}), got {shared.mean.shape}")
    excess = shared.precision / alone.precision - 1
    # x - log(1 + x): both are near 0 where p_share is as wide as p_k
    concentration = (excess - np.log1p(excess)).sum(axis=1) / 2
    displacement = (shared.precision * (alone.mean - shared.mean) ** 2).sum(axis=1) / 2
    return Divergences(concentration + displacement, concentration, displacement)


def prediction_divergence(alone: npt.ArrayLike, shared: npt.ArrayLike) -> float:
    """Return the mean over images of KL(alone || shared) of two networks' predictions, in nats.

    Parameters
    ----------
    alone, shared : float[images, classes], logarithms of probabilities.

    Raises
    ------
    ValueError : shapes that differ, or no images.
    """
    p, q = np.asarray(alone, dtype=np.float64), np.asarray(shared, dtype=np.float64)
    if p.ndim != 2 or p.shape != q.shape or len(p) == 0:
        raise ValueError(f"predictions must have one shape (images, classes), got {p.shape} and {q.shape}")
    return float((np.exp(p) * (p - q)).sum(axis=1).mean())


def relative_distance(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Return the distance of two vectors over the root mean square of their norms.

    0 for equal ones, sqrt(2) for orthogonal ones such as independent draws, 2 for opposite ones; NaN where
    both are zero.
    """
    a, b = np.asarray(first, dtype=np.float64).ravel(), np.asarray(second, dtype=np.float64).ravel()
    scale = np.sqrt((a @ a + b @ b) / 2)
    return float(np.linalg.norm(a - b) / scale) if scale > 0 else float("nan")
