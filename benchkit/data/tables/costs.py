"""Finds ``params``, ``flops``, ``latency`` and other costs among a table's columns, in one unit.

==============  ========  ====================================================================
cost            unit      names that mean it, beside the cost's own
==============  ========  ====================================================================
params          millions  parameters, num_params, n_parameters, params_million, ...
flops           millions  macs, multiply_adds, madds, gflops, flops_g, ...
latency         ms        latency_seconds, latency_ms, inference_time, ...
train-seconds   s         train_seconds, train_time, training_hours, ...
energy          kWh       energy_kwh, energy_joules, ...
==============  ========  ====================================================================

Deviations and choices
----------------------
- The first of these that there is: a column of the data set itself, a column that names no data set (empty,
  ``all``), a static column, a column of the one other data set that has it. `CostColumn.source` says which.
- Among columns that mean one cost, the mean over runs goes first, then the epochs asked for, then the longest
  training, then the plainest name (``latency`` before ``latency_pixel3``). Where several are left, the cost
  is
  refused.
- A column's stated unit counts, then the unit in its name, then the quantity's usual one: without any,
  parameters and multiply-adds are single ones if every network has ten thousand; smaller numbers, which may
  be millions, and times are refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchkit.base.errors import InputError, clipped, shown, unknown
from benchkit.data.tables.metric import Metric
from benchkit.data.tables.table import Table

_TIMES: Mapping[str, float] = {
    **dict.fromkeys(("ns", "nanosecond", "nanoseconds"), 1e-9),
    **dict.fromkeys(("us", "µs", "μs", "microsecond", "microseconds"), 1e-6),
    **dict.fromkeys(("ms", "msec", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86400.0),
}
_COUNTS: Mapping[str, float] = {
    **dict.fromkeys(("count", "counts", "1"), 1.0),
    **dict.fromkeys(("k", "thousand", "thousands"), 1e3),
    **dict.fromkeys(("m", "mio", "mega", "million", "millions"), 1e6),
    **dict.fromkeys(("g", "b", "bn", "giga", "billion", "billions"), 1e9),
}
_ENERGIES: Mapping[str, float] = {
    **dict.fromkeys(("j", "joule", "joules"), 1 / 3.6e6),
    "kj": 1 / 3.6e3,
    "mj": 1 / 3.6,
    "wh": 1e-3,
    "kwh": 1.0,
    "mwh": 1e3,
}
_PLAINLY_SINGLE = 1e4
_PARAMETERS = ("params", "param", "parameters", "parameter")
_MULTIPLY_ADDS = ("flops", "flop", "macs", "mac", "madds", "madd", "multadds", "multiadds")
_FILLERS = frozenset({"n", "num", "number", "of", "no", "count", "mean", "avg", "average", "total", "time"})


def _counted(words: tuple[str, ...]) -> Mapping[str, float]:
    """Return the units of a count: alone, and with what is counted, as in ``GFLOPs``."""
    small = {name: factor for name, factor in _COUNTS.items() if len(name) == 1 and name != "1"}
    return {
        **_COUNTS,
        **dict.fromkeys(words, 1.0),
        **{prefix + word: factor for prefix, factor in small.items() for word in words},
    }


class Cost(NamedTuple):
    """A cost that a user limits or draws by name.

    Attributes
    ----------
    unit : Unit in which its values are given.
    label : Name for an axis, with the unit.
    words : Words of which a column's name has one.
    units : Units that a column may be in -> their size in the base unit.
    scale : Number of `unit` in one base unit.
    """

    unit: str
    label: str
    words: tuple[str, ...]
    units: Mapping[str, float]
    scale: float


COST_NAMES: Mapping[str, Cost] = MappingProxyType(
    {
        "params": Cost("millions", "parameters (millions)", _PARAMETERS, _counted(_PARAMETERS), 1e-6),
        "flops": Cost("millions", "multiply-adds (millions)", _MULTIPLY_ADDS, _counted(_MULTIPLY_ADDS), 1e-6),
        "latency": Cost("ms", "latency (ms)", ("latency", "inference"), _TIMES, 1e3),
        "train-seconds": Cost("s", "training time (s)", ("train", "training"), _TIMES, 1.0),
        "energy": Cost("kWh", "energy (kWh)", ("energy",), _ENERGIES, 1.0),
    }
)
"""Costs that have a name of their own."""

_NO_DATASET = ("", "all", "any", "-")
_SCORES = frozenset({"accuracy", "loss", "error", "perplexity", "score"})  # train_loss is no training time


@dataclass(frozen=True, slots=True)
class CostColumn:
    """A cost as a table has it.

    Attributes
    ----------
    cost : Key of `COST_NAMES`, or the name of a quantity that has no other.
    unit : Unit of `values`.
    label : Name for an axis, with the unit.
    metric : Metric of the column; None for a static column.
    name : Name of the column: that of its metric, or its own.
    quantity : Quantity in the column's own word, such as ``latency_seconds``.
    factor : Number of `unit` in one of the column's own unit.
    values : float64[n], one for each entry of the table, in `unit`; NaN where there is none.
    source : Origin of the figures, for a person: the column's name, and its owner where that is not expected.
    """

    cost: str
    unit: str
    label: str
    metric: Metric | None
    name: str
    quantity: str
    factor: float
    values: npt.NDArray[np.float64]
    source: str


class _Candidate(NamedTuple):
    place: int  # 0 the data set's own, 1 of no data set, 2 static, 3 another data set's
    plainness: int  # 0 where the name says nothing but the cost and its unit
    metric: Metric | None
    name: str
    quantity: str
    named_unit: str  # the unit in its name


def find_cost(
    table: Table, cost: str, dataset: str | None = None, epochs: int | None = None, elsewhere: bool = True
) -> CostColumn:
    """Return the column of a table that holds a cost.

    Parameters
    ----------
    cost : Key of `COST_NAMES`, or a quantity or static column of the table by its own name.
    dataset : Data set whose cost is wanted; None is any.
    epochs : Length of training whose cost is preferred, where a table has it for several.
    elsewhere : Whether the column of another data set will do.

    Raises
    ------
    InputError : no column or several say that they hold the cost, or its unit is not known.
    """
    found = _candidates(table, cost, dataset, elsewhere)
    if not found:
        where = f"table {table.name}" + (f" on {dataset}" if dataset else "")
        raise unknown("cost", cost, costs_of(table, dataset), where)
    chosen = _choose(table, found, cost, dataset, epochs)
    if chosen.metric is None:
        raw, stated = table.static_values(chosen.name).astype(np.float64), ""
        source = f"{chosen.name}, a static column"
    else:
        raw, stated = table.values(chosen.metric), table.quantity(chosen.metric).unit
        source = (
            f"{chosen.name}, for want of one on {dataset}" if chosen.place == 3 and dataset else chosen.name
        )
    factor, unit, label = _unit(table, chosen, cost, stated, raw)
    if chosen.metric is not None and chosen.metric.epochs is not None:
        label = f"{label}, {chosen.metric.epochs} epochs"
    name, quantity = chosen.name, chosen.quantity
    return CostColumn(cost, unit, label, chosen.metric, name, quantity, factor, raw * factor, source)


def costs_of(table: Table, dataset: str | None = None, elsewhere: bool = True) -> list[str]:
    """Return the costs that a table has, by the names of `COST_NAMES`; parameters as in `find_cost`."""
    return [name for name in COST_NAMES if _candidates(table, name, dataset, elsewhere)]


# -- which column ---------------------------------------------------------------------------------


def _candidates(table: Table, cost: str, dataset: str | None, elsewhere: bool) -> list[_Candidate]:
    found = []
    for metric in table.available:
        if metric.schedule is not None:
            continue
        says = _means(metric.quantity, cost)
        place = 0 if dataset in (None, metric.dataset) else 1 if metric.dataset in _NO_DATASET else 3
        if says is not None and (place < 3 or elsewhere):
            name = str(metric).lstrip(".")  # of no data set
            found.append(_Candidate(place, says[0], metric, name, metric.quantity, says[1]))
    for name in table.static:
        says = _means(name, cost)
        if says is not None and table.static_values(name).dtype.kind in "iuf":
            found.append(_Candidate(2, says[0], None, name, name, says[1]))
    return found


def _means(name: str, cost: str) -> tuple[int, str] | None:
    """Return the number of a column's other words and the unit in its name; None for another cost."""
    if name == cost:
        return -1, ""
    if cost not in COST_NAMES:
        return None
    about = COST_NAMES[cost]
    # "multiply_adds" and "mult-adds" are one word
    text = re.sub(r"mul(t|ti|tiply)[\W_]*adds?", "macs", name.lower())
    words = [word for word in re.split(r"[\W_]+", text) if word]
    says, others, unit = False, 0, ""
    for word in words:
        if word in about.words:
            says = True
        elif word in about.units and word not in _FILLERS:
            unit = word
            says = says or any(word.endswith(counted) for counted in about.words)  # "gflops"
        elif word not in _FILLERS:
            others += 1
    if cost == "train-seconds":  # "train_size" is no time
        says = says and (bool(unit) or "time" in words)
    return (others, unit) if says and _SCORES.isdisjoint(words) else None


