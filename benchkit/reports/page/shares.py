"""Reads the trials of a study as they stood when a share of the budget was spent.

A trial's row at a share is its incumbent's then, read from the same columns of the table as the study's own
report; n, spendings and distinct architectures are those up to there.

Deviations and choices
----------------------
- At the whole budget the leaderboard is the study's own. A strategy may recommend what was not its incumbent;
  at a share there is the incumbent only.
- Without the study's table (another machine, another version) the regret stands in the traces, and the
  figure that it is of follows from it, validation mostly; the other figure and the numbers of distinct
  architectures are missing, and so are data sets that were reported but not searched on.
- A strategy with a trial that has no evaluation by then has no row.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from benchkit.base.errors import InputError
from benchkit.base.measure import ACCURACY, Measure
from benchkit.data.tables.catalogue import open_table
from benchkit.data.tables.table import Table
from benchkit.searching.trace import Trace
from benchkit.studies.spec import StudySpec
from benchkit.studies.store import StudyDirectory
from benchkit.studies.studied import Optima, report_metrics
from benchkit.studies.trial import Trial

if TYPE_CHECKING:
    import pandas as pd


def study_table(spec: StudySpec, sha256: str) -> Table | None:
    """Return the table of a study; None where it is not here, or is another one by its SHA-256."""
    try:
        table = open_table(spec.table)
        return table if table.sha256 == sha256 else None
    except InputError:
        return None


def trials_at(
    directory: StudyDirectory,
    table: Table | None,
    shares: tuple[float, ...],
    measure: Measure = ACCURACY,
) -> dict[float, pd.DataFrame]:
    """Return a frame of trials (see `benchkit.analysis.statistics.frames`) for each share of the budget.

    Parameters
    ----------
    directory : Folder of a finished study with its traces.
    table : Table that `study_table` returns.
    shares : Shares of the budget, in (0, 1).
    measure : Quantity that the study reports.
    """
    import pandas as pd

    rows: dict[float, list[dict[str, Any]]] = {share: [] for share in shares}
    early: dict[float, set[tuple[str, str]]] = {share: set() for share in shares}
    found = _without(directory, shares, measure) if table is None else _with(directory, table, shares)
    for share, row in found:
        if row["regret"] is None:
            early[share].add((row["strategy"], row["dataset"]))
        else:
            rows[share].append(row)
    return {
        share: pd.DataFrame(
            [row for row in rows[share] if (row["strategy"], row["dataset"]) not in early[share]]
        )
        for share in shares
    }


def _budget(spec: StudySpec) -> tuple[str, float]:
    if spec.budget.queries is not None:
        return "queries", spec.budget.queries
    return "seconds", float(spec.budget.simulated_seconds or 0.0)


def _last(cost: Any, limit: float) -> int:
    """Return the place of the last evaluation that a limit pays for; -1 for none."""
    return int(np.searchsorted(cost, limit * (1 + 1e-9), side="right")) - 1


def _with(
    directory: StudyDirectory, table: Table, shares: tuple[float, ...]
) -> Iterator[tuple[float, dict[str, Any]]]:
    """Yield the rows of every trial, read from the table; a regret of None says that it has not begun."""
    spec = directory.spec()
    axis, limit = _budget(spec)
    by_dataset: dict[str, list[tuple[Trial, Trace]]] = {}
    for trial, trace in directory.read_kept(table.base_space).items():
        by_dataset.setdefault(trial.dataset, []).append((trial, trace))
    for searched, trials in by_dataset.items():
        optimum = Optima(spec, table, searched)
        metrics = report_metrics(spec, table, searched)
        reported = spec.report.datasets or [searched]
        classes = np.split(
            table.base_space.canonical(np.concatenate([trace.batch for _, trace in trials])),
            np.cumsum([len(trace) for _, trace in trials])[:-1],
        )
        for share in shares:
            began: list[tuple[Trial, Trace, int, Any]] = []
            for (trial, trace), kinds in zip(trials, classes, strict=True):
                place = _last(getattr(trace, axis), share * limit)
                if place >= 0:
                    began.append((trial, trace, place, kinds))
                    continue
                for dataset in reported:
                    yield share, {"strategy": trial.label, "dataset": dataset, "regret": None}
            if not began:
                continue
            batch = np.stack([trace.batch[trace.incumbents()[place]] for _, trace, place, _ in began])
            for dataset, (valid, test) in zip(reported, metrics, strict=True):
                judged = valid if valid is not None else test
                if judged is None:
                    continue
                empty = np.full(len(batch), np.nan)
                valids = empty if valid is None else np.asarray(table.query(batch, valid), dtype=np.float64)
                tests = empty if test is None else np.asarray(table.query(batch, test), dtype=np.float64)
                regrets = optimum.regret(judged, valids if valid is not None else tests)
                for number, (trial, trace, place, kinds) in enumerate(began):
                    row = {
                        "strategy": trial.label,
                        "dataset": dataset,
                        "seed": trial.seed,
                        "valid": valids[number],
                        "test": tests[number],
                        "regret": regrets[number],
                        "queries": trace.queries[place],
                        "seconds": trace.seconds[place],
                        "distinct": len(np.unique(trace.batch[: place + 1], axis=0)),
                        "distinct_isomorphic": len(np.unique(kinds[: place + 1])),
                    }
                    yield share, row


def _without(
    directory: StudyDirectory, shares: tuple[float, ...], measure: Measure
) -> Iterator[tuple[float, dict[str, Any]]]:
    """Yield the same of the data sets that were searched on, from traces and trials alone."""
    spec = directory.spec()
    axis, limit = _budget(spec)
    trials = directory.read_trials()
    judged = "valid" if spec.report.valid is not None else "test"  # which regret is of
    best = {
        str(dataset): float((rows[judged] + measure.sign * rows["regret"]).iloc[0])
        for dataset, rows in trials[trials["dataset"] == trials["searched_on"]].groupby("dataset", sort=False)
    }
    key: Any  # to pandas' stubs, labels are no more than hashable
    for key, trace in directory.read_traces().groupby(["strategy", "dataset", "seed"], sort=False):
        label, dataset, seed = key
        if dataset not in best:  # searched on, and not reported
            continue
        trace = trace.sort_values("step")
        for share in shares:
            place = _last(trace[axis].to_numpy(), share * limit)
            if place < 0:
                yield share, {"strategy": label, "dataset": dataset, "regret": None}
                continue
            last = trace.iloc[place]
            row = {
                **{"strategy": str(label), "dataset": str(dataset), "seed": int(seed)},
                **dict.fromkeys(("valid", "test", "distinct", "distinct_isomorphic"), np.nan),
                judged: best[dataset] - measure.sign * float(last["regret"]),
                **{name: float(last[name]) for name in ("regret", "queries", "seconds")},
            }
            yield share, row
