"""Defines the query-backed protocol, by which a method asks for scores and learns from them.

A strategy is made with ``(space, rng, **hyperparameters)``. It proposes architectures with `ask`, is
given their scores by `tell`, and names its answer with `recommend`. It never holds a table, a data
set or a clock, so the same object runs against a table, a supernet or stand-alone training.

The runner calls ``ask`` and ``tell`` in turn until the budget is spent or ``ask`` returns an empty batch.
Where the budget ends inside a batch, ``tell`` receives only the evaluated prefix and is the last call
before ``recommend``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from benchkit.base.errors import InputError, unknown
from benchkit.base.option_types import check_option, field_types
from benchkit.spaces.base import Architecture, Batch, Space
from benchkit.strategies.constraint import Constraint

Scores = npt.NDArray[np.float64]
"""``float64[n]``, higher is better."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A request to evaluate architectures.

    Attributes
    ----------
    batch : int8[n, d]; n = 0 ends the trial.
    fidelity : Epochs for a table, number of images for a supernet; None is the study's own.
    """

    batch: Batch
    fidelity: int | None = None


class Strategy(Protocol):
    """The protocol of ask, tell and recommend."""

    def ask(self) -> Ask:
        """Return the next architectures to evaluate; the strategy chooses how many."""
        ...

    def tell(self, batch: Batch, scores: Scores) -> None:
        """Take the scores of the last asked batch, or of the prefix that the budget allowed."""
        ...

    def recommend(self) -> Architecture:
        """Return the answer of the search so far."""
        ...


@dataclass(frozen=True)
class NoHyperparameters:
    """The hyperparameters of a method that has none."""


class SearchStrategy(ABC):
    """A query-backed strategy with its hyperparameters and its incumbent.

    The incumbent is the first architecture with the best score seen at the study's own fidelity; while
    only lower fidelities were seen, the best at the highest of those.

    Attributes
    ----------
    name : Kebab-case name in the registry.
    citation : Paper that the method comes from.
    Hyperparameters : Frozen dataclass, with the paper's values as defaults.
    presets : Named published settings, as keyword arguments of Hyperparameters.
    needs_complete : Whether the method cannot work inside a restricted space.
    multi_fidelity : Whether the method takes the hyperparameter ``fidelities`` from the runner (the
        ascending epochs at which there are scores; the last is the study's own).
    plans_queries : Whether the method takes the hyperparameter ``queries`` from the runner, the number for
        which the budget pays, where the budget is one of queries.
    takes_constraint : Whether the method keeps a constraint; others refuse one.
    in_points : Hyperparameters that are stated in, or for each, percentage point of accuracy; on the scores
        of another quantity they have another meaning.
    constraint : Constraint given by `constrain`; None is none.
    """

    name: ClassVar[str]
    citation: ClassVar[str]
    Hyperparameters: ClassVar[type[Any]] = NoHyperparameters
    presets: ClassVar[dict[str, dict[str, Any]]] = {}
    needs_complete: ClassVar[bool] = False
    multi_fidelity: ClassVar[bool] = False
    plans_queries: ClassVar[bool] = False
    takes_constraint: ClassVar[bool] = False
    in_points: ClassVar[tuple[str, ...]] = ()

    constraint: Constraint | None = None

    def __init__(self, space: Space, rng: np.random.Generator, **hyperparameters: Any) -> None:
        if self.needs_complete and not space.complete:
            raise InputError(f"{self.name} needs a complete space; {space.name} is restricted to a table")
        self.space = space
        self.rng = rng
        self.hyperparameters = make_hyperparameters(type(self), hyperparameters)
        self._asked_fidelity: int | None = None
        self._incumbent: Architecture | None = None
        self._incumbent_rank = (-np.inf, -np.inf)  # (fidelity, score)

    def constrain(self, constraint: Constraint) -> None:
        """Keep a constraint in everything that is asked from now on; called before the first `ask`.

        Raises
        ------
        InputError : The method takes no constraint.
        """
        if not self.takes_constraint:
            raise InputError(f"{self.name} takes no constraint, such as this one of {constraint.cost}")
        self.constraint = constraint

    @abstractmethod
    def propose(self) -> Ask:
        """Return the next batch; called by `ask`."""

    def observe(self, batch: Batch, scores: Scores) -> None:
        """Learn from scores; called by `tell`. A method without memory needs none."""
        return None

    def ask(self) -> Ask:
        proposal = self.propose()
        self._asked_fidelity = proposal.fidelity
        return proposal

    def tell(self, batch: Batch, scores: Scores) -> None:
        fidelity = np.inf if self._asked_fidelity is None else float(self._asked_fidelity)
        if len(scores):
            best = int(np.argmax(scores))
            rank = (fidelity, float(scores[best]))
            if self._incumbent is None or rank > self._incumbent_rank:
                self._incumbent = batch[best].copy()
                self._incumbent_rank = rank
        self.observe(batch, scores)

    def recommend(self) -> Architecture:
        """Return the incumbent.

        Raises
        ------
        InputError : Nothing was evaluated, because the budget does not pay for one query.
        """
        if self._incumbent is None:
            raise InputError(f"{self.name} evaluated nothing: the budget does not pay for one query")
        return self._incumbent


def make_hyperparameters(strategy: type[SearchStrategy], given: dict[str, Any]) -> Any:
    """Return the strategy's frozen dataclass with `given` over its defaults.

    ``preset="name"`` fills in one of the strategy's published settings first.

    Raises
    ------
    InputError : The strategy does not have a name, or its dataclass refuses a value.
    """
    values = dict(given)
    preset = values.pop("preset", None)
    if preset is not None:
        if not isinstance(preset, str) or preset not in strategy.presets:
            raise unknown("preset", preset, strategy.presets, f"strategy {strategy.name}")
        values = {**strategy.presets[preset], **values}
    names = list(strategy.Hyperparameters.__dataclass_fields__)
    for name in values:
        if name not in names:
            raise unknown("hyperparameter", name, names, f"strategy {strategy.name}")
    types = field_types(strategy.Hyperparameters)
    for name, value in values.items():
        if name in types:
            check_option(f"strategy {strategy.name}: {name}", value, types[name])
    try:
        return strategy.Hyperparameters(**values)
    except (TypeError, ValueError) as error:
        raise InputError(f"strategy {strategy.name}: {error}") from error
