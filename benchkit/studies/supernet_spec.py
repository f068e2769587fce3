"""The specification of a study whose trials train supernets (YAML), checked key by key.

Beside the searches it can name a query-backed study, whose methods stand in a second block of the same table,
and the figures that a paper published for either.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import fields
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field, ValidationError, model_validator

from benchkit.base.errors import InputError, unknown
from benchkit.base.limits import MOST_SEARCHES, RANGES, check_number
from benchkit.base.option_types import check_option, field_types
from benchkit.base.yaml_text import dump_yaml, parse_yaml, read_yaml
from benchkit.studies.spec import StrategySpec, StudySpec, load_preset, one_line
from benchkit.studies.spec_parts import TEXT_KEYS, Name, Names, Strict, ranged, unique
from benchkit.training.settings import SearchSettings

__all__ = [
    "PublishedSpec",
    "QueriesSpec",
    "SearchesSpec",
    "SupernetStudySpec",
    "folder_name",
    "is_supernet_study",
    "load_supernet_preset",
    "load_supernet_study",
    "parse_supernet_study",
    "supernet_preset_names",
]

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
    data : image data to train on.
    preset : of `benchkit.training.presets`.
    seeds : trials use the seeds 0..seeds - 1.
    settings : of `SearchSettings`, over the preset's: ``epochs``, ``image_size``, ``size`` and so on.
    strategies : with their hyperparameters.
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
    preset : its name.
    seeds : instead of its own number.
    strategies : labels, instead of all of its own.
    """

    preset: str
    seeds: Annotated[int, ranged("seeds")] | None = None
    strategies: Names | None = None

    def study(self) -> StudySpec:
        """Return the study of this block."""
        return load_preset(self.preset).replaced(strategies=self.strategies, seeds=self.seeds)


class PublishedSpec(Strict):
    """A paper's figures of one method on one data set: mean and standard deviation (or null) in percent."""

    valid: Deviation | None = None
    test: Deviation | None = None


class SupernetStudySpec(Strict):
    """A study: supernet searches x seeds on one image set, judged by one table.

    Attributes
    ----------
    table : that says what the architectures found are worth.
    datasets : of the table, as columns.
    published : label -> data set -> figures; a label that is no method of this study has a row of its own.
    source : where the published figures stand.
    """

    name: Name
    title: str = ""
    table: Name
    datasets: Names
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

    def to_yaml(self) -> str:
        """Return the specification as YAML, the form in which it is kept and hashed."""
        return dump_yaml(self.model_dump(mode="json"))

    def replaced(
        self,
        strategies: Iterable[str] | None = None,
        datasets: Iterable[str] | None = None,
        seeds: int | None = None,
    ) -> SupernetStudySpec:
        """Return the study with parts of it replaced, as the command line's options ask.

        Strategies may come from both blocks; one of which none is left goes. Seeds are those of the searches.

        Raises
        ------
        InputError : a strategy of neither block, or none of the searches is left.
        """
        data = self.model_dump(mode="json")
        if strategies is not None:
            wanted = list(strategies)
            searched = {each.label: each for each in self.searches.strategies}
            asked = [] if self.queries is None else [each.label for each in self.queries.study().strategies]
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
        return parse_supernet_study(data, "the command line's options")


def parse_supernet_study(data: Any, origin: str) -> SupernetStudySpec:
    """Return the study described by plain data.

    Raises
    ------
    InputError : an unknown key, a missing key, or a value of the wrong type or range; one line.
    """
    try:
        # YAML has lists where a pair is meant
        return SupernetStudySpec.model_validate(data, strict=False)
    except ValidationError as error:
        sections: dict[str, type[BaseModel]] = {
            "": SupernetStudySpec,
            "searches": SearchesSpec,
            "queries": QueriesSpec,
            "published": PublishedSpec,
            "strategies": StrategySpec,
        }
        raise InputError(f"{origin}: {one_line(error, sections)}") from error


def is_supernet_study(path: Path) -> bool:
    """Return whether a YAML file describes a study of supernet searches, and not of queries alone.

    Raises
    ------
    InputError : no such file, or not YAML.
    """
    data = read_yaml(path, "study", TEXT_KEYS)
    return isinstance(data, dict) and "searches" in data


def load_supernet_study(path: Path) -> SupernetStudySpec:
    """Read a study from a YAML file.

    Raises
    ------
    InputError : no such file, not YAML, or not such a study.
    """
    return parse_supernet_study(read_yaml(path, "study", TEXT_KEYS), str(path))


def supernet_preset_names() -> list[str]:
    """Return the names of the studies of supernet searches that come with the package."""
    folder = resources.files("benchkit.studies") / "supernet_presets"
    return sorted(file.name.removesuffix(".yaml") for file in folder.iterdir() if file.name.endswith(".yaml"))


def load_supernet_preset(name: str) -> SupernetStudySpec:
    """Return one of the studies that come with the package.

    Raises
    ------
    InputError : there is no such preset; it lists those there are.
    """
    if name not in supernet_preset_names():
        raise unknown("preset", name, supernet_preset_names())
    text = (resources.files("benchkit.studies") / "supernet_presets" / f"{name}.yaml").read_text("utf-8")
    return parse_supernet_study(parse_yaml(text, f"preset {name}", TEXT_KEYS), f"preset {name}")
