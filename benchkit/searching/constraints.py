"""Builds the runner's constraints from a table's column, from counts, or from a latency look-up table.

A user limits costs by name:

==========  ========  =================================================================================
cost        unit      what it is
==========  ========  =================================================================================
latency     ms        the sum of a look-up table (`benchkit.data.latency`), or a table's column
params      millions  a table's column, or counted (`benchkit.spaces.counts`)
flops       millions  a table's column, or counted: multiply-adds of one image
==========  ========  =================================================================================

Deviations and choices
----------------------
- Several limits are one constraint: an architecture keeps all of them or is not feasible (`AllOf`).
- In a search over inherited weights, parameters and multiply-adds are those of the supernet's own network and
  images. Latency is that of the network on which the look-up table was measured, which may be the network of
  the final size, since that one must be fast.
- In a study on a table, the table's own column is taken (`benchkit.data.tables.costs` finds it by name and
  unit), unless a look-up table is named. Where there is no column, parameters and multiply-adds are counted
  for the published network on the classes and image size of a published data set; a cost that cannot be
  counted is taken from the column of another data set.
- An entry whose cost a table does not have is not feasible, since nobody knows that it keeps the limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from benchkit.base.errors import InputError, shown, unknown
from benchkit.base.limits import RANGES
from benchkit.data.images.published import PUBLISHED
from benchkit.data.latency.lookup import LatencyLookup
from benchkit.data.tables.costs import CostColumn, costs_of, find_cost
from benchkit.data.tables.table import Table
from benchkit.spaces import Space
from benchkit.spaces.base import Batch
from benchkit.spaces.sizes import network_size
from benchkit.strategies.constraint import Constraint
from benchkit.strategies.rejection import AllOf, infeasible, parts_of
from benchkit.strategies.size_limits import CountConstraint

COSTS = {"latency": "ms", "params": "millions", "flops": "millions"}
"""Cost -> the unit in which it is limited."""

_FIGURES: Mapping[str, Any] = {"params": "parameters", "flops": "flops"}
_NO_LOOKUP = "a limit of latency needs a look-up table: benchkit latency measure makes one"


def check_limits(limits: Mapping[str, Any], has_lookup: bool, needs_lookup: bool = True) -> None:
    """Refuse limits that cannot be used.

    Parameters
    ----------
    limits : Largest value allowed of each cost.
    has_lookup : Whether a latency look-up table was given.
    needs_lookup : Whether latency comes from nowhere else.

    Raises
    ------
    InputError : A cost is unknown, its limit is no positive number, or only one of a look-up table and a
        limit of latency is given.
    """
    for cost, limit in limits.items():
        if cost not in COSTS:
            raise unknown("cost", cost, COSTS)
        if limit not in RANGES["max"]:
            raise InputError(
                f"the limit of {cost} must be a positive number of {COSTS[cost]}; got {shown(limit)}"
            )
    if has_lookup and "latency" not in limits:
        raise InputError("a latency look-up table goes with a limit of latency, such as latency=10")
    if needs_lookup and "latency" in limits and not has_lookup:
        raise InputError(_NO_LOOKUP)


class TableConstraint:
    """A limit on a table's cost column.

    Parameters
    ----------
    table : Table that is read while the constraint is made, and not kept.
    column : Column of the cost.
    limit : Largest value allowed, in the column's unit.
    """

    def __init__(self, table: Table, column: CostColumn, limit: float) -> None:
        self.cost, self.unit, self.limit = column.cost, column.unit, limit
        self.source = column.source
        self._values = column.values
        self._lookup = table.lookup

    def values(self, batch: Batch) -> npt.NDArray[np.float64]:
        """Return float64[n], the entries of int8[n, d]; infinity where the table does not have the cost.

        Raises
        ------
        ArchitectureError : The table does not hold an architecture.
        """
        found: npt.NDArray[np.float64] = self._values[self._lookup.locate(batch)]
        return np.where(np.isnan(found), np.inf, found)

    def feasible(self, batch: Batch) -> npt.NDArray[np.bool_]:
        """Return bool[n], which rows keep the limit."""
        return np.asarray(self.values(batch) <= self.limit)


@dataclass(frozen=True)
class LatencyConstraint:
    """A limit of latency by a look-up table.

    Attributes
    ----------
    lookup : Look-up table of the space that is searched (`LatencyLookup.check_space`).
    limit : Largest value allowed, in milliseconds.
    """

    lookup: LatencyLookup
    limit: float

    cost = "latency"
    unit = "ms"

    def values(self, batch: Batch) -> npt.NDArray[np.float64]:
        """Return float64[n], milliseconds."""
        return self.lookup.predict(batch)

    def feasible(self, batch: Batch) -> npt.NDArray[np.bool_]:
        """Return bool[n], which rows keep the limit."""
        return np.asarray(self.values(batch) <= self.limit)


def network_constraint(
    space: Space,
    limits: Mapping[str, float],
    lookup: LatencyLookup | None,
    *,
    classes: int,
    image_size: int,
    image_channels: int,
    size: Mapping[str, Any],
) -> Constraint | None:
    """Return the constraint of a search with a network of its own; None without limits.

    Parameters
    ----------
    limits : Largest value allowed of each cost, see `check_limits`.
    lookup : Look-up table, where latency is limited.
    classes, image_size, image_channels, size : Description of the network whose parameters and multiply-adds
        count.

    Raises
    ------
    InputError : The look-up table is of another space, or everything is slower than the limit.
    """
    parts: list[Constraint] = []
    for cost, limit in limits.items():
        if cost == "latency":
            parts.append(_latency(space, lookup, float(limit)))
        else:
            network = (classes, image_size, image_channels, size)
            parts.append(CountConstraint(cost, _FIGURES[cost], float(limit), space, *network))
    return AllOf(parts) if len(parts) > 1 else parts[0] if parts else None


def table_constraint(
    table: Table, dataset: str, cost: str, limit: float, lookup: LatencyLookup | None = None
) -> Constraint:
    """Return the constraint of a study on a table.

    Raises
    ------
    InputError : Neither the table nor a count nor a look-up table gives the cost, the look-up table is of
        another space, or everything is slower than the limit.
    """
    if lookup is not None:
        return _latency(table.base_space, lookup, limit)
    if cost in costs_of(table, dataset, elsewhere=False):
        return TableConstraint(table, find_cost(table, cost, dataset, elsewhere=False), limit)
    fact = PUBLISHED.get(dataset)
    others = cost in costs_of(table, dataset)
    if cost != "latency" and fact is not None and fact.size is not None:
        space, (side, _, channels) = table.base_space, fact.size
        try:
            size = network_size(space).options()  # says so where the space has no network
        except InputError:
            if not others:
                raise
        else:
            return CountConstraint(cost, _FIGURES[cost], limit, space, fact.classes, side, channels, size)
    if others:
        return TableConstraint(table, find_cost(table, cost, dataset), limit)
    if cost == "latency":
        raise InputError(
            f"table {table.name} has no latency of {dataset}: name a latency look-up table (benchkit latency "
            "measure)"
        )
    raise InputError(
        f"table {table.name} has no column of {cost}, and the classes and image size of {dataset} are not "
        f"known, so {cost} cannot be counted either"
    )


def _latency(space: Space, lookup: LatencyLookup | None, limit: float) -> LatencyConstraint:
    if lookup is None:
        raise InputError(_NO_LOOKUP)
    lookup.check_space(space)
    constraint = LatencyConstraint(lookup, limit)
    if lookup.fastest_ms > limit:
        raise infeasible(constraint, [lookup.fastest_ms], space.name)
    return constraint


def feasible_entries(
    table: Table, constraint: Constraint, among: npt.NDArray[np.bool_] | None = None
) -> npt.NDArray[np.bool_]:
    """Return bool[len(table)], which entries keep a constraint.

    Parameters
    ----------
    among : bool[len(table)], the entries that count; None is all.

    Raises
    ------
    InputError : No entry does; the error names the limit and the smallest value.
    """
    rows = table.rows if among is None else table.rows[among]
    keeps = constraint.feasible(rows)
    if not keeps.any():
        smallest = [float(part.values(rows).min()) for part in parts_of(constraint)]
        raise infeasible(constraint, smallest, f"table {table.name}")
    if among is None:
        return keeps
    whole = np.zeros(len(table), dtype=np.bool_)
    whole[among] = keeps
    return whole


def describe_constraint(constraint: Constraint) -> list[dict[str, Any]]:
    """Return every limit and the source of its values, JSON-ready, for a manifest."""
    return [
        {"cost": part.cost, "max": part.limit, "unit": part.unit, "source": _source(part)}
        for part in parts_of(constraint)
    ]


def _source(part: Constraint) -> Any:
    if isinstance(part, LatencyConstraint):
        return {"latency look-up table": part.lookup.identity()}
    if isinstance(part, TableConstraint):
        return {"column": part.source}
    if isinstance(part, CountConstraint):
        facts = {"classes": part.classes, "image_size": part.image_size, "size": dict(part.size)}
        return {"counted": {**facts, "image_channels": part.image_channels}}
    raise TypeError(f"no constraint of the runner: {type(part).__name__}")
