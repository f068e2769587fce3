"""The specification of a study (YAML), checked key by key.

A study on a table and a study of supernet searches are two kinds of it, told apart by ``evaluator: table`` or
``evaluator: supernet``. A file need not say it: supernets are trained by a study with ``searches``. It is not
written either, so that a study is kept, and hashed, as before there was a word for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import BaseModel, Field, ValidationError, model_validator

from benchkit.base.errors import InputError, clipped, shown, unknown
from benchkit.base.limits import MOST_SEARCHES, MOST_TRIALS
from benchkit.base.yaml_text import dump_yaml, parse_yaml, read_yaml
from benchkit.data.latency.lookup import read_latency
from benchkit.studies.spec_parts import (
    TEXT_KEYS,
    BestOfKSpec,
    BudgetSpec,
    ConstraintSpec,
    Name,
    Names,
    PublishedSpec,
    QueriesSpec,
    ReportSpec,
    SearchesSpec,
    SearchSpec,
    Strategies,
    StrategySpec,
    Strict,
    folder_name,
    ranged,
)


class AnyStudySpec(Strict):
    """A study, whatever judges its architectures.

    Attributes
    ----------
    evaluator : ``table`` or ``supernet``.
    table : Table that says what the architectures found are worth.
    datasets : Data sets of the table.
    """

    evaluator: ClassVar[str]
    strict_types: ClassVar[bool | None] = None

    name: Name
    title: str = ""
    table: Name
    datasets: Names

    @property
    def shown_seeds(self) -> int:
        """Number of seeds of every method."""
        raise NotImplementedError

    def to_yaml(self) -> str:
        """Return the specification as YAML, the form in which it is kept and hashed."""
        return dump_yaml(self.model_dump(mode="json"))

    def replaced(
        self,
        strategies: Iterable[str] | None = None,
        datasets: Iterable[str] | None = None,
        seeds: int | None = None,
        queries: float | None = None,
    ) -> AnyStudySpec:
        """Return the study with parts of it replaced, as the command line's options ask."""
        raise NotImplementedError

    def blocks(self) -> dict[str, StudySpec]:
        """Return the studies that run beside this one, by the names of their folders in its own."""
        return {}

    def search_labels(self) -> dict[str, str]:
        """Return the label of every supernet search by the name of its folder; seeds innermost."""
        return {}


