"""The settings of a final training: all that decides its result, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from benchkit.base.limits import check_fields
from benchkit.spaces import get_space
from benchkit.spaces.sizes import network_size
from benchkit.training.presets import get_preset
from benchkit.training.recipe import TrainingRecipe

_OF_RECIPE = (
    *("epochs", "batch_size", "learning_rate", "weight_decay", "label_smoothing", "cutout", "schedule"),
    *("auxiliary", "drop_path", "dropout", "mixup", "warmup_epochs", "bfloat16", "accumulate", "threads"),
)


@dataclass(frozen=True)
class FinalSettings:
    """The settings of a final training; None leaves one to the preset.

    Attributes
    ----------
    architecture : Architecture in its space's notation.
    space, data, preset : Names of each.
    seed : Seed of everything that is random, but for the split of the data.
    images : ``all``, which is every training image of the data set; or ``train``, the search's own, see
        `benchkit.training.final_data`.
    split : Division for ``train``: ``nasbench201`` or a number of validation images; None as for a search.
    image_size, limit : Smaller size and number of images, see ``open_image_set``.
    learning_rate : Rate of the first step; it ends at the preset's last one, or at this where that is higher.
    size : Options of the network, over the preset's. All other fields are those of `TrainingRecipe`.

    Raises
    ------
    InputError : a number out of its range (`benchkit.base.limits`).
    """

    architecture: str
    space: str
    data: str
    preset: str = "small"
    seed: int = 0
    images: str = "all"
    split: str | None = None
    image_size: int | None = None
    limit: int | None = None
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    weight_decay: float | None = None
    label_smoothing: float | None = None
    cutout: int | None = None
    schedule: str | None = None
    auxiliary: float | None = None
    drop_path: float | None = None
    dropout: float | None = None
    mixup: float | None = None
    warmup_epochs: int | None = None
    bfloat16: bool = False
    accumulate: int = 1
    threads: int = 1
    size: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_fields(self, but=("images",))  # here the name of a part of the data

    def recipe(self) -> TrainingRecipe:
        """Return the preset's recipe with what was given over it.

        Raises
        ------
        InputError : no such preset, or a number is out of its range.
        """
        recipe = get_preset(self.preset, "train").recipe
        given = {name: value for name in _OF_RECIPE if (value := getattr(self, name)) is not None}
        if self.learning_rate is not None:
            given["last_learning_rate"] = min(recipe.last_learning_rate, self.learning_rate)
        return replace(recipe, **given)

    def network(self) -> dict[str, int]:
        """Return every option of the network's size; it has an auxiliary classifier where one is trained.

        Raises
        ------
        InputError : the space has no network, or no such option, or the preset is not for it.
        """
        space = get_space(self.space)
        options: dict[str, Any] = dict(get_preset(self.preset, "train").size_for(space))
        if "auxiliary" in network_size(space).options():
            options["auxiliary"] = int(self.recipe().auxiliary > 0)
        return network_size(space, **{**options, **self.size}).options()
