"""The blocks of a specification, checked key by key: searches, reports, budgets, strategies, constraints."""

from __future__ import annotations

import hashlib
import re
from dataclasses import fields
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from benchkit.base.errors import shown, unknown
from benchkit.base.limits import LONGEST_NAME, RANGES, check_number
from benchkit.base.option_types import check_option, field_types
from benchkit.data.latency.lookup import LatencyLookup
from benchkit.searching.budget import Budget
from benchkit.searching.constraints import check_limits
from benchkit.training.settings import SearchSettings

TEXT_KEYS = frozenset(
    {"name", "title", "table", "datasets", "label", "note", "notes", "samplers", "random", "evolution",
     "quantity"}
)  # fmt: skip
"""Keys of a study whose values are text as it is written: a study named 1.10 is not named 1.1."""


def ranged(name: str) -> AfterValidator:
    """Return the check of a number's range in `benchkit.base.limits`."""

    def check(value: float) -> float:
        if value not in RANGES[name]:
            raise ValueError(f"must be {RANGES[name]}; got {shown(value)}")
        return value

    return AfterValidator(check)


def printable(text: str) -> str:
    """Refuse a name that nobody can see, or that no line has room for."""
    if not text.strip() or not text.isprintable() or len(text) > LONGEST_NAME:
        raise ValueError(f"must be 1 to {LONGEST_NAME} visible characters; got {shown(text)}")
    return text


Name = Annotated[str, AfterValidator(printable)]


Column = Literal["mean"] | Annotated[int, ranged("run")]


def unique(values: Any) -> Any:
    """Refuse a list that is empty or names something twice."""
    if not isinstance(values, list):
        return values  # the type of the key says what is wrong with it
    if not values:
        raise ValueError("must not be empty")
    if len({str(v) for v in values}) < len(values):
        raise ValueError("names something twice")
    return values


Names = Annotated[list[Name], BeforeValidator(unique)]


