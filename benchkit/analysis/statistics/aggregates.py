"""Robust aggregates over data sets and studies: one figure a strategy, and how sure it is.

Source: Agarwal, Schwarzer, Castro, Courville and Bellemare (2021), Deep Reinforcement Learning at the Edge of
the Statistical Precipice, NeurIPS. A task is a data set of a study, a run a trial. Their package cannot be
seeded, so these are the published formulas anew.

========================================================  ===========================
paper                                                     here
========================================================  ===========================
section 4.1: stratified bootstrap over runs, by task      `_resampled`
section 4.2: performance profile (run-score)              `performance_profiles`
section 4.3: mean, median, interquartile mean, gap        `aggregate`
section 4.3: probability of improvement                   `probability_of_improvement`
========================================================  ===========================

Deviations and choices
----------------------
- Score: 1 - regret / scale, with one scale a task, the mean regret of a baseline there (random search as a
  rule). 1 is the best entry of the table, 0 is what the baseline reaches in the mean, and tasks whose
  accuracies lie far apart weigh alike. It has no lower bound; means suffer, quartiles do not.
- Optimality gap: the mean of max(0, 1 - score), gamma = 1, which is the regret in units of the baseline's.
  No score is above 1 here, so it is 1 less the mean; it is kept because papers print it.
- The interquartile mean pools all runs, as in the paper, where every task has as many. Where they differ, a
  task with more runs weighs more in it; the other measures weigh tasks alike.
- Fewer than five runs on a task, or runs that all say the same, resolve no interval: its ends are missing
  (NaN), see `benchkit.analysis.statistics.resolution`.
- The median is that of the means a task, as in the paper; with three data sets it is the middle one.
- The scale is held fixed when runs are resampled: intervals are about the strategy's seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from benchkit.analysis.statistics.bootstrap import check_bootstrap, key_of, resolved_interval
from benchkit.analysis.statistics.frames import check_trials

Runs = Sequence[npt.NDArray[np.float64]]
"""The scores of one strategy: for every task float64[runs], which may differ in length."""

AGGREGATES = ("interquartile mean", "median", "mean", "optimality gap")


def task_scores(
    trials: pd.DataFrame, baseline: str = "random-search"
) -> dict[str, list[npt.NDArray[np.float64]]]:
    """Return the scores of every strategy, 1 - regret / (mean regret of the baseline), a list entry a task.

    Parameters
    ----------
    trials : Frame with a row per (strategy, dataset, seed) (see `benchkit.analysis.statistics.frames`); a
        dataset is a task. Only strategies with trials on every task are returned.

    Raises
    ------
    ValueError : a malformed frame, the baseline is missing on a task, or it is never wrong there.
    """
    check_trials(trials, ("strategy", "dataset", "seed", "regret"))
    tasks = list(dict.fromkeys(trials["dataset"]))
    regrets = {
        key: group["regret"].to_numpy(dtype=np.float64)
        for key, group in trials.sort_values("seed").groupby(["strategy", "dataset"], sort=False)
    }
    scales = {}
    for task in tasks:
        if (baseline, task) not in regrets:
            raise ValueError(f"{baseline} has no trials on {task}: scores are in units of its regret")
        scales[task] = float(regrets[baseline, task].mean())
        if not scales[task] > 0:
            raise ValueError(f"{baseline} has no regret on {task}: there is no unit to score in")
    return {
        str(strategy): [1 - regrets[strategy, task] / scales[task] for task in tasks]
        for strategy in dict.fromkeys(trials["strategy"])
        if all((strategy, task) in regrets for task in tasks)
    }


def aggregate(
    scores: Mapping[str, Runs], rng: np.random.Generator, level: float = 0.95, resamples: int = 2_000
) -> pd.DataFrame:
    """Return the aggregates of every strategy with percentile intervals of the stratified bootstrap.

    Parameters
    ----------
    scores : see `task_scores`.
    level : Coverage, strictly between 0 and 1.
    resamples : Number of bootstrap samples.

    Returns
    -------
    A frame: strategy, measure (of `AGGREGATES`), n (runs in all), value, low, high. A strategy's rows do not
    depend on which others there are.
    """
    check_bootstrap(level, resamples)
    key = key_of(rng)
    rows = []
    for strategy, runs in scores.items():
        value = _aggregates([run[None] for run in runs])
        drawn = _aggregates(_resampled(runs, np.random.default_rng(key), resamples))
        ends = _ends(drawn.T, level, [runs])
        n = sum(len(run) for run in runs)
        rows += [
            (strategy, measure, n, float(value[i, 0]), float(ends[0, i]), float(ends[1, i]))
            for i, measure in enumerate(AGGREGATES)
        ]
    return pd.DataFrame(rows, columns=["strategy", "measure", "n", "value", "low", "high"])


def probability_of_improvement(
    better: Runs, worse: Runs, rng: np.random.Generator, level: float = 0.95, resamples: int = 2_000
) -> tuple[float, float, float]:
    """Return how probably a run of one strategy beats one of another on a random task, with its interval.

    The mean over tasks of P(X > Y) + P(X = Y) / 2, each the Mann-Whitney statistic over its largest value.

    Parameters
    ----------
    better, worse : Scores on the same tasks.

    Raises
    ------
    ValueError : different numbers of tasks, or a level or number of resamples out of range.
    """
    check_bootstrap(level, resamples)
    if len(better) != len(worse) or len(better) == 0:
        raise ValueError(f"needs the same tasks of both, got {len(better)} and {len(worse)}")
    first, second = rng.spawn(2)
    value = float(_improvement([run[None] for run in better], [run[None] for run in worse])[0])
    drawn = _improvement(_resampled(better, first, resamples), _resampled(worse, second, resamples))
    low, high = _ends(drawn, level, [better, worse])
    return value, float(low), float(high)


def performance_profiles(
    scores: Mapping[str, Runs],
    rng: np.random.Generator,
    thresholds: npt.ArrayLike | None = None,
    level: float = 0.95,
    resamples: int = 2_000,
) -> pd.DataFrame:
    """Return the share of runs whose score is above each threshold, averaged over tasks (run-score profile).

    Parameters
    ----------
    thresholds : float[m], ascending; by default 101 from the lowest score, but not below -1, to 1.

    Returns
    -------
    A frame: strategy, threshold, n (runs in all), share, low, high (pointwise).

    Raises
    ------
    ValueError : no strategies, or a level or number of resamples out of range.
    """
    check_bootstrap(level, resamples)
    if not scores:
        raise ValueError("a profile needs a strategy")
    if thresholds is None:
        lowest = min(float(run.min()) for runs in scores.values() for run in runs)
        thresholds = np.linspace(max(-1.0, min(lowest, 0.0)), 1.0, 101)
    at = np.asarray(thresholds, dtype=np.float64)
    key = key_of(rng)
    pieces = []
    for strategy, runs in scores.items():
        value = _profile([run[None] for run in runs], at)[0]
        drawn = _profile(_resampled(runs, np.random.default_rng(key), resamples), at)
        low, high = _ends(drawn, level, [runs])
        n = sum(len(run) for run in runs)
        pieces.append(
            pd.DataFrame(
                {"strategy": strategy, "threshold": at, "n": n, "share": value, "low": low, "high": high}
            )
        )
    return pd.concat(pieces, ignore_index=True)


def _ends(drawn: npt.NDArray[np.float64], level: float, samples: Sequence[Runs]) -> npt.NDArray[np.float64]:
    """Return float64[2, ...] of float64[resamples, ...], NaN where the interval is not resolvable."""
    return resolved_interval(drawn, min(len(run) for runs in samples for run in runs), level)


def _resampled(runs: Runs, rng: np.random.Generator, resamples: int) -> list[npt.NDArray[np.float64]]:
    """Return for every task float64[resamples, runs], drawn with replacement within the task."""
    return [run[rng.integers(len(run), size=(resamples, len(run)))] for run in runs]


def _aggregates(drawn: Sequence[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
    """Return float64[len(AGGREGATES), samples] of tasks' float64[samples, runs]."""
    pooled = np.concatenate(drawn, axis=1)
    by_task = np.stack([task.mean(axis=1) for task in drawn])
    return np.stack(
        [
            np.asarray(stats.trim_mean(pooled, 0.25, axis=1)),
            np.median(by_task, axis=0),
            by_task.mean(axis=0),
            np.stack([np.maximum(0.0, 1.0 - task).mean(axis=1) for task in drawn]).mean(axis=0),
        ]
    )


def _improvement(
    better: Sequence[npt.NDArray[np.float64]], worse: Sequence[npt.NDArray[np.float64]]
) -> npt.NDArray[np.float64]:
    """Return float64[samples]; ranks of both together, which is quicker than all pairs."""
    found = []
    for x, y in zip(better, worse, strict=True):
        m, n = x.shape[1], y.shape[1]
        ranks = stats.rankdata(np.concatenate([x, y], axis=1), axis=1)[:, :m].sum(axis=1)
        found.append((ranks - m * (m + 1) / 2) / (m * n))
    mean: npt.NDArray[np.float64] = np.mean(found, axis=0)
    return mean


def _profile(
    drawn: Sequence[npt.NDArray[np.float64]], at: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return float64[samples, thresholds]."""
    shares = []
    for task in drawn:
        ordered = np.sort(task, axis=1)
        below = np.stack([np.searchsorted(row, at, side="right") for row in ordered])
        shares.append(1 - below / task.shape[1])
    mean: npt.NDArray[np.float64] = np.mean(shares, axis=0)
    return mean
