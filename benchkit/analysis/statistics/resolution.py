"""What a sample can say: where a figure is undefined, where an interval is not resolvable, and its range.

Every interval of benchkit follows these rules.

==================  =======================================  =========================================
case                where                                    what is said
==================  =======================================  =========================================
undefined           a correlation of fewer than two points,  no value, no interval: "undefined"
                    or with a constant column
not resolvable      fewer than `FEWEST` independent values;  the value without an interval: "0.80 (not
                    a bootstrap whose samples all give one   resolvable)"; of trainings with different
                    figure; one of which more samples are    seeds the values themselves
                    undefined than lie outside the interval
a ceiling of noise  an interval that holds 0, or none        "not resolvable"; figures do not draw it
an interval         else                                     "0.63 [0.60, 0.66]", within the range
==================  =======================================  =========================================

In tables and files a figure that is undefined is NaN (an empty cell, null in JSON), and so are the ends of an
interval that is not resolvable. How many values there were (n) stands beside them always.

Why these
---------
- **Five.** Of n values in perfect agreement, chance gives one order in n!: a two-sided test of rank
  correlation at 5 % can say nothing before 2 / n! is below 0.05, which is so from n = 5 on (2 / 4! is 0.083).
  And the range of n values, which a percentile interval never passes, leaves the median out with probability
  2 (1 / 2)^n: one in eight for four values.
- **One figure in all samples.** A bootstrap of equal values, or of a perfect agreement, is always the sample
  again. Its interval of no width says how the sample was drawn, not how far another one would differ: 30 of
  30 equal seeds leave room for one in ten that are not (1 - 0.05^(1/30) = 0.095).
- **Undefined samples.** They are left out of a percentile interval; those that are left are no random choice,
  for what makes a sample undefined (a side without two different values) also moves its figure. Up to as many
  as the interval leaves out at its ends, 1 - level, that is no more than the interval owns up to.
- **Range.** A percentile interval never leaves the range of its figure. Student's interval, which serves few
  trainings better, does. It is therefore taken on a scale without bounds and brought back: Fisher's z for a
  correlation, the logarithm for a positive quantity, the logit for a share or an accuracy. The centre stays
  the mean; the standard error is carried over by the derivative there (delta method: Casella and Berger 2002,
  Statistical Inference, section 5.5.4). Of five exponential values it holds the mean in 93 % of cases, the
  plain interval in 89 % (and leaves the range in 56 %), the percentile bootstrap in 79 %; the tests count.

Not touched: Wilson's interval of a share (wins, trials that reached a target), which is inside 0..1 and has a
width at any n; quantiles of simulated samples; standard deviations, which describe a sample and claim nothing
of its mean.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

FEWEST = 5
"""Independent values that an interval needs, at least."""

UNDEFINED, UNRESOLVED = "undefined", "not resolvable"
"""What is said where there is no value, and where there is no interval."""

Bounds = tuple[float, float]
"""The smallest and the largest value that a quantity can have; infinite where there is none."""

UNBOUNDED: Bounds = (-math.inf, math.inf)
POSITIVE: Bounds = (0.0, math.inf)
CORRELATION: Bounds = (-1.0, 1.0)
SHARE: Bounds = (0.0, 1.0)
PERCENT: Bounds = (0.0, 100.0)

Figures = npt.NDArray[np.float64]
_NO_WIDTH = 1e-12  # of the figure's size: what rounding makes of equal samples


def resolved_ends(
    low: npt.ArrayLike, high: npt.ArrayLike, n: int, undefined: npt.ArrayLike = 0.0, level: float = 0.95
) -> tuple[Figures, Figures]:
    """Return the ends of bootstrap intervals, NaN where they are not resolvable.

    Parameters
    ----------
    low, high : float[...], ends of the intervals.
    n : Number of independent values that were resampled.
    undefined : float[...], share of the bootstrap samples in which each figure is not defined, 0..1.
    level : Coverage of the intervals.
    """
    first, last = np.array(low, dtype=np.float64), np.array(high, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        size = np.maximum(np.abs(first), np.abs(last))
        none = (last - first <= _NO_WIDTH * size) | (np.asarray(undefined) > 1 - level)
    none = none | (n < FEWEST)
    first[none], last[none] = np.nan, np.nan
    return first, last


def student_interval(
    values: npt.ArrayLike, bounds: Bounds = UNBOUNDED, level: float = 0.95
) -> tuple[float, float]:
    """Return Student's interval of the mean, taken where the quantity has no bounds.

    Parameters
    ----------
    values : float[n], finite; independent.
    bounds : Smallest and largest value of the quantity.
    level : Coverage, strictly between 0 and 1.

    Returns
    -------
    Its ends, which lie within the bounds and on either side of the mean; NaN where it is not resolvable:
    fewer than `FEWEST` values, values that are all equal, or a mean that is not inside the bounds.
    """
    from scipy.special import stdtrit

    sample = np.asarray(values, dtype=np.float64)
    n = len(sample)
    if n < FEWEST:
        return math.nan, math.nan
    mean, error = float(sample.mean()), float(sample.std(ddof=1)) / math.sqrt(n)
    least, most = bounds
    if not least < mean < most or np.ptp(sample) <= _NO_WIDTH * float(np.abs(sample).max()):
        return math.nan, math.nan
    half = float(stdtrit(n - 1, (1 + level) / 2)) * error
    below, above = mean - least, most - mean
    if math.isinf(below) and math.isinf(above):
        return mean - half, mean + half
    if math.isinf(above):  # the logarithm of the distance to the bound
        return least + below * _exp(-half / below), least + below * _exp(half / below)
    if math.isinf(below):
        return most - above * _exp(half / above), most - above * _exp(-half / above)
    odds, step = below / above, half * (most - least) / (below * above)
    low, high = (odds * _exp(sign * step) for sign in (-1.0, 1.0))
    width = most - least  # as 1 / (1 + 1 / odds), which stays below 1 where the odds are huge
    return least + width * low / (1 + low), most - width / (1 + high)


def _exp(power: float) -> float:
    """Return e to a power; the largest number where that is too large for one."""
    return math.exp(power) if power < 700 else float(np.finfo(np.float64).max)


def told_from_zero(low: float | None) -> bool:
    """Return whether the low end of an interval is above 0; False where there is no interval."""
    return low is not None and low > 0


def figure_text(value: Any, low: Any, high: Any, form: str = ".2f") -> str:
    """Return a figure in words: ``undefined``, ``0.80 (not resolvable)`` or ``0.63 [0.60, 0.66]``.

    Parameters
    ----------
    value, low, high : Numbers; None or NaN where there is none.
    form : Format of each number.
    """
    if _missing(value):
        return UNDEFINED
    if _missing(low) or _missing(high):
        return f"{value:{form}} ({UNRESOLVED})"
    return f"{value:{form}} [{low:{form}}, {high:{form}}]"


def plain_text(value: Any, low: Any, high: Any, form: str = ".2f") -> str:
    """Return a mean with its interval, the mean alone where there is none, nothing where it is missing.

    For tables of many seeds, which say once what no interval means.

    Parameters
    ----------
    value, low, high, form : see `figure_text`.
    """
    if _missing(value):
        return ""
    return f"{value:{form}}" if _missing(low) or _missing(high) else figure_text(value, low, high, form)


def ceiling_text(value: Any, low: Any, high: Any, form: str = ".2f") -> str:
    """Return a noise ceiling in words: as `figure_text`, but not resolvable where it may be 0.

    Parameters
    ----------
    value, low, high, form : see `figure_text`.
    """
    if _missing(value) or (not _missing(low) and low > 0):
        return figure_text(value, low, high, form)
    return UNRESOLVED if _missing(low) or _missing(high) else f"{UNRESOLVED} [{low:{form}}, {high:{form}}]"


def lacks_intervals(frame: pd.DataFrame, names: Iterable[str]) -> bool:
    """Return whether any of these figures of a frame has a value without an interval."""
    return any(bool((frame[name].notna() & frame[f"{name}_low"].isna()).any()) for name in names)


def _missing(number: Any) -> bool:
    return number is None or bool(np.isnan(number))
