"""Reads what the chains of a finished study did from its traces.

A trace holds what a strategy asked, and the strategy is deterministic: told the kept scores again, with the
trial's own streams, it walks the same chains. Nothing is looked up but, where a table is complete and small
enough, the exact posterior.

Deviations and choices
----------------------
- Only draws count: where a chain began is no draw. The starts of one chain follow each other in one sequence.
- The effective sample size is that of the accuracy.
- The distance to the exact posterior is given for a constant beta, a fixed column of the table, and a
  complete space of up to 100,000 rows without a constraint. Beside it stands the mean distance of independent
  samples of that effective size; it depends on the table and the size alone, by a generator of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchkit.analysis.statistics.chain_diagnostics import (
    change_share,
    effective_sample_size,
    histogram,
    independent_distance,
    tempered_posterior,
    total_variation,
)
from benchkit.analysis.statistics.intervals import mean_interval
from benchkit.base.errors import InputError
from benchkit.data.tables.catalogue import open_table
from benchkit.data.tables.table import Table
from benchkit.searching.trace import Trace
from benchkit.strategies import SearchStrategy
from benchkit.strategies.gibbsnas.queries import GibbsNASQueries
from benchkit.studies.spec import StudySpec
from benchkit.studies.store import StudyDirectory
from benchkit.studies.studied import search_column, studied_entries
from benchkit.studies.trial import Trial, build_evaluator, build_strategy

FIGURES = ("draws", "starts", "change", "effective", "distance", "independent")
"""Draws in all chains, and starts of chains; share of draws that changed the choice; effective sample size;
total-variation distance of the draws to the exact posterior, and that of an independent sample as large."""

_MOST_ROWS = 100_000
_LEAST_DRAWS = 4
_REPEATS = 50  # independent samples a trial


def replay(strategy: SearchStrategy, trace: Trace, until: int | None = None) -> None:
    """Tell a strategy, made as it was for the trial, the scores of its trace.

    Parameters
    ----------
    until : Number of evaluations to tell, and the rest of their batch; None is the whole trace.

    Raises
    ------
    InputError : it asks for something else than the trace holds.
    """
    at, end = 0, len(trace) if until is None else until
    while at < end:
        batch = strategy.ask().batch
        told = trace.batch[at : at + len(batch)]
        if not len(batch) or (batch[: len(told)] != told).any():
            raise InputError(f"{strategy.name} does not ask what the trace holds at evaluation {at}")
        strategy.tell(told, trace.scores[at : at + len(told)])
        at += len(told)


def chain_figures(out: Path | str) -> pd.DataFrame:
    """Return a row for each trial of a strategy with chains.

    Parameters
    ----------
    out : Folder of a finished study.

    Returns
    -------
    A frame with the columns dataset, strategy, seed and `FIGURES`; NaN where a figure does not exist.

    Raises
    ------
    InputError : no finished study, another table, no strategy with chains, or a trace that this version of
        the strategy does not repeat.
    """
    directory = StudyDirectory(out)
    spec = directory.spec()
    table = open_table(spec.table)
    recorded = directory.read_manifest()["table"]["sha256"]
    if table.sha256 != recorded:
        raise InputError(f"the study ran on another table {spec.table}, with SHA-256 {recorded[:12]}...")
    accuracies = {dataset: _accuracies(spec, table, dataset) for dataset in spec.datasets}
    rows = []
    for trial, trace in directory.read_kept(table.base_space).items():
        strategy = trial_strategy(spec, trial, table)
        if not isinstance(strategy, GibbsNASQueries):
            continue
        try:
            replay(strategy, trace)
        except InputError as error:
            raise InputError(
                f"{trial}: {error}; benchkit leaderboard verify says where versions differ"
            ) from error
        about = {"dataset": trial.dataset, "strategy": trial.label, "seed": trial.seed}
        rows.append({**about, **_figures(strategy, trace, accuracies[trial.dataset])})
    if not rows:
        raise InputError(f"study {spec.name} has no strategy with chains; gibbsnas is one")
    return pd.DataFrame(rows)


def summarise_chains(figures: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each data set, strategy and figure: n, mean, low, high (95 % interval over seeds).

    Parameters
    ----------
    figures : Frame that `chain_figures` returns.
    """
    rows = []
    for (dataset, strategy), trials in figures.groupby(["dataset", "strategy"], sort=False):
        for figure in FIGURES:
            values = trials[figure].dropna().to_numpy(dtype=np.float64)
            if len(values):
                found = mean_interval(values, np.random.default_rng(0))._asdict()
                rows.append({"dataset": dataset, "strategy": strategy, "figure": figure, **found})
    return pd.DataFrame(rows)


def trial_strategy(spec: StudySpec, trial: Trial, table: Table) -> SearchStrategy:
    """Return the strategy of a trial as it was at its start."""
    for_strategy, for_evaluator, _ = trial.streams(spec.table)
    described = next(s for s in spec.strategies if s.label == trial.label)
    evaluator = build_evaluator(spec, table, trial.dataset, for_evaluator)
    return build_strategy(spec, described, table, trial.dataset, evaluator.fidelities, for_strategy)


def _accuracies(spec: StudySpec, table: Table, dataset: str) -> npt.NDArray[np.float64] | None:
    """Return float64[size], as a search hears them, in the order of the space; None where not exact."""
    see = spec.search
    if see.score == "run" or spec.constraint is not None or not table.complete or not table.space.enumerable:
        return None
    if table.space.size > _MOST_ROWS:
        return None
    metric = search_column(spec, dataset)
    if studied_entries(spec, table, dataset).rows is not None:
        return None
    values = np.asarray(table.query(table.space.at(np.arange(table.space.size)), metric), dtype=np.float64)
    return values if table.quantity(metric).higher_is_better else -values


def _figures(
    strategy: GibbsNASQueries, trace: Trace, accuracies: npt.NDArray[np.float64] | None
) -> dict[str, Any]:
    space = strategy.space
    known = dict(zip(space.key(trace.batch).tolist(), trace.scores.tolist(), strict=True))
    histories = [[part for part in chain.history() if len(part) > 1] for chain in strategy.chains]
    walks = [part for history in histories for part in history]
    found: dict[str, Any] = dict.fromkeys(FIGURES, np.nan)
    found |= {"draws": sum(len(walk) - 1 for walk in walks), "starts": len(walks)}
    if not walks:
        return found
    found["change"] = change_share(walks)
    drawn = [np.concatenate([part[1:] for part in history]) for history in histories if history]
    if min(map(len, drawn)) < _LEAST_DRAWS:
        return found
    found["effective"] = effective_sample_size(
        [np.array([known[key] for key in space.key(rows).tolist()]) for rows in drawn]
    )
    if accuracies is not None and strategy.hyperparameters.initial_beta is None:
        exact = tempered_posterior(accuracies, strategy.hyperparameters.beta)
        shares = histogram([space.index(walk) for walk in walks], space.size)
        found["distance"] = total_variation(shares, exact)
        size = max(1, round(found["effective"]))
        found["independent"] = independent_distance(exact, size, np.random.default_rng(size), _REPEATS).mean
    return found
