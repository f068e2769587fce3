"""Named settings of final trainings: the recipe of a paper, and the size of the network that it trains.

=======================  =================================================================================
preset                   source
=======================  =================================================================================
darts-cifar10            Liu et al., "DARTS", ICLR 2019, section 3.2 and its published code
darts-cifar10-300        the same in 300 epochs; GibbsNAS, Figure 2, has both lengths
vaenas-nasnet-cifar10    VAENAS (under double-blind review), appendix A.1: batch 48, label smoothing
vaenas-nasnet-imagenet   VAENAS, A.1: 300 epochs, batch 512, rate .5 to 0, linear; 14 cells of 48 channels
vaenas-shufflenet        VAENAS, A.1: 480 epochs, batch 1,024, dropout .5
pcnas                    PC-NAS (Li et al., 2019), section 4.1: squeeze-and-excitation and mixup
nasbench201              Dong and Yang, "NAS-Bench-201", ICLR 2020, table 1: 200 epochs, batch 256
sivdnas-cifar            SI-VDNAS (Wang et al., 2020), section 4.3: 600 epochs, batch 96, drop path .3
sivdnas-imagenet         the same, mobile setting: 250 epochs, batch 1,024, rate .5 to 0, linear
small                    this project's own: minutes on a core for small networks, see below
=======================  =================================================================================

A preset with ``cells`` and ``channels`` is for networks of two cells with an auxiliary classifier, whatever
their operations. The size of one without is the published one of its space.

Deviations and choices
----------------------
- VAENAS: A.1 says "Cutout" and "label smoothing" without a size: 16 and .1, as everywhere; and refers to the
  common pipeline for the rest on CIFAR-10, which is that of DARTS. Momentum is not Nesterov's in either.
  On ImageNet and for ShuffleNet nothing is clipped: the text names no clipping. The optimizers are those of
  the presets of the same names of ``benchkit search``, where A.1's text serves, too.
- VAENAS: A.1 has no drop path on ImageNet, and neither auxiliary tower nor drop path for ShuffleNet.
- PC-NAS names mixup without its alpha: .2, as Zhang et al. (2018) use on ImageNet. Nothing is clipped.
- PC-NAS: "the hyperparameters used to train this best model are the same as that of supergraph": rate .1 to
  5e-4, batch 512, weight decay 1e-4, 300 epochs.
- SI-VDNAS: weight decay is 3e-4 for CIFAR-10 and 5e-4 for CIFAR-100 (``--weight-decay 5e-4``), which is how
  P-DARTS, its reference, uses the two numbers. Auxiliary weight .4, cutout 16 and, on ImageNet, clipping at 5
  and label smoothing .1 are those of DARTS, whose process it follows.
- small: the optimizer of NAS-Bench-201 with batches of 64 in 10 epochs, on the networks of the preset
  ``small`` of ``benchkit search``; nothing is added to the loss. At the speed measured on one core beside
  other work, CIFAR-10 takes 6 minutes with cells of NAS-Bench-201, 12 with NAS-Bench-Macro, 26 with
  ``shufflenet`` and 45 with ``nasnet``; ``--image-size 16`` has a quarter of the pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from benchkit.base.errors import InputError, unknown
from benchkit.spaces import Space
from benchkit.spaces.sizes import network_size
from benchkit.training.final_recipe import FinalRecipe
from benchkit.training.presets import get_preset
from benchkit.training.recipe import TrainingRecipe

__all__ = ["FINAL_PRESETS", "FinalPreset", "get_final_preset"]


@dataclass(frozen=True)
class FinalPreset:
    """One named setting.

    Attributes
    ----------
    recipe : of the training.
    size : options of the network, which every space that it is for must have.
    size_of : from a space's name to further options of its network; the published size without any.
    """

    recipe: FinalRecipe
    size: Mapping[str, int] = field(default_factory=dict)
    size_of: Callable[[str], Mapping[str, int]] = field(default=lambda name: {})

    def size_for(self, space: Space) -> dict[str, int]:
        """Return the options of a space's network.

        Raises
        ------
        InputError : the space has no network, or one without the options that the preset sets.
        """
        known = network_size(space).options()
        if not known.keys() >= self.size.keys():
            raise InputError(
                f"this preset is for networks with the options {', '.join(self.size)}; that of {space.name} "
                f"has {', '.join(known) or 'none'}: choose another --preset, such as small"
            )
        return {**self.size, **self.size_of(space.name)}


_DARTS = FinalRecipe(
    TrainingRecipe(
        epochs=600,
        batch_size=96,
        learning_rate=0.025,
        last_learning_rate=0.0,
        nesterov=False,
        weight_decay=3e-4,
        clip=5.0,
        cutout=16,
    ),
    auxiliary=0.4,
    drop_path=0.2,
)
_CELLS = MappingProxyType({"cells": 20, "channels": 36})


def _vaenas(name: str, **additions: float) -> FinalRecipe:
    return FinalRecipe(get_preset(name).recipe, **additions)  # type: ignore[arg-type]  # none is an integer


FINAL_PRESETS: Mapping[str, FinalPreset] = MappingProxyType(
    {
        "small": FinalPreset(
            FinalRecipe(
                TrainingRecipe(epochs=10, batch_size=64, learning_rate=0.1, last_learning_rate=0.0, clip=None)
            ),
            size_of=get_preset("small").size_of,
        ),
        "nasbench201": FinalPreset(
            FinalRecipe(
                TrainingRecipe(
                    epochs=200, batch_size=256, learning_rate=0.1, last_learning_rate=0.0, clip=None
                )
            )
        ),
        "darts-cifar10": FinalPreset(_DARTS, _CELLS),
        "darts-cifar10-300": FinalPreset(replace(_DARTS, sgd=replace(_DARTS.sgd, epochs=300)), _CELLS),
        "vaenas-nasnet-cifar10": FinalPreset(
            _vaenas("vaenas-nasnet-cifar10", auxiliary=0.4, drop_path=0.2),
            get_preset("vaenas-nasnet-cifar10").size["nasnet"],
        ),
        "vaenas-nasnet-imagenet": FinalPreset(
            _vaenas("vaenas-nasnet-imagenet", auxiliary=0.4),
            get_preset("vaenas-nasnet-imagenet").size["nasnet"],
        ),
        "vaenas-shufflenet": FinalPreset(_vaenas("vaenas-shufflenet", dropout=0.5)),
        "sivdnas-cifar": FinalPreset(replace(_DARTS, drop_path=0.3), _CELLS),
        "sivdnas-imagenet": FinalPreset(
            FinalRecipe(
                TrainingRecipe(
                    epochs=250,
                    batch_size=1024,
                    learning_rate=0.5,
                    last_learning_rate=0.0,
                    schedule="linear",
                    nesterov=False,
                    weight_decay=3e-5,
                    clip=5.0,
                    label_smoothing=0.1,
                ),
                auxiliary=0.4,
                warmup_epochs=5,
            ),
            MappingProxyType({"cells": 14, "channels": 48, "stem_stride": 8}),
        ),
        "pcnas": FinalPreset(
            FinalRecipe(replace(get_preset("paper-small").recipe, epochs=300), mixup=0.2), {"squeeze": 1}
        ),
    }
)


def get_final_preset(name: str) -> FinalPreset:
    """Return the preset of that name.

    Raises
    ------
    InputError : there is no such preset; it lists those there are.
    """
    if name not in FINAL_PRESETS:
        error: InputError = unknown("training preset", name, FINAL_PRESETS)
        raise error
    return FINAL_PRESETS[name]
