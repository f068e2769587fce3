"""GibbsNAS against posteriors that are known, and against DARTS, its special case."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from benchkit.base.errors import InputError
from benchkit.spaces import get_space
from benchkit.spaces.engine import build_supernet
from benchkit.strategies.curvature import Identity
from benchkit.strategies.darts import DARTS
from benchkit.strategies.gibbsnas.supernet import GibbsNAS, clipped, cosine_rate, draw_conditional
from benchkit.strategies.weight_sharing import Gradients
from tests.strategies.supernets import RecordingWeights, bound, closure_of, digits_like

FREE: dict[str, Any] = {"alpha_clip": math.inf, "omega_clip": math.inf, "omega_damping": 0.0}
"""Nothing but Eq. 15 and 16."""


class PlainSGD(RecordingWeights):
    """Shared weights under gradient descent with weight decay."""

    def __init__(self, parameters: Sequence[Tensor], decay: float = 0.0, images: int = 1000) -> None:
        super().__init__(parameters)
        self.images = self.validation_images = images
        self._optimizer = torch.optim.SGD(self.parameters, lr=self.learning_rate, weight_decay=decay)

    def step(self, gradients: Sequence[Tensor | None]) -> None:
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = gradient
        self._optimizer.step()


def made(
    kind: type[DARTS], decay: float = 0.0, images: int = 1000, shared: Tensor | None = None, **options: Any
) -> Any:
    """A strategy bound to a tiny supernet, or to one shared weight alone."""
    space = get_space("nasbench201-3")
    supernet = build_supernet(space, 10, 1, generator=torch.Generator().manual_seed(0), channels=4, cells=1)
    strategy = kind(space, np.random.default_rng(0), **options)
    parameters = list(supernet.parameters()) if shared is None else [shared]
    strategy.bind(supernet, PlainSGD(parameters, decay, images))
    strategy.begin_epoch(0, 1)
    return strategy


def quadratic_closure(parameter: Callable[[], Tensor], hessian: Tensor, centre: Tensor) -> Any:
    """The closure of (x - centre)' A (x - centre) / 2."""

    def closure(batch: object, *, weights: bool = True, architecture: bool = False) -> Gradients:
        away = parameter().detach().double().reshape(-1) - centre
        gradient = (hessian @ away).reshape(parameter().shape)
        loss = 0.5 * away @ hessian @ away
        return Gradients(loss, [gradient] if weights else [], [gradient] if architecture else [])

    return closure


def moments(draws: Tensor) -> tuple[Tensor, Tensor]:
    mean = draws.mean(0)
    return mean, (draws - mean).T @ (draws - mean) / len(draws)


# -- the conditional posteriors -------------------------------------------------------------------


def test_alpha_converges_to_the_exact_posterior_of_a_quadratic() -> None:
    images, decay, draws = 50, 0.2, 3000
    turn, _ = torch.linalg.qr(torch.from_numpy(np.random.default_rng(1).standard_normal((15, 15))))
    hessian = turn @ torch.diag(torch.logspace(-1, 1, 15).double()) @ turn.T
    centre = torch.linspace(-1, 1, 15).double()
    precision = hessian + decay * torch.eye(15).double()
    posterior_mean = torch.linalg.solve(precision, hessian @ centre)
    covariance = torch.linalg.inv(images * precision)

    rate: dict[str, Any] = {"alpha_rate": 1.0, "last_alpha_rate": 1.0}
    strategy = made(GibbsNAS, images=images, alpha_decay=decay, **rate, **FREE)
    closure = quadratic_closure(lambda: strategy.alpha, hessian, centre)
    chain = []
    for _ in range(draws + 300):
        strategy.architecture_step(closure, None, None)
        chain.append(strategy.alpha.detach().double().reshape(-1).clone())
    torch.testing.assert_close(
        strategy.alpha_inverse.inverse @ precision, torch.eye(15).double(), rtol=0, atol=1e-3
    )
    mean, found = moments(torch.stack(chain[300:]))  # draws at rate 1 are independent
    assert ((mean - posterior_mean).abs() < 5 * (covariance.diag() / draws).sqrt()).all()
    spread = ((torch.outer(covariance.diag(), covariance.diag()) + covariance**2) / draws).sqrt()
    assert ((found - covariance).abs() < 5 * spread).all()


