"""Presets of final trainings start: the full-size network, its parameters, one step of the whole recipe."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import benchkit
from benchkit.base.errors import InputError
from benchkit.data.images.image_set import LabelledImages
from benchkit.spaces import get_space
from benchkit.spaces.counts import count
from benchkit.spaces.engine import build_network
from benchkit.training.final_data import FinalData, SeenImages
from benchkit.training.final_settings import FinalSettings
from benchkit.training.final_trainer import FinalStreams, FinalTrainer
from benchkit.training.presets import get_preset, presets

pytestmark = pytest.mark.usefixtures("one_thread")

# preset, space, image size, classes, bounds of one random architecture's parameters in millions: the papers'
# networks have 3.4 to 5.2 (DARTS and VAENAS on CIFAR-10), 6 (VAENAS on ImageNet), 3.2 to 4.2 (see the chain),
# 5.1 (PC-NAS-S); those of NAS-Bench-201 0.07 to 1.53
PAPER = [
    ("darts-cifar10", "nasnet", 32, 10, (1.5, 8.0)),
    ("darts-cifar10-300", "nasnet", 32, 10, (1.5, 8.0)),
    ("sivdnas-cifar", "darts-multi", 32, 10, (10.0, 30.0)),  # half of all operations, on nearly every edge
    ("sivdnas-imagenet", "darts", 224, 1000, (3.0, 9.0)),
    ("vaenas-nasnet-cifar10", "nasnet", 32, 10, (1.5, 8.0)),
    ("vaenas-nasnet-imagenet", "nasnet", 224, 1000, (3.0, 9.0)),
    ("vaenas-shufflenet", "shufflenet", 224, 1000, (3.1, 4.3)),
    ("pcnas", "mobile-small", 224, 1000, (3.0, 9.0)),
    ("pcnas", "mobile-large", 224, 1000, (3.0, 25.0)),
    ("nasbench201", "nasbench201", 32, 10, (0.07, 1.54)),
    ("small", "nasbench201", 32, 10, (0.001, 0.1)),
    ("small", "nasnet", 32, 10, (0.01, 0.3)),
]


def made_up(size: int, classes: int) -> SeenImages:
    """Two images of random pixels."""
    pixels = np.random.default_rng(0).integers(0, 256, (2, size, size, 3), dtype=np.uint8)
    labels = np.array([0, classes - 1], dtype=np.uint16)
    return SeenImages(LabelledImages(pixels, labels), None, classes, (size, size, 3), {"name": "made-up"})


@pytest.mark.parametrize(("name", "space_name", "size", "classes", "bounds"), PAPER)
def test_preset_starts(
    name: str, space_name: str, size: int, classes: int, bounds: tuple[float, float]
) -> None:
    space = get_space(space_name)
    row = space.sample(np.random.default_rng(1), 1)[0]
    settings = FinalSettings(space.format(row), space_name, "made-up", preset=name, batch_size=2)
    options, seen = settings.network(), made_up(size, classes)
    recipe = settings.recipe().for_images(seen.size)
    # drop path is on in the second epoch
    recipe = replace(recipe, epochs=2, warmup_epochs=min(recipe.warmup_epochs, 1))
    streams = FinalStreams.of(row, 0, torch.device("cpu"))
    network = build_network(space, row, classes, 3, generator=streams.weights, **options)  # type: ignore[arg-type]
    counted = int(count(space, row[None], classes, size, **options).parameters[0])
    assert bounds[0] < counted / 1e6 < bounds[1]
    auxiliary = getattr(network, "auxiliary", None)
    assert (auxiliary is not None) == (recipe.auxiliary > 0)
    extra = sum(weight.numel() for weight in auxiliary.parameters()) if auxiliary is not None else 0
    assert sum(weight.numel() for weight in network.parameters()) == counted + extra
    data = FinalData(seen, recipe, streams.batches, torch.device("cpu"))
    trainer = FinalTrainer(network, data, recipe, torch.device("cpu"), streams)
    trainer.epoch = 1
    trainer.fit()
    (step,) = trainer.history
    assert np.isfinite(step["loss"])
    assert step["drop_path"] == pytest.approx(recipe.drop_path / 2)


def test_every_preset_is_proven_to_start() -> None:
    assert {name for name, *_ in PAPER} == set(presets("train"))


README = Path(benchkit.__file__).parents[1] / "README.md"


@pytest.mark.skipif(not README.is_file(), reason="not a checkout")
def test_every_preset_is_named_in_the_readme() -> None:
    text = README.read_text(encoding="utf-8")
    assert [name for name in presets("train") if f"`{name}`" not in text] == []


def test_numbers_of_the_papers() -> None:
    darts = get_preset("darts-cifar10", "train")
    sgd = darts.recipe
    assert (sgd.epochs, sgd.batch_size, sgd.learning_rate, sgd.last_learning_rate) == (600, 96, 0.025, 0.0)
    assert (sgd.momentum, sgd.nesterov, sgd.weight_decay, sgd.clip, sgd.cutout) == (0.9, False, 3e-4, 5.0, 16)
    assert (darts.recipe.auxiliary, darts.recipe.drop_path) == (0.4, 0.2)
    assert darts.size == {"all": {"cells": 20, "channels": 36}}
    assert get_preset("darts-cifar10-300", "train").recipe == replace(sgd, epochs=300)

    cifar, imagenet, shuffle = (
        get_preset(f"vaenas-{name}", "train").recipe
        for name in ("nasnet-cifar10", "nasnet-imagenet", "shufflenet")
    )
    assert [(r.epochs, r.batch_size, r.label_smoothing) for r in (cifar, imagenet, shuffle)] == [
        (600, 48, 0.1),
        (300, 512, 0.1),
        (480, 1024, 0.1),
    ]
    assert [(r.auxiliary, r.drop_path, r.dropout) for r in (cifar, imagenet, shuffle)] == [
        (0.4, 0.2, 0.0),
        (0.4, 0.0, 0.0),
        (0.0, 0.0, 0.5),
    ]
    assert cifar.cutout == 16

    pcnas = get_preset("pcnas", "train")
    sgd = pcnas.recipe
    assert (sgd.epochs, sgd.batch_size, sgd.nesterov, sgd.weight_decay) == (300, 512, True, 1e-4)
    assert [pcnas.recipe.rate_at(step, 300) for step in (0, 150, 300)] == pytest.approx([0.1, 0.05025, 5e-4])
    assert pcnas.size == {"all": {"squeeze": 1}}

    sgd = get_preset("nasbench201", "train").recipe
    assert (sgd.epochs, sgd.batch_size, sgd.nesterov, sgd.weight_decay) == (200, 256, True, 5e-4)
    assert (sgd.learning_rate, sgd.last_learning_rate, sgd.clip) == (0.1, 0.0, None)


def test_a_preset_of_other_networks_is_refused() -> None:
    with pytest.raises(InputError, match=r"options cells, channels; that of shufflenet has divisor"):
        get_preset("darts-cifar10", "train").size_for(get_space("shufflenet"))
    with pytest.raises(InputError, match=r"options squeeze; that of nasbench201 has channels, cells"):
        get_preset("pcnas", "train").size_for(get_space("nasbench201"))
    with pytest.raises(InputError, match=r"unknown training preset 'dart'"):
        get_preset("dart", "train")


def test_the_auxiliary_classifier_is_built_where_it_is_trained() -> None:
    text = get_space("nasnet").format(get_space("nasnet").sample(np.random.default_rng(0), 1)[0])
    settings = FinalSettings(text, "nasnet", "cifar10", preset="darts-cifar10", size={"cells": 8})
    assert settings.network() == {"channels": 36, "cells": 8, "stem_stride": 1, "auxiliary": 1}
    assert replace(settings, auxiliary=0.0).network()["auxiliary"] == 0
