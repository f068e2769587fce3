"""How networks are trained alone: one recipe for every architecture of a table, so that they can be compared.

The optimizer and its schedule are those of NAS-Bench-201 (Dong and Yang, 2020, table 1: SGD with Nesterov
momentum .9, learning rate .1 to 0 by a cosine, weight decay 5e-4, random crops and flips), at a length and a
batch size for small data sets.

Deviations and choices
----------------------
- 12 epochs with batches of 64, where NAS-Bench-201 trains 200 with 256: the digits have a fiftieth of
  CIFAR-10's images. Chosen by validation accuracy and its agreement between runs on a few cells; test
  accuracy was not looked at.
- Crops are padded by an eighth of the image, as 4 pixels of CIFAR-10's 32 are. Only colour images are
  mirrored unless told otherwise: most grey data sets are of characters, and a mirrored 2 is none.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Self

from benchkit.base.limits import check_fields
from benchkit.data.images.augment import Augmentation
from benchkit.training.recipe import TrainingRecipe

__all__ = ["StandaloneRecipe"]

_SGD = TrainingRecipe(epochs=12, batch_size=64, learning_rate=0.1, last_learning_rate=0.0, clip=None)
_USED = ("epochs", "batch_size", "learning_rate", "last_learning_rate", "momentum", "nesterov",
         "weight_decay", "clip", "label_smoothing", "cutout", "bfloat16")  # fmt: skip
"""What of `TrainingRecipe` decides a stand-alone training; it runs on one thread, in one piece."""


@dataclass(frozen=True)
class StandaloneRecipe:
    """One recipe for all architectures.

    Attributes
    ----------
    sgd : epochs, batch size, learning rate and all else that the optimizer needs.
    padding : pixels added on each side before the random crop; None is an eighth of the image.
    flip : mirror half of the training images; None is only where they are in colour.

    Raises
    ------
    InputError : a number is out of its range.
    """

    sgd: TrainingRecipe = field(default=_SGD)
    padding: int | None = None
    flip: bool | None = None

    def __post_init__(self) -> None:
        check_fields(self, "training")

    def for_images(self, size: tuple[int, int, int]) -> Self:
        """Return the recipe with everything decided for images of this height, width and channels."""
        height, _, channels = size
        return replace(
            self,
            padding=height // 8 if self.padding is None else self.padding,
            flip=channels == 3 if self.flip is None else self.flip,
        )

    @property
    def augmentation(self) -> Augmentation:
        """What is done to training images, of a recipe that was decided `for_images`."""
        return Augmentation(self.padding or 0, bool(self.flip), self.sgd.cutout)

    def describe(self) -> dict[str, Any]:
        """Return the recipe, JSON-ready."""
        sgd = self.sgd.describe()
        used = {name: sgd[name] for name in _USED}
        if self.sgd.schedule != "cosine":  # what was built before there was another says nothing
            used["schedule"] = self.sgd.schedule
        return {**used, "padding": self.padding, "flip": self.flip}
