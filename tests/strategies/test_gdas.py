"""GDAS: a single path forwards, the gradient of its relaxation backwards."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from benchkit.base.errors import InputError
from benchkit.spaces import get_space
from benchkit.spaces.engine import build_supernet
from benchkit.strategies.gdas import GDAS
from benchkit.strategies.weight_sharing import Gradients
from tests.strategies.supernets import RecordingWeights, bound, closure_of, digits_like


def drawn(strategy: GDAS) -> list[int]:
    """The row of the last draw, by the Gumbel-max trick."""
    return (strategy.alpha.detach() + strategy._noise).argmax(dim=1).tolist()


def test_forward_is_the_single_path_that_was_drawn() -> None:
    strategy, batch = bound(GDAS, initial_scale=1.0), digits_like()
    for _ in range(10):
        strategy.draw()
        expected = strategy.supernet.path(batch.images, drawn(strategy))
        torch.testing.assert_close(strategy.forward(batch.images), expected, rtol=1e-6, atol=1e-6)


def test_one_draw_serves_a_closure_that_is_called_twice() -> None:
    strategy, batch = bound(GDAS), digits_like()
    strategy.draw()
    assert torch.equal(strategy.forward(batch.images), strategy.forward(batch.images))


def test_operations_are_drawn_from_the_softmax_of_alpha_at_any_temperature() -> None:
    for temperature in (10.0, 0.1):
        strategy = bound(GDAS, initial_scale=1.0, initial_temperature=temperature)
        rows = []

        class Network:
            def sampled(self, images: Any, row: np.ndarray, weights: Tensor, rows: list[Any] = rows) -> None:
                assert torch.equal(weights.detach(), F.one_hot(torch.tensor(row).long(), 5).float())
                rows.append(row.tolist())

        strategy.supernet = Network()
        for _ in range(4000):
            strategy.draw()
            strategy.forward(None)  # type: ignore[arg-type]
        shares = strategy.alpha.detach().double().softmax(dim=1).numpy()
        for column, share in zip(np.array(rows).T, shares, strict=True):
            counts = np.bincount(column, minlength=5)
            assert stats.chisquare(counts, 4000 * share / share.sum()).pvalue > 0.001


@pytest.mark.parametrize("temperature", [10.0, 0.5])
def test_the_gradient_of_alpha_is_that_of_the_soft_sample_by_hand(temperature: float) -> None:
    strategy, batch = bound(GDAS, initial_scale=1.0, initial_temperature=temperature), digits_like()
    # skip, 1 x 1 and pooling: all three edges lead somewhere
    wanted = F.one_hot(torch.tensor([1, 2, 4]), 5) * 100.0
    strategy._noise = wanted / 100 * 3 - strategy.alpha.detach()
    assert drawn(strategy) == [1, 2, 4]
    found = closure_of(strategy)(batch, weights=False, architecture=True).architecture[0]

    scales = F.one_hot(torch.tensor([1, 2, 4]), 5).float().requires_grad_()
    loss = F.cross_entropy(strategy.supernet.sampled(batch.images, [1, 2, 4], scales), batch.labels)
    by_scale = torch.autograd.grad(loss, scales)[0]
    assert (by_scale != 0).sum() == 3  # the drawn operations alone
    # the logits are 3 for what was drawn and 0 elsewhere; d s_k / d a_j = s_k ([j = k] - s_j) / tau
    soft = torch.tensor([3.0 if k else 0.0 for k in wanted.flatten()]).reshape(3, 5) / temperature
    soft = soft.exp() / soft.exp().sum(dim=1, keepdim=True)
    expected = torch.zeros(3, 5)
    for position, k in enumerate([1, 2, 4]):
        for j in range(5):
            slope = soft[position, k] * (float(j == k) - soft[position, j]) / temperature
            expected[position, j] = by_scale[position, k] * slope
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-7)


def test_where_nothing_runs_alpha_stays() -> None:
    strategy, batch = bound(GDAS), digits_like()
    before = strategy.alpha.detach().clone()
    nothing = F.one_hot(torch.zeros(3, dtype=torch.long), 5) * 50.0
    strategy.draw = lambda: nothing  # type: ignore[method-assign]
    strategy._noise = nothing
    strategy.architecture_step(closure_of(strategy), batch, batch)
    assert torch.equal(strategy.alpha.detach(), before)


def test_the_temperature_falls_from_10_to_a_tenth() -> None:
    strategy = bound(GDAS)
    seen = []
    for epoch in range(250):
        strategy.begin_epoch(epoch, 250)
        seen.append(strategy.temperature)
    assert seen[0] == 10
    assert seen[-1] == pytest.approx(0.1)
    assert seen[83] == pytest.approx(10 - 9.9 * 83 / 249)
    np.testing.assert_allclose(np.diff(seen), -9.9 / 249)


def test_alpha_learns_from_validation_images_and_weights_from_training_images() -> None:
    strategy = bound(GDAS, seed=1)  # whose first draw joins input and output
    train, valid = digits_like(seed=1), digits_like(seed=2)
    plain, seen = closure_of(strategy), []

    def closure(batch: Any, **asked: bool) -> Gradients:
        seen.append(("train" if batch is train else "valid", strategy._noise))
        return plain(batch, **asked)

    weights = [p.detach().clone() for p in strategy.weights.parameters]
    alpha = strategy.alpha.detach().clone()
    strategy.architecture_step(closure, train, valid)
    assert all(torch.equal(p, old) for p, old in zip(strategy.weights.parameters, weights, strict=True))
    moved = strategy.alpha.detach().clone()
    # the first step of Adam moves every parameter by the learning rate, but for gradients near its eps
    np.testing.assert_allclose((moved - alpha).abs().numpy(), 3e-4, rtol=0.05)
    strategy.weight_step(closure, train)
    assert torch.equal(strategy.alpha.detach(), moved)
    assert not all(torch.equal(p, old) for p, old in zip(strategy.weights.parameters, weights, strict=True))
    assert [which for which, _ in seen] == ["valid", "train"]
    assert not torch.equal(seen[0][1], seen[1][1])  # each step draws its own


def test_derivation_is_the_argmax_of_alpha() -> None:
    strategy = bound(GDAS)
    with torch.no_grad():
        strategy.alpha.copy_(F.one_hot(torch.tensor([3, 0, 4]), 5))
    assert strategy.ask().batch.tolist() == [[3, 0, 4]]
    assert len(strategy.ask().batch) == 0
    assert strategy.recommend().tolist() == [3, 0, 4]


def test_candidates_that_a_position_lacks_are_never_drawn_or_derived() -> None:
    strategy, batch = bound(GDAS), digits_like()
    present = np.ones((3, 5), dtype=bool)
    present[0, 2:] = False

    class Lacking:
        def __init__(self, supernet: Any) -> None:
            self.present, self.mixture, self._supernet = present, supernet.mixture, supernet

        def sampled(self, images: Tensor, row: np.ndarray, weights: Tensor) -> Tensor:
            assert row[0] < 2
            return self._supernet.sampled(images, row, weights)

    strategy.bind(Lacking(strategy.supernet), strategy.weights)
    with torch.no_grad():
        strategy.alpha[0, 3] = 100.0
    for _ in range(30):
        strategy.draw()
        gradient = closure_of(strategy)(batch, architecture=True).architecture[0]
        assert gradient is None or (torch.isfinite(gradient).all() and not gradient[0, 2:].any())
    assert strategy.derive()[0] < 2


def test_a_supernet_without_weighted_candidates_is_refused() -> None:
    space = get_space("nasbench101")
    supernet = build_supernet(space, 10, 1, generator=torch.Generator().manual_seed(0), channels=16, cells=1)
    with pytest.raises(InputError, match="gdas weighs all candidates"):
        GDAS(space, np.random.default_rng(0)).bind(supernet, RecordingWeights(list(supernet.parameters())))


@pytest.mark.parametrize("wrong", [{"initial_temperature": 0.0}, {"final_temperature": -1.0}, {"beta2": 1.0}])
def test_hyperparameters_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError):
        GDAS(get_space("nasbench201"), np.random.default_rng(0), **wrong)
