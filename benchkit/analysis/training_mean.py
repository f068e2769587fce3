"""Figures of several trainings of one method brought together: their mean, and how far they lie apart.

A correlation's own interval says what other architectures would change; here the figures of trainings with
different seeds are the sample, so the interval says what another seed would change.

Choices
-------
* Supernets are few, often three. The percentile bootstrap, which serves hundreds of seeds elsewhere, would
  reach no further than from the smallest to the largest of them, and miss the mean much more often than it
  says. The interval is therefore Student's: mean -+ t sd / sqrt(trainings), wide where there are few.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import stdtrit

__all__ = ["mean_over_trainings"]


def mean_over_trainings(
    frame: pd.DataFrame,
    keys: Sequence[str],
    value: str = "value",
    level: float = 0.95,
) -> pd.DataFrame:
    """Return the mean over trainings of a figure.

    Parameters
    ----------
    frame : a row for each training and combination of `keys`; it has the column training.
    keys : columns that say what the figure is of, such as epoch and measure.
    value : the figure's column; rows where it is NaN (undefined) are left out.
    level : coverage, strictly between 0 and 1.

    Returns
    -------
    A frame with a row a combination, in the order in which they first occur: the keys, trainings (their
    number), mean, sd (of a single training, with trainings - 1 in the denominator), low, high. For one
    training the last three are NaN; low and high may pass the bounds of the figure itself.

    Raises
    ------
    ValueError : a training with two figures for one combination, or a level out of range.
    """
    if frame.duplicated([*keys, "training"]).any():
        raise ValueError(f"a training has two figures for one of {', '.join(keys)}")
    if not 0 < level < 1:
        raise ValueError(f"level must lie strictly between 0 and 1, got {level}")
    rows = []
    for names, group in frame[frame[value].notna()].groupby(list(keys), sort=False):
        values = group[value].to_numpy(dtype=np.float64)
        n, mean = len(values), float(values.mean())
        sd = float(np.std(values, ddof=1)) if n > 1 else np.nan
        half = float(stdtrit(max(n - 1, 1), (1 + level) / 2)) * sd / np.sqrt(n)
        rows.append((*names, n, mean, sd, mean - half, mean + half))
    return pd.DataFrame(rows, columns=[*keys, "trainings", "mean", "sd", "low", "high"])
