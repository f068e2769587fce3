"""How far any columns of figures about the same architectures agree: every pair, with intervals and ceilings.

Columns may be fidelities of a table (12 against 200 epochs), data sets (CIFAR-10 against CIFAR-100), splits,
single runs, or what supernets predict. The measures are those of
`benchkit.analysis.statistics.rank_correlation` and `benchkit.analysis.statistics.top_k`.

Deviations and choices
----------------------
- A pair is compared on the architectures that both columns have.
- Within a fraction, and for the best k, the row's column is the truth: the best are its best, so the matrix
  is not symmetric there. Overall every measure but those at k is symmetric, and computed once.
- A column's ceiling is what its runs agree in, run against run (`noise_ceiling`, `top_k_ceiling`), where it
  has runs. A pair has the row's. It is no upper bound for a column of means, which is less noisy than a run,
  nor for two figures of the same training, which share its luck; it says what agreement another training of
  the same architectures would reach. A correlation's ceiling that is not told apart from 0 is none.
- No order of data sets or fidelities is taken for granted: every pair stands in the matrix both ways round.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import permutations

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchkit.analysis.statistics.bootstrap import key_of
from benchkit.analysis.statistics.noise_ceiling import noise_ceiling
from benchkit.analysis.statistics.rank_correlation import MEASURES, check_choice, correlate
from benchkit.analysis.statistics.top_k import top_k_figures
from benchkit.analysis.statistics.top_k_ceiling import top_k_ceiling

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
    on_progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Return the agreement of every ordered pair of columns, and the ceiling of each column.

    Parameters
    ----------
    columns : by name, float64[n] over the same architectures, larger is better, NaN where one is missing; at
        least two.
    runs : Single trainings of some of the columns, float64[r, n], r >= 2, NaN where one is missing. Runs
        that share no architecture give no ceiling.
    rng : Generator of the resamples; by default one with seed 0. All pairs are drawn alike.
    measures, fractions, level, resamples : see `benchkit.analysis.statistics.rank_correlation.correlate`.
    ks : Sizes of the predicted best, at least 1; those above a pair's n are left out.
    on_progress : Function called with the number of ceilings and ordered pairs that are done, and of all.

    Returns
    -------
    A frame with the columns `MATRIX_COLUMNS`: of every pair (row, column) a row for each fraction and
    measure, where k is missing, and for each k the measures ``precision``, ``regret`` (in the row's unit) and
    ``best_rank``, where fraction is 1; and last, with row = column, each column's ceiling as value. The
    column ceiling is NaN where there is none, and where it is not resolvable (`noise_ceiling`).

    Raises
    ------
    ValueError : no measure or fraction, fewer than two columns, unequal lengths, a pair that no architecture
        has both of, or what `correlate` and `noise_ceiling` refuse.
    """
    check_choice(fractions, measures, level, resamples)
    if not measures or not fractions:
        raise ValueError("a matrix needs a measure and a fraction, got none")
    if len(columns) < 2:
        raise ValueError(f"a matrix needs at least two columns, got {len(columns)}")
    if len({len(column) for column in columns.values()}) > 1:
        raise ValueError("columns must be about the same architectures, so equally long")
    key = key_of(rng)
    noisy = [name for name in columns if name in (runs or {}) and _shared((runs or {})[name]) > 0]
    done = _counter(len(noisy) + len(columns) * (len(columns) - 1), on_progress)
    ceilings = {}
    for name in noisy:
        ceilings[name] = _ceiling((runs or {})[name], key, fractions, measures, ks, level, resamples)
        done()
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
        done()
    own = [_with_ceiling([found], name, name, found) for name, found in ceilings.items()]
    return pd.concat([*parts.values(), *own], ignore_index=True)[list(MATRIX_COLUMNS)]


def _counter(total: int, on_progress: Callable[[int, int], None] | None) -> Callable[[], None]:
    steps = iter(range(1, total + 1))

    def done() -> None:
        if on_progress is not None:
            on_progress(next(steps), total)

    return done


def _shared(runs: npt.NDArray[np.float64]) -> int:
    """Return how many architectures the two runs share that share the fewest; 0 for a single run."""
    known = (~np.isnan(runs)).astype(np.int64)
    return int((known @ known.T).min()) if len(runs) > 1 else 0


def _ceiling(
    runs: npt.NDArray[np.float64],
    key: int,
    fractions: Sequence[float],
    measures: Sequence[str],
    ks: Sequence[int],
    level: float,
    resamples: int,
) -> pd.DataFrame:
    """Return what the runs of one column agree in: a row for each fraction and measure, and for each k."""
    draws = np.random.default_rng(key)
    pieces = [noise_ceiling(runs, draws, fractions, measures, level, resamples).assign(k=np.nan)]
    at_k = [k for k in ks if k <= _shared(runs)]
    if at_k:
        draws = np.random.default_rng(key)
        pieces.append(top_k_ceiling(runs, at_k, draws, level, resamples).assign(fraction=1.0))
    return pd.concat(pieces, ignore_index=True)


def _with_ceiling(
    pieces: Sequence[pd.DataFrame], row: str, column: str, ceiling: pd.DataFrame | None
) -> pd.DataFrame:
    frame = pd.concat(pieces, ignore_index=True).assign(row=row, column=column)
    if "k" not in frame:
        frame["k"] = np.nan
    known = {}
    if ceiling is not None:
        resolved = ceiling["low"].gt(0) | ceiling["k"].notna()
        known = dict(zip(_keys(ceiling), ceiling["value"].where(resolved), strict=True))
    frame["ceiling"] = [known.get(key, np.nan) for key in _keys(frame)]
    return frame.reindex(columns=list(MATRIX_COLUMNS))


def _keys(frame: pd.DataFrame) -> list[tuple[float, float, str]]:
    """Return what a figure is of, for every row; k is 0 where there is none, since NaN equals nothing."""
    whats = (frame["fraction"], frame["k"].fillna(0), frame["measure"])
    return list(zip(*whats, strict=True))