def _choose(
    table: Table, found: list[_Candidate], cost: str, dataset: str | None, epochs: int | None
) -> _Candidate:
    def order(candidate: _Candidate) -> tuple[int, ...]:
        metric = candidate.metric
        if metric is None:
            return (candidate.place, candidate.plainness)
        not_plain = bool(metric.variant), metric.split is not None, metric.run is not None
        length = metric.epochs != epochs, -(metric.epochs or 0)
        return (candidate.place, candidate.plainness, *not_plain, *length, metric.run or 0)

    found = sorted(found, key=order)
    best = found[0]
    rivals = [each for each in found[1:] if order(each) == order(best)]
    if best.place == 3:
        owners = {each.metric.dataset: each for each in found if each.place == 3 and each.metric is not None}
        rivals += [each for owner, each in owners.items() if best.metric and owner != best.metric.dataset]
    if dataset is None:  # any will do, of one kind
        rivals = [each for each in rivals if each.quantity != best.quantity]
    if rivals:
        names = ", ".join(dict.fromkeys([best.name, *(each.name for each in rivals)]))
        raise InputError(
            f"table {table.name} has several columns of {cost}, and none of them is plainly "
            f"{dataset or cost}'s: {clipped(names)}; call one of them {cost}, or name its own quantity"
        )
    return best


