"""Checks that the trials of a study can fill its table of the best of K samples."""

from __future__ import annotations

from typing import Any

from benchkit.base.errors import InputError, shown
from benchkit.strategies import get_strategy
from benchkit.strategies.protocol import make_hyperparameters
from benchkit.studies.spec import StudySpec
from benchkit.studies.spec_parts import BestOfKSpec

_PHASES = ("initial", "samples", "population", "children")


def wanted_best_of_k(spec: StudySpec) -> BestOfKSpec:
    """Return which table of the best of K samples a study wants; raise `InputError` where it wants none."""
    if spec.best_of_k is None:
        raise InputError(f"study {spec.name} has no best_of_k")
    return spec.best_of_k


def phases_of(spec: StudySpec, label: str) -> dict[str, int]:
    """Return a sampler's numbers of queries in each phase.

    Raises
    ------
    InputError : the strategy has no such phases, or an open end.
    """
    described = next(s for s in spec.strategies if s.label == label)
    chosen = make_hyperparameters(get_strategy(described.name), described.options)
    phases: dict[str, Any] = {name: getattr(chosen, name, None) for name in _PHASES}
    missing = [name for name, value in phases.items() if not value]
    if missing:
        raise InputError(
            f"best_of_k: sampler {label} needs {', '.join(missing)} among its options: its trace is cut into "
            f"{', '.join(_PHASES)}"
        )
    return {name: int(value) for name, value in phases.items()}


def check_best_of_k(spec: StudySpec) -> None:
    """Refuse a study whose traces could not fill the table.

    Raises
    ------
    InputError : a label that is not the study's, a sampler without its phases, K above its samples, a budget
        that does not pay for a cell, or a report without validation accuracy.
    """
    wanted = wanted_best_of_k(spec)
    labels = [strategy.label for strategy in spec.strategies]
    for label in (wanted.random, wanted.evolution, *wanted.samplers):
        if label not in labels:
            raise InputError(
                f"best_of_k: {shown(label)} is none of this study's strategies: {', '.join(labels)}"
            )
    if spec.report.valid is None or spec.report.datasets is not None:
        raise InputError("best_of_k needs a reported validation column, of the data set searched on")
    for label in wanted.samplers:
        phases = phases_of(spec, label)
        if max(wanted.counts) > phases["samples"]:
            raise InputError(
                f"best_of_k: {label} draws {phases['samples']} samples, K goes to {max(wanted.counts)}"
            )
        needed = phases["initial"] + phases["samples"] + phases["children"]
        if spec.budget.queries is None or spec.budget.queries < needed:
            raise InputError(f"best_of_k: {label} makes {needed:,} queries: the budget must be as many")
