"""Named settings of a weight-sharing search: how long to train, how large the network, what to score.

``nasbench201`` is the published protocol of the weight-sharing baselines (Dong and Yang, 2020, and its
published scripts: batch 64, SGD .025 to .001, 250 epochs, but 50 for DARTS; subnets scored on batches of
512). ``small`` is this project's own: the same optimizer on a network that trains in minutes on two cores;
methods that run several passes a step train for fewer epochs, still over 3,000 steps on half of CIFAR-10.
``paper-cifar10``, ``paper-cifar100`` and ``paper-imagenet`` are NASAS's settings (Zhou et al., 2019), for the
spaces `branches` at full width. ``vaenas-shufflenet``, ``vaenas-nasnet-imagenet`` and
``vaenas-nasnet-cifar10`` are those of VAENAS (anonymous, under double-blind review), appendix A.1.
``paper-nasbench201`` is GibbsNAS's Table 3 (Xue et al., 2021): ``nasbench201`` for the methods beside it, and
its own batches (64 of training, 2,048 of validation) and learning rate for ``gibbsnas``.
``paper-darts`` is the search of DARTS (Liu et al., 2019, appendix A.1: 8 cells, 16 channels, 50 epochs, batch
64), with GibbsNAS's own batches and learning rate as above, which it names for this space too.
``paper-small`` and ``paper-large`` are PC-NAS's (Li et al., 2019, section 4.1), for ``mobile-small`` and
``mobile-large`` with images of 224 pixels: 200 epochs, which are a warm-up of 100 and 20 intervals of 5; with
``--set warmup=150`` there are 250. Its pool of 5 and its 900 samples are the strategy's own defaults.
``paper-base`` and ``paper-convergence`` are SI-VDNAS's (Wang et al., 2020, section 4.2), for ``darts-multi``:
the search of DARTS on batches of 64, in 50 and in 150 epochs.

Deviations and choices
----------------------
- NASAS keeps its hyperparameters in a supplement that is not available. Known are SGD, l^2 = 150,
  temperature 1/5, and 1,500, 5,000 and 1,500 samples. On CIFAR the schedule is that of the ENAS network, on
  which E and EI are built (630 epochs, batch 144, rate .05; here one cosine instead of restarts), with cutout
  16; on ImageNet that of the ResNet and DenseNet papers (90 epochs, batch 256, rate .1), with a cosine and
  label smoothing .1.
- NASAS brings a prior of the weights: its weight decay is off, whatever the recipe says.
- VAENAS: A.1 does not say whether it describes the supernet or the network found; its numbers serve for both
  here. On CIFAR-10 it refers to the common pipeline, which is that of DARTS for networks found (Liu et al.,
  2019, appendix A: SGD .025 to 0 by a cosine, weight decay 3e-4, clipping at 5, cutout 16, 36 channels, 20
  cells); no momentum is Nesterov's, label smoothing is .1, and with .5 nothing is clipped.
- VAENAS: the auxiliary tower (.4), drop path (.2) and dropout (.5) of A.1 belong to a network that is trained
  alone, by ``benchkit train`` (`benchkit.training.final_presets` has presets of the same names); they are off
  in a supernet, where every batch trains another network already.
- PC-NAS does not say how many images its devices normalise together; here ``--accumulate`` runs the batch of
  512 in parts. Nothing is clipped or smoothed. A subnet is scored on batches of 128.
- GibbsNAS gives neither its epochs on NAS-Bench-201 nor its decay of the learning rate: here 50 epochs as for
  DARTS there, and the cosine of .1 that ends at 0. Its 1st order (``--set omega=sgd``) trains the weights by
  SGD, for which DARTS's ``--learning-rate 0.025`` is meant. ``small`` takes 256 validation images instead of
  2,048.
- VAENAS: Table 6 searches at depth 8 and 20: ``--size cells=8``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from benchkit.base.errors import InputError, unknown
from benchkit.training.recipe import TrainingRecipe

__all__ = ["PRESETS", "Preset", "get_preset"]


@dataclass(frozen=True)
class Preset:
    """One named setting.

    Attributes
    ----------
    recipe : of the training.
    epochs_of : epochs of single strategies, where they differ from the recipe's.
    recipe_of : what single strategies change in the recipe beside their epochs.
    size : options of the network by space, or by what stands before the colon in its name (see `size_of`).
    images : validation images on which a subnet is scored; None is all.
    scoring_batch : images a batch of scoring; with batch statistics it decides the score, too.
    queries : architectures that the search scores; None is the method's published number.
    options_of : hyperparameters of single strategies, where they differ from their own defaults.
    """

    recipe: TrainingRecipe
    epochs_of: Mapping[str, int] = field(default_factory=dict)
    recipe_of: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    size: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    images: int | None = None
    scoring_batch: int = 512
    queries: int | None = None
    options_of: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def recipe_for(self, strategy: str) -> TrainingRecipe:
        """Return the recipe with the strategy's own number of epochs, and what else it changes."""
        epochs = self.epochs_of.get(strategy, self.recipe.epochs)
        return replace(self.recipe, epochs=epochs, **self.recipe_of.get(strategy, {}))

    def size_of(self, space: str) -> Mapping[str, int]:
        """Return the options of the network of a space by its name; without any, it is as published."""
        return self.size.get(space, self.size.get(space.partition(":")[0], {}))


