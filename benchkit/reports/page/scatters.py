"""Writes a scatter of predicted against true accuracy as data for the page, each point with its architecture.

Deviations and choices
----------------------
- At most 1,500 architectures are drawn, the best by their truth and an even sample of the others by rank; the
  figures of correlation are over all of them. A browser draws no more points smoothly.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from benchkit.analysis.statistics.rank_correlation import best_share
from benchkit.reports.page.cells import cells_of
from benchkit.reports.page.charts import Axis, rounded

_MOST, _BEST = 1_500, 500
_SHARES = (0.5, 0.1)

Points = Mapping[str, npt.NDArray[np.float64]]
"""By name, float64[architectures]: a training's predictions, or a truth; NaN where it has none."""


def shown_of(truth: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Return the places of the architectures that are drawn, the highest truth first."""
    order = np.argsort(-np.nan_to_num(truth, nan=-np.inf), kind="stable")
    if len(order) <= _MOST:
        return order
    others = np.linspace(_BEST, len(order) - 1, _MOST - _BEST).round().astype(np.int64)
    return np.concatenate([order[:_BEST], order[others]])


def scatter_data(
    space: str,
    architectures: Sequence[str],
    predictions: Points,
    truths: Points,
    keys: Mapping[tuple[str, str], Sequence[str]],
    x_title: str,
    y_titles: Mapping[str, str],
    lower: Collection[str] = (),
) -> dict[str, Any]:
    """Return the data of a scatter.

    Parameters
    ----------
    space : Name of the architectures' space.
    keys : Values of the figure's filters, for each pair of a prediction and a truth that is shown.
    x_title, y_titles : Titles of the axes; of y for each truth.
    lower : Names of the truths whose lower values are better.

    Returns
    -------
    ``names``, ``cells`` (see `cells_of`), ``values`` of x and y by name, ``of`` how many architectures, and
    ``views``: keys, names of x and y, axes, whether a lower truth is better, and what it is at worst in the
    best half and tenth.
    """
    ranked = {name: -values if name in lower else values for name, values in truths.items()}
    shown = shown_of(next(iter(ranked.values())))
    names = [architectures[place] for place in shown]
    views = []
    for (x, y), values in keys.items():
        known = ranked[y][~np.isnan(ranked[y]) & ~np.isnan(predictions[x])]
        worst = [float(known[best_share(known, share)].min()) for share in _SHARES] if len(known) else []
        least = [-each if y in lower else each for each in worst]
        scales = {"x": Axis(x_title).data(), "y": Axis(y_titles[y]).data()}
        about = {"least": rounded(least, 7), "lower": y in lower}
        views.append({"keys": list(values), "of": [x, y], **scales, **about})
    return {
        "names": names,
        "cells": cells_of(space, names),
        "values": {
            "x": {name: rounded(values[shown]) for name, values in predictions.items()},
            "y": {name: rounded(values[shown], 7) for name, values in truths.items()},
        },
        "of": len(architectures),
        "views": views,
    }
