"""How one network is trained in the end: SGD, and what papers add to it for the figure that they report.

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

Deviations and choices
----------------------
- Drop path has p x epoch / epochs in epoch 0, 1, ..., as the code of DARTS: 0 in the first, never quite p.
- The learning rate follows its schedule from step to step; DARTS sets it once an epoch.
- Weight decay is for all parameters, those of batch normalisation too: no paper here says otherwise.
- Label smoothing applies to the auxiliary classifier as well, as in the published code of DARTS for ImageNet.
- The warmup starts at one share of the rate, not at 0, and the schedule runs over the steps that follow it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchkit.base.errors import InputError
from benchkit.training.standalone_recipe import StandaloneRecipe

__all__ = ["FinalRecipe"]


@dataclass(frozen=True)
class FinalRecipe(StandaloneRecipe):
    """One recipe for a final training; each addition is off unless it is asked for.

    Attributes
    ----------
    sgd, padding, flip : see `StandaloneRecipe`.
    auxiliary : weight of the auxiliary classifier's loss; 0 trains without one.
    drop_path : probability of drop path at the end of training, in [0, 1).
    dropout : probability with which a feature before the classifier is dropped, in [0, 1).
    mixup : alpha of Beta(alpha, alpha), from which each batch draws its share; 0 mixes nothing.
    warmup_epochs : in which the learning rate rises to its first value.

    Raises
    ------
    InputError : a number is out of its range.
    """

    auxiliary: float = 0.0
    drop_path: float = 0.0
    dropout: float = 0.0
    mixup: float = 0.0
    warmup_epochs: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.warmup_epochs >= self.sgd.epochs:
            raise InputError(
                f"warmup_epochs of a training of {self.sgd.epochs} epochs cannot be {self.warmup_epochs}"
            )

    def drop_path_at(self, epoch: int) -> float:
        """Return the probability of drop path in epoch 0..epochs - 1."""
        return self.drop_path * epoch / self.sgd.epochs

    def rate_at(self, step: int, steps_an_epoch: int) -> float:
        """Return the learning rate of step 0, 1, ... of the whole training."""
        warmup = self.warmup_epochs * steps_an_epoch
        if step < warmup:
            return self.sgd.learning_rate * (step + 1) / warmup
        return self.sgd.rate_at(step - warmup, self.sgd.epochs * steps_an_epoch - warmup)

    def describe(self) -> dict[str, Any]:
        """Return all of the recipe, JSON-ready."""
        sgd = self.sgd
        own = ("auxiliary", "drop_path", "dropout", "mixup", "warmup_epochs")
        return {
            **super().describe(),
            "schedule": sgd.schedule,
            "accumulate": sgd.accumulate,
            "threads": sgd.threads,
            **{name: getattr(self, name) for name in own},
        }
