"""What a weight-sharing search is: all that decides its result, and nothing else."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from benchkit.base.limits import check_fields
from benchkit.data.latency.lookup import LatencyLookup
from benchkit.searching.constraints import check_limits
from benchkit.spaces import get_space
from benchkit.strategies import get_weight_sharing
from benchkit.training.presets import Preset
from benchkit.training.recipe import TrainingRecipe

__all__ = ["SearchSettings"]


@dataclass(frozen=True)
class SearchSettings:
    """What a search is; None leaves it to the preset.

    Attributes
    ----------
    strategy, space, data, preset : names.
    seed : of everything that is random, but for the split of the data.
    epochs, batch_size, label_smoothing : of the training.
    weight_decay : of the shared weights, for methods without a prior of their own for them.
    learning_rate : at the first step; it ends at the preset's last one, or at this where that is higher.
    queries : architectures to score.
    images : validation images on which each is scored.
    scoring_batch : images a batch of scoring.
    split : ``nasbench201`` or a number of validation images; None is the benchmark's own halves where the
        data has them, else a quarter of the training images.
    image_size, limit : make the data set smaller, see ``open_image_set``.
    bfloat16 : run networks in bfloat16.
    accumulate, threads : see `TrainingRecipe`.
    compile : compile the cells, for methods that train mixtures.
    recalibrate : batch normalisation. 0: every batch by its own statistics, in scoring too. Else the supernet
        keeps running averages, and before an architecture is scored they are estimated anew on so many
        batches of training images.
    options : hyperparameters of the strategy.
    size : options of the supernet, over the preset's.
    limits : largest latency (ms), params and flops (millions) allowed, by name; see
        `benchkit.searching.constraints`.
    latency : where latency is limited, the look-up table, whole and with its hash: the document in its file.

    Raises
    ------
    InputError : a number out of its range (`benchkit.base.limits`), limits that cannot be used, or a look-up
        table that was changed.
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

    def recipe(self, preset: Preset) -> TrainingRecipe:
        """Return the preset's recipe with what was given over it.

        The strategy's hyperparameters may make up a number of epochs (``planned_epochs``); `epochs` is over
        both.

        Raises
        ------
        InputError : a number is out of its range, or an unknown strategy or space.
        """
        recipe = preset.recipe_for(self.strategy)
        kind, options = get_weight_sharing(self.strategy), self.options_of(preset)
        planned = kind.planned_epochs(get_space(self.space), options)
        if planned is not None:
            recipe = replace(recipe, epochs=planned)
        given: dict[str, Any] = {
            name: getattr(self, name)
            for name in ("epochs", "batch_size", "learning_rate", "label_smoothing", "weight_decay")
            if getattr(self, name) is not None
        }
        if self.learning_rate is not None:
            given["last_learning_rate"] = min(recipe.last_learning_rate, self.learning_rate)
        return replace(
            recipe,
            bfloat16=self.bfloat16,
            accumulate=self.accumulate,
            compile_cells=self.compile,
            threads=self.threads,
            **given,
        )

    def options_of(self, preset: Preset) -> dict[str, Any]:
        """Return the strategy's hyperparameters: what was given over what the preset says."""
        return {**preset.options_for(self.strategy), **self.options}

    def planned_queries(self, preset: Preset) -> int | None:
        """Return how many architectures are scored at most, as far as user and preset say it."""
        return preset.queries if self.queries is None else self.queries

    def scoring(self, preset: Preset, available: int) -> dict[str, int]:
        """Return the options of a `SupernetEvaluator`, where there are `available` validation images."""
        images = self.images
        if images is None:
            images = available if preset.images is None else min(preset.images, available)
        return {
            "images": images,
            "batch_size": self.scoring_batch or preset.scoring_batch,
            "calibration_batches": self.recalibrate,
        }

    def queries_of(self, preset: Preset, published: int) -> int:
        """Return how many architectures are scored, where the method's paper says `published`."""
        if self.queries is not None:
            return self.queries
        return published if preset.queries is None else min(preset.queries, published)