class StudySpec(AnyStudySpec):
    """A study on a table: strategies x data sets x seeds (0..seeds - 1) under one budget."""

    evaluator: ClassVar[str] = "table"

    search: SearchSpec
    report: ReportSpec
    budget: BudgetSpec
    seeds: Annotated[int, ranged("seeds")]
    strategies: Strategies
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

    @property
    def shown_seeds(self) -> int:
        return self.seeds

    def to_yaml(self) -> str:
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
        """Return the study with parts of it replaced.

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
        return _validated(StudySpec, data, "the command line's options")


class SupernetStudySpec(AnyStudySpec):
    """A study of searches that train supernets x seeds on one image set, judged by one table.

    Beside the searches it can name a query-backed study, whose methods stand in a second block of the same
    table, and the figures that a paper published for either.

    Attributes
    ----------
    published : Figures by label and data set; a label that is no method of this study has a row of its own.
    source : Place where the published figures stand.
    """

    evaluator: ClassVar[str] = "supernet"
    strict_types: ClassVar[bool] = False  # YAML has lists where a pair is meant

    searches: SearchesSpec
    queries: QueriesSpec | None = None
    published: dict[str, dict[str, PublishedSpec]] = Field(default_factory=dict)
    source: str = ""
    notes: list[str] = Field(default_factory=list)

    @model_validator(mode="after")
    def _labels(self) -> SupernetStudySpec:
        labels = [strategy.label for strategy in self.searches.strategies]
        if len(set(labels)) < len(labels):
            raise ValueError("two searches have the same label: give them different ones")
        searches = len(labels) * self.searches.seeds
        if searches > MOST_SEARCHES:
            raise ValueError(
                f"{len(labels)} strategies with {self.searches.seeds:,} seeds are {searches:,} searches; a "
                f"study has at most {MOST_SEARCHES:,}"
            )
        if self.published and not self.source:
            raise ValueError("published figures need their source")
        return self

    def blocks(self) -> dict[str, StudySpec]:
        block = self.queries
        if block is None:
            return {}
        study = load_preset(block.preset)
        if not isinstance(study, StudySpec):
            raise InputError(f"queries: preset {block.preset} trains supernets: name a study on a table")
        return {"queries": study.replaced(strategies=block.strategies, seeds=block.seeds)}

    def search_labels(self) -> dict[str, str]:
        return {
            folder_name(strategy.label, seed): strategy.label
            for strategy in self.searches.strategies
            for seed in range(self.searches.seeds)
        }

    @property
    def shown_seeds(self) -> int:
        return self.searches.seeds

    def replaced(
        self,
        strategies: Iterable[str] | None = None,
        datasets: Iterable[str] | None = None,
        seeds: int | None = None,
        queries: float | None = None,
    ) -> SupernetStudySpec:
        """Return the study with parts of it replaced.

        Strategies may come from both blocks; one of which none is left goes. Seeds are those of the searches.

        Raises
        ------
        InputError : a strategy of neither block, none of the searches is left, or a budget of queries.
        """
        if queries is not None:
            raise InputError(f"study {self.name} trains supernets: no --queries")
        data = self.model_dump(mode="json")
        if strategies is not None:
            wanted = list(strategies)
            searched = {each.label: each for each in self.searches.strategies}
            asked = [each.label for block in self.blocks().values() for each in block.strategies]
            for label in wanted:
                if label not in (*searched, *asked):
                    raise unknown("strategy", label, [*searched, *asked], f"study {self.name}")
            kept = [label for label in wanted if label in searched]
            if not kept:
                raise InputError(f"study {self.name} needs one of its searches: {', '.join(searched)}")
            data["searches"]["strategies"] = [searched[label].model_dump(mode="json") for label in kept]
            reading = [label for label in wanted if label in asked]
            if self.queries is not None and reading:
                data["queries"]["strategies"] = reading
            else:
                data["queries"] = None
            data["published"] = {
                label: data["published"][label] for label in wanted if label in self.published
            }
        if datasets is not None:
            data["datasets"] = list(datasets)
        if seeds is not None:
            data["searches"]["seeds"] = seeds
        return _validated(SupernetStudySpec, data, "the command line's options")


_KINDS: Mapping[str, type[AnyStudySpec]] = MappingProxyType(
    {kind.evaluator: kind for kind in (StudySpec, SupernetStudySpec)}
)
_SECTIONS: Mapping[str, type[BaseModel]] = MappingProxyType(
    {
        "search": SearchSpec,
        "report": ReportSpec,
        "budget": BudgetSpec,
        "strategies": StrategySpec,
        "best_of_k": BestOfKSpec,
        "constraint": ConstraintSpec,
        "searches": SearchesSpec,
        "queries": QueriesSpec,
        "published": PublishedSpec,
    }
)
_Kind = TypeVar("_Kind", bound=AnyStudySpec)


def parse_spec(data: Any, origin: str, folder: Path = Path()) -> AnyStudySpec:
    """Return the study described by plain data: a `StudySpec` or a `SupernetStudySpec`.

    Parameters
    ----------
    folder : Folder that the name of a latency file is relative to.

    Raises
    ------
    InputError : an unknown key, a missing key, or a value of the wrong type or range; one line.
    """
    if not isinstance(data, dict):
        raise InputError(
            f"{origin} is not a study: it must be a YAML mapping with name, table, datasets, ..."
        )
    evaluator = data.get("evaluator", "supernet" if "searches" in data else "table")
    if not isinstance(evaluator, str) or evaluator not in _KINDS:
        raise InputError(f"{origin}: {unknown('evaluator', evaluator, _KINDS, 'a study')}")
    data = {key: value for key, value in data.items() if key != "evaluator"}
    constraint = data.get("constraint")
    if isinstance(constraint, dict) and isinstance(constraint.get("latency"), str):
        lookup = read_latency(folder / constraint["latency"])
        data = {**data, "constraint": {**constraint, "latency": lookup.document()}}
    return _validated(_KINDS[evaluator], data, origin)


def _validated(kind: type[_Kind], data: dict[str, Any], origin: str) -> _Kind:
    try:
        return kind.model_validate(data, strict=kind.strict_types)
    except ValidationError as error:
        raise InputError(f"{origin}: {_one_line(error, kind)}") from error


def _one_line(error: ValidationError, kind: type[AnyStudySpec]) -> str:
    """Return the first thing that is wrong."""
    # an unknown key explains the missing one that was meant
    first = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
    place = ".".join(
        clipped(str(part))
        for part in first["loc"]
        if not str(part).startswith(("literal", "constrained", "function-"))
    )
    if first["type"] == "extra_forbidden":
        named = [str(part) for part in first["loc"][:-1] if str(part) in _SECTIONS]
        section = named[-1] if named else ""
        model = _SECTIONS[section] if section else kind
        where = f"the {section} of a study" if section else "a study"
        return str(unknown("key", first["loc"][-1], model.model_fields, where))
    more = len({e["loc"][:2] for e in error.errors()}) - 1
    text = first["msg"].removeprefix("Value error, ")
    given = "" if first["type"] in ("missing", "value_error") else f" (got {shown(first['input'])})"
    rest = f"; and {more} more" if more > 0 else ""
    return f"{place or 'study'}: {text}{given}{rest}"


def load_spec(path: Path) -> AnyStudySpec:
    """Read a study from a YAML file; see `parse_spec`.

    Raises
    ------
    InputError : no such file, not YAML, or not a study.
    """
    return parse_spec(read_yaml(path, "study", TEXT_KEYS), str(path), path.parent)


def preset_names() -> list[str]:
    """Return the names of the studies that come with the package."""
    folder = resources.files("benchkit.studies") / "presets"
    return sorted(file.name.removesuffix(".yaml") for file in folder.iterdir() if file.name.endswith(".yaml"))


def load_preset(name: str) -> AnyStudySpec:
    """Return one of the studies that come with the package; raise `InputError` where it is none."""
    if name not in preset_names():
        raise unknown("preset", name, preset_names())
    text = (resources.files("benchkit.studies") / "presets" / f"{name}.yaml").read_text(encoding="utf-8")
    return parse_spec(parse_yaml(text, f"preset {name}", TEXT_KEYS), f"preset {name}")


def load_study(name: str | Path) -> AnyStudySpec:
    """Return a preset by its name, or the study in a YAML file.

    Raises
    ------
    InputError : no such preset or file, or not a study.
    """
    from_file = isinstance(name, Path) or name.endswith((".yaml", ".yml"))
    return load_spec(Path(name)) if from_file else load_preset(str(name))
