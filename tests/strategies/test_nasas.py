"""NASAS: its equations by hand, its gates on every kind of supernet, and its two ways of sampling."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from benchkit.base.errors import InputError
from benchkit.spaces import get_space
from benchkit.spaces.engine import build_supernet
from benchkit.spaces.engine.build import gated
from benchkit.strategies.nasas.supernet import NASAS, entropy_term, ramp, relaxed_gates, weight_term
from benchkit.strategies.weight_sharing import Gradients, ImageBatch
from tests.strategies.supernets import RecordingWeights, digits_like

IMAGES = RecordingWeights.images  # N

SUPERNETS: dict[str, dict[str, int]] = {
    "nasbench201-3": {"channels": 4, "cells": 1},
    "nasbench101": {"channels": 8, "stacks": 2, "cells": 1},
    "nasbench-macro": {"channels": 2, "features": 8},
    "nasnet": {"channels": 2, "cells": 3},
    "branches:m@2": {},
}


def make(space_name: str = "nasbench201-3", seed: int = 0, **options: Any) -> NASAS:
    space = get_space(space_name)
    generator = torch.Generator().manual_seed(0)
    supernet = build_supernet(space, 10, 1, generator=generator, **SUPERNETS[space_name])
    strategy = NASAS(space, np.random.default_rng(seed), **options)
    strategy.bind(supernet, RecordingWeights(list(supernet.parameters())))
    return strategy


def closure_of(strategy: NASAS) -> Any:
    def closure(batch: ImageBatch, *, weights: bool = True, architecture: bool = False) -> Gradients:
        loss = strategy.data_loss(strategy.forward(batch.images), batch.labels, 0.0)
        extra = strategy.extra_loss()
        loss = loss if extra is None else loss + extra
        shared = list(strategy.weights.parameters) if weights else []
        own = list(strategy.parameters.values()) if architecture else []
        found = torch.autograd.grad(loss, [*shared, *own], allow_unused=True)
        return Gradients(loss.detach(), found[: len(shared)], found[len(shared) :])

    return closure


# -- equations --------------------------------------------------------------------------------------------


def test_weight_term_by_hand() -> None:
    """l^2 = 50, N = 100: 50 / 200 * (0.9 * 4 + 0.25 * 8) = 1.4."""
    value = weight_term(torch.tensor([0.1, 0.75]), torch.tensor([4.0, 8.0]), prior=50.0, images=100)
    assert float(value) == pytest.approx(1.4)


def test_entropy_term_by_hand() -> None:
    """k p log p with k = 3, p = 1/2 and k = 1, p = 1/4; concrete dropout adds the other half."""
    drop, sizes = torch.tensor([0.5, 0.25]), torch.tensor([3.0, 1.0])
    printed = 3 * 0.5 * np.log(0.5) + 0.25 * np.log(0.25)
    other = 3 * 0.5 * np.log(0.5) + 0.75 * np.log(0.75)
    assert float(entropy_term(drop, sizes)) == pytest.approx(printed, rel=1e-6)
    assert float(entropy_term(drop, sizes, both=True)) == pytest.approx(printed + other, rel=1e-6)


@pytest.mark.parametrize("certain", [0.0, 1.0])
def test_entropy_of_a_certain_gate_is_finite_with_a_finite_gradient(certain: float) -> None:
    drop = torch.tensor([certain], requires_grad=True)
    value = entropy_term(drop, torch.ones(1), both=True)
    (gradient,) = torch.autograd.grad(value, drop)
    assert value.item() == pytest.approx(0, abs=1e-4)
    assert torch.isfinite(gradient).all()


def test_relaxed_gate_is_equation_17_with_the_sign_that_it_needs() -> None:
    """sigmoid((log keep - log drop + log(-log r2) - log(-log r1)) / tau), r1 = 0.3, r2 = 0.8, keep = 0.7."""
    noise = np.log(-np.log(0.8)) - np.log(-np.log(0.3))
    drop_logit = np.log(0.3) - np.log(0.7)
    expected = 1 / (1 + np.exp(-(np.log(0.7) - np.log(0.3) + noise) / 0.2))
    value = relaxed_gates(torch.tensor([drop_logit]), 0.2, torch.tensor([noise]))
    assert float(value) == pytest.approx(expected, rel=1e-5)


def test_gates_become_bernoulli_as_the_temperature_falls() -> None:
    rng = np.random.default_rng(0)
    noise = torch.from_numpy(rng.logistic(size=100_000))
    gates = relaxed_gates(torch.full((100_000,), float(np.log(0.3 / 0.7))), 1e-3, noise)
    assert float(((gates > 0.01) & (gates < 0.99)).double().mean()) < 0.01
    assert float(gates.mean()) == pytest.approx(0.7, abs=0.005)


def test_ramp_starts_without_dropout_and_ends_at_the_rate() -> None:
    assert [ramp(epoch, 5, 0.4) for epoch in range(5)] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert ramp(0, 1, 0.4) == 0.4


@pytest.mark.parametrize("name", ["nasbench201-3", "nasnet"])
def test_an_edge_left_out_has_no_gate(name: str) -> None:
    strategy = make(name)
    operations = {int(gate.split("/")[1]) for gate in strategy.gates.names}
    assert strategy.space.none not in operations  # type: ignore[attr-defined]
    assert len(strategy.gates.names) == strategy.space.length * (max(strategy.space.arity) - 1)


def test_uneven_odds_of_dropping_become_the_law_of_one_operation() -> None:
    """Gates given that at most one of an edge is open: P(o) = odds / (1 + sum of odds), none the rest."""
    strategy = make()
    keep = np.full(len(strategy.gates.names), 0.5)
    keep[:4] = [0.8, 0.5, 0.2, 0.5]  # the four operations of the first edge: odds 4, 1, 1/4, 1
    rows = strategy.gates.rows(keep, np.random.default_rng(0), 40_000)
    odds = np.array([1, 4, 1, 0.25, 1])  # none first
    shares = np.bincount(rows[:, 0], minlength=5) / len(rows)
    np.testing.assert_allclose(shares, odds / odds.sum(), atol=0.01)
    np.testing.assert_allclose(np.bincount(rows[:, 1], minlength=5) / len(rows), 0.2, atol=0.01)


# -- supernets --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SUPERNETS)
def test_gates_of_a_row_compute_that_row(name: str) -> None:
    """Open exactly the gates of an architecture: the output is its path's."""
    strategy = make(name)
    gates, space, images = strategy.gates, strategy.space, digits_like(6).images
    row = gates.rows(np.full(len(gates.names), 0.5), np.random.default_rng(1), 1)
    mask = torch.zeros(1, len(gates.groups))
    if name.startswith("branches"):
        mask[:] = torch.from_numpy(row)
    elif name == "nasbench101":
        mask[0, :21] = torch.from_numpy(row[0, :21])
        for vertex, operation in enumerate(row[0, 21:]):
            mask[0, 21 + 3 * vertex + int(operation)] = 1
    else:
        for index, gate in enumerate(gates.names):
            position, operation = map(int, gate.split("/"))
            mask[0, index] = float(row[0, position] == operation)
    assert space.is_valid(row).all()
    torch.testing.assert_close(
        gates.forward(images, mask), strategy.supernet.path(images, row[0]), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("name", SUPERNETS)
def test_norms_are_those_of_the_weights_behind_the_gates(name: str) -> None:
    """Every squared weight belongs to one gate at most; what is left over is stem, head and the like."""
    strategy = make(name)
    norms = strategy.gates.norms()
    everything = sum(float(w.detach().square().sum()) for w in strategy.supernet.parameters())
    assert norms.shape == (len(strategy.gates.groups),)
    assert 0 < norms.sum().item() < everything
    gradients = torch.autograd.grad(norms.sum(), list(strategy.supernet.parameters()), allow_unused=True)
    for weight, gradient in zip(strategy.supernet.parameters(), gradients, strict=True):
        if gradient is not None:  # 2 w where a gate stands before it, 0 elsewhere
            owned = gradient.abs() > 0
            torch.testing.assert_close(gradient[owned], 2 * weight.detach()[owned])


@pytest.mark.parametrize("name", SUPERNETS)
def test_a_step_moves_weights_and_probabilities_together(name: str) -> None:
    strategy = make(name)
    before = strategy.drop().detach().clone()
    loss = strategy.weight_step(closure_of(strategy), digits_like(6))
    assert torch.isfinite(loss)
    assert isinstance(strategy.weights, RecordingWeights)
    assert len(strategy.weights.steps) == 1
    assert not torch.equal(strategy.drop(), before)
    rows = strategy.ask().batch
    assert len(rows) == 50
    assert strategy.space.is_valid(rows).all()


def test_supernets_without_gates_are_refused() -> None:
    class Other:
        recipe = gated  # anything that is no network

    with pytest.raises((InputError, AttributeError)):
        gated(Other())


# -- losses -----------------------------------------------------------------------------------------------


def plain_terms(strategy: NASAS) -> tuple[float, float, float]:
    """Return, by plain loops, sum (1 - p) |m|^2 over gates and ungated weights, and both entropies."""
    drop = strategy.drop().detach().double().numpy()
    norms = strategy.gates.norms().detach().double().numpy()
    total = sum(float(w.detach().double().square().sum()) for w in strategy.supernet.parameters())
    weights = sum((1 - drop[g]) * m for g, m in zip(strategy.gates.groups, norms, strict=True))
    weights += total - norms.sum()
    half = sum(k * p * np.log(p) for k, p in zip(strategy.gates.sizes, drop, strict=True))
    other = sum(k * (1 - p) * np.log(1 - p) for k, p in zip(strategy.gates.sizes, drop, strict=True))
    return weights, half, other


def test_the_three_forms_of_the_loss() -> None:
    for form in ("mean", "literal", "concrete"):
        strategy = make("branches:m@2", loss=form, prior=250.0, initial_drop=0.3)
        weights, half, other = plain_terms(strategy)
        decay = 250 / (2 * IMAGES) * weights
        expected = {
            "mean": decay + half / IMAGES,
            "literal": (decay + half) / IMAGES,
            "concrete": decay + (half + other) / IMAGES,
        }[form]
        extra = strategy.extra_loss()
        assert extra is not None
        assert extra.item() == pytest.approx(expected, rel=1e-4)


def test_literal_loss_has_the_likelihood_without_logarithm() -> None:
    logits, labels = torch.tensor([[2.0, 0.0], [0.0, 0.0]]), torch.tensor([0, 1])
    literal, mean = make(loss="literal"), make()
    assert float(literal.data_loss(logits, labels, 0.0)) == pytest.approx(-(1 / (1 + np.exp(-2)) + 0.5) / 2)
    assert float(mean.data_loss(logits, labels, 0.0)) == pytest.approx(float(F.cross_entropy(logits, labels)))


def test_a_larger_prior_drops_more() -> None:
    """Table 3(b): the higher l^2, the smaller the network."""

    def kept(prior: float) -> float:
        strategy = make("branches:m@2", prior=prior)
        for step in range(12):
            strategy.weight_step(closure_of(strategy), digits_like(8, seed=step))
        return (1 - strategy.drop()).mean().item()

    assert kept(5000.0) < kept(50.0)


# -- sampling ---------------------------------------------------------------------------------------------


def test_samples_are_as_many_as_asked_for_and_follow_p() -> None:
    strategy = make("branches:m@2", samples=120)
    strategy.drop_logits.data[:] = torch.linspace(-2, 2, len(strategy.drop_logits))
    asked = []
    while len(batch := strategy.ask().batch):
        strategy.tell(batch, np.zeros(len(batch)))
        asked.append(batch)
    rows = np.concatenate(asked)
    assert len(rows) == 120
    drop = strategy.drop().detach().numpy()
    for group in range(len(drop)):
        share = rows[:, strategy.gates.groups == group].mean()
        n = 120 * strategy.gates.sizes[group]
        assert abs(share - (1 - drop[group])) < 4.5 * np.sqrt(0.25 / n)


def test_predefined_sampling_learns_no_probabilities() -> None:
    strategy = make("branches:m@2", sampling="predefined", predefined_rate=0.4)
    assert strategy.parameters == {}
    assert strategy.extra_loss() is None
    assert not strategy.regularises_weights
    strategy.begin_epoch(0, 3)
    torch.testing.assert_close(strategy.drop(), torch.zeros(len(strategy.gates.names)))
    constant = make("branches:m@2", sampling="predefined", predefined_rate=0.4, ramp=False)
    constant.begin_epoch(0, 3)
    torch.testing.assert_close(constant.drop(), torch.full((len(strategy.gates.names),), 0.4))
    strategy.begin_epoch(2, 3)
    drawn: list[Tensor] = []
    forward = strategy.gates.forward
    strategy.gates.forward = lambda images, gates: drawn.append(gates) or forward(images, gates)  # type: ignore[method-assign, func-returns-value]
    strategy.weight_step(closure_of(strategy), digits_like(8))
    assert set(drawn[0].unique().tolist()) == {0.0, 1.0}
    assert drawn[0].mean().item() == pytest.approx(0.6, abs=0.08)
    assert strategy.ask().batch.mean() == pytest.approx(0.6, abs=0.02)


@pytest.mark.parametrize(
    "wrong",
    [
        {"prior": -1.0},
        {"temperature": 0.0},
        {"initial_drop": 1.0},
        {"samples": 0},
        {"loss": "sum"},
        {"sampling": "x"},
    ],
)
def test_unusable_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        NASAS(get_space("nasbench201-3"), np.random.default_rng(0), **wrong)


def test_the_posterior_is_part_of_the_findings() -> None:
    found = make(initial_drop=0.25).findings()["drop_probability"]
    assert len(found) == 3 * 4
    assert set(found.values()) == {0.25}
