"""Compares latencies that were added up from parts with those measured of whole networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from benchkit.analysis.statistics.intervals import mean_interval
from benchkit.analysis.statistics.rank_correlation import correlate


def check_sums(predicted: npt.NDArray[np.float64], measured: npt.NDArray[np.float64]) -> dict[str, Any]:
    """Return how well sums of parts give the latencies of whole networks.

    Parameters
    ----------
    predicted, measured : float[n], milliseconds, positive where measured.

    Returns
    -------
    Both arrays; Kendall's tau, Pearson's correlation, and the means of absolute and of relative errors, each
    with a 95 % bootstrap interval over networks; JSON-ready, None where undefined or not resolvable.
    """

    def plain(figures: Sequence[float]) -> dict[str, float | None]:
        values = (round(float(figure), 6) if np.isfinite(figure) else None for figure in figures)
        return dict(zip(("value", "low", "high"), values, strict=True))

    frame = correlate(predicted, measured, fractions=(1.0,), measures=("kendall_tau", "pearson"))
    found: dict[str, Any] = {
        "predicted_ms": predicted.round(6).tolist(),
        "measured_ms": measured.round(6).tolist(),
    }
    for measure, *figures in frame[["measure", "value", "low", "high"]].itertuples(index=False):
        found[measure] = plain(figures)
    errors = np.abs(predicted - measured)
    rng = np.random.default_rng(0)
    for name, values in (
        ("absolute_error_ms", errors),
        ("relative_error_percent", 100 * errors / measured),
    ):
        interval = mean_interval(values, rng)
        found[name] = plain((interval.mean, interval.low, interval.high))
    return found
