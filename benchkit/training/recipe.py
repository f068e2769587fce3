"""The recipe of a training: the optimizer, its schedule, the precision, and what papers add to the loss.

One recipe serves shared weights and networks that are trained alone. Its defaults are those of the
weight-sharing baselines of NAS-Bench-201 (Dong and Yang, 2020, appendix, and the published scripts), with the
gradient clipping of DARTS; every addition is off unless it is asked for.

=====================  ===================================================================================
part                   source
=====================  ===================================================================================
auxiliary classifier   Szegedy et al. (2015), section 5; Zoph et al. (2018); loss + weight x its own loss
drop path              Larsson et al. (2017); its probability rises linearly from 0 (Zoph et al., 2018)
mixup                  Zhang et al. (2018), "mixup: Beyond Empirical Risk Minimization", section 2
cutout                 DeVries and Taylor (2017), `benchkit.data.images.augment`
label smoothing        Szegedy et al. (2016), section 7
warmup                 Goyal et al. (2017), section 2.2; linear, over whole epochs
=====================  ===================================================================================

`STANDALONE` trains every architecture of a table, so that they can be compared. Its optimizer and schedule
are those of NAS-Bench-201 (Dong and Yang, 2020, table 1: SGD with Nesterov momentum .9, learning rate .1 to 0
by a cosine, weight decay 5e-4, random crops and flips), at a length and a batch size for small data sets.

Deviations and choices
----------------------
- Drop path has p x epoch / epochs in epoch 0, 1, ..., as the code of DARTS: 0 in the first, never quite p.
- The learning rate follows its schedule from step to step; DARTS sets it once an epoch.
- Weight decay is for all parameters, those of batch normalisation too: no paper here says otherwise.
- Label smoothing applies to the auxiliary classifier as well, as in the published code of DARTS for ImageNet.
- The warmup starts at one share of the rate, not at 0, and the schedule runs over the steps that follow it.
- `STANDALONE`: 12 epochs with batches of 64, where NAS-Bench-201 trains 200 with 256: the digits have a
  fiftieth of CIFAR-10's images. Chosen by validation accuracy and its agreement between runs on a few cells;
  test accuracy was not looked at.
- Crops are padded by an eighth of the image, as 4 pixels of CIFAR-10's 32 are. Only colour images are
  mirrored unless told otherwise: most grey data sets are of characters, and a mirrored 2 is none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from benchkit.base.errors import InputError, shown
from benchkit.base.limits import check_fields

if TYPE_CHECKING:
    from benchkit.data.images.augment import Augmentation

# from the share of the steps that are done to what is left of the way to the last learning rate
_SCHEDULES: dict[str, Callable[[float], float]] = {
    "cosine": lambda done: 0.5 * (1 + math.cos(math.pi * done)),
    "linear": lambda done: 1 - done,
}
_SHARED = (
    *("epochs", "batch_size", "valid_batch_size", "learning_rate", "last_learning_rate", "schedule"),
    *("momentum", "nesterov", "weight_decay", "clip", "label_smoothing", "cutout", "bfloat16"),
    *("channels_last", "accumulate", "compile_cells", "threads"),
)
# a network of a table runs on one thread, in one piece
_ALONE = (
    *("epochs", "batch_size", "learning_rate", "last_learning_rate", "momentum", "nesterov"),
    *("weight_decay", "clip", "label_smoothing", "cutout", "bfloat16"),
)
_ADDED = ("accumulate", "threads", "auxiliary", "drop_path", "dropout", "mixup", "warmup_epochs")


@dataclass(frozen=True)
class TrainingRecipe:
    """SGD under a schedule, with Nesterov momentum unless told otherwise.

    Attributes
    ----------
    epochs : Passes over the training images.
    batch_size : Training images a step.
    valid_batch_size : Validation images a step, for methods that learn from them; None is `batch_size`. More
        than that are run in parts of the size in which training batches are run, see `accumulate`.
    learning_rate, last_learning_rate : Rates at the first step and where the schedule ends.
    schedule : ``cosine`` (half of one) or ``linear``, from step to step.
    momentum, nesterov, weight_decay : Numbers of SGD.
    clip : Largest norm of the gradient of all weights together; None does not clip.
    label_smoothing : Share of the target that all classes divide equally; 0 for none.
    cutout : Side of the square that is cut out of training images; 0 for none.
    bfloat16 : Whether networks run under autocast with bfloat16; parameters stay float32.
    channels_last : Whether images are handed to a supernet in that memory format.
    accumulate : Parts in which each batch is run, one after another, to save memory; the gradient is the mean
        over the whole batch. Batch normalisation sees one part at a time, so its statistics are those of
        ``batch_size / accumulate`` images; without batch statistics the result is that of 1, up to rounding.
    compile_cells : Whether mixtures run through compiled cells (``benchkit.spaces.engine.compile_cells``);
        methods that train paths run as without.
    threads : Threads of torch on the CPU, for training and scoring alike. Sums depend on their number, so it
        is part of a training's identity and never the machine's number of cores.
    padding : Pixels added on each side before the random crop of a network that is trained alone; None is an
        eighth of the image.
    flip : Whether half of its training images are mirrored; None is only where they are in colour.
    auxiliary : Weight of the auxiliary classifier's loss; 0 trains without one.
    drop_path : Probability of drop path at the end of training, in [0, 1).
    dropout : Probability with which a feature before the classifier is dropped, in [0, 1).
    mixup : Parameter alpha of Beta(alpha, alpha), from which each batch draws its share; 0 mixes nothing.
    warmup_epochs : Epochs in which the learning rate rises to its first value.

    Raises
    ------
    InputError : A number is out of its range.
    """

    epochs: int = 250
    batch_size: int = 64
    valid_batch_size: int | None = None
    learning_rate: float = 0.025
    last_learning_rate: float = 0.001
    schedule: str = "cosine"
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 5e-4
    clip: float | None = 5.0
    label_smoothing: float = 0.0
    cutout: int = 0
    bfloat16: bool = False
    channels_last: bool = True
    accumulate: int = 1
    compile_cells: bool = False
    threads: int = 1
    padding: int | None = None
    flip: bool | None = None
    auxiliary: float = 0.0
    drop_path: float = 0.0
    dropout: float = 0.0
    mixup: float = 0.0
    warmup_epochs: int = 0

    def __post_init__(self) -> None:
        check_fields(self, "training")
        rules = {
            "last_learning_rate": self.last_learning_rate <= self.learning_rate,
            "schedule": self.schedule in _SCHEDULES,
            "nesterov": not self.nesterov or self.momentum > 0,
            "accumulate": self.accumulate <= self.batch_size,
        }
        wrong = [name for name, holds in rules.items() if not holds]
        if wrong:
            raise InputError(f"training {wrong[0]} cannot be {shown(getattr(self, wrong[0]))}")
        if self.warmup_epochs >= self.epochs:
            raise InputError(
                f"warmup_epochs of a training of {self.epochs} epochs cannot be {self.warmup_epochs}"
            )

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
        """Augmentation of training images, of a recipe that was decided `for_images`."""
        from benchkit.data.images.augment import Augmentation  # loads torch

        return Augmentation(self.padding or 0, bool(self.flip), self.cutout)

    def drop_path_at(self, epoch: int) -> float:
        """Return the probability of drop path in epoch 0..epochs - 1."""
        return self.drop_path * epoch / self.epochs

    def rate_at(self, step: int, steps: int) -> float:
        """Return the learning rate of step `step` of 0..steps - 1, which are those of all epochs."""
        warmup = self.warmup_epochs * (steps // self.epochs)
        if step < warmup:
            return self.learning_rate * (step + 1) / warmup
        share = _SCHEDULES[self.schedule]((step - warmup) / (steps - warmup))
        return self.last_learning_rate + (self.learning_rate - self.last_learning_rate) * share

    def describe(self) -> dict[str, Any]:
        """Return what decides the training of a supernet, JSON-ready."""
        return self._named(_SHARED)

    def describe_standalone(self) -> dict[str, Any]:
        """Return what decides the training of a table's networks, JSON-ready."""
        # what was built before there was another schedule says nothing of it
        schedule = {} if self.schedule == "cosine" else {"schedule": self.schedule}
        return {**self._named(_ALONE), **schedule, "padding": self.padding, "flip": self.flip}

    def describe_final(self) -> dict[str, Any]:
        """Return what decides the training of one network by a full recipe, JSON-ready."""
        return {**self.describe_standalone(), "schedule": self.schedule, **self._named(_ADDED)}

    def _named(self, names: Iterable[str]) -> dict[str, Any]:
        return {name: getattr(self, name) for name in names}


STANDALONE = TrainingRecipe(epochs=12, batch_size=64, learning_rate=0.1, last_learning_rate=0.0, clip=None)
"""One recipe for all architectures of a table."""
