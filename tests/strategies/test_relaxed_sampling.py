"""Relaxed samples against the laws that they are known to follow."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from benchkit.strategies.relaxed_sampling import (
    gumbel_noise,
    gumbel_softmax,
    hard_bit,
    hard_one_hot,
    linear_temperature,
    logistic_noise,
    relaxed_bernoulli,
)

N = 20_000
LOGITS = torch.tensor([0.0, 1.0, -1.0, 0.5], dtype=torch.float64)


def draws(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    logits = LOGITS.expand(N, 4)
    return logits, gumbel_noise(np.random.default_rng(seed), logits)


def test_noise_follows_its_law_and_takes_after_the_parameters() -> None:
    like = torch.zeros(N, dtype=torch.float64, requires_grad=True)
    rng = np.random.default_rng(1)
    gumbel, logistic = gumbel_noise(rng, like), logistic_noise(rng, like)
    assert stats.kstest(gumbel.numpy(), lambda x: np.exp(-np.exp(-x))).pvalue > 0.001
    assert stats.kstest(logistic.numpy(), lambda x: 1 / (1 + np.exp(-x))).pvalue > 0.001
    assert not gumbel.requires_grad
    assert gumbel_noise(rng, torch.zeros(2, 3)).dtype == torch.float32


@pytest.mark.parametrize("temperature", [0.1, 1.0, 10.0])
def test_the_largest_entry_is_a_draw_of_the_softmax_at_any_temperature(temperature: float) -> None:
    soft = gumbel_softmax(*_with_temperature(temperature))
    counts = np.bincount(soft.argmax(dim=1).numpy(), minlength=4)
    exponentials = [math.exp(x) for x in LOGITS.tolist()]
    expected = [N * e / sum(exponentials) for e in exponentials]
    assert stats.chisquare(counts, expected).pvalue > 0.001


def _with_temperature(temperature: float) -> tuple[torch.Tensor, float, torch.Tensor]:
    logits, noise = draws()
    return logits, temperature, noise


def test_a_relaxed_draw_by_hand() -> None:
    soft = gumbel_softmax(torch.tensor([0.0, math.log(2)]), 0.5, torch.tensor([math.log(3), 0.0]))
    # exp(2 log 3) = 9 against exp(2 log 2) = 4
    torch.testing.assert_close(soft, torch.tensor([9 / 13, 4 / 13]))


@pytest.mark.parametrize("temperature", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("p", [0.2, 0.5, 0.9])
def test_a_relaxed_bit_follows_the_binary_concrete_law(p: float, temperature: float) -> None:
    logits = torch.full((N,), math.log(p / (1 - p)), dtype=torch.float64)
    bits = relaxed_bernoulli(logits, temperature, logistic_noise(np.random.default_rng(2), logits)).numpy()

    def below(x: np.ndarray) -> np.ndarray:
        # Maddison et al., appendix B: Z <= x exactly when the logistic draw is below t logit(x) - logit(p)
        return 1 / (1 + np.exp(-(temperature * np.log(x / (1 - x)) - math.log(p / (1 - p)))))

    assert stats.kstest(bits.clip(1e-15, 1 - 1e-15), below).pvalue > 0.001
    assert (bits > 0.5).mean() == pytest.approx(p, abs=4 * math.sqrt(p * (1 - p) / N))


def test_two_choices_are_one_bit() -> None:
    logits = torch.tensor([1.3, 0.0], dtype=torch.float64).expand(N, 2)
    pairs = gumbel_softmax(logits, 0.7, gumbel_noise(np.random.default_rng(3), logits))
    one = logits[:, 0]
    bits = relaxed_bernoulli(one, 0.7, logistic_noise(np.random.default_rng(4), one))
    assert stats.ks_2samp(pairs[:, 0].numpy(), bits.numpy()).pvalue > 0.001


def test_temperature_zero_is_one_hot_and_infinity_is_uniform() -> None:
    logits, noise = draws()
    cold, hot = gumbel_softmax(logits, 1e-6, noise), gumbel_softmax(logits, 1e6, noise)
    assert (cold.max(dim=1).values > 0.999).double().mean() > 0.999
    torch.testing.assert_close(cold.mean(dim=0), LOGITS.softmax(dim=0), rtol=0, atol=0.015)
    torch.testing.assert_close(hot, torch.full_like(hot, 0.25), rtol=0, atol=1e-4)


def test_an_excluded_entry_is_never_drawn_and_gets_no_gradient() -> None:
    alpha = torch.zeros(500, 3, requires_grad=True)
    absent = torch.tensor([False, False, True])
    logits = alpha.masked_fill(absent, float("-inf"))
    soft = gumbel_softmax(logits, 0.5, gumbel_noise(np.random.default_rng(0), alpha))
    hard = hard_one_hot(soft)
    assert not hard[:, 2].any()
    gradient = torch.autograd.grad(
        (hard * torch.randn(500, 3, generator=torch.Generator().manual_seed(0))).sum(), alpha
    )[0]
    assert torch.isfinite(gradient).all()
    assert not gradient[:, 2].any()
    assert gradient[:, 0].any()


def test_a_hard_draw_has_the_value_of_the_argmax_and_the_gradient_of_the_soft_one() -> None:
    logits = torch.tensor([[0.3, -0.2, 0.9], [1.0, 0.0, -3.0]], requires_grad=True)
    noise = gumbel_noise(np.random.default_rng(5), logits)
    cotangent = torch.tensor([[1.0, -2.0, 0.5], [0.1, 0.2, 0.3]])
    soft = gumbel_softmax(logits, 2.0, noise)
    hard = hard_one_hot(soft)
    assert torch.equal(hard, torch.nn.functional.one_hot((logits + noise).argmax(dim=1), 3).float())
    found = torch.autograd.grad((hard * cotangent).sum(), logits, retain_graph=True)[0]
    # by hand: d soft_i / d logit_k = soft_i ([i = k] - soft_k) / t
    s = soft.detach()
    expected = s * (cotangent - (s * cotangent).sum(dim=1, keepdim=True)) / 2.0
    torch.testing.assert_close(found, expected)


def test_a_hard_bit_has_the_gradient_of_the_soft_one() -> None:
    logits = torch.tensor([2.0, -2.0, 0.1], requires_grad=True)
    noise = torch.tensor([0.5, 0.5, -0.3])
    soft = relaxed_bernoulli(logits, 0.5, noise)
    hard = hard_bit(soft)
    assert hard.tolist() == [1.0, 0.0, 0.0]
    found = torch.autograd.grad(hard.sum(), logits, retain_graph=True)[0]
    torch.testing.assert_close(found, (soft * (1 - soft) / 0.5).detach())


@given(
    st.floats(0.01, 20),
    st.floats(0.01, 20),
    st.integers(2, 300).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n - 2))),
)
def test_a_linear_temperature_takes_even_steps_between_its_ends(
    first: float, last: float, when: tuple[int, int]
) -> None:
    epochs, epoch = when
    assert linear_temperature(first, last, 0, epochs) == first
    assert linear_temperature(first, last, epochs - 1, epochs) == pytest.approx(last)
    step = linear_temperature(first, last, epoch + 1, epochs) - linear_temperature(first, last, epoch, epochs)
    assert step == pytest.approx((last - first) / (epochs - 1), abs=1e-9)


def test_a_single_epoch_has_the_first_temperature() -> None:
    assert linear_temperature(10.0, 0.1, 0, 1) == 10.0


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan])
def test_a_temperature_must_be_positive(temperature: float) -> None:
    zeros = torch.zeros(2)
    for relaxed in (gumbel_softmax, relaxed_bernoulli):
        with pytest.raises(ValueError, match="must be positive"):
            relaxed(zeros, temperature, zeros)
