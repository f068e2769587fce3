"""How shared weights are trained: the optimizer, its schedule, and the precision."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from benchkit.base.errors import InputError, shown
from benchkit.base.limits import check_fields

__all__ = ["TrainingRecipe"]

# from the share of the steps that are done to what is left of the way to the last learning rate
_SCHEDULES: dict[str, Callable[[float], float]] = {
    "cosine": lambda done: 0.5 * (1 + math.cos(math.pi * done)),
    "linear": lambda done: 1 - done,
}


@dataclass(frozen=True)
class TrainingRecipe:
    """SGD with Nesterov momentum under a cosine schedule, unless told otherwise.

    The defaults are those of the weight-sharing baselines of NAS-Bench-201 (Dong and Yang, 2020, appendix,
    and the published scripts), with the gradient clipping of DARTS.

    Attributes
    ----------
    epochs : passes over the training images.
    batch_size : training images a step.
    valid_batch_size : validation images a step, for methods that learn from them; None is `batch_size`. More
        than that are run in parts of the size in which training batches are run, see `accumulate`.
    learning_rate, last_learning_rate : at the first step, and where the schedule ends.
    schedule : ``cosine`` (half of one) or ``linear``, from step to step.
    momentum, nesterov, weight_decay : of SGD.
    clip : largest norm of the gradient of all weights together; None does not clip.
    label_smoothing : share of the target that all classes divide equally; 0 for none.
    cutout : side of the square that is cut out of training images; 0 for none.
    bfloat16 : run networks under autocast with bfloat16; parameters stay float32.
    channels_last : memory format of the images that are handed to the network.
    accumulate : parts in which each batch is run, one after another, to save memory; the gradient is the mean
        over the whole batch. Batch normalisation sees one part at a time, so its statistics are those of
        ``batch_size / accumulate`` images; without batch statistics the result is that of 1, up to rounding.
    compile_cells : run mixtures through compiled cells (``benchkit.spaces.engine.compile_cells``); methods
        that train paths run as without.
    threads : of torch on the CPU, for training and scoring alike. Sums depend on their number, so it is
        part of a training's identity and never the machine's number of cores.

    Raises
    ------
    InputError : a number is out of its range.
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

    def rate_at(self, step: int, steps: int) -> float:
        """Return the learning rate of step `step` of 0..steps - 1."""
        share = _SCHEDULES[self.schedule](step / steps)
        return self.last_learning_rate + (self.learning_rate - self.last_learning_rate) * share

    def describe(self) -> dict[str, Any]:
        """Return the recipe, JSON-ready."""
        return asdict(self)
