"""DARTS against bilevel problems whose gradients are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from benchkit.base.errors import InputError
from benchkit.spaces import get_space
from benchkit.spaces.engine import build_supernet
from benchkit.strategies.darts import DARTS, SecondOrderDARTS, hessian_vector_product, second_order_gradient
from benchkit.strategies.weight_sharing import Gradients, Unrolled

XI = 0.3


class PlainWeights:
    """Shared weights under gradient descent of rate xi."""

    def __init__(self, *parameters: Tensor) -> None:
        self.parameters = parameters

    def step(self, gradients: Sequence[Tensor | None]) -> None:
        with torch.no_grad():
            for parameter, gradient in zip(self.parameters, gradients, strict=True):
                if gradient is not None:
                    parameter -= XI * gradient

    def unroll(self, gradients: Sequence[Tensor | None]) -> Unrolled:
        pairs = zip(self.parameters, gradients, strict=True)
        return Unrolled([p.detach() if g is None else p.detach() - XI * g for p, g in pairs], XI)


def closure_of(loss: Callable[[Any], Tensor], weights: PlainWeights, alphas: list[Tensor]) -> Any:
    """A closure over a loss that takes "train" or "valid" for a batch."""

    def closure(batch: Any, *, weights_: PlainWeights = weights, **asked: bool) -> Gradients:
        shared = list(weights_.parameters) if asked.get("weights", True) else []
        own = alphas if asked.get("architecture", False) else []
        value = loss(batch)
        found = torch.autograd.grad(value, [*shared, *own], allow_unused=True)
        return Gradients(value.detach(), found[: len(shared)], found[len(shared) :])

    return closure


def tensor(*values: Any) -> Tensor:
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def test_second_order_on_a_quadratic_by_hand() -> None:
    # L_train = |w - A alpha|^2 / 2, L_valid = |w - b|^2 / 2 + c alpha
    a = torch.tensor([[2.0, 0.0], [1.0, -1.0]], dtype=torch.float64)
    b, c = torch.tensor([1.0, 3.0]).double(), torch.tensor([0.5, -0.25]).double()
    w, alpha = tensor(1.0, 2.0), tensor(0.5, 1.0)
    weights = PlainWeights(w)

    def loss(batch: str) -> Tensor:
        if batch == "train":
            return (w - a @ alpha).square().sum() / 2
        return (w - b).square().sum() / 2 + c @ alpha

    found = second_order_gradient(closure_of(loss, weights, [alpha]), "train", "valid", weights)  # type: ignore[arg-type]
    # By hand: A alpha = (1, -.5); w - A alpha = (0, 2.5); w' = (1, 2 - .3 * 2.5) = (1, 1.25);
    # w' - b = (0, -1.75); d w' / d alpha = xi A; gradient = c + xi A^T (w' - b) = c + .3 * (-1.75, 1.75)
    expected = torch.tensor([0.5 - 0.525, -0.25 + 0.525], dtype=torch.float64)
    torch.testing.assert_close(found[0], expected, rtol=1e-9, atol=1e-9)
    assert w.tolist() == [1.0, 2.0]  # put back
    first_order = closure_of(loss, weights, [alpha])("valid", weights=False, architecture=True)
    assert first_order.architecture[0].tolist() == [0.5, -0.25]


def test_second_order_on_a_nonlinear_problem_by_exact_differentiation() -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(8, 3, generator=generator).double() for _ in range(2))
    w1 = torch.randn(3, 4, generator=generator).double().requires_grad_()
    w2 = torch.randn(4, 3, generator=generator).double().requires_grad_()
    idle = tensor(1.0)  # takes no part
    alpha = torch.randn(2, generator=generator).double().requires_grad_()

    def loss_at(one: Tensor, two: Tensor, batch: str) -> Tensor:
        inputs, targets = (x[:4], y[:4]) if batch == "train" else (x[4:], y[4:])
        mix = alpha.softmax(0)
        hidden = mix[0] * torch.tanh(inputs @ one) + mix[1] * (inputs @ one)
        return (hidden @ two - targets).square().mean()

    g1, g2 = torch.autograd.grad(loss_at(w1, w2, "train"), [w1, w2], create_graph=True)
    exact = torch.autograd.grad(loss_at(w1 - XI * g1, w2 - XI * g2, "valid"), alpha)[0]

    weights = PlainWeights(w1, w2, idle)
    closure = closure_of(lambda batch: loss_at(w1, w2, batch), weights, [alpha])
    found = second_order_gradient(closure, "train", "valid", weights)[0]  # type: ignore[arg-type]
    first = torch.autograd.grad(loss_at(w1, w2, "valid"), alpha)[0]
    torch.testing.assert_close(found, exact, rtol=1e-3, atol=1e-6)
    assert (first - exact).abs().max() > 0.01  # the second order matters here


def test_the_finite_difference_of_a_zero_vector_is_zero() -> None:
    w, alpha = tensor(1.0), tensor(2.0)
    weights = PlainWeights(w)
    closure = closure_of(lambda _: (w * alpha).sum(), weights, [alpha])
    product = hessian_vector_product(closure, "train", [w], [torch.zeros(1).double()])  # type: ignore[arg-type]
    assert product[0].tolist() == [0.0]
    product = hessian_vector_product(closure, "train", [w], [torch.full((1,), 3.0).double()])  # type: ignore[arg-type]
    assert product[0].item() == pytest.approx(3.0)  # d2 (w alpha) / (d alpha d w) = 1


def bound(kind: type[DARTS] = DARTS, seed: int = 0, **options: Any) -> DARTS:
    space = get_space("nasbench201-3")
    supernet = build_supernet(space, 10, 1, generator=torch.Generator().manual_seed(0), channels=4, cells=1)
    strategy = kind(space, np.random.default_rng(seed), **options)
    strategy.bind(supernet, PlainWeights(*supernet.parameters()))
    return strategy


def test_alpha_starts_at_a_thousandth_of_a_normal_draw() -> None:
    expected = 1e-3 * np.random.default_rng(7).standard_normal((3, 5))
    np.testing.assert_allclose(bound(seed=7).alpha.detach().numpy(), expected, rtol=1e-6)


def test_forward_is_the_softmax_mixture() -> None:
    strategy = bound(initial_scale=1.0)
    images = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    alpha = strategy.alpha.detach()
    shares = alpha.exp() / alpha.exp().sum(1, keepdim=True)
    torch.testing.assert_close(strategy.forward(images), strategy.supernet.mixture(images, shares))


def test_alpha_takes_a_step_of_adam_by_hand() -> None:
    strategy = bound(initial_scale=1.0)
    before = strategy.alpha.detach().clone()
    gradient = torch.linspace(-1, 1, 15).reshape(3, 5)

    def closure(batch: str, *, weights: bool = True, architecture: bool = False) -> Gradients:
        assert (batch, weights, architecture) == ("valid", False, True)
        return Gradients(torch.zeros(()), (), [gradient.clone()])

    strategy.architecture_step(closure, "train", "valid")  # type: ignore[arg-type]
    # the first step of Adam is lr g / (|g| + eps), where g holds the weight decay
    decayed = gradient + 1e-3 * before
    expected = before - 3e-4 * decayed / (decayed.abs() + 1e-8)
    torch.testing.assert_close(strategy.alpha.detach(), expected, rtol=0, atol=1e-7)


def test_only_the_second_order_looks_at_training_images_for_alpha() -> None:
    for kind, expected in ((DARTS, ["valid"]), (SecondOrderDARTS, ["train", "valid", "train", "train"])):
        strategy, seen = bound(kind), []

        def closure(
            batch: Any,
            *,
            weights: bool = True,
            architecture: bool = False,
            strategy: Any = strategy,
            seen: Any = seen,
        ) -> Gradients:
            seen.append(batch)
            shared = [torch.ones_like(p) for p in strategy.weights.parameters] if weights else []
            return Gradients(torch.zeros(()), shared, [torch.ones(3, 5)] if architecture else [])

        before = [p.detach().clone() for p in strategy.weights.parameters]
        strategy.architecture_step(closure, "train", "valid")  # type: ignore[arg-type]
        assert seen == expected
        for parameter, old in zip(strategy.weights.parameters, before, strict=True):
            assert torch.equal(parameter, old)


def test_derivation_keeps_the_strongest_and_is_scored_once() -> None:
    strategy = bound()
    with torch.no_grad():
        strategy.alpha.zero_()
        strategy.alpha[0, 3] = strategy.alpha[1, 0] = strategy.alpha[2, 4] = 1
    assert strategy.derive().tolist() == [3, 0, 4]
    assert strategy.ask().batch.tolist() == [[3, 0, 4]]
    assert len(strategy.ask().batch) == 0
    assert strategy.recommend().tolist() == [3, 0, 4]


def test_a_supernet_without_mixtures_is_refused() -> None:
    space = get_space("nasbench101")
    supernet = build_supernet(space, 10, 1, generator=torch.Generator().manual_seed(0), channels=16, cells=1)
    with pytest.raises(InputError, match="darts weighs all candidates"):
        DARTS(space, np.random.default_rng(0)).bind(supernet, PlainWeights(*supernet.parameters()))


@pytest.mark.parametrize("wrong", [{"learning_rate": 0.0}, {"beta1": 1.0}, {"initial_scale": -1.0}])
def test_hyperparameters_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError):
        DARTS(get_space("nasbench201"), np.random.default_rng(0), **wrong)
