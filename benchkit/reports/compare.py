"""The strategies of one or several finished studies compared: robust aggregates, and every pair.

Deviations and choices
----------------------
- Several studies together are more tasks: a data set of a study is a task, named ``folder: dataset`` where
  there is more than one study. Only the strategies that all of them have are compared; the others are named.
- Intervals and posteriors are drawn from a fixed seed, so the same trials give the same figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchkit.base.errors import InputError, unknown
from benchkit.base.measure import Measure
from benchkit.studies.store import StudyDirectory
from benchkit.studies.wording import study_measure
from benchkit.studies.work import work_of

if TYPE_CHECKING:
    import pandas as pd

_SEED = 0
_ROPE = 0.1  # percent points


@dataclass(frozen=True, eq=False)
class Comparison:
    """What a comparison says.

    Attributes
    ----------
    trials : Trials that were compared; the column dataset holds the tasks.
    aggregates : see `benchkit.analysis.statistics.aggregates.aggregate`; empty where the baseline is missing.
    improvements : row, column (the baseline), n, value, low, high of the probability of improvement.
    pairs : see `benchkit.analysis.statistics.pairwise.pairwise`.
    ranks : dataset, strategy, blocks (seeds that all share), rank (the mean over these), best first.
    friedman : for every task: dataset, blocks, strategies, statistic, p_value, critical_difference (Nemenyi,
        5 %).
    tables : name, version and SHA-256 of each study's table, by folder.
    notes : Remarks on what was left out, and where the studies differ in budget or measure.
    measure : Quantity of the regret; None where the studies differ in it.
    rope : see `benchkit.analysis.statistics.pairwise.pairwise`.
    """

    trials: pd.DataFrame
    aggregates: pd.DataFrame
    improvements: pd.DataFrame
    pairs: pd.DataFrame
    ranks: pd.DataFrame
    friedman: pd.DataFrame
    tables: dict[str, dict[str, Any]]
    notes: list[str]
    measure: Measure | None
    rope: float


def read_tasks(
    folders: Sequence[Path], datasets: Sequence[str] | None = None
) -> tuple[pd.DataFrame, dict[str, dict[str, Any]], list[str]]:
    """Return the trials of finished studies, their tables, and notes: what was left out, what differs.

    The table of a study has its quantity under ``measure`` where that is not accuracy.

    Parameters
    ----------
    folders : Folders of finished studies, of any kind.
    datasets : only these, by their names in the studies; a study that has none of them is left out.

    Raises
    ------
    InputError : no folder, one given twice, no finished study, a data set that none has, or fewer than two
        strategies in common.
    """
    import pandas as pd

    if not folders:
        raise InputError("name the folder of a finished study")
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) < len(names):
        raise InputError("two folders have the same name: give folders with names of their own")
    parts, tables, notes = [], {}, []
    known: set[str] = set()
    budgets: dict[str, str] = {}
    for folder, name in zip(folders, names, strict=True):
        directory = StudyDirectory(folder)
        work = work_of(directory)
        trials = work.read_trials()
        known |= set(trials["dataset"])
        if datasets is not None:
            trials = trials[trials["dataset"].isin(list(datasets))]
            if not len(trials):
                notes.append(f"{name} has none of these data sets, and is left out")
                continue
        manifest = directory.read_manifest()
        about = {key: manifest[key] for key in ("measure",) if key in manifest}
        tables[name] = {**manifest["table"], **about}
        budgets[name] = work.measured()
        if len(folders) > 1:
            trials = trials.assign(dataset=[f"{name}: {each}" for each in trials["dataset"]])
        parts.append(trials)
    for dataset in datasets or ():
        if dataset not in known:
            raise unknown("data set", dataset, sorted(known), "the studies")
    if not parts:
        raise InputError("no data set is left to compare on")
    everywhere = pd.concat(parts, ignore_index=True)
    tasks = everywhere.groupby("strategy")["dataset"].nunique()
    common = set(tasks[tasks == everywhere["dataset"].nunique()].index)
    left_out = sorted(set(tasks.index) - common)
    if len(common) < 2:
        raise InputError("a comparison needs two strategies that all of the studies have on every data set")
    if len(set(budgets.values())) > 1:
        spent = ", ".join(f"{name} {budget}" for name, budget in budgets.items())
        notes.append(f"the studies differ in budget or measure: {spent}")
    if left_out:
        notes.append(f"not in every study on every data set, and left out: {', '.join(left_out)}")
    together = everywhere[everywhere["strategy"].isin(common)].reset_index(drop=True)
    return together, tables, notes


def compare_studies(
    folders: Sequence[Path],
    datasets: Sequence[str] | None = None,
    baseline: str = "random-search",
    rope: float | None = None,
) -> Comparison:
    """Compare the strategies of finished studies.

    Parameters
    ----------
    folders, datasets : see `read_tasks`.
    baseline : the strategy whose mean regret is the unit of the aggregates; where the studies do not have it
        they are left out, and a note says so.
    rope : see `benchkit.analysis.statistics.pairwise.pairwise`; None is 0.1 for percentages, and 0 for other
        quantities, of which nobody has said what is practically nothing.

    Raises
    ------
    InputError : see `read_tasks`; a negative rope.
    """
    import pandas as pd

    from benchkit.analysis.figures.ranks import rank_info
    from benchkit.analysis.statistics.aggregates import aggregate, probability_of_improvement, task_scores
    from benchkit.analysis.statistics.pairwise import pairwise

    trials, tables, notes = read_tasks(folders, datasets)
    measures = {study_measure(table) for table in tables.values()}
    measure = measures.pop() if len(measures) == 1 else None
    if rope is None:
        rope = _ROPE if measure is not None and measure.is_percent else 0.0
    first, second, third = np.random.default_rng(_SEED).spawn(3)
    try:
        pairs = pairwise(trials, second, rope)
        ranks = rank_info(trials)
    except ValueError as error:
        raise InputError(str(error)) from error
    rows = []
    aggregates = pd.DataFrame(columns=["strategy", "measure", "n", "value", "low", "high"])
    try:
        scores = task_scores(trials, baseline)
        aggregates = aggregate(scores, first)
        key = int(third.integers(2**63))
        for strategy, runs in scores.items():
            if strategy != baseline:
                found = probability_of_improvement(runs, scores[baseline], np.random.default_rng(key))
                rows.append((strategy, baseline, sum(map(len, runs)), *found))
    except ValueError as error:
        notes.append(f"no aggregates: {error}")
    ranked = [
        (panel.dataset, strategy, panel.blocks, rank)
        for panel in ranks.panels
        for strategy, rank in zip(panel.strategies, panel.ranks, strict=True)
    ]
    friedman = pd.DataFrame(
        [
            (panel.dataset, panel.blocks, len(panel.ranks), *panel.friedman, panel.critical_difference)
            for panel in ranks.panels
        ],
        columns=["dataset", "blocks", "strategies", "statistic", "p_value", "critical_difference"],
    )
    improvements = pd.DataFrame(rows, columns=["row", "column", "n", "value", "low", "high"])
    average = pd.DataFrame(ranked, columns=["dataset", "strategy", "blocks", "rank"])
    return Comparison(
        trials, aggregates, improvements, pairs, average, friedman, tables, notes, measure, rope
    )
