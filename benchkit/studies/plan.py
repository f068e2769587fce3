"""The plan of a study: its trials, what does not apply, and what a reader should know beforehand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, get_type_hints

import numpy as np
from pydantic import TypeAdapter, ValidationError

from benchkit.base.errors import InputError, shown
from benchkit.base.measure import ACCURACY, Measure
from benchkit.data.tables.table import Table
from benchkit.searching.constraints import COSTS, describe_constraint, feasible_entries
from benchkit.searching.table_evaluator import TableEvaluator
from benchkit.strategies import SearchStrategy, get_strategy
from benchkit.strategies.protocol import make_hyperparameters
from benchkit.studies.best_of_k import check_best_of_k
from benchkit.studies.spec import StudySpec
from benchkit.studies.spec_parts import BudgetSpec, StrategySpec
from benchkit.studies.studied import (
    build_constraint,
    constraint_remark,
    entries_remark,
    studied_entries,
    table_measure,
)
from benchkit.studies.trial import Trial, build_evaluator, build_strategy

_AMPLE = 100_000
"""Queries that no method finds too few."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a study will do.

    Attributes
    ----------
    trials : seeds innermost, then strategies, then data sets.
    not_applicable : label -> why a listed strategy is not run on this table; ``label on dataset`` where it is
        run on other data sets.
    remarks : label -> what is different for a strategy here; ``data set NAME`` -> what is different there.
    constraint : data set -> the limit on what is recommended, and where its values come from; empty where the
        study has none.
    studied : data set -> number of entries that are studied; only data sets whose columns have gaps.
    measure : Quantity that is searched and reported.
    """

    trials: list[Trial]
    not_applicable: dict[str, str]
    remarks: dict[str, str]
    constraint: dict[str, Any] = field(default_factory=dict)
    studied: dict[str, int] = field(default_factory=dict)
    measure: Measure = ACCURACY


def make_plan(spec: StudySpec, table: Table) -> Plan:
    """Check a study against its table, and expand it to trials.

    Every strategy is made once here, so that a wrong option is reported before anything runs.

    Raises
    ------
    InputError : an unknown strategy, a wrong option, a column that the table does not have, or no
        strategy that applies.
    """
    evaluators: dict[str, TableEvaluator] = {}
    constraints: dict[str, Any] = {}
    remarks: dict[str, str] = {}
    studied: dict[str, int] = {}
    for dataset in spec.datasets:
        evaluator = build_evaluator(spec, table, dataset, np.random.default_rng(0))
        if spec.budget.simulated_seconds is not None and not evaluator.has_seconds:
            raise InputError(
                f"table {table.name} has no training seconds of {dataset}: give the budget in queries"
            )
        evaluators[dataset] = evaluator
        entries = studied_entries(spec, table, dataset)
        about = [entries_remark(entries)]
        if entries.rows is not None:
            studied[dataset] = entries.n
        constraint = build_constraint(spec, table, dataset)
        if constraint is not None:
            feasible = int(feasible_entries(table, constraint, entries.mask).sum())
            (limit,) = describe_constraint(constraint)
            constraints[dataset] = {**limit, "feasible": feasible, "entries": entries.n}
            about.append(constraint_remark(constraint, table, entries))
        if any(about):
            remarks[f"data set {dataset}"] = "; ".join(part for part in about if part)
    measure = table_measure(spec, table)
    excluded: dict[str, str] = {}
    trials: dict[tuple[str, str], bool] = {}  # label and data set -> whether it runs
    for strategy in spec.strategies:
        kind = get_strategy(strategy.name)
        _check_types(kind, strategy.options)
        reasons = {
            dataset: _why_not(kind, strategy, spec, table, dataset)
            or _unpaid(kind, strategy, spec, table, dataset, evaluator)
            for dataset, evaluator in evaluators.items()
        }
        trials |= {(strategy.label, dataset): not reason for dataset, reason in reasons.items()}
        if all(reasons.values()):
            excluded[strategy.label] = next(iter(reasons.values()))
            continue
        excluded |= {f"{strategy.label} on {dataset}": why for dataset, why in reasons.items() if why}
        about = [_in_points(kind, strategy, measure)]
        ladders = [evaluator.fidelities for evaluator in evaluators.values()]
        single = [ladder[0] for ladder in ladders if len(ladder) == 1]
        if kind.multi_fidelity and single:
            offered = "one fidelity" if spec.search.epochs is None else f"{single[0]} epochs"
            about.append(f"the table offers {offered} alone for this study, so there are no lower rungs")
        if any(about):
            remarks[strategy.label] = "; ".join(part for part in about if part)
    if spec.best_of_k is not None:
        check_best_of_k(spec)
    if not any(trials.values()):
        reasons_of = "; ".join(f"{label} {reason}" for label, reason in excluded.items())
        raise InputError(f"no strategy of this study applies: {reasons_of}")
    return Plan(
        trials=[
            Trial(strategy.label, dataset, seed)
            for dataset in spec.datasets
            for strategy in spec.strategies
            if trials[strategy.label, dataset]
            for seed in range(spec.seeds)
        ],
        not_applicable=excluded,
        remarks=remarks,
        constraint=constraints,
        studied=studied,
        measure=measure,
    )


def _in_points(kind: type[SearchStrategy], strategy: StrategySpec, measure: Measure) -> str:
    """Return which hyperparameters were left at values that are meant for percentages; empty for none."""
    left = [name for name in kind.in_points if name not in strategy.options]
    if measure.is_percent or not left:
        return ""
    chosen = make_hyperparameters(kind, strategy.options)
    values = [f"{name} {value:g}" for name in left if (value := getattr(chosen, name))]
    if not values:
        return ""
    unit = f" in {measure.unit}" if measure.unit else ""
    return f"{', '.join(values)} is meant for accuracies in %: set it for {measure.words}{unit}"


def _why_not(
    kind: type[SearchStrategy], strategy: StrategySpec, spec: StudySpec, table: Table, dataset: str
) -> str:
    """Return why a strategy cannot take part in this study; empty where it can."""
    entries = studied_entries(spec, table, dataset)
    if kind.needs_complete and not entries.space.complete:
        holds = "holds" if entries.rows is None else "has every column of this study for"
        return (
            f"needs a complete space; {table.name} {holds} {entries.n:,} of "
            f"{table.base_space.size:,} architectures"
        )
    if spec.constraint is not None and not kind.takes_constraint:
        limit = spec.constraint
        return f"takes no constraint; this study limits {limit.cost} to {limit.max:g} {COSTS[limit.cost]}"
    if kind.plans_queries and spec.budget.queries is None and "queries" not in strategy.options:
        return "plans its queries beforehand: give the budget in queries, or its option queries"
    return ""


def _unpaid(
    kind: type[SearchStrategy],
    strategy: StrategySpec,
    spec: StudySpec,
    table: Table,
    dataset: str,
    evaluator: TableEvaluator,
) -> str:
    """Return why the budget is too small for a strategy; empty where it is not.

    Raises
    ------
    InputError : the strategy cannot be made under a larger budget either.
    """
    fidelities = evaluator.fidelities
    try:
        build_strategy(spec, strategy, table, dataset, fidelities, np.random.default_rng(0))
    except InputError as error:
        if not kind.plans_queries or spec.budget.queries is None or "queries" in strategy.options:
            raise
        ample = spec.model_copy(update={"budget": BudgetSpec(queries=max(spec.budget.queries, _AMPLE))})
        build_strategy(ample, strategy, table, dataset, fidelities, np.random.default_rng(0))
        return f"the budget is too small: {error}"
    limit = spec.budget.to_budget().limit
    if spec.budget.queries is not None:
        if limit >= 1:
            return ""
    elif limit >= evaluator.most_seconds:
        return ""
    for seed in range(spec.seeds):  # what a trial asks first may cost more than all that it has
        trial = Trial(strategy.label, dataset, seed)
        for_strategy, for_evaluator, _ = trial.streams(spec.table)
        answers = build_evaluator(spec, table, dataset, for_evaluator)
        asked = build_strategy(spec, strategy, table, dataset, fidelities, for_strategy).ask()
        share = (asked.fidelity or answers.full_fidelity) / answers.full_fidelity
        cost, unit = share, "queries"
        if spec.budget.queries is None:
            seconds = answers.evaluate(asked.batch[:1], asked.fidelity).seconds
            cost, unit = (np.inf if seconds is None else float(seconds[0])), "simulated seconds"
        if cost > limit:
            return f"the budget is too small: the first evaluation of seed {seed} costs {cost:,.6g} {unit}"
    return ""


def _check_types(kind: type[SearchStrategy], options: dict[str, Any]) -> None:
    """Refuse an option of the wrong type, which would otherwise surface in the middle of a search."""
    types = {"preset": str, **get_type_hints(kind.Hyperparameters)}
    for name, value in options.items():
        if name not in types:
            continue  # the strategy says what it has
        plain = tuple(value) if isinstance(value, list) else value
        try:
            TypeAdapter(types[name]).validate_python(plain, strict=True)
        except ValidationError as error:
            reason = error.errors()[0]["msg"]
            raise InputError(f"strategy {kind.name}: {name}: {reason} (got {shown(value)})") from error
