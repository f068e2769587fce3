"""SNAS: concrete draws, and one descent of weights and alpha together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from benchkit.base.errors import InputError
from benchkit.spaces import get_space
from benchkit.strategies.snas import SNAS
from benchkit.strategies.weight_sharing import Gradients
from tests.strategies.supernets import bound, closure_of, digits_like

COSTS = torch.tensor([[5.0, 3, 1, 2, 4], [1, 2, 3, 4, 5], [2, 2, 2, 0, 2]])


class Linear:
    """Stands for a supernet whose loss is the cost of what is mixed."""

    def mixture(self, images: Any, weights: Tensor) -> Tensor:
        return (COSTS * weights).sum()


def cost_closure(strategy: SNAS) -> Any:
    def closure(batch: Any, *, weights: bool = True, architecture: bool = False) -> Gradients:
        loss = strategy.forward(batch)
        return Gradients(loss.detach(), (), torch.autograd.grad(loss, [strategy.alpha]))

    return closure


def on_costs(seed: int = 0, **options: Any) -> SNAS:
    strategy = bound(SNAS, seed, **options)
    strategy.supernet = Linear()
    strategy.weights.parameters.clear()  # type: ignore[attr-defined]
    return strategy


def test_forward_mixes_by_the_concrete_draw() -> None:
    strategy, batch = bound(SNAS, initial_scale=1.0, initial_temperature=0.5), digits_like()
    powers = ((strategy.alpha.detach() + strategy.draw()) / 0.5).exp()
    expected = strategy.supernet.mixture(batch.images, powers / powers.sum(dim=1, keepdim=True))
    torch.testing.assert_close(strategy.forward(batch.images), expected)
    torch.testing.assert_close(strategy.forward(batch.images), expected)  # the same draw again


def test_at_temperature_zero_the_mixture_is_a_single_path() -> None:
    strategy, batch = bound(SNAS, initial_temperature=1e-4), digits_like()
    rows = set()
    for _ in range(5):
        row = (strategy.alpha.detach() + strategy.draw()).argmax(dim=1).numpy().astype(np.int8)
        rows.add(tuple(row.tolist()))
        expected = strategy.supernet.path(batch.images, row)
        torch.testing.assert_close(strategy.forward(batch.images), expected, rtol=1e-4, atol=1e-5)
    assert len(rows) > 1


def test_the_temperature_falls_from_1_to_three_hundredths() -> None:
    strategy = bound(SNAS)
    seen = []
    for epoch in range(150):
        strategy.begin_epoch(epoch, 150)
        seen.append(strategy.temperature)
    assert seen[0] == 1
    assert seen[-1] == pytest.approx(0.03)
    np.testing.assert_allclose(np.diff(seen), -0.97 / 149)


def test_in_expectation_the_gradient_is_that_of_the_expected_cost() -> None:
    strategy = on_costs(initial_scale=0.5, initial_temperature=0.1)
    total = torch.zeros(3, 5)
    for _ in range(4000):
        strategy.draw()
        total += cost_closure(strategy)(None).architecture[0]
    # d (sum_k p_k c_k) / d alpha_j = p_j (c_j - E c), p the softmax of alpha
    p = strategy.alpha.detach().softmax(dim=1)
    exact = p * (COSTS - (p * COSTS).sum(dim=1, keepdim=True))
    torch.testing.assert_close(total / 4000, exact, rtol=0, atol=0.12)
    assert torch.cosine_similarity(total.flatten(), exact.flatten(), dim=0) > 0.97


def test_annealed_descent_derives_the_cheapest_operations() -> None:
    strategy = on_costs(learning_rate=0.02)
    for epoch in range(20):
        strategy.begin_epoch(epoch, 20)
        for _ in range(20):
            strategy.weight_step(cost_closure(strategy), None)  # type: ignore[arg-type]
    assert strategy.derive().tolist() == [2, 0, 3]
    assert strategy.ask().batch.tolist() == [[2, 0, 3]]
    assert strategy.recommend().tolist() == [2, 0, 3]


def test_weights_and_alpha_move_by_gradients_of_one_draw_at_the_same_weights() -> None:
    strategy, batch = bound(SNAS, seed=4, initial_scale=1.0), digits_like()
    assert not SNAS.uses_validation
    plain, calls = closure_of(strategy), []

    def closure(*arguments: Any, **asked: bool) -> Gradients:
        calls.append(asked)
        return plain(*arguments, **asked)

    weights = [p.detach().clone() for p in strategy.weights.parameters]
    alpha = strategy.alpha.detach().clone()
    strategy.weight_step(closure, batch)
    assert calls == [{"architecture": True}]
    moved_weights = [p.detach().clone() for p in strategy.weights.parameters]
    moved_alpha = strategy.alpha.detach().clone()

    # the same again, by hand, from where it started
    with torch.no_grad():
        strategy.alpha.copy_(alpha)
        for parameter, old in zip(strategy.weights.parameters, weights, strict=True):
            parameter.copy_(old)
    gradients = plain(batch, architecture=True)  # the draw is still the same
    for old, new, gradient in zip(weights, moved_weights, gradients.weights, strict=True):
        expected = old if gradient is None else old - 0.1 * gradient
        torch.testing.assert_close(new, expected, rtol=1e-4, atol=1e-6)
    # the first step of Adam is lr g / (|g| + eps), where g holds the weight decay
    decayed = gradients.architecture[0] + 1e-3 * alpha
    expected = alpha - 3e-4 * decayed / (decayed.abs() + 1e-8)
    torch.testing.assert_close(moved_alpha, expected, rtol=0, atol=1e-6)


def test_every_batch_has_its_own_draw() -> None:
    strategy = on_costs()
    seen = []
    for _ in range(3):
        strategy.weight_step(cost_closure(strategy), None)  # type: ignore[arg-type]
        seen.append(strategy._noise)
    assert not torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[1], seen[2])


def test_hyperparameters_out_of_range_are_refused() -> None:
    with pytest.raises(InputError, match="temperature"):
        SNAS(get_space("nasbench201"), np.random.default_rng(0), final_temperature=0.0)
