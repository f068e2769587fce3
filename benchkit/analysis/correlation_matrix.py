"""How far any columns of figures about the same architectures agree: every pair, with intervals and ceilings.

Columns may be fidelities of a table (12 against 200 epochs), data sets (CIFAR-10 against CIFAR-100), splits,
single runs, or what supernets predict. The measures are those of `benchkit.analysis.rank_correlation` and
`benchkit.analysis.top_k`.

Deviations and choices
----------------------
- A pair is compared on the architectures that both columns have.
- Within a fraction, and for the best k, the row's column is the truth: the best are its best, so the matrix
  is not symmetric there. Overall every measure but those at k is symmetric, and computed once.
- A column's ceiling is the correlation run against run of that column (`noise_ceiling`), where it has runs. A
  pair has the row's. It is no upper bound for a column of means, which is less noisy than a run, but says
  what agreement another training of the same architectures would reach.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchkit.analysis.noise_ceiling import noise_ceiling
from benchkit.analysis.rank_correlation import MEASURES, check_choice, correlate
from benchkit.analysis.top_k import top_k_figures

__all__ = ["MATRIX_COLUMNS", "correlation_matrix"]

MATRIX_COLUMNS = ("row", "column", "fraction", "k", "measure", "n", "value", "low", "high", "ceiling")

Column = npt.NDArray[np.float64]


def correlation_matrix(
    columns: Mapping[str, Column],
    runs: Mapping[str, npt.NDArray[np.float64]] | None = None,
    rng: np.random.Generator | None = None,
    measures: Sequence[str] = ("kendall_tau",),
    fractions: Sequence[float] = (1.0,),
    ks: Sequence[int] = (),
    level: float = 0.95,
    resamples: int = 1_000,
) -> pd.DataFrame:
    """Return the agreement of every ordered pair of columns, and the ceiling of each column.

    Parameters
    ----------
    columns : by name, float64[n] over the same architectures, larger is better, NaN where one is missing; at
        least two.
    runs : for some of the columns float64[r, n], r >= 2, single trainings, NaN where one is missing.
    rng : for the bootstrap; by default one with seed 0. All pairs are drawn alike.
    measures, fractions, level, resamples : see `benchkit.analysis.rank_correlation.correlate`.
    ks : sizes of the predicted best; those above a pair's n are left out.

    Returns
    -------
    A frame with the columns `MATRIX_COLUMNS`: of every pair (row, column) a row for each fraction and
    measure, where k is missing, and for each k the measures ``precision``, ``regret`` (in the row's unit) and
    ``best_rank``, where fraction is 1; and last, with row = column, each column's ceiling as value.

    Raises
    ------
    ValueError : fewer than two columns, unequal lengths, a pair that no architecture has both of, or what
        `correlate` and `noise_ceiling` refuse.
    """
    check_choice(fractions, measures, level, resamples)
    if len(columns) < 2:
        raise ValueError(f"a matrix needs at least two columns, got {len(columns)}")
    if len({len(column) for column in columns.values()}) > 1:
        raise ValueError("columns must be about the same architectures, so equally long")
    key = int((rng or np.random.default_rng(0)).integers(2**63))
    ceilings = {
        name: noise_ceiling(each, np.random.default_rng(key), fractions, measures, level, resamples)
        for name, each in (runs or {}).items()
        if name in columns and len(each) > 1
    }
    parts: dict[tuple[str, str], pd.DataFrame] = {}
    for row, column in permutations(columns, 2):
        known = ~np.isnan(columns[row]) & ~np.isnan(columns[column])
        if not known.any():
            raise ValueError(f"no architecture has both {row} and {column}")
        truth, predicted = columns[row][known], columns[column][known]
        wanted = [share for share in fractions if share < 1 or (column, row) not in parts]
        pieces = []
        if wanted:
            draws = np.random.default_rng(key)
            pieces.append(correlate(predicted, truth, draws, wanted, measures, level, resamples))
        if len(wanted) < len(fractions):
            mirrored = parts[column, row]
            pieces.append(mirrored[(mirrored["fraction"] == 1) & mirrored["measure"].isin(list(MEASURES))])
        at_k = [k for k in ks if k <= len(truth)]
        if at_k:
            draws = np.random.default_rng(key)
            pieces.append(top_k_figures(predicted, truth, at_k, draws, level, resamples).assign(fraction=1.0))
        parts[row, column] = _with_ceiling(pieces, row, column, ceilings.get(row))
    own = [_with_ceiling([found], name, name, found) for name, found in ceilings.items()]
    return pd.concat([*parts.values(), *own], ignore_index=True)[list(MATRIX_COLUMNS)]


def _with_ceiling(
    pieces: Sequence[pd.DataFrame], row: str, column: str, ceiling: pd.DataFrame | None
) -> pd.DataFrame:
    frame = pd.concat(pieces, ignore_index=True).assign(row=row, column=column)
    if "k" not in frame:
        frame["k"] = np.nan
    known = {}
    if ceiling is not None:
        known = {
            (fraction, measure): value
            for fraction, measure, value in zip(
                ceiling["fraction"], ceiling["measure"], ceiling["value"], strict=True
            )
        }
    frame["ceiling"] = [
        known.get((fraction, measure), np.nan)
        for fraction, measure in zip(frame["fraction"], frame["measure"], strict=True)
    ]
    return frame.reindex(columns=list(MATRIX_COLUMNS))
