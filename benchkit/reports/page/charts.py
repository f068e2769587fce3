"""Writes curves as data for the page: rounded, with the one look of each method, in light and in dark.

Deviations and choices
----------------------
- Colours are those of every other figure (`benchkit.analysis.figures.style`). On the page's dark ground a
  colour whose contrast is below 4.5 to 1 (WCAG 2.2, criterion 1.4.11, asks for 3) is mixed with white.
- Numbers keep five significant digits, positions six.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.colors import to_hex, to_rgb

from benchkit.analysis.figures.style import Look, luminance
from benchkit.reports.page.parts import Cell, Column, DataTable, Filter, Row, text_cell

DARK = "#14171c"
"""The page's ground in the dark, as in its style sheet."""
_CONTRAST = 4.5
_FEW = 8  # positions that the table beside a figure shows of a curve
_MATH = {r"\tau_b": "τ-b", r"\rho": "ρ", r"\tau": "τ", "$": ""}
_CORNERS = {"^": (3, 0.0), "v": (3, 0.5), "<": (3, 0.75), ">": (3, 0.25), "D": (4, 0.0), "s": (4, 0.125),
            "p": (5, 0.0), "h": (6, 0.0), "H": (6, 1 / 12), "8": (8, 1 / 16)}  # fmt: skip
"""Marker -> corners of a regular polygon, and its turn from one corner on top."""


