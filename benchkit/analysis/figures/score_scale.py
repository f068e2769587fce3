"""Scales an axis that says how good architectures are: percent, losses, perplexities, throughputs.

Choices
-------
- Accuracies in percent whose errors (100 % minus accuracy) lie far apart are shown logarithmic in the error:
  half the error is the same step everywhere, and the best architectures get the room that they need. What
  stands at the ticks are accuracies.
- Any other positive quantity whose values lie far apart is shown on a logarithmic scale, all else as it is.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from benchkit.analysis.figures.cost_axis import logarithmic_axis, logarithmic_ticks

Floats = npt.NDArray[np.float64]

_FAR_ERRORS, _FAR_VALUES = 4.0, 5.0
"""From this largest over smallest value on a scale is logarithmic."""
_FINEST = 0.05  # percent points of error: where the logarithmic axis ends though accuracies reach 100 %
_LABELS = (0, 10, 30, 50, 60, 70, 80, 85, 90, 92, 94, 95, 96, 97, 98, 99, 99.5)


class ScoreScale(NamedTuple):
    """How values are laid out along an axis: evenly, by their logarithm, or by that of the error."""

    kind: Literal["linear", "logarithmic", "error"]

    def place(self, values: npt.ArrayLike) -> Floats:
        """Return float64[n]: where values lie, rising with them."""
        given = np.asarray(values, dtype=np.float64)
        if self.kind == "error":
            return np.asarray(-np.log10(np.maximum(100 - given, _FINEST)))
        return np.log10(given) if self.kind == "logarithmic" else given

    def value(self, places: npt.ArrayLike) -> Floats:
        """Return float64[n], the values at these places."""
        given = np.asarray(places, dtype=np.float64)
        if self.kind == "error":
            return np.asarray(100 - 10.0**-given)
        return np.asarray(10.0**given) if self.kind == "logarithmic" else given

    def set_up(self, ax: Axes, low: float, high: float) -> None:
        """Give an axes' y this scale, from `low` to `high` with a little room around."""
        bottom, top = (float(place) for place in self.place([low, high]))
        room = 0.03 * (top - bottom) or 0.02 * abs(top) or 1.0
        ends = self.value([bottom - room, top + room])
        if self.kind == "error":
            ax.set_yscale("function", functions=(self.place, self.value))
            ax.yaxis.set_major_locator(FixedLocator(self._accuracies(*ends.tolist())))
            ax.yaxis.set_minor_locator(NullLocator())
            ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        elif self.kind == "logarithmic":
            ax.set_yscale("log")
            logarithmic_axis(ax.yaxis, logarithmic_ticks(*ends.tolist()))
        ax.set_ylim(*ends)

    def _accuracies(self, low: float, high: float) -> list[float]:
        """Return accuracies to write at an axis, none too near to the one above it."""
        inside = [label for label in _LABELS if low <= label <= high]
        length = float(self.place(high) - self.place(low))
        kept: list[float] = []
        for label in reversed(inside):
            if not kept or float(self.place(kept[-1]) - self.place(label)) > 0.07 * length:
                kept.append(label)
        return kept[::-1]


def score_scale(values: Floats, unit: str, higher_is_better: bool) -> ScoreScale:
    """Return the scale for values in a unit, such as ``%``; at least one value."""
    low, high = float(values.min()), float(values.max())
    if unit == "%" and higher_is_better:
        error = np.maximum(100 - np.array([high, low]), _FINEST)
        far = bool(error[1] > _FAR_ERRORS * error[0]) and low >= 0 and high <= 100
        return ScoreScale("error" if far else "linear")
    return ScoreScale("logarithmic" if low > 0 and high > _FAR_VALUES * low else "linear")
