"""Defines what is read from a table: every part is explicit, and there is no default fidelity."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from benchkit.base.errors import InputError, unknown

SPLITS = ("train", "valid", "test")


class Quantity(NamedTuple):
    """The unit of what a column measures, such as ``%`` (empty for a pure number), and its direction."""

    unit: str
    higher_is_better: bool


QUANTITIES: dict[str, Quantity] = {
    "accuracy": Quantity("%", True),
    "loss": Quantity("nats", False),
    "train_seconds": Quantity("s", False),
    "latency_seconds": Quantity("s", False),
    "parameters": Quantity("count", False),
    "flops": Quantity("count", False),
    "energy_kwh": Quantity("kWh", False),
}
"""Quantities whose unit and direction are known by their name. Others state theirs in the table."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One measured quantity of a table.

    Attributes
    ----------
    dataset : Data set, such as ``cifar10``.
    split : ``train``, ``valid`` or ``test``; None for what has no split, such as parameters.
    epochs : Training epochs after which it was measured; None for what does not depend on training.
    run : 0-based independent training; None for the mean over the runs.
    quantity : Key of `QUANTITIES`, or a user's own word; accuracy is in percent. `Table.quantity` returns a
        column's unit and direction.
    schedule : Length of the whole training, where `epochs` lies inside it: a network after 12 epochs of
        a 200-epoch schedule is not one trained for 12. None where `epochs` is the end of its schedule.
    variant : Name of another release or training set than the table's own; empty as a rule.
    """

    dataset: str
    split: str | None
    epochs: int | None
    run: int | None = None
    quantity: str = "accuracy"
    variant: str = ""
    schedule: int | None = None

    def __post_init__(self) -> None:
        if not self.quantity:
            raise InputError(f"a metric on {self.dataset} needs a quantity, such as accuracy or loss")
        if self.split is not None and self.split not in SPLITS:
            raise unknown("split", self.split, SPLITS)
        if self.quantity == "accuracy" and (self.split is None or self.epochs is None):
            raise InputError(f"accuracy on {self.dataset} needs both a split and a number of epochs")
        if self.run is not None and self.run < 0:
            raise InputError(f"runs are numbered from 0; got {self.run}")
        if self.schedule is not None:
            if self.epochs is None or self.epochs > self.schedule:
                raise InputError(f"epochs {self.epochs} does not lie inside a schedule of {self.schedule}")
            if self.epochs == self.schedule:
                object.__setattr__(self, "schedule", None)

    def __str__(self) -> str:
        """Return the column's name, such as ``cifar10.valid.200ep.run0.accuracy``."""
        parts = [self.dataset]
        if self.split is not None:
            parts.append(self.split)
        if self.epochs is not None:
            parts.append(f"{self.epochs}ep" if self.schedule is None else f"{self.epochs}of{self.schedule}ep")
        if self.run is not None:
            parts.append(f"run{self.run}")
        elif self.quantity == "accuracy":
            parts.append("mean")
        parts.append(self.quantity)
        return ".".join(parts) + (f"@{self.variant}" if self.variant else "")

    def to_json(self) -> dict[str, Any]:
        return asdict(self)
