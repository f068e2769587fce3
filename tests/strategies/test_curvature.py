"""Inverse-Hessian estimates: against the textbook's dense update, and against quadratics."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from benchkit.strategies.curvature import BFGS, Identity, InverseHessian, LimitedBFGS, damped_step


def normal(*shape: int, seed: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def dense(estimate: InverseHessian, size: int) -> Tensor:
    """H, column by column."""
    return torch.stack([estimate.product(column) for column in torch.eye(size).double()], dim=1)


def factor(estimate: InverseHessian) -> Tensor:
    """F, column by column: `factor` is linear in its noise."""
    return torch.stack([estimate.factor(row) for row in torch.eye(estimate.normals).double()], dim=1)


def limited(size: int, memory: int = 5, fading: float = 0.9, spread: float = 1e6) -> LimitedBFGS:
    return LimitedBFGS(torch.zeros(size).double(), memory, fading, spread)


def quadratic(size: int, condition: float, seed: int) -> Tensor:
    """A symmetric positive definite matrix with that condition number."""
    turn, _ = torch.linalg.qr(normal(size, size, seed=seed))
    found: Tensor = turn @ torch.diag(torch.logspace(0, np.log10(condition), size).double()) @ turn.T
    return found


def textbook(inverse: Tensor, step: Tensor, change: Tensor) -> Tensor:
    """One update of Nocedal and Wright, eq. (6.17), as it is printed."""
    rho = 1 / (change @ step)
    one = torch.eye(len(step)).double()
    left, right = one - rho * torch.outer(step, change), one - rho * torch.outer(change, step)
    return left @ inverse @ right + rho * torch.outer(step, step)


def test_bfgs_is_the_textbooks_update() -> None:
    hessian, estimate = quadratic(4, 5.0, seed=0), BFGS(torch.zeros(4))
    first = torch.tensor([1.0, 0.0, 2.0, -1.0]).double()
    change = hessian @ first
    estimate.update(first, change)
    expected = textbook(torch.eye(4).double() * (first @ change) / (change @ change), first, change)
    torch.testing.assert_close(estimate.inverse, expected)
    second = torch.tensor([0.0, 1.0, 0.5, 1.0]).double()
    estimate.update(second, hessian @ second)
    torch.testing.assert_close(estimate.inverse, textbook(expected, second, hessian @ second))
    torch.testing.assert_close(estimate.product(hessian @ second), second)  # the secant equation


@pytest.mark.parametrize(("size", "condition"), [(2, 100.0), (8, 30.0), (15, 100.0)])
def test_bfgs_learns_any_quadratic_from_random_steps(size: int, condition: float) -> None:
    hessian, estimate = quadratic(size, condition, seed=1), BFGS(torch.zeros(size))
    for step in normal(120 * size, size, seed=2):
        estimate.update(step, hessian @ step)
    torch.testing.assert_close(estimate.inverse @ hessian, torch.eye(size).double(), rtol=0, atol=1e-6)
    drawn = factor(estimate)
    torch.testing.assert_close(drawn @ drawn.T, torch.linalg.inv(hessian), rtol=0, atol=1e-5)


def test_limited_bfgs_is_the_dense_update_from_its_diagonal() -> None:
    size, memory = 6, 3
    hessian, estimate = quadratic(size, 3.0, seed=3), limited(size, memory)
    steps = normal(5, size, seed=4)
    for step in steps:
        estimate.update(step, hessian @ step)
    expected = torch.diag(1 / estimate.diagonal)
    for step in steps[-memory:]:
        expected = textbook(expected, step, hessian @ step)
    torch.testing.assert_close(dense(estimate, size), expected)


pairs = st.lists(
    st.tuples(st.integers(0, 10**6), st.sampled_from(["convex", "concave", "any", "zero", "same"])),
    min_size=1,
    max_size=8,
)


@settings(max_examples=60)
@given(pairs=pairs, memory=st.integers(0, 4))
def test_whatever_the_pairs_the_estimates_are_positive_definite_and_draws_have_their_covariance(
    pairs: list[tuple[int, str]], memory: int
) -> None:
    size = 5
    few, full = limited(size, memory, spread=100.0), BFGS(torch.zeros(size))
    for seed, kind in pairs:
        step, other = normal(2, size, seed=seed)
        change = {
            "convex": step * other.abs(),
            "concave": -step * other.abs(),
            "any": other,
            "zero": torch.zeros(size).double(),
            "same": step,
        }[kind]
        for estimate in (few, full):
            estimate.update(step, change)
    for estimate in (few, full):
        matrix, drawn = dense(estimate, size), factor(estimate)
        scale = float(matrix.abs().max())
        torch.testing.assert_close(matrix, matrix.T, rtol=0, atol=1e-9 * scale)
        torch.testing.assert_close(drawn @ drawn.T, matrix, rtol=0, atol=1e-9 * scale)
        assert float(torch.linalg.eigvalsh((matrix + matrix.T) / 2)[0]) > -1e-12 * scale
        assert all(bool(torch.isfinite(value).all()) for value in estimate.state_tensors().values())


def test_draws_of_the_limited_estimate_have_its_covariance() -> None:
    size, draws = 4, 20_000
    hessian, estimate = quadratic(size, 4.0, seed=5), limited(size)
    for step in normal(4, size, seed=6):
        estimate.update(step, hessian @ step)
    numbers = normal(draws, estimate.normals, seed=7)
    sample = torch.stack([estimate.factor(row) for row in numbers])
    inverse = dense(estimate, size)
    # a sample covariance S_ij has the variance (H_ii H_jj + H_ij^2) / n
    spread = ((torch.outer(inverse.diag(), inverse.diag()) + inverse**2) / draws).sqrt()
    assert ((sample.T @ sample / draws - inverse).abs() < 5 * spread).all()


def test_diagonal_quadratics_are_exact_from_the_first_pair() -> None:
    curvature = torch.tensor([0.01, 1.0, 3.0, 50.0]).double()
    estimate = limited(4)
    for step in normal(10, 4, seed=8):
        estimate.update(step, curvature * step)
        torch.testing.assert_close(dense(estimate, 4), torch.diag(1 / curvature), rtol=1e-8, atol=1e-10)


def test_the_diagonal_stays_near_the_common_fit_and_takes_absolute_values() -> None:
    estimate = limited(3, memory=0, fading=0.0, spread=2.0)
    step = torch.tensor([1.0, 1.0, 1.0]).double()
    estimate.update(step, torch.tensor([100.0, 1.0, 7.0]).double())
    assert estimate.diagonal.tolist() == [72.0, 18.0, 18.0]  # the common fit is 108 / 3 = 36
    wide = limited(2, memory=0, fading=0.5)
    wide.update(torch.tensor([1.0, 1.0]).double(), torch.tensor([-3.0, 1.0]).double())
    assert wide.diagonal.tolist() == [3.0, 1.0]
    wide.update(torch.tensor([1.0, 0.0]).double(), torch.tensor([6.0, 0.0]).double())
    # (-3 / 2 + 6) / (1 / 2 + 1) = 3; the second coordinate did not move
    assert wide.diagonal.tolist() == [3.0, 1.0]


def test_damping_by_hand() -> None:
    one = torch.ones(1).double()
    assert damped_step(one, one, one) is one
    # s'y = -1 and y'H y = 1: t = .8 / 2, s = .4 - .6 = -.2, and s'y = .2
    found = damped_step(one, -one, -one)
    assert found is not None
    assert found.item() == pytest.approx(-0.2)
    assert damped_step(one, 0 * one, 0 * one) is None


def test_a_pair_of_negative_curvature_shortens_steps_along_it() -> None:
    estimate = BFGS(torch.zeros(2))
    along = torch.tensor([1.0, 0.0]).double()
    estimate.update(along, -along)
    torch.testing.assert_close(estimate.inverse, torch.diag(torch.tensor([0.2, 1.0]).double()))


@pytest.mark.parametrize("kind", ["full", "limited", "identity"])
def test_a_restored_estimate_is_the_same(kind: str) -> None:
    def make() -> InverseHessian:
        if kind == "identity":
            return Identity(6)
        return BFGS(torch.zeros(6)) if kind == "full" else limited(6, 2)

    one, other = make(), make()
    steps = normal(7, 6, seed=9)
    for step in steps[:4]:
        one.update(step, 2 * step.abs())
    other.load_state_tensors(one.state_tensors())
    for step in steps[4:]:
        one.update(step, 2 * step.abs())
        other.update(step, 2 * step.abs())
    assert one.normals == other.normals
    assert torch.equal(dense(one, 6), dense(other, 6))
    noise = normal(one.normals, seed=10)
    assert torch.equal(one.factor(noise), other.factor(noise))


def test_the_memory_of_the_limited_estimate_grows_with_m_times_length_only() -> None:
    size, memory = 1000, 4
    estimate = limited(size, memory)
    for step in normal(9, size, seed=11):
        estimate.update(step, step)
    kept = sum(value.numel() for value in estimate.state_tensors().values())
    assert kept == (2 * memory + 3) * size + memory