@pytest.mark.parametrize("rate", [1.0, 0.5])
def test_omega_converges_to_the_exact_posterior_of_a_diagonal_quadratic(rate: float) -> None:
    images, decay, draws, size = 20, 0.1, 3000, 6
    curvature = torch.logspace(-1, 1, size).double()
    centre = torch.linspace(-2, 2, size).double()
    precision = curvature + decay
    omega = torch.zeros(2, 3).double()
    strategy = made(
        GibbsNAS, images=images, shared=omega, omega_decay=decay, spread=1e9, **FREE, temperature=2.0
    )
    strategy.weights.learning_rate = rate
    closure = quadratic_closure(lambda: omega, torch.diag(curvature), centre)
    chain = []
    for _ in range(draws + 50):
        strategy.weight_step(closure, None)
        chain.append(omega.reshape(-1).clone())
    torch.testing.assert_close(strategy.omega_inverse.diagonal, precision, rtol=1e-6, atol=0)
    mean, found = moments(torch.stack(chain[50:]))
    variance = 2.0 / (images * precision)
    # a chain whose neighbours correlate by c = 1 - rate is worth n (1 - c) / (1 + c) draws, at least
    worth = draws * rate / (2 - rate)
    assert ((mean - curvature * centre / precision).abs() < 5 * (variance / worth).sqrt()).all()
    assert ((found.diag() - variance).abs() < 5 * variance * math.sqrt(2 / worth)).all()


def test_the_mean_is_one_newton_step_uphill_in_the_posterior() -> None:
    hessian = torch.tensor([[4.0, 1.0], [1.0, 3.0]]).double()
    centre, start = torch.tensor([1.0, -2.0]).double(), torch.tensor([5.0, 5.0]).double()

    class Exact(Identity):
        def product(self, vector: Tensor) -> Tensor:
            found: Tensor = torch.linalg.solve(hessian, vector)
            return found

    mean, count = draw_conditional(start, hessian @ (start - centre), Exact(2), 1.0)
    torch.testing.assert_close(mean, centre)
    assert float(count) == 0
    half, _ = draw_conditional(start, hessian @ (start - centre), Exact(2), 0.5)
    torch.testing.assert_close(half, (start + centre) / 2)


def test_rate_and_temperature_scale_the_noise_by_hand() -> None:
    noise, zero = torch.tensor([2.0]).double(), torch.zeros(1).double()
    drawn, _ = draw_conditional(zero, zero, Identity(1), 0.2, noise=noise, scale=0.25)
    assert drawn.item() == pytest.approx(math.sqrt(0.2 * 1.8) * 0.5 * 2)


def test_step_and_noise_are_clipped_apart_and_before_the_rate() -> None:
    start, gradient = torch.zeros(2).double(), torch.tensor([30.0, 40.0]).double()
    noise = torch.tensor([0.6, -0.8]).double()
    drawn, count = draw_conditional(start, gradient, Identity(2), 0.5, 2.0, noise)
    expected = -0.5 * torch.tensor([1.2, 1.6]).double() + math.sqrt(0.75) * noise
    torch.testing.assert_close(drawn, expected)
    assert float(count) == 1
    short, over = clipped(noise, 0.1)
    torch.testing.assert_close(short, 0.1 * noise)
    assert float(over) == 1


def test_differences_of_gradients_are_of_the_same_batch() -> None:
    cases: list[tuple[dict[str, Any], list[str]]] = [
        ({}, ["valid", "valid", "train", "train"]),
        ({"omega": "sgd"}, ["valid", "valid", "train"]),
        ({"omega": "mean", "curvature": "none"}, ["valid", "train"]),
    ]
    for options, expected in cases:
        strategy = made(GibbsNAS, **options)
        seen: list[str] = []

        def closure(
            batch: str,
            *,
            weights: bool = True,
            architecture: bool = False,
            strategy: Any = strategy,
            seen: list[str] = seen,
        ) -> Gradients:
            seen.append(batch)
            shared = [torch.ones_like(p) for p in strategy.weights.parameters] if weights else []
            return Gradients(torch.zeros(()), shared, [torch.ones(3, 5)] if architecture else [])

        strategy.architecture_step(closure, "train", "valid")
        strategy.weight_step(closure, "train")
        assert seen == expected


# -- DARTS ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("omega", ["mean", "sgd"])
def test_without_noise_and_curvature_it_is_first_order_darts_under_plain_sgd(omega: str) -> None:
    decay = 0.03
    decays: dict[str, Any] = {"alpha_decay": decay, "omega_decay": decay}
    gibbs = made(GibbsNAS, curvature="none", omega=omega, alpha="mean", **decays, **FREE)
    darts = made(DARTS, decay=decay)
    darts._optimizer = torch.optim.SGD([darts.alpha], lr=0.1, weight_decay=decay)
    start = darts.alpha.detach().clone()
    for number in range(4):
        train, valid = digits_like(8, number), digits_like(8, 100 + number)
        for strategy in (gibbs, darts):
            strategy.architecture_step(closure_of(strategy), train, valid)
            strategy.weight_step(closure_of(strategy), train)
    torch.testing.assert_close(gibbs.alpha, darts.alpha, rtol=1e-4, atol=1e-7)
    for mine, theirs in zip(gibbs.weights.parameters, darts.weights.parameters, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-6)
    assert (darts.alpha - start).abs().max() > 1e-3


