"""The plan of a study: its trials, what does not apply, and what a reader should know beforehand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, get_type_hints

import numpy as np
from pydantic import TypeAdapter, ValidationError

from benchkit.base.errors import shown
from benchkit.searching.constraints import COSTS, describe_constraint, feasible_entries
from benchkit.spaces import InputError
from benchkit.strategies import SearchStrategy, get_strategy
from benchkit.studies.spec import StudySpec
from benchkit.studies.trial import (
    Trial,
    build_constraint,
    build_evaluator,
    build_strategy,
    report_metrics,
)
from benchkit.tables.table import Table

__all__ = ["Plan", "make_plan"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a study will do.

    Attributes
    ----------
    trials : seeds innermost, then strategies, then data sets.
    not_applicable : label -> why a listed strategy is not run on this table.
    remarks : label -> what is different for a strategy here.
    constraint : data set -> the limit on what is recommended, and where its values come from; empty where the
        study has none.
    """

    trials: list[Trial]
    not_applicable: dict[str, str]
    remarks: dict[str, str]
    constraint: dict[str, Any] = field(default_factory=dict)


def make_plan(spec: StudySpec, table: Table) -> Plan:
    """Check a study against its table, and expand it to trials.

    Every strategy is made once here, so that a wrong option is reported before anything runs.

    Raises
    ------
    InputError : an unknown strategy, a wrong option, a column that the table does not have, or no
        strategy that applies.
    """
    ladders = []
    constraints: dict[str, Any] = {}
    for dataset in spec.datasets:
        evaluator = build_evaluator(spec, table, dataset, np.random.default_rng(0))
        if spec.budget.simulated_seconds is not None and not evaluator.has_seconds:
            raise InputError(
                f"table {table.name} has no training seconds of {dataset}: give the budget in queries"
            )
        ladders.append(evaluator.fidelities)
        report_metrics(spec, table, dataset)
        constraint = build_constraint(spec, table, dataset)
        if constraint is not None:
            feasible = int(feasible_entries(table, constraint).sum())
            (limit,) = describe_constraint(constraint)
            constraints[dataset] = {**limit, "feasible": feasible, "entries": len(table)}
    excluded: dict[str, str] = {}
    remarks: dict[str, str] = {}
    for strategy in spec.strategies:
        kind = get_strategy(strategy.name)
        reason = _why_not(kind, strategy.options, spec, table)
        if reason:
            excluded[strategy.label] = reason
            continue
        _check_types(kind, strategy.options)
        build_strategy(spec, strategy, table, spec.datasets[0], ladders[0], np.random.default_rng(0))
        single = [ladder[0] for ladder in ladders if len(ladder) == 1]
        if kind.multi_fidelity and single:
            remarks[strategy.label] = (
                f"the table offers {single[0]} epochs alone for this study, so there are no lower rungs"
            )
    if spec.best_of_k is not None:
        from benchkit.studies.best_of_k import check_best_of_k

        check_best_of_k(spec)
    if len(excluded) == len(spec.strategies):
        reasons = "; ".join(f"{label} {reason}" for label, reason in excluded.items())
        raise InputError(f"no strategy of this study applies: {reasons}")
    trials = [
        Trial(strategy.label, dataset, seed)
        for dataset in spec.datasets
        for strategy in spec.strategies
        if strategy.label not in excluded
        for seed in range(spec.seeds)
    ]
    return Plan(trials, excluded, remarks, constraints)


def _why_not(kind: type[SearchStrategy], options: dict[str, Any], spec: StudySpec, table: Table) -> str:
    """Return why a strategy cannot take part in this study; empty where it can."""
    if kind.needs_complete and not table.complete:
        return (
            f"needs a complete space; {table.name} holds {len(table):,} of "
            f"{table.base_space.size:,} architectures"
        )
    if spec.constraint is not None and not kind.takes_constraint:
        limit = spec.constraint
        return f"takes no constraint; this study limits {limit.cost} to {limit.max:g} {COSTS[limit.cost]}"
    if kind.plans_queries and spec.budget.queries is None and "queries" not in options:
        return "plans its queries beforehand: give the budget in queries, or its option queries"
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