@dataclass(frozen=True, eq=False)
class Series:
    """One curve.

    Attributes
    ----------
    label : Name of its method.
    n : Number and kind of what its interval is over.
    look : Look of the method; None for a thin line in the look of the curve before it, without an entry in
        the legend.
    x, mean, low, high : Points, float64[points]; low and high are NaN where there is no interval.
    """

    label: str
    n: str
    look: Look | None
    x: npt.NDArray[np.float64]
    mean: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]

    @classmethod
    def of(
        cls, label: str, n: str, look: Look | None, frame: pd.DataFrame, x: str = "x", mean: str = "mean"
    ) -> Series:
        """Return the curve of a frame's columns x, mean, low and high."""
        columns = (frame[column].to_numpy(dtype=np.float64) for column in (x, mean, "low", "high"))
        return cls(label, n, look, *columns)

    @classmethod
    def thin(cls, label: str, n: str, x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> Series:
        """Return a thin line without an interval."""
        none = np.full(len(x), np.nan)
        return cls(label, n, None, x, y, none, none)


@dataclass(frozen=True)
class Axis:
    """An axis: its title, and its scale (``linear``, ``log`` or ``symlog``), domain and ticks.

    `constant` is where a symmetric logarithm leaves its linear part.
    """

    title: str
    scale: str = "linear"
    domain: tuple[float, float] | None = None
    ticks: tuple[float, ...] = ()
    constant: float = 1.0

    def data(self) -> dict[str, Any]:
        """Return the axis as the page reads it."""
        domain = None if self.domain is None else rounded(self.domain)
        return asdict(self) | {"domain": domain, "ticks": rounded(self.ticks)}


def rounded(values: Iterable[float], digits: int = 5) -> list[float | None]:
    """Return numbers with so many significant digits, as JSON has them: what is not finite is None."""
    return [float(f"{value:.{digits}g}") if math.isfinite(value) else None for value in values]


def plain(text: str) -> str:
    """Return a label of our figures without TeX."""
    for sign, word in _MATH.items():
        text = text.replace(sign, word)
    return re.sub(r"\s+", " ", text).strip()


def dark_color(color: str, ground: str = DARK) -> str:
    """Return a colour, mixed with white until its contrast with a dark ground is 4.5 to 1."""
    rgb = np.array(to_rgb(color))
    for share in np.linspace(0, 1, 21):
        mixed = rgb + share * (1 - rgb)
        if luminance(mixed) + 0.05 >= _CONTRAST * (luminance(to_rgb(ground)) + 0.05):
            return to_hex(tuple(mixed))
    return "#ffffff"


def _look(look: Look) -> dict[str, Any]:
    dash = [] if look.linestyle == "-" else [round(1.5 * part, 1) for part in look.linestyle[1]]
    colors = {"color": to_hex(look.color), "dark": dark_color(look.color)}
    return {**colors, "dash": dash, "shape": _shape(look.marker)}


def _shape(marker: str) -> str:
    """Return a marker as an SVG path within -1 and 1."""
    if marker in _CORNERS:
        corners, turn = _CORNERS[marker]
        return _closed([turn + corner / corners for corner in range(corners)], [1.0] * corners)
    if marker == "*":
        return _closed([corner / 10 for corner in range(10)], [1.0, 0.4] * 5)
    if marker == "d":
        return _closed([0, 0.25, 0.5, 0.75], [1.0, 0.6, 1.0, 0.6])
    if marker in "PX":
        ends = [(quarter + side) / 4 for quarter in range(4) for side in (-0.2, 0.2, 0.5)]
        return _closed([end + (0.125 if marker == "X" else 0) for end in ends], [1.0, 1.0, 0.45] * 4)
    return "M1,0A1,1,0,1,1,-1,0A1,1,0,1,1,1,0Z"


def _closed(turns: Sequence[float], radii: Sequence[float]) -> str:
    """Return a closed path through points by their turns (0 on top, clockwise) and radii."""
    points = [
        f"{r * math.sin(2 * math.pi * turn):.2f},{-r * math.cos(2 * math.pi * turn):.2f}"
        for turn, r in zip(turns, radii, strict=True)
    ]
    return f"M{'L'.join(points)}Z"


def view_data(
    keys: Sequence[str],
    x: Axis,
    y: Axis,
    series: Sequence[Series],
    step: bool = False,
    level: tuple[str, float, float, float] | None = None,
) -> dict[str, Any]:
    """Return one view of a figure of curves.

    Parameters
    ----------
    keys : Value for every filter of the figure.
    step : Whether a curve keeps its value until the next point.
    level : Label, value, low and high of a horizontal line.
    """
    curves = [
        {
            "label": each.label,
            "n": each.n,
            "look": None if each.look is None else _look(each.look),
            "x": rounded(each.x, 6),
            **{name: rounded(getattr(each, name)) for name in ("mean", "low", "high")},
        }
        for each in series
    ]
    scales = {"x": x.data(), "y": y.data()}
    found: dict[str, Any] = {"keys": list(keys), **scales, "step": step, "series": curves}
    if level is not None:
        label, *values = level
        value, low, high = rounded(values)
        found["level"] = {"label": label, "value": value, "low": low, "high": high}
    return found


def lines_table(
    caption: str, filters: Sequence[Filter], views: Sequence[dict[str, Any]], x_title: str, y_title: str
) -> DataTable:
    """Return the numbers of a figure of curves at a few positions of each, the last among them."""
    rows = []
    for view in views:
        for each in view["series"]:
            if each["look"] is None:
                continue
            last = len(each["x"]) - 1
            places = (
                sorted({round(place) for place in np.geomspace(1, last + 1, _FEW) - 1}) if last >= 0 else []
            )
            for place in places:
                at, mean, low, high = (each[name][place] for name in ("x", "mean", "low", "high"))
                interval = "" if low is None or high is None else f"[{low:.4g}, {high:.4g}]"
                shown = Cell("–" if mean is None else f"{mean:.4g}", mean, interval)
                cells = (text_cell(each["label"]), Cell(f"{at:,.6g}", at), shown, text_cell(each["n"]))
                rows.append(Row(cells, tuple(view["keys"])))
    titles = (Column(x_title), Column(f"{y_title}, with interval"))
    columns = (Column("curve", False), *titles, Column("n", False))
    return DataTable(caption, columns, tuple(rows), tuple(filters))
