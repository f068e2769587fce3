"""Named settings of searches and trainings: how long to train, how large the network, what to score.

They stand in ``presets.yaml``, with where each number comes from and what was decided.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from typing import Any, Literal

from benchkit.base.errors import InputError, unknown
from benchkit.base.yaml_text import parse_yaml
from benchkit.spaces import Space
from benchkit.spaces.sizes import network_size
from benchkit.training.recipe import TrainingRecipe

Kind = Literal["search", "train"]


@dataclass(frozen=True)
class Preset:
    """One named setting.

    Attributes
    ----------
    recipe : Recipe of the training.
    strategies : What single strategies change: ``recipe``, and ``options``, their own hyperparameters.
    size : Options of the network by space, or by what stands before the colon in its name (see `size_of`);
        under ``all`` those that every space must have.
    images : Validation images on which a subnet is scored; None is all.
    scoring_batch : Images a batch of scoring; with batch statistics it decides the score, too.
    queries : Architectures that the search scores; None is the method's published number.
    """

    recipe: TrainingRecipe = field(default_factory=TrainingRecipe)
    strategies: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    size: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    images: int | None = None
    scoring_batch: int = 512
    queries: int | None = None

    def recipe_for(self, strategy: str) -> TrainingRecipe:
        """Return the recipe with what the strategy changes in it."""
        return replace(self.recipe, **self._of(strategy, "recipe"))

    def options_for(self, strategy: str) -> dict[str, Any]:
        """Return the strategy's hyperparameters, where they differ from its own defaults."""
        return dict(self._of(strategy, "options"))

    def _of(self, strategy: str, what: str) -> Mapping[str, Any]:
        return self.strategies.get(strategy, {}).get(what, {})

    def size_of(self, space: str) -> Mapping[str, int]:
        """Return the options of the network of a space by its name; without any, it is as published."""
        return self.size.get(space, self.size.get(space.partition(":")[0], {}))

    def size_for(self, space: Space) -> dict[str, int]:
        """Return the same with the options that every space must have.

        Raises
        ------
        InputError : The space has no network, or one without these options.
        """
        every, known = self.size.get("all", {}), network_size(space).options()
        if not known.keys() >= every.keys():
            raise InputError(
                f"this preset is for networks with the options {', '.join(every)}; that of {space.name} "
                f"has {', '.join(known) or 'none'}: choose another --preset, such as small"
            )
        return {**every, **self.size_of(space.name)}


@cache
def presets(kind: Kind) -> Mapping[str, Preset]:
    """Return the presets of ``benchkit search`` or ``benchkit train`` by name."""
    file = resources.files("benchkit.training") / "presets.yaml"
    found = parse_yaml(file.read_text("utf-8"), file.name)[kind]
    return {
        name: Preset(**{**about, "recipe": TrainingRecipe(**about.get("recipe", {}))})
        for name, about in found.items()
    }


def get_preset(name: str, kind: Kind = "search") -> Preset:
    """Return the preset of that name.

    Raises
    ------
    InputError : There is no such preset; it lists those there are.
    """
    if name not in presets(kind):
        what = "search preset" if kind == "search" else "training preset"
        error: InputError = unknown(what, name, presets(kind))
        raise error
    return presets(kind)[name]
