"""Published settings start: the full network and its size, one step, one sampled architecture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchkit.searching import Budget, search
from benchkit.spaces import get_space
from benchkit.spaces.counts import count_parameters
from benchkit.spaces.engine import build_supernet
from benchkit.strategies import get_weight_sharing
from benchkit.training.presets import get_preset
from benchkit.training.streams import Streams
from benchkit.training.trainer import Trainer
from tests.training.made_up import made_up

# preset, space, image size, classes, parameters in millions (Table 3(a), Table 4; DenseNet-121's known count)
PAPER = [
    ("paper-cifar10", "branches:m@96", 32, 10, 26.2),
    ("paper-cifar10", "branches:mi@96", 32, 10, 72.7),
    ("paper-cifar10", "branches:e@36", 32, 10, 4.6),
    ("paper-cifar10", "branches:ei@36", 32, 10, 15.3),
    ("paper-cifar100", "branches:mi@96", 32, 100, 72.7),
    ("paper-imagenet", "branches:r50@64", 224, 1000, 44.0),
    ("paper-imagenet", "branches:d121@32", 224, 1000, 7.98),
]


@pytest.mark.parametrize(("name", "space_name", "size", "classes", "millions"), PAPER)
def test_paper_preset_starts(name: str, space_name: str, size: int, classes: int, millions: float) -> None:
    preset, space, streams = get_preset(name), get_space(space_name), Streams.of(0)
    full = np.ones((1, space.length), dtype=np.int8)
    counted = count_parameters(space, full, classes=classes)[0] / 1e6
    assert counted == pytest.approx(millions, rel=0.03)
    options = {**preset.options_for("nasas"), "samples": 1}
    trainer = Trainer(
        get_weight_sharing("nasas")(space, streams.strategy, **options),
        build_supernet(space, classes, 3, generator=streams.network),
        made_up(size, classes, valid=2),
        replace(preset.recipe_for("nasas"), epochs=1, batch_size=4, accumulate=2),  # parts of 2
        torch.device("cpu"),
        streams,
        scoring={"images": 2, "batch_size": 2},
    )
    weights = sum(weight.numel() for weight in trainer.supernet.parameters()) / 1e6
    assert weights == pytest.approx(millions, rel=0.04)  # without the scale and shift of batch normalisation
    trainer.weights.images = 50_000  # as many as the prior is weighed against
    trainer.fit()
    assert np.isfinite(trainer.history[0]["loss"])
    trace = search(trainer.strategy, trainer.evaluator, Budget(queries=1))
    assert len(trace) == 1
    assert 0.7 < trace.batch.mean() < 0.9  # near 1 - p as it starts


def test_numbers_of_samples_are_the_papers() -> None:
    assert [
        get_preset(name).options_for("nasas")["samples"]
        for name in ("paper-cifar10", "paper-cifar100", "paper-imagenet")
    ] == [1500, 5000, 1500]
