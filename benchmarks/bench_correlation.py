"""Rank correlation with intervals, 1,000 bootstrap samples, one core: a whole table, and a sample of it.

The peer is scipy in a loop over bootstrap samples, timed on a few of them in the same run.
"""

from __future__ import annotations

import sys
from time import perf_counter
from typing import Any

import numpy as np
from scipy import stats

from benchkit.analysis.statistics.bootstrap import resample_counts
from benchkit.analysis.statistics.fast_tau import PairedRanks
from benchkit.analysis.statistics.rank_correlation import correlate, measure_samples
from benchkit.data.tables import Metric, open_table

_RESAMPLES, _OF_THE_PEER, _LIMIT = 1_000, 20, 20.0
_PEERS: dict[str, Any] = {
    "kendall_tau": stats.kendalltau,
    "spearman": stats.spearmanr,
    "pearson": stats.pearsonr,
    "weighted_tau": stats.weightedtau,
}
_ALL = tuple(_PEERS)


def run() -> list[dict[str, str]]:
    """Time both on accuracies after 12 and 200 epochs; raise where a figure of a sample differs."""
    table = open_table("nasbench201")
    x, y = (table.values(Metric("cifar10", "valid", epochs)) for epochs in (12, 200))
    some = np.random.default_rng(0).choice(len(x), 1_000, replace=False)
    return [
        _measure("tau-b of 15,625 architectures", x, y, ("kendall_tau",)),
        _measure("tau-b, Spearman, Pearson and weighted tau of 15,625 architectures", x, y, _ALL),
        _measure("tau-b, Spearman, Pearson and weighted tau of 1,000 architectures", x[some], y[some], _ALL),
    ]


def _measure(what: str, x: Any, y: Any, measures: tuple[str, ...]) -> dict[str, str]:
    start = perf_counter()
    correlate(x, y, fractions=(1.0,), measures=measures, resamples=_RESAMPLES)
    ours = perf_counter() - start
    drawn = resample_counts(len(x), np.random.default_rng(0), _OF_THE_PEER)
    counts = np.concatenate(list(drawn)).astype(np.float64)
    pairs = [(np.repeat(x, row), np.repeat(y, row)) for row in counts.astype(int)]
    start = perf_counter()
    theirs = [[_PEERS[measure](*pair)[0] for measure in measures] for pair in pairs]
    peer = (perf_counter() - start) / _OF_THE_PEER * _RESAMPLES
    if not np.allclose(measure_samples(PairedRanks(x, y), x, y, counts, measures), theirs, rtol=0, atol=1e-9):
        raise RuntimeError(f"{what}: the figures differ from scipy's")
    return {
        "what": f"{what}, {_RESAMPLES:,} bootstrap samples",
        "measured": f"{ours:.1f} s beside {peer:.1f} s (scipy in a loop)",
        "limit": f"{_LIMIT:.0f} s",
        "ratio": f"{peer / ours:.1f}x faster",
    }


if __name__ == "__main__":
    for line in run():
        sys.stdout.write("  ".join(line.values()) + "\n")
