"""VAENAS-G: binary gates by hand, two paths a position, what is kept, and where the paths come from."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from torch.nn import functional as F  # noqa: N812

from benchkit.base.errors import InputError
from benchkit.spaces import get_space
from benchkit.spaces.base import Batch
from benchkit.spaces.engine import build_supernet
from benchkit.strategies.protocol import Scores
from benchkit.strategies.vaenas.gradient import VAENASGradient, draw_others, draw_rows, gates, rescaled
from tests.strategies.supernets import RecordingWeights, bound, closure_of, digits_like

TINY: dict[str, Any] = {"vae_hidden": 8, "vae_latent": 2, "vae_iterations": 3}


def make(seed: int = 0, **options: Any) -> VAENASGradient:
    return bound(VAENASGradient, seed, **{**TINY, **options})


def pair_of(first: list[int], second: list[int], operations: int = 5) -> np.ndarray:
    pair = np.zeros((len(first), operations), dtype=bool)
    pair[range(len(first)), first] = pair[range(len(first)), second] = True
    return pair


# -- binary gates ---------------------------------------------------------------------------------


def test_gates_by_hand() -> None:
    logits = torch.tensor([[0.0, math.log(3.0), 5.0]], requires_grad=True)
    opened = gates(logits, np.array([1], dtype=np.int8), pair_of([1], [0], 3))
    assert opened.tolist() == [[0.0, 1.0, 0.0]]
    # of the pair p = 1/4 and 3/4; with dL/dg = (8, 16, 100): dL/dx_0 = 1/4 3/4 (8 - 16) = -1.5
    (found,) = torch.autograd.grad((opened * torch.tensor([[8.0, 16.0, 100.0]])).sum(), logits)
    torch.testing.assert_close(found, torch.tensor([[-1.5, 1.5, 0.0]]))


def test_the_gradient_of_the_supernet_is_equation_4_of_two_paths() -> None:
    strategy, batch = make(initial_scale=1.0), digits_like()
    opened, other = [1, 2, 4], [2, 3, 1]
    strategy.path = np.array(opened, dtype=np.int8)
    strategy._pair = pair_of(opened, other)
    torch.testing.assert_close(  # one path is open
        strategy.forward(batch.images), strategy.supernet.path(batch.images, opened), rtol=1e-5, atol=1e-5
    )
    found = closure_of(strategy)(batch, weights=False, architecture=True).architecture[0]

    factors = F.one_hot(torch.tensor(opened), 5).float().requires_grad_()
    loss = F.cross_entropy(strategy.supernet(batch.images, strategy._pair, factors), batch.labels)
    by_gate = torch.autograd.grad(loss, factors)[0]
    alpha, expected = strategy.alpha.detach(), torch.zeros(3, 5)
    for position, two in enumerate(zip(opened, other, strict=True)):
        shares = torch.tensor([float(alpha[position, k]) for k in two]).softmax(dim=0)
        for i in range(2):
            for j in range(2):
                slope = shares[j] * (float(i == j) - shares[i])
                expected[position, two[i]] += by_gate[position, two[j]] * slope
    assert (expected != 0).sum() == 6
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-7)


@given(st.integers(0, 2**31), st.floats(0.01, 5.0))
def test_paths_that_were_not_drawn_keep_their_share(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    before = torch.tensor(rng.normal(size=(4, 5)))
    pair = np.zeros((4, 5), dtype=bool)
    for row in pair:
        row[rng.choice(5, 2, replace=False)] = True
    chosen = torch.from_numpy(pair)
    after = before + scale * torch.tensor(rng.normal(size=(4, 5)))
    moved = rescaled(before, after, chosen)
    assert torch.equal(moved[~chosen], before[~chosen])
    old, new = before.softmax(dim=1), moved.softmax(dim=1)
    torch.testing.assert_close(new[~chosen], old[~chosen])
    # between the two, the step is what it was
    wanted = (after[chosen].reshape(4, 2) @ torch.tensor([1.0, -1.0], dtype=torch.float64)).numpy()
    np.testing.assert_allclose(moved[chosen].reshape(4, 2).numpy() @ [1.0, -1.0], wanted, atol=1e-9)


def test_draws_follow_the_multinomial_without_replacement() -> None:
    rng = np.random.default_rng(0)
    shares = np.array([[0.5, 0.3, 0.2]])
    first = np.array([draw_rows(rng, shares)[0] for _ in range(5000)])
    assert stats.chisquare(np.bincount(first), 5000 * shares[0]).pvalue > 0.001
    second = np.array([draw_others(rng, shares, np.array([1]))[0] for _ in range(5000)])
    assert stats.chisquare(np.bincount(second)[[0, 2]], 5000 * np.array([5, 2]) / 7).pvalue > 0.001
    assert not (second == 1).any()
    assert draw_others(rng, np.array([[0.0, 1.0]]), np.array([1])).tolist() == [1]  # there is no other


# -- a step ---------------------------------------------------------------------------------------


def test_a_step_moves_what_was_drawn_and_nothing_else() -> None:
    strategy, batch = make(initial_scale=0.5, seed=2), digits_like()
    closure = closure_of(strategy)
    for _ in range(5):
        weights = [p.detach().clone() for p in strategy.weights.parameters]
        before, shares = strategy.alpha.detach().clone(), strategy.probabilities()
        pairs = []

        def watched(images: Any, **asked: bool) -> Any:
            pairs.append(strategy._pair.copy())  # type: ignore[union-attr]  # noqa: B023
            return closure(images, **asked)

        strategy.architecture_step(watched, batch, batch)
        (pair,) = pairs
        assert (pair.sum(axis=1) == 2).all()
        assert torch.equal(strategy.alpha.detach()[~torch.from_numpy(pair)], before[~torch.from_numpy(pair)])
        np.testing.assert_allclose(strategy.probabilities()[~pair], shares[~pair], rtol=1e-5)
        assert all(torch.equal(p, old) for p, old in zip(strategy.weights.parameters, weights, strict=True))
    assert not torch.equal(strategy.alpha.detach(), before)


def test_weights_learn_on_the_alpha_that_the_architecture_weights_learned_on() -> None:
    for sampler, same in (("vae", True), ("multinomial", False)):
        strategy, train, valid = make(sampler=sampler), digits_like(seed=1), digits_like(seed=2)
        plain, seen = closure_of(strategy), []

        def closure(
            batch: Any, plain: Any = plain, s: Any = strategy, seen: Any = seen, **asked: bool
        ) -> Any:
            seen.append((batch, s.path.tolist(), s._pair is not None))
            return plain(batch, **asked)

        for _ in range(10):
            strategy.architecture_step(closure, train, valid)
            strategy.weight_step(closure, train)
        assert [(batch is valid, gated) for batch, _, gated in seen] == [(True, True), (False, False)] * 10
        paths = [path for _, path, _ in seen]
        assert (paths[::2] == paths[1::2]) is same


def test_without_vaenas_the_open_path_follows_the_multinomial() -> None:
    strategy = make(sampler="multinomial", initial_scale=1.0)
    rows = np.array([strategy.draw() for _ in range(4000)])
    for column, share in zip(rows.T, strategy.probabilities(), strict=True):
        assert stats.chisquare(np.bincount(column, minlength=5), 4000 * share).pvalue > 0.001
    opened = np.array([(strategy.draw_pair(), strategy.path)[1] for _ in range(3000)])
    # the pair is {i, j} with p_i p_j / (1 - p_i) + p_j p_i / (1 - p_j), and i opens with p_i / (p_i + p_j)
    p = strategy.probabilities()[0]
    law = np.zeros(5)
    for i in range(5):
        for j in range(5):
            if i != j:
                law[i] += (p[i] * p[j] / (1 - p[i]) + p[j] * p[i] / (1 - p[j])) * p[i] / (p[i] + p[j])
    assert law.sum() == pytest.approx(1)
    assert stats.chisquare(np.bincount(opened[:, 0], minlength=5), 3000 * law).pvalue > 0.001


def test_paths_come_from_the_vae_once_it_has_learned() -> None:
    strategy = make(vae_hidden=32)
    uniform = np.array([strategy.draw() for _ in range(3000)])
    assert stats.chisquare(np.bincount(strategy.space.index(uniform), minlength=125)).pvalue > 0.001
    only = np.array([[3, 1, 3]] * 4, dtype=np.int8)
    strategy.learned.vae.fit(only, 150)  # type: ignore[union-attr]
    drawn = np.array([strategy.draw() for _ in range(100)])
    assert (drawn == only[0]).all(axis=1).mean() > 0.8


# -- ranking --------------------------------------------------------------------------------------


def test_ranks_uniform_samples_every_interval() -> None:
    strategy = make(interval=2, ranked=30, ranking_images=50)
    strategy.learned.sample = None  # type: ignore[union-attr, assignment, method-assign]  # never asked
    asked: list[tuple[int, int | None]] = []
    rows: list[Batch] = []

    def evaluate(batch: Batch, images: int | None) -> Scores:
        asked.append((epoch, images))
        rows.append(batch)
        return 10.0 * (batch == 3).sum(axis=1)

    for epoch in range(5):
        strategy.begin_epoch(epoch, 5)
        strategy.end_epoch(epoch, evaluate)
    assert asked == [(1, 50), (3, 50), (4, 50)]
    assert [len(batch) for batch in rows] == [30] * 3
    assert stats.chisquare(np.bincount(np.concatenate(rows).ravel(), minlength=5)).pvalue > 0.001
    baseline = make(sampler="multinomial", interval=1)
    baseline.begin_epoch(0, 1)
    baseline.end_epoch(0, evaluate)
    assert len(rows) == 3
    assert set(baseline.report()) == {"entropy", "skips"}  # and nothing of a sampler that learns


def test_the_answer_is_the_strongest_of_each_position() -> None:
    strategy = make()
    with torch.no_grad():
        strategy.alpha.copy_(F.one_hot(torch.tensor([3, 0, 4]), 5))
    assert strategy.ask().batch.tolist() == [[3, 0, 4]]
    assert strategy.recommend().tolist() == [3, 0, 4]


def test_what_was_learned_survives_exactly() -> None:
    whole, again, batch = make(interval=1, ranked=20), make(seed=4, interval=1, ranked=20), digits_like()

    def epoch(strategy: VAENASGradient, number: int) -> list[Any]:
        strategy.begin_epoch(number, 3)
        for _ in range(4):
            strategy.architecture_step(closure_of(strategy), batch, batch)
            strategy.draw()
        strategy.end_epoch(number, lambda rows, images: 10.0 * (rows == 3).sum(axis=1))
        return [strategy.path.tolist(), strategy.alpha.tolist()]  # type: ignore[union-attr]

    epoch(whole, 0)
    again.load_state_tensors({name: value.clone() for name, value in whole.state_tensors().items()})
    again.rng.bit_generator.state = whole.rng.bit_generator.state
    again.supernet.load_state_dict(whole.supernet.state_dict())
    assert epoch(again, 1) == epoch(whole, 1)


def test_a_supernet_of_paths_alone_is_refused() -> None:
    space = get_space("nasbench101")
    supernet = build_supernet(space, 10, 1, generator=torch.Generator().manual_seed(0), channels=16, cells=1)
    with pytest.raises(InputError, match="vaenas-g weighs all candidates"):
        VAENASGradient(space, np.random.default_rng(0)).bind(
            supernet, RecordingWeights(list(supernet.parameters()))
        )


@pytest.mark.parametrize("wrong", [{"sampler": "uniform"}, {"beta1": 1.0}, {"ranked": 0}, {"keep": 101.0}])
def test_hyperparameters_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="strategy vaenas-g"):
        make(**wrong)
