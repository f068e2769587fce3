"""The formulas of SI-VDNAS against numerical integration, simulation and differentiation."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm

from benchkit.strategies.sivdnas.variational_dropout import (
    annealed_gap,
    annealed_kl,
    keep_probability,
    kept,
    log_delta_score,
    mixture_weights,
    noisy_weights,
)

Figures = npt.NDArray[np.float64]
CASES = [(0.7, 0.3, 0.0), (0.7, 0.3, 0.5), (-1.4, 2.0, 0.25), (0.05, 0.9, 0.9), (2.0, 0.01, 0.0)]


def kl_for_precision(precision: Figures, weight: Figures, delta: Figures, gap: float) -> Figures:
    """Return KL(N(w, w^2 delta) || N(lambda w, 1 / eta)), in nats: Eq. 9 with the factor 1/2."""
    scaled = precision * weight**2
    return np.asarray(-np.log(scaled * delta) / 2 + scaled * (gap + delta) / 2 - 0.5)


def best_precision(weight: Figures, delta: Figures, gap: float) -> Figures:
    """Return the eta that makes the KL least (Eq. 10)."""
    return np.asarray(1 / (weight**2 * (gap + delta)))


def integrated(weight: float, delta: float, precision: float, mean: float) -> float:
    """KL(N(w, w^2 delta) || N(mean, 1 / eta)) by quadrature."""
    posterior = norm(weight, abs(weight) * math.sqrt(delta))
    prior = norm(mean, 1 / math.sqrt(precision))
    wide = 12 * posterior.std()

    def density(tau: float) -> float:
        return float(posterior.pdf(tau) * (posterior.logpdf(tau) - prior.logpdf(tau)))

    return float(quad(density, weight - wide, weight + wide, points=[weight], limit=200)[0])


@pytest.mark.parametrize(("weight", "delta", "lam"), CASES)
def test_equation_11_by_numerical_integration(weight: float, delta: float, lam: float) -> None:
    gap = (1 - lam) ** 2
    w, d = np.array(weight), np.array(delta)
    precision = float(best_precision(w, d, gap))
    exact = integrated(weight, delta, precision, lam * weight)
    assert float(annealed_kl(np.array([delta]), gap)[0]) == pytest.approx(exact, rel=1e-6)
    # and this is the least KL over all precisions (Eq. 10)
    for other in (0.9, 1.1):
        assert integrated(weight, delta, precision * other, lam * weight) > exact


@pytest.mark.parametrize(("weight", "delta", "lam"), CASES)
def test_equation_9_holds_with_a_half_and_not_as_printed(weight: float, delta: float, lam: float) -> None:
    gap = (1 - lam) ** 2
    w, d = np.array(weight), np.array(delta)
    for times in (0.3, 1.0, 4.0):
        precision = times * best_precision(w, d, gap)
        exact = integrated(weight, delta, float(precision), lam * weight)
        assert float(kl_for_precision(precision, w, d, gap)) == pytest.approx(exact, rel=1e-6, abs=1e-9)
        scaled = float(precision) * weight**2
        printed = -0.5 * math.log(scaled * delta) + 2 * scaled * (gap + delta) - 0.5
        assert printed - exact == pytest.approx(1.5 * times)  # Eq. 10 put into it: Eq. 11 and 3/2


@given(st.floats(1e-4, 1e4), st.floats(0.0, 1.0))
def test_kl_is_positive_falls_with_delta_and_vanishes_with_the_annealing(delta: float, gap: float) -> None:
    deltas = np.array([delta, 2 * delta])
    first, second = annealed_kl(deltas, gap)
    assert first >= second >= 0
    assert annealed_kl(deltas, 0.0).tolist() == [0.0, 0.0]
    tensor = torch.tensor(deltas)
    np.testing.assert_allclose(annealed_kl(tensor, gap).numpy(), [first, second], rtol=1e-12)


def test_annealing_is_once_an_epoch() -> None:
    assert annealed_gap(1.0, 0.95, 0) == 1.0
    assert annealed_gap(1.0, 0.95, 35) == pytest.approx(0.95**35)
    assert annealed_gap(1.0, 0.95, 390) < 1e-8  # once a step of CIFAR-10, an epoch would end it


def test_keep_probability_by_hand() -> None:
    np.testing.assert_allclose(keep_probability(np.array([1.0, 3.0, 0.25])), [0.5, 0.25, 0.8])


def test_gates_are_kept_as_often_as_they_should() -> None:
    log_delta = torch.tensor([math.log(0.25), 0.0, math.log(4.0)])
    noise = torch.tensor(np.random.default_rng(0).logistic(size=(40_000, 3)))
    gates = kept(log_delta.expand(40_000, 3).double(), noise)
    assert set(gates.flatten().tolist()) == {0.0, 1.0}
    np.testing.assert_allclose(gates.mean(0).numpy(), [0.8, 0.5, 0.2], atol=0.01)
    assert not gates.requires_grad


@pytest.mark.parametrize("additive", [True, False])
def test_noise_has_the_mean_and_variance_of_equation_16(additive: bool) -> None:
    n, weight, delta = 200_000, -0.6, 0.5
    noise = torch.tensor(np.random.default_rng(1).standard_normal(n))
    w, log_delta = torch.tensor(weight).double(), torch.tensor(math.log(delta)).double()
    drawn = noisy_weights(w, torch.ones(n).double(), log_delta, noise, additive)
    assert float(drawn.mean()) == pytest.approx(weight, abs=4 * math.sqrt(weight**2 * delta / n))
    assert float(drawn.var()) == pytest.approx(weight**2 * delta, rel=0.02)
    assert noisy_weights(w, torch.zeros(3).double(), log_delta, noise[:3], additive).tolist() == [0, 0, 0]


def test_only_the_additive_form_keeps_noise_out_of_the_weights_gradient() -> None:
    w, log_delta = torch.tensor(0.5, requires_grad=True), torch.tensor(math.log(4.0), requires_grad=True)
    gates, noise = torch.ones(2), torch.tensor([1.0, -3.0])
    for additive, expected in ((True, [1.0, 1.0]), (False, [1 + 2 * 1.0, 1 - 2 * 3.0])):
        drawn = noisy_weights(w, gates, log_delta, noise, additive)
        assert drawn.tolist() == pytest.approx([0.5 * 3, 0.5 * -5])
        of_w = [torch.autograd.grad(each, w, retain_graph=True)[0].item() for each in drawn]
        assert of_w == pytest.approx(expected)
        # d/d log delta of w sqrt(delta) eps is half of it
        of_delta = [torch.autograd.grad(each, log_delta, retain_graph=True)[0].item() for each in drawn]
        assert of_delta == pytest.approx([0.5, -1.5])


def test_mixture_is_the_product_of_equation_13() -> None:
    found = mixture_weights(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([10.0, -1.0]))
    assert found.tolist() == [[10.0, 20.0], [-3.0, -4.0]]


@given(st.floats(-5, 5), st.sampled_from([0.0, 1.0]))
def test_score_is_the_derivative_of_the_log_probability(value: float, gate: float) -> None:
    log_delta = torch.tensor(value, dtype=torch.float64, requires_grad=True)
    chance = 1 / (1 + log_delta.exp())
    log_probability = (chance if gate else 1 - chance).log()
    expected = torch.autograd.grad(log_probability, log_delta)[0]
    found = log_delta_score(torch.tensor(gate).double(), log_delta.detach())
    assert float(found) == pytest.approx(float(expected), abs=1e-12)