# -- the rest -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [GibbsNAS, DARTS])
def test_the_architecture_of_every_epoch_is_recorded_and_survives_a_stop(kind: type[DARTS]) -> None:
    strategy, again = bound(kind), bound(kind)
    for operation in (3, 1):
        with torch.no_grad():
            strategy.alpha.zero_()
            strategy.alpha[:, operation] = 1
        strategy.end_epoch(0, lambda batch, images: np.zeros(len(batch)))
    again.load_state_tensors(strategy.state_tensors())
    expected = [strategy.space.format(np.full(3, operation, dtype=np.int8)) for operation in (3, 1)]
    assert again.findings()["architectures"] == strategy.findings()["architectures"] == expected


def test_a_restored_strategy_draws_the_same() -> None:
    one, other = made(GibbsNAS), made(GibbsNAS)
    for number in range(3):
        if number == 2:
            with torch.no_grad():
                for mine, theirs in zip(other.weights.parameters, one.weights.parameters, strict=True):
                    mine.copy_(theirs)
            other.load_state_tensors(one.state_tensors())
            other.rng.bit_generator.state = one.rng.bit_generator.state
            other.architecture_step(closure_of(other), digits_like(8, 2), digits_like(8, 12))
            other.weight_step(closure_of(other), digits_like(8, 2))
        one.architecture_step(closure_of(one), digits_like(8, number), digits_like(8, 10 + number))
        one.weight_step(closure_of(one), digits_like(8, number))
    assert torch.equal(one.alpha, other.alpha)
    for mine, theirs in zip(other.weights.parameters, one.weights.parameters, strict=True):
        assert torch.equal(mine, theirs)


def test_alphas_rate_is_half_a_cosine() -> None:
    assert [cosine_rate(0.1, 0.02, epoch, 4) for epoch in (0, 2)] == pytest.approx([0.1, 0.06])
    assert cosine_rate(0.1, 0.02, 1, 4) == pytest.approx(0.02 + 0.04 * (1 + math.sqrt(0.5)))


def test_the_report_says_how_often_moves_were_clipped() -> None:
    strategy = made(GibbsNAS, alpha_clip=1e-9, omega_clip=math.inf)
    strategy.architecture_step(closure_of(strategy), digits_like(8, 0), digits_like(8, 1))
    strategy.weight_step(closure_of(strategy), digits_like(8, 0))
    assert strategy.report() == {"clip_share": 0.5}
    strategy.begin_epoch(0, 1)
    assert strategy.report() == {"clip_share": 0.0}


def test_on_nasbench101_it_is_query_backed_only() -> None:
    space = get_space("nasbench101")
    supernet = build_supernet(space, 10, 1, generator=torch.Generator().manual_seed(0), channels=16, cells=1)
    strategy = GibbsNAS(space, np.random.default_rng(0))
    with pytest.raises(InputError, match="query-backed only on nasbench101"):
        strategy.bind(supernet, PlainSGD(list(supernet.parameters())))


def test_a_learning_rate_above_one_is_refused_where_omega_is_drawn() -> None:
    space = get_space("nasbench201-3")
    supernet = build_supernet(space, 10, 1, generator=torch.Generator().manual_seed(0), channels=4, cells=1)
    weights = PlainSGD(list(supernet.parameters()))
    weights.learning_rate = 1.5
    with pytest.raises(InputError, match=r"at most 1; got 1\.5"):
        GibbsNAS(space, np.random.default_rng(0)).bind(supernet, weights)
    GibbsNAS(space, np.random.default_rng(0), omega="sgd").bind(supernet, weights)


@pytest.mark.parametrize(
    "wrong",
    [
        {"omega": "adam"},
        {"alpha": "sgd"},
        {"curvature": "exact"},
        {"alpha_rate": 1.5},
        {"alpha_rate": 0.0, "last_alpha_rate": 0.0},
        {"last_alpha_rate": 0.5},
        {"omega_decay": -1.0},
        {"temperature": 0.0},
        {"omega_clip": math.nan},
        {"memory": -1},
        {"fading": 1.0},
        {"spread": 0.5},
    ],
)
def test_hyperparameters_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        GibbsNAS(get_space("nasbench201"), np.random.default_rng(0), **wrong)
