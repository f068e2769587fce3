"""VAENAS's settings of appendix A.1 start: the full supernet and its size, one step, one ranking, one row."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchkit.searching import Budget, search
from benchkit.spaces import get_space
from benchkit.spaces.counts import count
from benchkit.spaces.engine import build_supernet
from benchkit.strategies import get_weight_sharing
from benchkit.training.presets import get_preset
from benchkit.training.streams import Streams
from benchkit.training.trainer import Trainer
from tests.training.made_up import made_up

TINY = {"ranked": 2, "vae_hidden": 8, "vae_latent": 2, "vae_iterations": 2, "vae_batch_size": 2}

# preset, space, method, image size, classes; bounds of the median of its architectures, in millions: chains
# have 3.2 to 4.2 (see their network), the cells that VAENAS found 3.4 to 5.2 (CIFAR-10) and 6 (ImageNet)
PAPER = [
    ("vaenas-shufflenet", "shufflenet", "vaenas", 224, 1000, (3.1, 4.3)),
    ("vaenas-nasnet-imagenet", "nasnet", "vaenas", 224, 1000, (3.0, 9.0)),
    ("vaenas-nasnet-imagenet", "nasnet", "vaenas-g", 224, 1000, (3.0, 9.0)),
    ("vaenas-nasnet-cifar10", "nasnet", "vaenas", 32, 10, (2.0, 8.0)),
    ("vaenas-nasnet-cifar10", "nasnet", "vaenas-g", 32, 10, (2.0, 8.0)),
]

SHUFFLENET_FIXED = (3 * 16 * 9 + 640 * 1024 + 1024 * 1000 + 1000) / 1e6
"""Stem, last convolution and classifier, in millions."""


@pytest.mark.parametrize(("name", "space_name", "method", "size", "classes", "bounds"), PAPER)
def test_paper_preset_starts(
    name: str, space_name: str, method: str, size: int, classes: int, bounds: tuple[float, float]
) -> None:
    preset, space, streams = get_preset(name), get_space(space_name), Streams.of(0)
    options = dict(preset.size.get(space_name, {}))
    rows = space.sample(np.random.default_rng(0), 50)
    millions = count(space, rows, classes, **options).parameters / 1e6
    assert bounds[0] < np.median(millions) < bounds[1]
    supernet = build_supernet(space, classes, 3, generator=streams.network, **options)
    weights = sum(weight.numel() for weight in supernet.parameters()) / 1e6
    # what every architecture has, once, and what each operation adds where it is chosen everywhere
    constant = np.repeat(np.arange(space.arity[0], dtype=np.int8)[:, None], space.length, axis=1)
    each = count(space, constant, classes, **options).parameters / 1e6
    fixed = each[0] if space_name == "nasnet" else SHUFFLENET_FIXED
    assert weights == pytest.approx(fixed + (each - fixed).sum(), rel=0.04)  # without normalisation's
    trainer = Trainer(
        get_weight_sharing(method)(space, streams.strategy, **TINY),
        supernet,
        made_up(size, classes),
        replace(preset.recipe_for(method), epochs=1, batch_size=4, accumulate=2),  # parts of 2
        torch.device("cpu"),
        streams,
        scoring={"images": 2, "batch_size": 2},
    )
    trainer.fit()
    row = trainer.history[0]
    assert np.isfinite([row["loss"], row["strategy/vae_loss"]]).all()
    trace = search(trainer.strategy, trainer.evaluator, Budget(queries=1))
    assert len(trace) == 1


def test_numbers_are_those_of_a1() -> None:
    shuffle, imagenet, cifar = (
        get_preset(name).recipe
        for name in ("vaenas-shufflenet", "vaenas-nasnet-imagenet", "vaenas-nasnet-cifar10")
    )
    assert [(r.epochs, r.batch_size) for r in (shuffle, imagenet, cifar)] == [
        (480, 1024),
        (300, 512),
        (600, 48),
    ]
    for recipe in (shuffle, imagenet):
        assert (recipe.learning_rate, recipe.momentum, recipe.weight_decay) == (0.5, 0.9, 3e-5)
        assert [recipe.rate_at(step, 10) for step in (0, 5, 10)] == pytest.approx([0.5, 0.25, 0.0])
    assert {recipe.label_smoothing for recipe in (shuffle, imagenet, cifar)} == {0.1}
    assert (cifar.schedule, cifar.learning_rate, cifar.cutout) == ("cosine", 0.025, 16)


@pytest.mark.parametrize("cells", [8, 20])
def test_both_depths_of_table_6_are_a_size(cells: int) -> None:
    options = {**get_preset("vaenas-nasnet-cifar10").size["nasnet"], "cells": cells}
    space = get_space("nasnet")
    deep = count(space, space.sample(np.random.default_rng(0), 5), 10, **options).parameters
    assert ((deep > 1.5e6) if cells == 20 else (deep < 4e6)).all()
