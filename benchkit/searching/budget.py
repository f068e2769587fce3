"""Limits what a search may spend."""

from __future__ import annotations

from dataclasses import dataclass

from benchkit.base.errors import InputError


@dataclass(frozen=True, slots=True)
class Budget:
    """A limit on queries or on simulated seconds; exactly one is given.

    Attributes
    ----------
    queries : Number of evaluations at the study's own fidelity; one at a lower fidelity costs its share of
        the epochs. Repeated architectures are paid for again.
    simulated_seconds : Sum of the recorded training seconds of the evaluations.

    An evaluation that would exceed the limit is not delivered, and ends the trial: a job that the
    clock cuts off returns nothing.
    """

    queries: float | None = None
    simulated_seconds: float | None = None

    def __post_init__(self) -> None:
        given = {"queries": self.queries, "simulated_seconds": self.simulated_seconds}
        named = {name: value for name, value in given.items() if value is not None}
        if len(named) != 1:
            raise InputError(f"a budget is either queries or simulated_seconds; got {named or 'neither'}")
        for name, value in named.items():
            if not 0 < value < float("inf"):
                raise InputError(f"budget {name} must be a positive number, got {value}")

    @property
    def limit(self) -> float:
        """Number that must not be exceeded, with room for rounding in sums of shares."""
        value = self.queries if self.queries is not None else self.simulated_seconds
        return float(value or 0.0) * (1 + 1e-9)
