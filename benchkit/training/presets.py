"""Named settings of a weight-sharing search: how long to train, how large the network, what to score.

``nasbench201`` is the published protocol of the weight-sharing baselines (Dong and Yang, 2020, and its
published scripts: batch 64, SGD .025 to .001, 250 epochs, but 50 for DARTS; subnets scored on batches of
512). ``small`` is this project's own: the same optimizer on a network that trains in minutes on two cores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from benchkit.spaces import InputError, unknown
from benchkit.training.recipe import TrainingRecipe

__all__ = ["PRESETS", "Preset", "get_preset"]


@dataclass(frozen=True)
class Preset:
    """One named setting.

    Attributes
    ----------
    recipe : of the training.
    epochs_of : epochs of single strategies, where they differ from the recipe's.
    size : options of the network by space; the published size where there are none.
    images : validation images on which a subnet is scored; None is all.
    scoring_batch : images a batch of scoring; with batch statistics it decides the score, too.
    queries : architectures that the search scores; None is the method's published number.
    """

    recipe: TrainingRecipe
    epochs_of: Mapping[str, int] = field(default_factory=dict)
    size: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    images: int | None = None
    scoring_batch: int = 512
    queries: int | None = None

    def recipe_for(self, strategy: str) -> TrainingRecipe:
        """Return the recipe with the strategy's own number of epochs."""
        return replace(self.recipe, epochs=self.epochs_of.get(strategy, self.recipe.epochs))


_DENSE = MappingProxyType({"channels": 8, "cells": 1})

PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "small": Preset(
            TrainingRecipe(epochs=20),
            size={
                "nasbench201": _DENSE,
                "nasbench201-3": _DENSE,
                "nasbench-macro": {"channels": 8, "features": 128},
                "nasbench101": {"channels": 16, "cells": 1},
            },
            images=1000,
            scoring_batch=500,
            queries=200,
        ),
        "nasbench201": Preset(TrainingRecipe(), epochs_of={"darts": 50, "darts-v2": 50}),
    }
)


def get_preset(name: str) -> Preset:
    """Return the preset of that name.

    Raises
    ------
    InputError : there is no such preset; it lists those there are.
    """
    if name not in PRESETS:
        error: InputError = unknown("search preset", name, PRESETS)
        raise error
    return PRESETS[name]
