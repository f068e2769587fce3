"""Figures of several trainings of one method brought together: their mean, and how far they lie apart.

A correlation's own interval says what other architectures would change; here the figures of trainings with
different seeds are the sample, so the interval says what another seed would change.

Choices
-------
* Supernets are few, often three. Fewer than five have no interval, but their values stand in the table
  (`benchkit.analysis.statistics.resolution` says why).
* From five on the interval is Student's, on the scale on which the figure has no bounds: the percentile
  bootstrap, which serves hundreds of seeds elsewhere, would reach no further than from the smallest to the
  largest of a few, and miss the mean much more often than it says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchkit.analysis.statistics.resolution import FEWEST, Bounds, student_interval


def mean_over_trainings(
    frame: pd.DataFrame,
    keys: Sequence[str],
    value: str = "value",
    level: float = 0.95,
    *,
    bounds: Bounds | Mapping[str, Bounds],
    by: str = "measure",
) -> pd.DataFrame:
    """Return the mean over trainings of a figure.

    Parameters
    ----------
    frame : Frame with a row for each training and combination of `keys`; it has the column training.
    keys : columns that say what the figure is of, such as epoch and measure.
    value : Column of the figure; rows where it is NaN (undefined) are left out.
    level : Coverage, strictly between 0 and 1.
    bounds : Smallest and largest value of the figure, such as
        `benchkit.analysis.statistics.resolution.CORRELATION`; or those of each, by what stands in the column
        `by`.
    by : Name of the key that `bounds` are by.

    Returns
    -------
    A frame with a row a combination, in the order in which they first occur: the keys, trainings (their
    number), mean, sd (of a single training, with trainings - 1 in the denominator; NaN for one), low, high,
    values. The ends lie within the bounds, and are NaN where the interval is not resolvable (see
    `student_interval`); of two to four trainings, `values` then has their figures, with spaces, in the order
    of the frame, and of others it is empty.

    Raises
    ------
    ValueError : a training with two figures for one combination, a level out of range, or a figure without
        bounds.
    """
    if frame.duplicated([*keys, "training"]).any():
        raise ValueError(f"a training has two figures for one of {', '.join(keys)}")
    if not 0 < level < 1:
        raise ValueError(f"level must lie strictly between 0 and 1, got {level}")
    place = list(keys).index(by) if isinstance(bounds, Mapping) else None
    rows = []
    for names, group in frame[frame[value].notna()].groupby(list(keys), sort=False):
        values = group[value].to_numpy(dtype=np.float64)
        n, mean = len(values), float(values.mean())
        sd = float(np.std(values, ddof=1)) if n > 1 else np.nan
        low, high = student_interval(values, _of(bounds, place, names), level)
        shown = " ".join(f"{each:.6g}" for each in values) if 1 < n < FEWEST else ""
        rows.append((*names, n, mean, sd, low, high, shown))
    return pd.DataFrame(rows, columns=[*keys, "trainings", "mean", "sd", "low", "high", "values"])


def _of(bounds: Bounds | Mapping[str, Bounds], place: int | None, names: tuple[object, ...]) -> Bounds:
    if not isinstance(bounds, Mapping):
        return bounds
    name = str(names[place or 0])
    if name not in bounds:
        raise ValueError(f"it is not said between which bounds {name} lies; known are {', '.join(bounds)}")
    return bounds[name]


def values_of(text: object) -> npt.NDArray[np.float64]:
    """Return float64[n], the figures that `mean_over_trainings` wrote into a row's column values.

    Parameters
    ----------
    text : Cell of that column; NaN, as read from a file, means no figures.
    """
    return np.array(text.split() if isinstance(text, str) else [], dtype=np.float64)
