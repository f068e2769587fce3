"""The settings of a weight-sharing search: all that decides its result, and nothing else."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from benchkit.base.limits import check_fields
from benchkit.data.latency.lookup import LatencyLookup
from benchkit.searching.constraints import check_limits
from benchkit.spaces import Space, get_space
from benchkit.strategies import get_weight_sharing
from benchkit.training.presets import Preset, get_preset
from benchkit.training.recipe import TrainingRecipe

if TYPE_CHECKING:
    from benchkit.strategies.weight_sharing import WeightSharingStrategy

_OF_RECIPE = (
    *("epochs", "batch_size", "learning_rate", "label_smoothing", "weight_decay"),
    *("bfloat16", "accumulate", "threads"),
)


@dataclass(frozen=True)
class SearchSettings:
    """The settings of a search; None leaves one to the preset.

    Attributes
    ----------
    strategy, space, data, preset : Names of each.
    seed : Seed of everything that is random, but for the split of the data.
    epochs, batch_size, label_smoothing, bfloat16, accumulate, threads : see `TrainingRecipe`.
    weight_decay : Weight decay of shared weights, for methods without a prior of their own for them.
    learning_rate : Rate of the first step; it ends at the preset's last one, or at this where that is higher.
    queries : Number of architectures to score.
    images : Number of validation images on which each is scored.
    scoring_batch : Images a batch of scoring.
    split : ``nasbench201`` or a number of validation images; None is the benchmark's own halves where the
        data has them, else a quarter of the training images.
    image_size, limit : Smaller size and number of images, see ``open_image_set``.
    compile : Whether cells are compiled, for methods that train mixtures.
    recalibrate : Batches of training images on which running averages of batch normalisation are estimated
        anew before an architecture is scored; with 0 every batch has its own statistics, in scoring too.
    options : Hyperparameters of the strategy.
    size : Options of the supernet, over the preset's.
    limits : Largest latency (ms), params and flops (millions) allowed, by name; see
        `benchkit.searching.constraints`.
    latency : Look-up table where latency is limited, whole and with its hash: the document in its file.

    Raises
    ------
    InputError : A number is out of its range (`benchkit.base.limits`), limits cannot be used, or a look-up
        table was changed.
    """

    strategy: str
    space: str
    data: str
    preset: str = "small"
    seed: int = 0
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    label_smoothing: float | None = None
    weight_decay: float | None = None
    queries: int | None = None
    images: int | None = None
    scoring_batch: int | None = None
    split: str | None = None
    image_size: int | None = None
    limit: int | None = None
    bfloat16: bool = False
    accumulate: int = 1
    compile: bool = False
    threads: int = 1
    recalibrate: int = 0
    options: dict[str, Any] = field(default_factory=dict)
    size: dict[str, Any] = field(default_factory=dict)
    limits: dict[str, float] = field(default_factory=dict)
    latency: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        check_limits(self.limits, self.latency is not None)
        self.lookup()

    def lookup(self) -> LatencyLookup | None:
        """Return the latency look-up table, where latency is limited."""
        if self.latency is None:
            return None
        return LatencyLookup.from_document(self.latency, "the latency look-up table of this search")

    def describe(self) -> dict[str, Any]:
        """Return the settings, JSON-ready; without limits or another weight decay it says nothing of them."""
        facts = asdict(self)
        for name in ("limits", "latency", "weight_decay"):
            if facts[name] in (None, {}):
                del facts[name]
        return facts

    def resolve(self) -> ResolvedSearch:
        """Return the search with everything decided that settings and preset decide.

        The strategy's hyperparameters may make up a number of epochs (``planned_epochs``); `epochs` is over
        both.

        Raises
        ------
        InputError : A number is out of its range, or an unknown preset, strategy or space.
        """
        preset = get_preset(self.preset)
        recipe, kind = preset.recipe_for(self.strategy), get_weight_sharing(self.strategy)
        options = {**preset.options_for(self.strategy), **self.options}
        space = get_space(self.space)
        planned = kind.planned_epochs(space, options)
        given = {name: value for name in _OF_RECIPE if (value := getattr(self, name)) is not None}
        if self.learning_rate is not None:
            given["last_learning_rate"] = min(recipe.last_learning_rate, self.learning_rate)
        if planned is not None:
            given.setdefault("epochs", planned)
        queries = preset.queries if self.queries is None else self.queries
        if kind.plans_queries and queries is not None:
            options.setdefault("queries", queries)
        return ResolvedSearch(
            self,
            preset,
            kind,
            space,
            replace(recipe, compile_cells=self.compile, **given),
            options,
            {**preset.size_of(space.name), **self.size},
            self.scoring_batch or preset.scoring_batch,
        )


@dataclass(frozen=True)
class ResolvedSearch:
    """A search with everything decided: resolved once where a search begins, and handed down.

    Attributes
    ----------
    settings, preset : What was given, and what the rest was taken from.
    kind : Class of the strategy.
    space : Space that is searched.
    recipe : Recipe of the training.
    options : Hyperparameters of the strategy.
    size : Options of the supernet.
    scoring_batch : Images a batch of scoring.
    """

    settings: SearchSettings
    preset: Preset
    kind: type[WeightSharingStrategy]
    space: Space
    recipe: TrainingRecipe
    options: dict[str, Any]
    size: dict[str, int]
    scoring_batch: int

    def strategy(self, rng: np.random.Generator) -> WeightSharingStrategy:
        """Return the strategy at its start; raises InputError where an option cannot be used."""
        return self.kind(self.space, rng, **self.options)

    def scoring(self, available: int) -> dict[str, int]:
        """Return the options of a `SupernetEvaluator`, where there are `available` validation images."""
        return {
            "images": self.settings.images or min(self.preset.images or available, available),
            "batch_size": self.scoring_batch,
            "calibration_batches": self.settings.recalibrate,
        }

    def queries(self, published: int) -> int:
        """Return how many architectures are scored, where the method's paper says `published`."""
        return self.settings.queries or min(self.preset.queries or published, published)
