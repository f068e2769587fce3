"""PC-NAS's settings of section 4.1 start: the full supernets and their sizes, one step, one scored chain."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from benchkit.searching import Budget, search
from benchkit.spaces import get_space
from benchkit.spaces.counts import count_parameters
from benchkit.spaces.engine import build_supernet
from benchkit.strategies import get_weight_sharing
from benchkit.strategies.weight_sharing import Closure, ImageBatch
from benchkit.training.presets import get_preset
from benchkit.training.recipe import TrainingRecipe
from benchkit.training.streams import Streams
from benchkit.training.trainer import Trainer
from tests.training.made_up import made_up

# preset, space, the supernet's parameters in millions, as `weights_by_hand` gives them
PAPER = [("paper-small", "mobile-small", 23.108), ("paper-large", "mobile-large", 241.083)]
WIDTHS = np.repeat([24, 40, 80, 96, 192, 320], [4, 4, 4, 4, 4, 1])


def weights_by_hand(name: str, classes: int) -> float:
    """Return the convolutions' and the classifier's weights of a whole supernet, in millions."""
    inputs = np.array([16, 24, 40, 80, 96, 192])
    outputs = np.array([24, 40, 80, 96, 192, 320])
    total = 3 * 9 * 32 + 32 * (32 + 9 + 16) + (3 * inputs * (inputs + 9 + outputs)).sum()
    total += 320 * 1280 + 1281 * classes
    for kernel in (3, 5, 7):
        for expansion in (1, 3, 6):
            total += (expansion * WIDTHS * (2 * WIDTHS + kernel**2)).sum()
    if name == "mobile-large":
        # expansion e: 2 e w^2 for the outer ones; e^2 w^2 times 9 (NConv), 18 (DConv), 2 K (RConv) between
        middle = [(1, 9), (2, 9), (1, 18), (2, 18), (1, 10), (2, 10), (4, 10), (1, 14), (2, 14), (4, 14)]
        total += sum((WIDTHS**2 * (2 * e + e**2 * area)).sum() for e, area in middle)
    return float(total / 1e6)


def trainer_of(
    name: str, space_name: str, side: int, classes: int, train: int, size: dict[str, int], **recipe: Any
) -> Trainer:
    preset, space, streams = get_preset(name), get_space(space_name), Streams.of(0)
    return Trainer(
        get_weight_sharing("spos")(space, streams.strategy),
        build_supernet(space, classes, 3, generator=streams.network, **size),
        made_up(side, classes, train=train),
        replace(preset.recipe_for("pcnas"), epochs=1, **recipe),
        torch.device("cpu"),
        streams,
        scoring={"images": 2, "batch_size": 2},
    )


@pytest.mark.parametrize(("name", "space_name", "millions"), PAPER)
def test_paper_preset_starts(name: str, space_name: str, millions: float) -> None:
    size = dict(get_preset(name).size_of(space_name))
    assert size == {}  # the published one
    trainer = trainer_of(name, space_name, 224, 1000, 4, size, batch_size=4, accumulate=2)  # parts of 2
    weights = sum(weight.numel() for weight in trainer.supernet.parameters()) / 1e6
    assert weights == pytest.approx(weights_by_hand(space_name, 1000))
    assert weights == pytest.approx(millions, abs=0.001)
    trainer.fit()
    assert np.isfinite(trainer.history[0]["loss"])
    trace = search(trainer.strategy, trainer.evaluator, Budget(queries=1))
    assert len(trace) == 1


def test_parts_of_two_images_make_the_batch_of_512(monkeypatch: pytest.MonkeyPatch) -> None:
    size = {"divisor": 8, "stem_stride": 1, "strided_stages": 3}
    trainer = trainer_of("paper-small", "mobile-small:6", 8, 5, 512, size, accumulate=256)
    parts: list[int] = []
    trainer.supernet.stem.register_forward_hook(lambda _m, inputs, _o: parts.append(len(inputs[0])))
    step = trainer.strategy.weight_step
    steps: list[int] = []

    def counted(closure: Closure, train: ImageBatch) -> torch.Tensor:
        steps.append(len(train.images))
        return step(closure, train)

    monkeypatch.setattr(trainer.strategy, "weight_step", counted)
    trainer.fit()
    assert steps == [512]
    assert parts == [2] * 256


@pytest.mark.parametrize("name", ["paper-small", "paper-large"])
def test_numbers_are_those_of_section_4_1(name: str) -> None:
    recipe = get_preset(name).recipe_for("pcnas")
    assert isinstance(recipe, TrainingRecipe)
    assert (recipe.momentum, recipe.nesterov, recipe.weight_decay) == (0.9, True, 1e-4)
    assert (recipe.batch_size, recipe.clip, recipe.label_smoothing) == (512, None, 0.0)
    assert recipe.epochs == 100 + 20 * 5
    assert [recipe.rate_at(step, 10) for step in (0, 5, 10)] == pytest.approx([0.1, 0.05025, 5e-4])


def test_a_smaller_depth_has_the_size_of_its_space() -> None:
    small = get_preset("small")
    assert small.size_of("mobile-small:11") == small.size_of("mobile-small") != {}
    assert small.size_of("nasnet:") == small.size["nasnet"]
    assert small.size_of("branches:m@8") == {}


def test_the_small_networks_are_small() -> None:
    for name, most in (("mobile-small", 0.5), ("mobile-large", 2.5)):
        space = get_space(name)
        rows = space.sample(np.random.default_rng(0), 200)
        size = get_preset("small").size_of(name)
        assert np.median(count_parameters(space, rows, 10, **size)) < most * 1e6
