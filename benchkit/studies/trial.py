"""A trial: one strategy on one data set with one seed, from its random streams to its result."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchkit.base.errors import InputError
from benchkit.data.tables.catalogue import open_table
from benchkit.data.tables.metric import Metric
from benchkit.data.tables.table import Table
from benchkit.searching.loop import search
from benchkit.searching.stopwatch import Stopwatch
from benchkit.searching.table_evaluator import TableEvaluator
from benchkit.searching.trace import Trace
from benchkit.spaces.base import Architecture
from benchkit.strategies import SearchStrategy, get_strategy
from benchkit.studies.spec import StudySpec
from benchkit.studies.spec_parts import StrategySpec
from benchkit.studies.studied import Optima, build_constraint, report_metrics, studied_entries


def _plain(name: str) -> str:
    """Return what a file name can hold of a name: letters, digits, - and _, of at most 100 bytes."""
    kept = "".join(c if c.isalnum() or c in "-_" else "_" for c in name)
    return kept.encode()[:100].decode(errors="ignore")


@dataclass(frozen=True, slots=True)
class Trial:
    """One strategy (by its label) on one data set with one seed."""

    label: str
    dataset: str
    seed: int

    @property
    def name(self) -> str:
        """A file name for the trial, unique within its study."""
        label = _plain(self.label)
        tag = hashlib.sha256(self.label.encode()).hexdigest()[:6]
        dataset = _plain(self.dataset)
        if dataset != self.dataset:
            dataset += "-" + hashlib.sha256(self.dataset.encode()).hexdigest()[:6]
        return f"{label}-{tag}.{dataset}.{self.seed:06d}"

    def __str__(self) -> str:
        return f"{self.label} on {self.dataset}, seed {self.seed}"

    def streams(self, table: str) -> list[np.random.Generator]:
        """Return independent generators for strategy, evaluator and network.

        They depend on the seed and on what the trial is, not on the other trials of the study.
        """
        identity = hashlib.sha256(f"{table}|{self.dataset}|{self.label}".encode()).digest()
        key = tuple(int(word) for word in np.frombuffer(identity[:16], dtype="<u4"))
        sequence = np.random.SeedSequence(self.seed, spawn_key=key)
        return [np.random.default_rng(child) for child in sequence.spawn(3)]


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of the recommended architecture on one data set; NaN for a split not reported."""

    dataset: str
    valid: float
    test: float
    regret: float


@dataclass(frozen=True)
class TrialResult:
    """The results of a trial.

    Attributes
    ----------
    trace : Every evaluation.
    regret : float64[n], regret of the incumbent after each evaluation, on the searched data set.
    real_seconds : float64[n], see `Stopwatch`; the one part that is another each time.
    recommended : int8[d].
    reports : Figures of each reported data set.
    distinct, distinct_isomorphic : Numbers of evaluated architectures that were different, and that were
        different up to isomorphism.
    """

    trial: Trial
    trace: Trace
    regret: npt.NDArray[np.float64]
    real_seconds: npt.NDArray[np.float64]
    recommended: Architecture
    reports: list[Report]
    distinct: int
    distinct_isomorphic: int
    digest: str = field(default="")


def build_evaluator(spec: StudySpec, table: Table, dataset: str, rng: np.random.Generator) -> TableEvaluator:
    """Return what answers the searches of this study on one data set."""
    see = spec.search
    entries = studied_entries(spec, table, dataset)
    return TableEvaluator(
        table, dataset, see.split, see.epochs, see.score, rng, see.fidelities, see.quantity, entries
    )


def build_strategy(
    spec: StudySpec,
    strategy: StrategySpec,
    table: Table,
    dataset: str,
    fidelities: tuple[int, ...],
    rng: np.random.Generator,
) -> SearchStrategy:
    """Return a strategy with the options and the constraint of the study.

    A multi-fidelity one is told the fidelities, one that plans its queries how many the budget pays for.
    """
    kind = get_strategy(strategy.name)
    options = dict(strategy.options)
    if kind.multi_fidelity:
        options.setdefault("fidelities", fidelities)
    if kind.plans_queries and spec.budget.queries is not None:
        options.setdefault("queries", int(spec.budget.queries))
    made = kind(studied_entries(spec, table, dataset).space, rng, **options)
    constraint = build_constraint(spec, table, dataset)
    if constraint is not None:
        made.constrain(constraint)
    return made


@lru_cache(maxsize=2)
def _open(name: str, path: Path, sha256: str) -> Table:
    """Open a table once a process, and make sure that it is the study's.

    On another machine, where nothing is at `path`, it is that machine's own table of the name.
    """
    if path.is_file():
        table = open_table(path)
    else:
        try:
            table = open_table(name)
        except InputError as error:
            raise InputError(f"{error}; the study's table is {path}: import the same file here") from error
    if table.sha256 != sha256:
        raise InputError(
            f"table {table.path} has SHA-256 {table.sha256[:12]}..., the study's has {sha256[:12]}..."
        )
    return table


def run_trial(spec: StudySpec, trial: Trial, path: Path, sha256: str) -> TrialResult:
    """Run one trial against the table at `path`; nothing outside it has an influence on the result."""
    table = _open(spec.table, path, sha256)
    for_strategy, for_evaluator, _ = trial.streams(spec.table)
    evaluator = build_evaluator(spec, table, trial.dataset, for_evaluator)
    described = next(s for s in spec.strategies if s.label == trial.label)
    strategy = build_strategy(spec, described, table, trial.dataset, evaluator.fidelities, for_strategy)
    stopwatch = Stopwatch(evaluator)
    trace = search(strategy, stopwatch, spec.budget.to_budget())
    recommended = strategy.recommend()
    optimum = Optima(spec, table, trial.dataset)
    reports = [
        _report(table, recommended, valid, test, optimum)
        for valid, test in report_metrics(spec, table, trial.dataset)
    ]
    return TrialResult(
        trial=trial,
        trace=trace,
        regret=_incumbent_regret(spec, table, trial.dataset, trace, optimum),
        real_seconds=stopwatch.real_seconds(len(trace)),
        recommended=recommended,
        reports=reports,
        distinct=trace.distinct(),
        distinct_isomorphic=len(np.unique(table.base_space.canonical(trace.batch))),
        digest=trace.digest(),
    )


def _report(
    table: Table, architecture: Architecture, valid: Metric | None, test: Metric | None, optimum: Optima
) -> Report:
    """Read the report's columns, the only place where a test column is read."""
    values = [np.nan if metric is None else table.query(architecture, metric) for metric in (valid, test)]
    judged, value = (valid, values[0]) if valid is not None else (test, values[1])
    if judged is None:
        raise InputError("a report needs a validation or a test column")
    return Report(judged.dataset, values[0], values[1], float(optimum.regret(judged, value)))


def _incumbent_regret(
    spec: StudySpec, table: Table, dataset: str, trace: Trace, optimum: Optima
) -> npt.NDArray[np.float64]:
    """Return float64[n]: regret of the incumbent after each evaluation, on the searched data set.

    The same column as the reported regret: validation, where the study reports one.
    """
    pairs = report_metrics(spec, table, dataset)
    judged = [valid if valid is not None else test for valid, test in pairs]
    metric = next((m for m in judged if m is not None and m.dataset == dataset), judged[0])
    if metric is None or len(trace) == 0:
        return np.full(len(trace), np.nan)
    incumbents = trace.incumbents()
    distinct, back = np.unique(incumbents, return_inverse=True)
    values = np.asarray(table.query(trace.batch[distinct], metric))
    return np.asarray(optimum.regret(metric, values[back]))
