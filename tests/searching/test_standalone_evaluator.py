"""Training architectures alone: against a loop written by hand, and as an evaluator of searches."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from benchkit.base.errors import InputError
from benchkit.data.images import divide, open_image_set, parse_split
from benchkit.data.images.augment import Augmentation, draw_plan
from benchkit.data.images.image_set import LabelledImages
from benchkit.data.images.splits import SearchImages
from benchkit.searching import Budget, search
from benchkit.searching.standalone_evaluator import StandaloneEvaluator
from benchkit.spaces import ArchitectureError, get_space
from benchkit.spaces.engine import build_network
from benchkit.strategies import get_strategy
from benchkit.training.recipe import TrainingRecipe
from benchkit.training.standalone import StandaloneTrainer, seeds_of

SPACE = get_space("nasbench201-3")
SIZE = {"channels": 2, "cells": 1}
CELL = SPACE.parse("|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|")
OTHER = SPACE.parse("|nor_conv_1x1~0|+|avg_pool_3x3~0|skip_connect~1|")
SGD = TrainingRecipe(epochs=2, batch_size=32, learning_rate=0.1, last_learning_rate=0.0, clip=None)


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def digits() -> tuple[SearchImages, LabelledImages]:
    """100 training, 100 validation and the 360 test images."""
    return divide(open_image_set("digits", limit=200), parse_split("100"))


def trainer(digits: tuple[SearchImages, LabelledImages], **changes: Any) -> StandaloneTrainer:
    test = changes.pop("test", None)
    return StandaloneTrainer(SPACE, digits[0], replace(SGD, **changes), size=SIZE, test=test)


# -- the training itself --------------------------------------------------------------------------


def by_hand(seen: SearchImages, test: LabelledImages, seed: int) -> tuple[list[float], list[list[float]]]:
    """Train `CELL` for two epochs: crops by slicing, SGD with Nesterov momentum written out."""
    weights, order = seeds_of(CELL, seed)
    network = build_network(SPACE, CELL, 10, 1, generator=weights, **SIZE)  # type: ignore[arg-type]
    mean, std = seen.train.x.mean() / 255, seen.train.x.std() / 255
    velocity = {name: torch.zeros_like(p) for name, p in network.named_parameters()}
    losses, accuracies = [], []
    for epoch in range(2):
        plan = draw_plan(100, (8, 8), Augmentation(1, False, 0), order)
        total = 0.0
        network.train()
        for step in range(3):
            index = plan.order[32 * step : 32 * (step + 1)].numpy()
            crops = []
            for position, image in enumerate(index):
                row, column = plan.shift[32 * step + position].tolist()
                padded = np.pad(seen.train.x[image, :, :, 0], 1)
                crops.append(padded[row : row + 8, column : column + 8])
            x = torch.tensor((np.array(crops)[:, None] / 255 - mean) / std, dtype=torch.float32)
            loss = F.cross_entropy(network(x), torch.tensor(seen.train.y[index].astype(int)))
            gradients = torch.autograd.grad(loss, list(network.parameters()))
            rate = 0.1 * (1 + math.cos(math.pi * (3 * epoch + step) / 6)) / 2
            with torch.no_grad():
                for (name, weight), gradient in zip(network.named_parameters(), gradients, strict=True):
                    pull = gradient + 5e-4 * weight
                    velocity[name] = 0.9 * velocity[name] + pull
                    weight -= rate * (pull + 0.9 * velocity[name])
            total += loss.item()
        losses.append(total / 3)
        network.eval()
        right = []
        for part in (seen.valid, test):
            x = torch.tensor((part.x.transpose(0, 3, 1, 2) / 255 - mean) / std, dtype=torch.float32)
            with torch.no_grad():
                right.append(100 * float(np.mean(network(x).argmax(dim=1).numpy() == part.y)))
        accuracies.append(right)
    return losses, accuracies


def test_a_training_is_the_one_written_by_hand(digits: tuple[SearchImages, LabelledImages]) -> None:
    seen, test = digits
    run = trainer(digits, test=test).train(CELL, 3)
    losses, accuracies = by_hand(seen, test, 3)
    assert run.loss == pytest.approx(losses, rel=1e-4)
    assert run.valid == pytest.approx([valid for valid, _ in accuracies], abs=1.01)  # an image of 100
    assert run.test == pytest.approx([tested for _, tested in accuracies], abs=100.01 / 360)
    assert run.train_seconds > 0


def test_a_training_depends_on_architecture_and_seed_alone(
    digits: tuple[SearchImages, LabelledImages],
) -> None:
    first = trainer(digits).train(CELL, 0)
    busy = trainer(digits, test=digits[1])
    busy.train(OTHER, 0)
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index]  # noqa: NPY002
    again = busy.train(CELL, 0)
    assert np.array_equal(first.loss, again.loss)
    assert np.array_equal(first.valid, again.valid)
    assert torch.equal(before[0], torch.random.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])  # type: ignore[index]  # noqa: NPY002
    assert not np.array_equal(first.loss, busy.train(CELL, 1).loss)


def test_streams_of_neighbours_differ() -> None:
    draws = {
        tuple(torch.rand(2, generator=generator).tolist())
        for row in SPACE.at(np.arange(SPACE.size))
        for seed in range(3)
        for generator in seeds_of(row, seed)
    }
    assert len(draws) == 125 * 3 * 2


def test_the_number_of_threads_is_left_as_it_was(digits: tuple[SearchImages, LabelledImages]) -> None:
    torch.set_num_threads(2)
    one = trainer(digits).train(CELL, 0)
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)
    assert np.array_equal(one.loss, trainer(digits).train(CELL, 0).loss)


def test_a_loss_that_is_not_finite_names_the_architecture(
    digits: tuple[SearchImages, LabelledImages],
) -> None:
    with pytest.raises(
        InputError, match=r"nor_conv_3x3~0.* became nan in epoch 1 of 2 \(seed 4\): try a lower"
    ):
        trainer(digits, learning_rate=1e30).train(CELL, 4)


def test_what_cannot_be_trained_is_refused(digits: tuple[SearchImages, LabelledImages]) -> None:
    with pytest.raises(InputError, match=r"batch size 101 must be in 1\.\.100"):
        trainer(digits, batch_size=101)
    with pytest.raises(ArchitectureError):
        trainer(digits).train(np.array([5, 0, 0], np.int8), 0)
    with pytest.raises(InputError, match="seed"):
        trainer(digits).train(CELL, -1)
    with pytest.raises(InputError, match="padding"):
        TrainingRecipe(padding=-1)


def test_only_colour_images_are_mirrored_unless_told() -> None:
    assert TrainingRecipe().for_images((8, 8, 1)) == TrainingRecipe(padding=1, flip=False)
    assert TrainingRecipe().for_images((32, 32, 3)) == TrainingRecipe(padding=4, flip=True)
    assert TrainingRecipe(padding=0, flip=True).for_images((32, 32, 1)).describe_standalone()["flip"] is True


# -- as an evaluator ------------------------------------------------------------------------------


@dataclass
class FakeRun:
    valid: np.ndarray[Any, Any]
    train_seconds: float


class FakeTrainer:
    """Scores a row by its first choice and its seed, and remembers what it was asked."""

    space = SPACE
    epochs = 4
    has_test = False

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    def train(self, architecture: Any, seed: int, epochs: int | None = None) -> FakeRun:
        self.asked.append((*architecture.tolist(), seed, epochs))
        return FakeRun(np.array([0.0, 10.0 * architecture[0] + seed]), 1.5 + seed)


def test_a_score_is_the_mean_over_seeds_and_trained_once() -> None:
    fake = FakeTrainer()
    evaluator = StandaloneEvaluator(fake, 3, timed=True)
    answer = evaluator.evaluate(np.array([[4, 0, 0], [2, 1, 0], [4, 0, 0]], np.int8))
    assert answer.scores.tolist() == [41.0, 21.0, 41.0]
    assert answer.seconds is not None
    assert answer.seconds.tolist() == [7.5, 7.5, 7.5]  # 1.5 + 2.5 + 3.5; charged again for a repeated one
    assert fake.asked == [(4, 0, 0, s, 4) for s in range(3)] + [(2, 1, 0, s, 4) for s in range(3)]
    assert evaluator.evaluate(np.array([[4, 0, 0]], np.int8), 2).scores.tolist() == [41.0]
    assert fake.asked[6:] == [(4, 0, 0, s, 2) for s in range(3)]
    assert evaluator.trained == 3


def test_an_empty_batch_has_empty_answers() -> None:
    answer = StandaloneEvaluator(FakeTrainer()).evaluate(np.empty((0, 3), np.int8))
    assert answer.scores.shape == (0,)
    assert answer.seconds is None


@pytest.mark.parametrize("seeds", [0, [], [1, 1], [-1]])
def test_seeds_that_cannot_be(seeds: Any) -> None:
    with pytest.raises(InputError, match="seed"):
        StandaloneEvaluator(FakeTrainer(), seeds)


def test_a_search_does_not_see_test_images(digits: tuple[SearchImages, LabelledImages]) -> None:
    with pytest.raises(InputError, match="must not see test images"):
        StandaloneEvaluator(trainer(digits, test=digits[1]))


@pytest.mark.parametrize("fidelity", [0, 5])
def test_a_fidelity_is_a_number_of_epochs(fidelity: int) -> None:
    with pytest.raises(InputError, match=r"1\.\.4"):
        StandaloneEvaluator(FakeTrainer()).evaluate(np.array([CELL]), fidelity)


def test_a_search_by_training_is_the_same_twice(digits: tuple[SearchImages, LabelledImages]) -> None:
    def once() -> tuple[Any, StandaloneEvaluator]:
        evaluator = StandaloneEvaluator(trainer(digits), seeds=[5])
        strategy = get_strategy("random-search")(SPACE, np.random.default_rng(1), batch=2)
        return search(strategy, evaluator, Budget(queries=3)), evaluator

    (first, evaluator), (again, _) = once(), once()
    assert len(first) == 3
    assert first.digest() == again.digest()
    row = first.batch[1]
    assert first.scores[1] == trainer(digits).train(row, 5).valid[-1]
    assert first.fidelity.tolist() == [2, 2, 2]
    with pytest.raises(InputError, match="budget in queries"):
        search(get_strategy("random-search")(SPACE, np.random.default_rng(1)), evaluator, Budget(None, 1.0))


def test_a_budget_in_seconds_ends_a_timed_search() -> None:
    strategy = get_strategy("random-search")(SPACE, np.random.default_rng(1), batch=2)
    trace = search(strategy, StandaloneEvaluator(FakeTrainer(), timed=True), Budget(None, 4.0))
    assert trace.seconds.tolist() == [1.5, 3.0]


def test_the_evaluator_alone_does_not_load_torch() -> None:
    code = "import sys, benchkit.searching.standalone_evaluator; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]


def test_a_schedule_that_is_not_the_usual_one_is_part_of_the_recipe() -> None:
    assert "schedule" not in SGD.describe_standalone()
    assert replace(SGD, schedule="linear").describe_standalone()["schedule"] == "linear"
