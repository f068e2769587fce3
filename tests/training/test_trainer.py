"""The trainer: what it computes, that it repeats, and that an interruption changes nothing."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchkit.base.errors import InputError
from benchkit.data.images import SearchImages
from benchkit.spaces import Architecture
from benchkit.strategies import weight_sharing_names
from benchkit.strategies.spos import SPOS
from benchkit.strategies.weight_sharing import Evaluate
from benchkit.training.recipe import TrainingRecipe
from benchkit.training.trainer import Progress, Trainer
from benchkit.training.weights import SgdWeights

Make = Callable[..., Trainer]
STRATEGIES = tuple(weight_sharing_names())


def state(trainer: Trainer) -> dict[str, torch.Tensor]:
    kept = {f"network.{name}": value.clone() for name, value in trainer.supernet.state_dict().items()}
    kept |= {f"momentum.{name}": value.clone() for name, value in trainer.weights.state_tensors().items()}
    return kept | {f"own.{name}": value.clone() for name, value in trainer.strategy.state_tensors().items()}


def same(first: Trainer, second: Trainer) -> bool:
    one, other = state(first), state(second)
    equal_tensors = one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
    drawn = [t.streams.strategy.bit_generator.state for t in (first, second)]
    losses = [[row["loss"] for row in t.history] for t in (first, second)]
    return equal_tensors and drawn[0] == drawn[1] and losses[0] == losses[1]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_two_runs_end_with_the_same_weights(make_trainer: Make, strategy: str) -> None:
    first, second, other = (make_trainer(strategy, seed=seed, epochs=2) for seed in (3, 3, 4))
    for trainer in (first, second, other):
        trainer.fit()
    assert same(first, second)
    assert not same(first, other)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("finished", [1, 3])
def test_a_resumed_training_ends_as_one_that_was_never_stopped(
    make_trainer: Make, tmp_path: Path, strategy: str, finished: int
) -> None:
    whole = make_trainer(strategy, folder=tmp_path, epochs=4)
    whole.fit()
    again = make_trainer(strategy, epochs=4)
    again.resume(tmp_path / f"epoch-{finished:04d}.json")
    assert again.epoch == finished
    assert not same(whole, again)
    again.fit()
    assert same(whole, again)


def test_a_training_stopped_inside_an_epoch_goes_on_from_the_last_finished_one(
    make_trainer: Make, tmp_path: Path
) -> None:
    def stop_late(at: Progress) -> None:
        if at.epoch == 2:
            raise KeyboardInterrupt

    stopped = make_trainer(folder=tmp_path, on_progress=stop_late)
    with pytest.raises(KeyboardInterrupt):
        stopped.fit()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["epoch-0001.json", "epoch-0001.safetensors"]
    again, whole = make_trainer(), make_trainer()
    again.resume(tmp_path / "epoch-0001.json")
    again.fit()
    whole.fit()
    assert same(whole, again)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_no_global_generator_is_touched(make_trainer: Make, strategy: str) -> None:
    def states() -> list[Any]:
        legacy = np.random.get_state()  # noqa: NPY002
        return [random.getstate(), legacy[1].tolist(), legacy[2], torch.get_rng_state().tolist()]

    before = states()
    trainer = make_trainer(strategy, epochs=1)
    trainer.fit()
    trainer.evaluator.evaluate(trainer.strategy.ask().batch)
    assert states() == before


def test_training_learns_the_digits(make_trainer: Make) -> None:
    trainer = make_trainer(epochs=60, learning_rate=0.3)
    rows = trainer.supernet.recipe.space.sample(np.random.default_rng(0), 40)
    before = trainer.evaluator.evaluate(rows).scores.mean()
    trainer.fit()
    after = trainer.evaluator.evaluate(rows).scores.mean()
    assert trainer.history[-1]["loss"] < 0.9 * trainer.history[0]["loss"]
    assert after > before + 10  # ten classes: chance is 10 %


class SkipsOnly(SPOS):
    """Runs the architecture of three skip connections on every batch."""

    name = "skips-only"

    def draw(self) -> Architecture:
        self.path = np.array([1, 1, 1], dtype=np.int8)
        return self.path


def test_candidates_that_never_run_keep_their_weights(make_trainer: Make) -> None:
    trainer = make_trainer(SkipsOnly)
    before = {name: value.clone() for name, value in trainer.supernet.named_parameters()}
    trainer.fit()
    kept = {name for name, value in trainer.supernet.named_parameters() if torch.equal(value, before[name])}
    assert kept == {name for name in before if ".candidates." in name} != set()


class Watching(SPOS):
    """Scores the same rows after every epoch, on 50 images and on all."""

    name = "watching"

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.seen: list[tuple[np.ndarray, np.ndarray]] = []

    def end_epoch(self, epoch: int, evaluate: Evaluate) -> None:
        rows = self.space.at(np.arange(0, 125, 25))
        self.seen.append((evaluate(rows, 50), evaluate(rows, None)))


def test_a_strategy_may_score_architectures_inside_training(make_trainer: Make) -> None:
    watching, plain = make_trainer(Watching), make_trainer()
    watching.fit()
    plain.fit()
    assert same(watching, plain)  # looking changes nothing
    rows = plain.supernet.recipe.space.at(np.arange(0, 125, 25))
    assert len(watching.strategy.seen) == 3
    np.testing.assert_array_equal(watching.strategy.seen[-1][1], plain.evaluator.evaluate(rows).scores)
    np.testing.assert_array_equal(watching.strategy.seen[-1][0], plain.evaluator.evaluate(rows, 50).scores)


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_good_checkpoint(
    make_trainer: Make, tmp_path: Path
) -> None:
    make_trainer(folder=tmp_path, epochs=1).fit()
    kept = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    class Poisoned(SPOS):
        name = "spos"

        def begin_epoch(self, epoch: int, epochs: int) -> None:
            with torch.no_grad():
                for parameter in self.weights.parameters:
                    parameter.fill_(math.nan)

    trainer = make_trainer(Poisoned, folder=tmp_path, epochs=1)
    with pytest.raises(InputError, match=r"the loss became nan in epoch 1.*epoch-0001\.json") as raised:
        trainer.fit()
    assert "\n" not in str(raised.value)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == kept


def test_progress_ends_at_the_last_step(make_trainer: Make) -> None:
    seen: list[Progress] = []
    make_trainer(on_progress=seen.append).fit()
    last = seen[-1]
    assert (last.step, last.steps, last.epoch, last.epochs) == (15, 15, 3, 3)  # 150 images in batches of 30
    assert last.eta_seconds == 0 < seen[0].eta_seconds
    assert [at.step for at in seen] == [5, 10, 15]


def test_bfloat16_trains_and_keeps_float32_weights(make_trainer: Make) -> None:
    trainer, plain = make_trainer(bfloat16=True, label_smoothing=0.1), make_trainer(label_smoothing=0.1)
    trainer.fit()
    plain.fit()
    assert {value.dtype for value in trainer.supernet.parameters()} == {torch.float32}
    half, single = trainer.history[-1]["loss"], plain.history[-1]["loss"]
    assert half != single
    assert half == pytest.approx(single, rel=0.05)


def test_a_supernet_of_other_classes_is_refused(make_trainer: Make, digits: SearchImages) -> None:
    trainer = make_trainer()
    wrong = type(digits)(digits.train, digits.valid, digits.class_names[:9], digits.identity)
    with pytest.raises(InputError, match=r"takes 10 classes .* the data has 9"):
        Trainer(
            trainer.strategy, trainer.supernet, wrong, trainer.recipe, torch.device("cpu"), trainer.streams
        )


def test_a_batch_larger_than_the_data_is_refused(make_trainer: Make) -> None:
    with pytest.raises(InputError, match="batch size 151"):
        make_trainer(batch_size=151)


# -- the recipe and the optimizer -----------------------------------------------------------------


def test_the_learning_rate_is_half_a_cosine() -> None:
    recipe = TrainingRecipe(learning_rate=0.3, last_learning_rate=0.1)
    assert recipe.rate_at(0, 100) == pytest.approx(0.3)
    assert recipe.rate_at(50, 100) == pytest.approx(0.2)
    assert recipe.rate_at(25, 100) == pytest.approx(0.2 + 0.1 * math.sqrt(0.5))
    assert recipe.rate_at(100, 100) == pytest.approx(0.1)


def test_the_learning_rate_falls_linearly_where_told() -> None:
    recipe = TrainingRecipe(learning_rate=0.5, last_learning_rate=0.1, schedule="linear")
    assert [recipe.rate_at(step, 4) for step in range(5)] == pytest.approx([0.5, 0.4, 0.3, 0.2, 0.1])
    assert recipe.describe()["schedule"] == "linear"


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"learning_rate": math.nan},
        {"last_learning_rate": 1.0},
        {"momentum": 1.0},
        {"momentum": 0.0},
        {"weight_decay": -1.0},
        {"clip": 0.0},
        {"label_smoothing": 1.0},
        {"cutout": -1},
        {"schedule": "constant"},
    ],
)
def test_a_recipe_out_of_range_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"(cannot|must) be"):
        TrainingRecipe(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("nesterov", [False, True])
def test_an_unrolled_step_is_the_step_that_follows(nesterov: bool) -> None:
    network = torch.nn.Linear(3, 2).double()
    weights = SgdWeights(
        network, TrainingRecipe(nesterov=nesterov, clip=None, weight_decay=0.1, learning_rate=0.2), images=1
    )
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):  # the first without momentum, the others with
        gradients = [torch.randn(p.shape, generator=generator).double() for p in weights.parameters]
        before = [p.detach().clone() for p in weights.parameters]
        unrolled = weights.unroll(gradients)
        raised = weights.unroll([g + 1 for g in gradients])
        for one, two, p, b in zip(
            unrolled.parameters, raised.parameters, weights.parameters, before, strict=True
        ):
            assert torch.equal(p, b)
            torch.testing.assert_close(one - two, torch.full_like(one, unrolled.rate))
        weights.step([g.clone() for g in gradients])
        for expected, p in zip(unrolled.parameters, weights.parameters, strict=True):
            torch.testing.assert_close(p.detach(), expected)


def test_gradients_are_clipped_together_and_weights_without_one_stay() -> None:
    network = torch.nn.Linear(1, 1).double()
    with torch.no_grad():
        network.weight.fill_(1.0)
        network.bias.fill_(1.0)
    recipe = TrainingRecipe(
        clip=1.0, momentum=0.0, nesterov=False, weight_decay=0.5, learning_rate=0.1, last_learning_rate=0
    )
    weights = SgdWeights(network, recipe, images=1)
    weights.step([torch.tensor([[30.0]]).double(), torch.tensor([40.0]).double()])
    # (30, 40) has norm 50 and becomes (.6, .8); decay adds .5 after clipping
    assert network.weight.item() == pytest.approx(1 - 0.1 * (0.6 + 0.5))
    assert network.bias.item() == pytest.approx(1 - 0.1 * (0.8 + 0.5))
    bias = network.bias.item()
    weights.step([torch.tensor([[0.5]]).double(), None])
    assert network.bias.item() == bias


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("bfloat16", [False, True])
def test_on_a_gpu_a_resumed_training_ends_with_the_same_weights(
    make_trainer: Make, tmp_path: Path, strategy: str, bfloat16: bool
) -> None:
    options = {"device": "cuda", "epochs": 3, "bfloat16": bfloat16}
    whole = make_trainer(strategy, folder=tmp_path, **options)
    whole.fit()
    again = make_trainer(strategy, **options)
    again.resume(tmp_path / "epoch-0001.json")
    again.fit()
    assert same(whole, again)
    rows = whole.supernet.recipe.space.at(np.arange(0, 125, 10))
    scores = whole.evaluator.evaluate(rows).scores
    np.testing.assert_array_equal(scores, again.evaluator.evaluate(rows).scores)
