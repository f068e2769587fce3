"""ENAS: the controller's law, the REINFORCE gradient, the baseline, the two phases."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from benchkit.base.errors import InputError
from benchkit.spaces import get_space
from benchkit.spaces.base import Batch
from benchkit.spaces.engine import build_supernet
from benchkit.strategies.enas import ENAS, advantages, policy_loss
from benchkit.strategies.enas_controller import Controller
from tests.strategies.supernets import RecordingWeights


def make(space: str = "nasbench201-3", seed: int = 0, **options: Any) -> ENAS:
    known = get_space(space)
    size = {"channels": 16, "cells": 1} if space == "nasbench101" else {"channels": 4, "cells": 1}
    supernet = build_supernet(known, 10, 1, generator=torch.Generator().manual_seed(0), **size)
    strategy = ENAS(known, np.random.default_rng(seed), **options)
    strategy.bind(supernet, RecordingWeights(list(supernet.parameters())))
    return strategy


def wide(arity: tuple[int, ...] = (5, 5, 5), scale: float = 20.0, seed: int = 0) -> Controller:
    """A controller whose distribution is far from uniform."""
    controller = Controller(arity, torch.Generator().manual_seed(seed))
    with torch.no_grad():
        for parameter in controller.parameters():
            parameter.mul_(scale)
    return controller


def everything(d: int = 3, operations: int = 5) -> Tensor:
    return torch.cartesian_prod(*[torch.arange(operations)] * d)


def plain_walk(controller: Controller, row: list[int]) -> list[Tensor]:
    """The distributions along a row, written out: gates of both layers, one position after the other."""
    lstm, sigmoid = controller.lstm, torch.sigmoid
    h = [torch.zeros(32), torch.zeros(32)]
    c = [torch.zeros(32), torch.zeros(32)]
    given, found = controller.first, []
    for choice in row:
        x = given
        for layer in range(2):
            w_x, w_h = getattr(lstm, f"weight_ih_l{layer}"), getattr(lstm, f"weight_hh_l{layer}")
            b = getattr(lstm, f"bias_ih_l{layer}") + getattr(lstm, f"bias_hh_l{layer}")
            i, f, g, o = (w_x @ x + w_h @ h[layer] + b).chunk(4)
            c[layer] = sigmoid(f) * c[layer] + sigmoid(i) * torch.tanh(g)
            h[layer] = sigmoid(o) * torch.tanh(c[layer])
            x = h[layer]
        logits = 2.5 * torch.tanh((controller.readout.weight @ x + controller.readout.bias) / 5)
        found.append(torch.softmax(logits, dim=0))
        given = controller.choices[choice]
    return found


# -- the controller -------------------------------------------------------------------------------


def test_scores_are_those_of_an_lstm_written_out() -> None:
    controller = wide()
    log_p, entropy = controller.score(torch.tensor([[3, 0, 4], [1, 1, 2]]))
    for index, row in enumerate([[3, 0, 4], [1, 1, 2]]):
        steps = plain_walk(controller, row)
        expected = sum(torch.log(step[choice]) for step, choice in zip(steps, row, strict=True))
        torch.testing.assert_close(log_p[index], expected)
        torch.testing.assert_close(entropy[index], sum(-(step * step.log()).sum() for step in steps))


def test_probabilities_sum_to_one_and_logits_stay_within_the_constant() -> None:
    controller = wide(scale=60.0)
    log_p = controller.score(everything())[0].detach()
    assert float(log_p.exp().sum()) == pytest.approx(1, abs=1e-4)
    # with logits in [-2.5, 2.5] no choice is more than e^5 times as probable as another
    assert float(log_p.max() - log_p.min()) <= 3 * 5
    assert float(log_p.max() - log_p.min()) > 3


def test_draws_have_the_probabilities_of_the_score() -> None:
    controller = wide(scale=15.0)
    noise = torch.from_numpy(np.random.default_rng(0).gumbel(size=(8000, 3, 5)))
    counts = np.bincount((controller.draw(noise) @ torch.tensor([25, 5, 1])).numpy(), minlength=125)
    expected = 8000 * controller.score(everything())[0].detach().double().exp().numpy()
    kept = expected > 5
    assert kept.sum() > 20
    pooled = [np.append(x[kept], x[~kept].sum()) for x in (counts, expected)]
    assert stats.chisquare(pooled[0], pooled[1] * counts.sum() / pooled[1].sum()).pvalue > 0.001


def test_choices_that_a_position_lacks_have_probability_zero() -> None:
    controller = wide(arity=(2, 3))
    rows = everything(2, 3)
    log_p, entropy = controller.score(rows)
    assert torch.isneginf(log_p[rows[:, 0] == 2]).all()
    assert float(log_p.exp().sum().detach()) == pytest.approx(1, abs=1e-5)
    assert torch.isfinite(entropy).all()
    gradients = torch.autograd.grad(log_p[rows[:, 0] < 2].sum(), list(controller.parameters()))
    assert all(torch.isfinite(g).all() for g in gradients)
    drawn = controller.draw(torch.from_numpy(np.random.default_rng(0).gumbel(size=(500, 2, 3))))
    assert drawn.max(dim=0).values.tolist() == [1, 2]


def test_a_fresh_controller_is_uniform_within_a_hair_and_small() -> None:
    controller = make().controller
    assert all(float(p.detach().abs().max()) <= 0.1 for p in controller.parameters())
    log_p, entropy = controller.score(everything())
    assert float((log_p.detach() + np.log(125)).abs().max()) < 0.2
    assert float(entropy.mean().detach()) == pytest.approx(3 * np.log(5), abs=0.01)


# -- REINFORCE ------------------------------------------------------------------------------------


def test_the_baseline_by_hand() -> None:
    # decay 0.9: b = 0.5, then 0.5 + 0.1 * 0.1 = 0.51, then 0.51 - 0.1 * 0.21 = 0.489
    found, last = advantages(np.array([0.5, 0.6, 0.3]), 0.5, 0.9)
    np.testing.assert_allclose(found, [0.0, 0.6 - 0.51, 0.3 - 0.489])
    assert last == pytest.approx(0.489)
    assert advantages(np.empty(0), 0.25, 0.9)[1] == 0.25


def test_the_policy_gradient_is_exact_in_expectation() -> None:
    """Over all 125 rows, weighted by pi: the gradient of the loss is that of -E[R], for any baseline."""
    controller = wide(scale=8.0)
    rows = everything()
    rewards = torch.sin(rows.float() @ torch.tensor([1.3, 2.1, 0.7]))
    parameters = list(controller.parameters())
    pi = controller.score(rows)[0].exp()
    exact = torch.autograd.grad(-(pi * rewards).sum(), parameters)
    for baseline in (0.0, 0.4):
        log_p = controller.score(rows)[0]
        # a mean of 125 with weights 125 pi is the expectation
        weighted = policy_loss(log_p, 125 * pi.detach() * (rewards - baseline))
        found = torch.autograd.grad(weighted, parameters)
        for a, b in zip(found, exact, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-6)


def test_a_step_is_that_of_adam_on_the_clipped_gradient_by_hand() -> None:
    for clip in (5.0, 1e-4):
        strategy = make(clip=clip, entropy_weight=0.01)
        rows = strategy.sample(4)
        accuracies = np.array([40.0, 80.0, 10.0, 90.0])
        controller = strategy.controller
        parameters = list(controller.parameters())
        before = [p.detach().clone() for p in parameters]
        log_p, entropy = controller.score(torch.from_numpy(rows.astype(np.int64)))
        # rewards are shares plus the entropy's bonus; the baseline starts at the first accuracy
        rewards = accuracies / 100 + 0.01 * entropy.detach().double().numpy()
        b, advantage = 0.4, []
        for reward in rewards:
            b = 0.99 * b + 0.01 * reward
            advantage.append(reward - b)
        loss = sum(-a * one for a, one in zip(advantage, log_p, strict=True)) / 4
        gradients = torch.autograd.grad(loss, parameters)
        norm = float(torch.sqrt(sum(g.square().sum() for g in gradients)))
        scale = min(1.0, clip / (norm + 1e-6))
        assert (scale < 1) == (clip < 1)
        strategy.controller_step(rows, accuracies)
        assert strategy.baseline == pytest.approx(b)
        for p, old, g in zip(parameters, before, gradients, strict=True):
            # Adam's first step: lr g / (|g| + eps), bias-corrected
            step = scale * g
            torch.testing.assert_close(
                p.detach(), old - 1e-3 * step / (step.abs() + 1e-3), rtol=1e-4, atol=1e-7
            )


def test_entropy_enters_as_a_number() -> None:
    """With equal accuracies and a baseline that equals them, only the bonus tells draws apart."""
    strategy = make(entropy_weight=0.0)
    before = [p.detach().clone() for p in strategy.controller.parameters()]
    strategy.controller_step(strategy.sample(6), np.full(6, 50.0))
    assert all(torch.equal(p, q) for p, q in zip(strategy.controller.parameters(), before, strict=True))
    strategy = make(entropy_weight=10.0)
    strategy.controller_step(strategy.sample(6), np.full(6, 50.0))
    assert not all(torch.equal(p, q) for p, q in zip(strategy.controller.parameters(), before, strict=True))


# -- the two phases -------------------------------------------------------------------------------


def threes(batch: Batch, images: int | None = None) -> np.ndarray[Any, np.dtype[np.float64]]:
    return 30.0 * (batch == 3).sum(axis=1)


def test_between_epochs_the_controller_learns_what_is_good() -> None:
    strategy = make(learning_rate=0.02, steps=60)
    before = (strategy.sample(300) == 3).mean()
    for epoch in range(3):
        strategy.end_epoch(epoch, threes)
    assert before < 0.3
    assert (strategy.sample(300) == 3).mean() > 0.6
    report = strategy.report()
    assert report["sampled_accuracy"] > 50
    assert 0 < report["entropy"] < 3 * np.log(5)
    assert 0 < strategy.baseline < 1  # type: ignore[operator]


def test_a_step_scores_twenty_draws_on_512_images_fifty_times_an_epoch() -> None:
    strategy, asked = make(), []

    def evaluate(batch: Batch, images: int | None) -> Any:
        asked.append((len(batch), images))
        return threes(batch)

    strategy.end_epoch(0, evaluate)
    assert asked == [(20, 512)] * 50


def test_paths_are_drawn_from_the_controller() -> None:
    strategy = make()
    with torch.no_grad():
        strategy.controller.readout.bias[2] = 1e3
    rows = np.array([strategy.draw() for _ in range(300)])
    share = np.exp(2.5) / (np.exp(2.5) + 4)  # the tanh holds it back: the others are near 0
    assert (rows == 2).mean() == pytest.approx(share, abs=0.05)
    assert strategy.path is not None
    assert strategy.path.tolist() == rows[-1].tolist()


def test_draws_are_members_of_the_space() -> None:
    strategy = make("nasbench101")
    assert strategy.space.is_valid(strategy.sample(50)).all()


def test_where_the_controller_has_left_the_space_rows_are_drawn_by_its_own_law() -> None:
    strategy = make("nasbench101")
    with torch.no_grad():
        strategy.controller.readout.weight.zero_()
        strategy.controller.readout.bias.copy_(torch.tensor([-1e3, 1e3, 0.0]))  # more than nine edges
    assert strategy.space.is_valid(strategy.sample(3)).all()


def test_a_space_that_free_choices_hardly_ever_meet_is_refused() -> None:
    with pytest.raises(InputError, match="hardly ever makes an architecture of darts; use spos"):
        ENAS(get_space("darts"), np.random.default_rng(0)).bind(None, RecordingWeights([]))


def test_the_best_of_a_hundred_draws_is_recommended() -> None:
    strategy = make()
    batch = strategy.ask().batch
    assert len(batch) == strategy.default_queries == 100
    scores = np.random.default_rng(0).random(100)
    strategy.tell(batch, scores)
    assert strategy.recommend().tolist() == batch[scores.argmax()].tolist()
    assert len(strategy.ask().batch) == 0


def test_state_tensors_carry_controller_optimizer_and_baseline() -> None:
    one, other = make(seed=1), make(seed=2)
    one.end_epoch(0, threes)
    other.load_state_tensors(one.state_tensors())
    assert other.baseline == one.baseline
    rows = one.sample(20)
    for strategy in (one, other):
        strategy.controller_step(rows, threes(rows))
    for a, b in zip(one.controller.parameters(), other.controller.parameters(), strict=True):
        assert torch.equal(a, b)
    fresh = make(seed=3)
    fresh.load_state_tensors(make(seed=4).state_tensors())
    assert fresh.baseline is None


@pytest.mark.parametrize(
    "wrong",
    [{"aggregate": 0}, {"steps": -1}, {"temperature": 0.0}, {"baseline_decay": 1.0}, {"architectures": 0}],
)
def test_hyperparameters_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        ENAS(get_space("nasbench201"), np.random.default_rng(0), **wrong)
