"""The specification of a study (YAML), checked key by key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    ValidationError,
    model_validator,
)

from benchkit.base.errors import InputError, clipped, shown, unknown
from benchkit.base.limits import MOST_TRIALS
from benchkit.base.yaml_text import dump_yaml, parse_yaml, read_yaml
from benchkit.data.latency.lookup import LatencyLookup, read_latency
from benchkit.searching.budget import Budget
from benchkit.searching.constraints import check_limits
from benchkit.studies.spec_parts import TEXT_KEYS, Column, Name, Names, Strict, ranged, unique

__all__ = [
    "BestOfKSpec",
    "BudgetSpec",
    "ConstraintSpec",
    "ReportSpec",
    "SearchSpec",
    "StrategySpec",
    "StudySpec",
    "load_preset",
    "load_spec",
    "one_line",
    "preset_names",
]


class SearchSpec(Strict):
    """What a search sees.

    Attributes
    ----------
    split : ``valid``; ``test`` only for a table without validation; null for a column without split, such as
        a latency: then nothing can be held out, and what is searched is what is reported.
    epochs : the study's own fidelity; null for a column without epochs.
    score : ``mean`` over the runs, ``run`` (one drawn at each query), or the number of one run.
    fidelities : where a strategy that asks for fewer epochs gets them: ``schedules`` (networks trained
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
    """What is reported of the recommended architecture.

    Attributes
    ----------
    epochs : schedule of the reported figures; null for columns without epochs.
    valid, test : which figure of that split: ``mean`` over the runs, the number of one run, or null for
        a split that the table does not have. Regret is measured on `valid`, on `test` where that is null.
        Where the search has no split, `valid` is its column and `test` is null.
    datasets : reported data sets; null for the one searched on.
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
    counts : the columns K.
    samplers : labels of the strategies that draw samples.
    random, evolution : labels of random search, and of the evolution with a random first population.
    """

    counts: Annotated[list[Annotated[int, ranged("k")]], BeforeValidator(unique)]
    samplers: Names
    random: str = "random-search"
    evolution: str = "regularized-evolution"


class ConstraintSpec(Strict):
    """What a recommended architecture may cost at most; see `benchkit.searching.constraints`.

    Attributes
    ----------
    cost : ``latency`` (milliseconds), ``params`` or ``flops`` (millions).
    max : the largest value allowed.
    latency : a look-up table made by ``benchkit latency measure``, in place of the table's own column. A
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


class StudySpec(Strict):
    """A study: strategies x data sets x seeds (0..seeds - 1) on one table under one budget."""

    name: Name
    title: str = ""
    table: Name
    datasets: Names
    search: SearchSpec
    report: ReportSpec
    budget: BudgetSpec
    seeds: Annotated[int, ranged("seeds")]
    strategies: Annotated[list[StrategySpec], BeforeValidator(unique)]
    best_of_k: BestOfKSpec | None = None
    constraint: ConstraintSpec | None = None
    notes: list[str] = Field(default_factory=list)

    @model_validator(mode="before")
    @classmethod
    def _without_split(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("search"), dict):
            search, report = data["search"], data.get("report", {})
            if "split" in search and search["split"] is None and isinstance(report, dict):
                data = {**data, "report": {"test": None, **report}}
        return data

    @model_validator(mode="after")
    def _labels(self) -> StudySpec:
        if self.search.split is None and (self.report.test is not None or self.report.valid is None):
            raise ValueError(
                "a search without a split has no test: report its column as valid, and leave test out"
            )
        if self.search.quantity == "accuracy" and self.report.epochs is None:
            raise ValueError("a report of accuracy needs its epochs")
        if self.report.datasets is not None and len(self.datasets) > 1:
            raise ValueError(
                "report.datasets goes with one searched data set; with several, each is reported on its own"
            )
        labels = [strategy.label for strategy in self.strategies]
        for label, times in Counter(labels).items():
            if times > 1:
                raise ValueError(f"two strategies are labelled {shown(label)}: give them different labels")
        trials = len(labels) * len(self.datasets) * self.seeds
        if trials > MOST_TRIALS:
            raise ValueError(
                f"{len(labels)} strategies on {len(self.datasets)} data sets with {self.seeds:,} seeds are "
                f"{trials:,} trials; a study has at most {MOST_TRIALS:,}"
            )
        return self

    def to_yaml(self) -> str:
        """Return the specification as YAML, the form in which it is kept and hashed."""
        data = self.model_dump(mode="json")
        for key in ("best_of_k", "constraint"):
            if data[key] is None:
                del data[key]  # a study without it is written, and hashed, as before there was one
        if self.search.quantity == "accuracy":
            del data["search"]["quantity"]  # the same
        return dump_yaml(data)

    def replaced(
        self,
        strategies: Iterable[str] | None = None,
        datasets: Iterable[str] | None = None,
        seeds: int | None = None,
        queries: float | None = None,
    ) -> StudySpec:
        """Return the study with parts of it replaced, as the command line's options ask.

        A strategy that the study lists keeps its options; another one is taken with its defaults. A table of
        the best of K keeps the samplers that are left, and goes where it has none or no baseline.
        """
        data = self.model_dump(mode="json")
        if strategies is not None:
            listed = {strategy["label"]: strategy for strategy in data["strategies"]}
            labels = list(strategies)
            data["strategies"] = [listed.get(label, label) for label in labels]
            table = data["best_of_k"]
            if table is not None:
                table["samplers"] = [label for label in table["samplers"] if label in labels]
                if not table["samplers"] or not {table["random"], table["evolution"]} <= set(labels):
                    data["best_of_k"] = None
        if datasets is not None:
            data["datasets"] = list(datasets)
        if seeds is not None:
            data["seeds"] = seeds
        if queries is not None:
            data["budget"] = {"queries": float(queries)}
        return parse_spec(data, "the command line's options")


_SECTIONS: Mapping[str, type[BaseModel]] = MappingProxyType(
    {
        "": StudySpec,
        "search": SearchSpec,
        "report": ReportSpec,
        "budget": BudgetSpec,
        "strategies": StrategySpec,
        "best_of_k": BestOfKSpec,
        "constraint": ConstraintSpec,
    }
)


def parse_spec(data: Any, origin: str, folder: Path = Path()) -> StudySpec:
    """Return the study described by plain data.

    Parameters
    ----------
    folder : that the name of a latency file is relative to.

    Raises
    ------
    InputError : an unknown key, a missing key, or a value of the wrong type or range; one line.
    """
    if not isinstance(data, dict):
        raise InputError(
            f"{origin} is not a study: it must be a YAML mapping with name, table, datasets, ..."
        )
    constraint = data.get("constraint")
    if isinstance(constraint, dict) and isinstance(constraint.get("latency"), str):
        lookup = read_latency(folder / constraint["latency"])
        data = {**data, "constraint": {**constraint, "latency": lookup.document()}}
    try:
        return StudySpec.model_validate(data)
    except ValidationError as error:
        raise InputError(f"{origin}: {one_line(error)}") from error


def one_line(error: ValidationError, sections: Mapping[str, type[BaseModel]] = _SECTIONS) -> str:
    """Return the first thing that is wrong; `sections` names the model of each section, "" of the whole."""
    # an unknown key explains the missing one that was meant
    first = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
    place = ".".join(
        clipped(str(part))
        for part in first["loc"]
        if not str(part).startswith(("literal", "constrained", "function-"))
    )
    if first["type"] == "extra_forbidden":
        named = [str(part) for part in first["loc"][:-1] if str(part) in sections]
        section = named[-1] if named else ""
        model = sections[section]
        where = f"the {section} of a study" if section else "a study"
        return str(unknown("key", first["loc"][-1], model.model_fields, where))
    more = len({e["loc"][:2] for e in error.errors()}) - 1
    text = first["msg"].removeprefix("Value error, ")
    given = "" if first["type"] in ("missing", "value_error") else f" (got {shown(first['input'])})"
    rest = f"; and {more} more" if more > 0 else ""
    return f"{place or 'study'}: {text}{given}{rest}"


def load_spec(path: Path) -> StudySpec:
    """Read a study from a YAML file.

    Raises
    ------
    InputError : no such file, not YAML, or not a study.
    """
    return parse_spec(read_yaml(path, "study", TEXT_KEYS), str(path), path.parent)


def preset_names() -> list[str]:
    """Return the names of the studies that come with the package."""
    folder = resources.files("benchkit.studies") / "presets"
    return sorted(file.name.removesuffix(".yaml") for file in folder.iterdir() if file.name.endswith(".yaml"))


def load_preset(name: str) -> StudySpec:
    """Return one of the studies that come with the package.

    Raises
    ------
    InputError : there is no such preset; it lists those there are.
    """
    if name not in preset_names():
        raise unknown("preset", name, preset_names())
    text = (resources.files("benchkit.studies") / "presets" / f"{name}.yaml").read_text(encoding="utf-8")
    return parse_spec(parse_yaml(text, f"preset {name}", TEXT_KEYS), f"preset {name}")
