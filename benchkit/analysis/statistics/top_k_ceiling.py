"""The noise ceiling of the first k: what one training of the architectures makes of the best by another.

As `benchkit.analysis.statistics.noise_ceiling` for correlations: each run predicts each other run, the figure
is the mean over these ordered pairs, and the interval a bootstrap over architectures, the same draws for all
pairs. For regret and best rank, where less is better, it is a floor. Where runs are missing, the best k are
those of fewer architectures than a column of means has; n says of how many.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import permutations

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchkit.analysis.statistics.bootstrap import key_of
from benchkit.analysis.statistics.noise_ceiling import checked_runs
from benchkit.analysis.statistics.rank_correlation import bootstrap, check_choice
from benchkit.analysis.statistics.top_k import TopK, top_k_samples

Figures = npt.NDArray[np.float64]


def top_k_ceiling(
    runs: npt.ArrayLike,
    ks: Sequence[int] = (1, 10, 100),
    rng: np.random.Generator | None = None,
    level: float = 0.95,
    resamples: int = 1_000,
) -> pd.DataFrame:
    """Return precision, regret and best rank at each k, run against run.

    Parameters
    ----------
    runs : float[r, n], r >= 2; entry (i, j) is run i of architecture j, NaN where it is missing.
    ks : Sizes of the predicted top, each from 1 to the architectures of the smallest pair.
    rng, level, resamples : see `benchkit.analysis.statistics.rank_correlation.correlate`.

    Returns
    -------
    A frame with a row for each k and figure: k, measure (precision, regret or best_rank), pairs (of runs), n
    (architectures in the smallest pair), value, low, high.

    Raises
    ------
    ValueError : fewer than two runs, an infinite entry, a k out of range, or a parameter out of range.
    """
    check_choice((), (), level, resamples)
    values = checked_runs(runs)
    pairs: list[tuple[npt.NDArray[np.intp], Callable[[Figures], Figures]]] = []
    for one, other in permutations(values, 2):
        both = np.flatnonzero(~np.isnan(one) & ~np.isnan(other))
        if max(ks, default=1) > len(both):
            raise ValueError(f"k must be at most {len(both)}, what two runs share, got {max(ks)}")
        pairs.append((both, top_k_samples(one[both], other[both], ks)))

    def figures(counts: Figures) -> Figures:
        mean: Figures = np.mean([pair(counts[:, both]) for both, pair in pairs], axis=0)
        return mean

    key = key_of(rng)
    fewest = min(len(both) for both, _ in pairs)
    ends = bootstrap(figures, values.shape[1], key, level, resamples, fewest)
    names = [(k, name) for k in ks for name in TopK._fields]
    rows = [(*name, len(pairs) // 2, fewest, *figure) for name, figure in zip(names, ends, strict=True)]
    return pd.DataFrame(rows, columns=["k", "measure", "pairs", "n", "value", "low", "high"])