# -- its unit -------------------------------------------------------------------------------------


def _unit(
    table: Table, chosen: _Candidate, cost: str, stated: str, raw: npt.NDArray[np.float64]
) -> tuple[float, str, str]:
    """Return the factor to the cost's unit, that unit, and the label of an axis."""
    about = COST_NAMES.get(cost)
    if about is None:
        label = cost.replace("_", " ")
        return 1.0, stated, f"{label} ({stated})" if stated else label
    unit = (stated or chosen.named_unit).strip().lower()
    if unit:
        if unit not in about.units:
            known = {"kWh": "J, Wh, kWh", "millions": "count, M, G"}.get(about.unit, "s, ms, us")
            raise InputError(
                f"table {table.name}: {chosen.name} is in {shown(stated)}, which is no unit of {cost}: "
                f"known are {known} and the like"
            )
        # 1e-6 for what multiplying gives as 9.999...e-7
        return float(f"{about.units[unit] * about.scale:.12g}"), about.unit, about.label
    present = raw[~np.isnan(raw)]
    if about.unit != "millions" or not (present >= _PLAINLY_SINGLE).all():
        examples = {"kWh": "kWh", "millions": "count, M or G"}.get(about.unit, "s or ms")
        raise InputError(
            f"table {table.name}: {chosen.name} does not say in which unit it is, so it cannot serve as "
            f"{cost}: give its column a unit, such as {examples}"
        )
    return about.scale, about.unit, about.label