_DENSE = MappingProxyType({"channels": 8, "cells": 1})
_STAGES = MappingProxyType({"divisor": 4, "stem_stride": 1, "strided_stages": 3})
_ENAS = TrainingRecipe(
    epochs=630, batch_size=144, learning_rate=0.05, last_learning_rate=0.0001, cutout=16, weight_decay=1e-4
)
_VAENAS = TrainingRecipe(
    learning_rate=0.5,
    last_learning_rate=0.0,
    schedule="linear",
    nesterov=False,
    weight_decay=3e-5,
    clip=None,
    label_smoothing=0.1,
)

_PCNAS = Preset(
    TrainingRecipe(
        epochs=200,
        batch_size=512,
        learning_rate=0.1,
        last_learning_rate=5e-4,
        weight_decay=1e-4,
        clip=None,
    ),
    scoring_batch=128,
    options_of={"pcnas": {"warmup": 100, "interval": 5}},
)

_DARTS = TrainingRecipe(epochs=50, nesterov=False, weight_decay=3e-4)
_SEARCHED = MappingProxyType({"channels": 16, "cells": 8})

_NASBENCH201 = Preset(TrainingRecipe(), epochs_of={"darts": 50, "darts-v2": 50})
_GIBBS = {"learning_rate": 0.1, "last_learning_rate": 0.0}

PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "small": Preset(
            TrainingRecipe(epochs=20),
            epochs_of={
                "darts": 10,
                "darts-v2": 8,
                "fairnas": 8,
                "setn": 10,
                "pcnas": 30,
                "gibbsnas": 8,
                "sivdnas": 10,
            },
            size={
                "nasbench201": _DENSE,
                "nasbench201-3": _DENSE,
                "nasbench-macro": {"channels": 8, "features": 128},
                "nasbench101": {"channels": 16, "cells": 1},
                "darts": {"channels": 8, "cells": 5},
                "darts-multi": {"channels": 8, "cells": 5},
                "nasnet": {"channels": 8, "cells": 5},
                "shufflenet": _STAGES,
                "mobile-small": _STAGES,
                "mobile-large": _STAGES,
            },
            recipe_of={"gibbsnas": {**_GIBBS, "valid_batch_size": 256}},
            images=1000,
            scoring_batch=500,
            queries=200,
            options_of={
                # 30 epochs are 10 + 20 x 1 for 21 layers, as the paper's 200 are 100 + 20 x 5
                "pcnas": {"samples": 10},
                # rewards after an epoch: 200 of 250 images, as published 1,000 of 512
                "enas": {"steps": 10, "images": 250},
            },
        ),
        "nasbench201": _NASBENCH201,
        "paper-nasbench201": replace(
            _NASBENCH201,
            epochs_of={**_NASBENCH201.epochs_of, "gibbsnas": 50},
            recipe_of={"gibbsnas": {**_GIBBS, "valid_batch_size": 2048}},
        ),
        "paper-base": Preset(_DARTS, size={"darts-multi": _SEARCHED, "darts": _SEARCHED}),
        "paper-convergence": Preset(
            replace(_DARTS, epochs=150), size={"darts-multi": _SEARCHED, "darts": _SEARCHED}
        ),
        "paper-darts": Preset(
            _DARTS,
            size={"darts": _SEARCHED},
            recipe_of={"gibbsnas": {**_GIBBS, "valid_batch_size": 2048}},
        ),
        "paper-cifar10": Preset(_ENAS, options_of={"nasas": {"samples": 1500}}),
        "paper-cifar100": Preset(_ENAS, options_of={"nasas": {"samples": 5000}}),
        "paper-imagenet": Preset(
            TrainingRecipe(
                epochs=90, batch_size=256, learning_rate=0.1, last_learning_rate=0.0, label_smoothing=0.1
            ),
            scoring_batch=128,
            options_of={"nasas": {"samples": 1500}},
        ),
        "paper-small": _PCNAS,
        "paper-large": _PCNAS,
        "vaenas-shufflenet": Preset(
            replace(_VAENAS, epochs=480, batch_size=1024),
            scoring_batch=128,  # the published strides, for 224 pixels
        ),
        "vaenas-nasnet-imagenet": Preset(
            replace(_VAENAS, epochs=300, batch_size=512),
            size={"nasnet": {"channels": 48, "cells": 14, "stem_stride": 8}},
            scoring_batch=128,
        ),
        "vaenas-nasnet-cifar10": Preset(
            TrainingRecipe(
                epochs=600,
                batch_size=48,
                last_learning_rate=0.0,
                nesterov=False,
                weight_decay=3e-4,
                label_smoothing=0.1,
                cutout=16,
            ),
            size={"nasnet": {"channels": 36, "cells": 20}},
        ),
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
