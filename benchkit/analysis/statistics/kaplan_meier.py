"""Kaplan-Meier: the share of trials that reached something by a cost, and what follows from it.

Sources: Kaplan and Meier (1958), Nonparametric Estimation from Incomplete Observations; Royston and Parmar
(2013), Restricted Mean Survival Time, for the mean up to a horizon.

Deviations and choices
----------------------
- The estimate is statsmodels' `SurvfuncRight`. lifelines 0.30 was tried: its fit sets numpy's error state for
  the whole process, the variance of its restricted mean warns, it loads pyplot, and it brings two packages of
  which one is no wheel.
- Intervals of shares are Wilson's for as many trials as the estimate's variance is worth (Rothman 1978,
  Estimation of Confidence Limits for the Cumulative Probability of Survival in Life Table Analysis). Without
  early censoring those are all trials. Greenwood's intervals, on any scale, have no width where all trials
  reached the target or none did, which here is often so. Where all did, the variance is unknown, and the
  trials are worth what they were before.
- The interval of the median holds the costs at which the interval of the share holds one half (Brookmeyer
  and Crowley 1982, A Confidence Interval for the Median Survival Time).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from statsmodels.duration.survfunc import SurvfuncRight
from statsmodels.stats.proportion import proportion_confint

Floats = npt.NDArray[np.float64]

_ROUNDING = 1e-9


class ReachedShare(NamedTuple):
    """The share of trials that reached a target, as a step function of the cost.

    Attributes
    ----------
    cost : float64[m], ascending; the first is 0, the last the horizon.
    share, low, high : float64[m], from ``cost[i]`` until the next cost, with the interval (pointwise).
    at_risk : int64[m], trials that had not reached the target, and were not censored, just before.
    """

    cost: Floats
    share: Floats
    low: Floats
    high: Floats
    at_risk: npt.NDArray[np.int64]


class Median(NamedTuple):
    """A median cost with its interval; infinity stands for beyond the horizon."""

    median: float
    low: float
    high: float


def reached_share(
    cost: npt.ArrayLike, reached: npt.ArrayLike, horizon: float, level: float = 0.95
) -> ReachedShare:
    """Return one minus the Kaplan-Meier estimate, from 0 to the horizon.

    Parameters
    ----------
    cost : float[n], n >= 1, at which each trial reached the target, or was censored.
    reached : bool[n].
    horizon : Cost above 0 at which the estimate ends. Where nobody is left before it, the share stays what it
        was (Gill 1980).
    level : Coverage of the interval.

    Raises
    ------
    ValueError : lists that do not fit, a cost that is not finite, a level or a horizon out of range.
    """
    costs, events = _checked(cost, reached, horizon, level)
    fitted = SurvfuncRight(costs, events.astype(np.int64))
    kept = fitted.surv_times <= horizon
    times, survival = fitted.surv_times[kept], fitted.surv_prob[kept]
    at_risk, events_at = fitted.n_risk[kept].astype(np.float64), fitted.n_events[kept]
    worth = np.full(len(times), float(len(costs)))
    last = float(len(costs))
    with np.errstate(divide="ignore"):
        greenwood = np.cumsum(events_at / (at_risk * (at_risk - events_at)))
    for i, (alive, variance) in enumerate(zip(survival, greenwood, strict=True)):
        if alive > _ROUNDING:  # at 0 the variance is unknown: the trials are worth what they were before
            last = (1 - alive) / (alive * variance)
        worth[i] = last
    left = max(1.0, float((costs >= horizon).sum()))
    cost_at = np.concatenate([[0.0], times, [horizon]])
    share = np.concatenate([[0.0], 1 - survival, [1 - survival[-1] if len(times) else 0.0]])
    weights = np.concatenate([[len(costs)], worth, [last if len(times) else left]])
    low, high = proportion_confint(share * weights, weights, alpha=1 - level, method="wilson")
    return ReachedShare(
        cost=cost_at,
        share=share,
        low=np.clip(low, 0.0, share),
        high=np.clip(high, share, 1.0),
        at_risk=np.concatenate([[len(costs)], at_risk, [(costs >= horizon).sum()]]).astype(np.int64),
    )


def median_cost(curve: ReachedShare) -> Median:
    """Return the cost at which half of the trials have reached the target, with its interval."""
    return Median(*(_first(curve.cost, values) for values in (curve.share, curve.high, curve.low)))


def _first(cost: Floats, values: Floats) -> float:
    """Return the first cost at which a step function is at least one half; infinity where there is none."""
    met = np.flatnonzero(values[:-1] >= 0.5 - _ROUNDING)  # the horizon itself is no event
    return float(cost[met[0]]) if len(met) else np.inf


def restricted_means(
    cost: npt.ArrayLike, reached: npt.ArrayLike, horizon: float, counts: npt.ArrayLike
) -> Floats:
    """Return float64[b]: the restricted mean cost of each of b resamples.

    Parameters
    ----------
    cost, reached, horizon : see `reached_share`.
    counts : int[b, n], how often each resample holds each trial; a row of ones is the sample itself.

    Notes
    -----
    Kaplan-Meier for all resamples at once: a fit of statsmodels for each would take minutes.
    """
    times, survival = _resampled(cost, reached, counts)
    edges = np.minimum(np.concatenate([[0.0], times, [horizon]]), horizon)
    before = np.concatenate([np.ones((len(survival), 1)), survival], axis=1)
    means: Floats = before @ np.diff(edges)
    return means


def resampled_medians(
    cost: npt.ArrayLike, reached: npt.ArrayLike, horizon: float, counts: npt.ArrayLike
) -> Floats:
    """Return float64[b]: the median cost of each of b resamples, infinite beyond the horizon.

    Parameters
    ----------
    cost, reached, horizon, counts : see `restricted_means`.
    """
    times, survival = _resampled(cost, reached, counts)
    met = (survival <= 0.5 + _ROUNDING) & (times <= horizon * (1 + _ROUNDING))
    return np.where(met.any(axis=1), times[met.argmax(axis=1)], np.inf)


def _resampled(cost: npt.ArrayLike, reached: npt.ArrayLike, counts: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Return the costs in order, float64[n], and each resample's survival from there on, float64[b, n]."""
    costs, events = np.asarray(cost, dtype=np.float64), np.asarray(reached, dtype=bool)
    order = np.lexsort([~events, costs])  # who is censored at a cost is at risk until after its events
    weight = np.asarray(counts, dtype=np.float64)[:, order]
    at_risk = np.cumsum(weight[:, ::-1], axis=1)[:, ::-1]
    lost = weight * events[order]
    survival: Floats = np.cumprod(1 - lost / np.maximum(at_risk, 1.0), axis=1)
    return costs[order], survival


def _checked(
    cost: npt.ArrayLike, reached: npt.ArrayLike, horizon: float, level: float
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    costs, events = np.asarray(cost, dtype=np.float64), np.asarray(reached, dtype=bool)
    if costs.ndim != 1 or costs.shape != events.shape or len(costs) == 0:
        raise ValueError(f"needs two equally long, non-empty lists, got shapes {costs.shape}, {events.shape}")
    if not 0 < level < 1:
        raise ValueError(f"level must lie strictly between 0 and 1, got {level}")
    if not np.isfinite(costs).all() or not 0 < horizon < np.inf:
        raise ValueError("costs must be finite, and the horizon above 0")
    return costs, events
