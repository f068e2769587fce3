"""Computes the mean over runs where a table does not store it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from benchkit.data.tables.metric import Metric

Values = npt.NDArray[np.float64]


def group_runs(metrics: Iterable[Metric]) -> dict[Metric, list[Metric]]:
    """Return the runs behind each mean, in run order; the mean itself need not be stored."""
    found: dict[Metric, list[Metric]] = {}
    for metric in metrics:
        if metric.run is not None:
            found.setdefault(replace(metric, run=None), []).append(metric)
    for runs in found.values():
        runs.sort(key=lambda each: each.run or 0)
    return found


def with_means(metrics: Sequence[Metric], runs: Mapping[Metric, Sequence[Metric]]) -> list[Metric]:
    """Return the stored metrics in their order, each computed mean right before the first of its runs."""
    stored, listed = set(metrics), set[Metric]()
    found: list[Metric] = []
    for metric in metrics:
        mean = replace(metric, run=None)
        if mean not in stored and mean not in listed and len(runs.get(mean, ())) > 1:
            found.append(mean)
            listed.add(mean)
        found.append(metric)
    return found


def mean_of_runs(runs: Sequence[Values]) -> Values:
    """Return float64[n]: the mean over the runs that an entry has, NaN where it has none (read-only)."""
    known = np.zeros(len(runs[0]), dtype=np.int64)
    total = np.zeros(len(runs[0]))
    for values in runs:  # one at a time: a copy of them all takes memory
        there = ~np.isnan(values)
        known += there
        total += np.where(there, values, 0.0)
    mean: Values = np.divide(total, known, out=np.full(len(total), np.nan), where=known > 0)
    mean.setflags(write=False)
    return mean