class Strict(BaseModel):
    """A part of a specification: no unknown keys, no conversions, no changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SearchSpec(Strict):
    """The column that a search sees.

    Attributes
    ----------
    split : ``valid``; ``test`` only for a table without validation; null for a column without split, such as
        a latency: then nothing can be held out, and what is searched is what is reported.
    epochs : Fidelity of the study itself; null for a column without epochs.
    score : ``mean`` over the runs, ``run`` (one drawn at each query), or the number of one run.
    fidelities : Source of the answers at fewer epochs: ``schedules`` (networks trained
        for fewer epochs, to the end) or ``curve`` (the epochs inside the one schedule).
    quantity : Quantity that is searched and reported; the table says in which direction it is better.
    """

    split: Literal["valid", "test"] | None
    epochs: Annotated[int, ranged("epochs")] | None = None
    score: Literal["mean", "run"] | Annotated[int, ranged("run")]
    fidelities: Literal["schedules", "curve"] = "schedules"
    quantity: Name = "accuracy"

    @model_validator(mode="after")
    def _complete(self) -> SearchSpec:
        if self.quantity == "accuracy" and (self.split is None or self.epochs is None):
            raise ValueError("a search on accuracy needs its split and its epochs")
        return self


class ReportSpec(Strict):
    """The columns that are reported of the recommended architecture.

    Attributes
    ----------
    epochs : Schedule of the reported figures; null for columns without epochs.
    valid, test : Figure of that split: ``mean`` over the runs, the number of one run, or null for
        a split that the table does not have. Regret is measured on `valid`, on `test` where that is null.
        Where the search has no split, `valid` is its column and `test` is null.
    datasets : Reported data sets; null for the one searched on.
    """

    epochs: Annotated[int, ranged("epochs")] | None = None
    valid: Column | None = "mean"
    test: Column | None = "mean"
    datasets: Names | None = None

    @model_validator(mode="after")
    def _something(self) -> ReportSpec:
        if self.valid is None and self.test is None:
            raise ValueError("report needs valid or test")
        return self


class BudgetSpec(Strict):
    """Queries or simulated seconds; exactly one."""

    queries: Annotated[float, ranged("queries")] | None = None
    simulated_seconds: Annotated[float, ranged("simulated_seconds")] | None = None

    @model_validator(mode="after")
    def _one(self) -> BudgetSpec:
        if (self.queries is None) == (self.simulated_seconds is None):
            raise ValueError("budget is either queries or simulated_seconds")
        return self

    def to_budget(self) -> Budget:
        return Budget(self.queries, self.simulated_seconds)


class BestOfKSpec(Strict):
    """A table of the best of K samples beside the leaderboard, see `benchkit.reports.best_of_k`.

    Attributes
    ----------
    counts : Numbers K of samples, one a column.
    samplers : Labels of the strategies that draw samples.
    random, evolution : Labels of random search, and of the evolution with a random first population.
    """

    counts: Annotated[list[Annotated[int, ranged("k")]], BeforeValidator(unique)]
    samplers: Names
    random: str = "random-search"
    evolution: str = "regularized-evolution"


class ConstraintSpec(Strict):
    """The limit on the cost of a recommended architecture; see `benchkit.searching.constraints`.

    Attributes
    ----------
    cost : ``latency`` (milliseconds), ``params`` or ``flops`` (millions).
    max : Largest value allowed.
    latency : Look-up table made by ``benchkit latency measure``, in place of the table's own column. A
        specification names its file, relative to its own folder; what is kept holds it whole, with its hash.
    """

    cost: Literal["latency", "params", "flops"]
    max: Annotated[float, ranged("max")]
    latency: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _usable(self) -> ConstraintSpec:
        check_limits({self.cost: self.max}, self.latency is not None, needs_lookup=False)
        self.lookup()
        return self

    def lookup(self) -> LatencyLookup | None:
        """Return the look-up table; None without one."""
        if self.latency is None:
            return None
        return LatencyLookup.from_document(self.latency, "the latency look-up table of this study")


class StrategySpec(Strict):
    """A strategy with its options; `label` tells two settings of one strategy apart."""

    name: Name
    label: Name = ""  # that of its name, unless it is given
    options: dict[str, Any] = Field(default_factory=dict)
    note: str = ""

    @model_validator(mode="before")
    @classmethod
    def _labelled(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = {"name": value}
        if isinstance(value, dict) and value.get("label") in (None, "") and "name" in value:
            value = {**value, "label": value["name"]}
        return value


_FIXED = ("strategy", "space", "data", "preset", "seed", "options")
_TYPES = field_types(SearchSettings)
_SETTINGS = tuple(each.name for each in fields(SearchSettings) if each.name not in _FIXED)
Strategies = Annotated[list[StrategySpec], BeforeValidator(unique)]
Figure = Annotated[float, Field(allow_inf_nan=False)]
Deviation = tuple[Figure, Figure | None]


class SearchesSpec(Strict):
    """The block of methods that train a supernet.

    Attributes
    ----------
    data : Image data to train on.
    preset : Preset of `benchkit.training.presets`.
    seeds : Number of seeds; trials use 0..seeds - 1.
    settings : Settings of `SearchSettings` over the preset's: ``epochs``, ``image_size``, ``size`` and so on.
    strategies : Methods with their hyperparameters.
    """

    data: Name
    preset: str = "small"
    seeds: Annotated[int, ranged("seeds")] = 3
    settings: dict[str, Any] = Field(default_factory=dict)
    strategies: Strategies

    @model_validator(mode="after")
    def _known(self) -> SearchesSpec:
        for name in self.settings:
            if name not in _SETTINGS:
                raise ValueError(str(unknown("setting", name, _SETTINGS, "a search")))
        for name, value in self.settings.items():
            check_option(name, value, _TYPES[name])
            if name in RANGES and value is not None:
                check_number(name, value)
        return self


def folder_name(label: str, seed: int) -> str:
    """Return the name of a search's folder: its label and seed, where a folder can be called so."""
    if re.fullmatch(r"[^./\\][^/\\]*", label) and len(label.encode()) <= 200:
        return f"{label}-{seed}"
    plain = re.sub(r"[^\w-]", "_", label).encode()[:100].decode(errors="ignore")
    return f"{plain}-{hashlib.sha256(label.encode()).hexdigest()[:6]}-{seed}"


class QueriesSpec(Strict):
    """The block of methods that read the table: a query-backed study that comes with benchkit.

    Attributes
    ----------
    preset : Name of that study.
    seeds : Number of seeds in place of its own.
    strategies : Labels in place of all of its own.
    """

    preset: str
    seeds: Annotated[int, ranged("seeds")] | None = None
    strategies: Names | None = None


class PublishedSpec(Strict):
    """A paper's figures of one method on one data set: mean and standard deviation (or null) in percent."""

    valid: Deviation | None = None
    test: Deviation | None = None
