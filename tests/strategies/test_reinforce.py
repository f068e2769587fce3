"""REINFORCE against finite differences, PyTorch's Adam and the published loop written plainly."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchkit.base.errors import InputError
from benchkit.spaces.categorical import CategoricalSpace
from benchkit.strategies.reinforce import MovingAverage, Reinforce
from benchkit.strategies.score_function import Adam, log_probability_gradient, softmax


def toy(*arity):
    """A user's space without structure: independent choices."""
    return CategoricalSpace("toy", {f"op{i}": range(a) for i, a in enumerate(arity)})


def log_probability(logits, row):
    """Of the row under one softmax per choice, straight from the definition."""
    return sum(logits[i, a] - np.log(np.exp(logits[i]).sum()) for i, a in enumerate(row))


@given(st.integers(0, 10_000))
def test_the_gradient_is_that_of_the_log_probability(seed):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(3, 4))
    row = rng.integers(4, size=3)
    exact = log_probability_gradient(softmax(logits), row)
    for i in range(3):
        for j in range(4):
            step = np.zeros_like(logits)
            step[i, j] = 1e-6
            slope = (log_probability(logits + step, row) - log_probability(logits - step, row)) / 2e-6
            assert exact[i, j] == pytest.approx(slope, abs=1e-7)


def test_the_expected_gradient_is_that_of_the_expected_reward():
    """Williams, theorem 1, by enumeration: E[r d log p] = d E[r], whatever the baseline."""
    space = toy(2, 3)
    rng = np.random.default_rng(0)
    logits = np.array([[0.3, -0.2, -np.inf], [0.1, 0.5, -0.4]])
    rows = space.at(np.arange(6))
    reward = rng.uniform(0, 100, 6)

    def expected_reward(logits):
        p = softmax(logits)
        return sum(r * p[0, a] * p[1, b] for r, (a, b) in zip(reward, rows, strict=True))

    p = softmax(logits)
    estimate = sum(
        p[0, a] * p[1, b] * (r - 37.0) * log_probability_gradient(p, np.array([a, b], dtype=np.int8))
        for r, (a, b) in zip(reward, rows, strict=True)
    )
    for i, j in [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2)]:
        step = np.zeros((2, 3))
        step[i, j] = 1e-6
        slope = (expected_reward(logits + step) - expected_reward(logits - step)) / 2e-6
        assert estimate[i, j] == pytest.approx(slope, abs=1e-5)


def test_the_moving_average_by_hand():
    average = MovingAverage(0.9)
    assert average.update(80.0) == pytest.approx(80.0)
    assert average.update(90.0) == pytest.approx((0.09 * 80 + 0.1 * 90) / 0.19)
    assert MovingAverage(0.0).update(5.0) == 5.0


def test_adam_is_that_of_torch():
    rng = np.random.default_rng(0)
    parameters = torch.zeros(3, 2, dtype=torch.float64, requires_grad=True)
    theirs = torch.optim.Adam([parameters], lr=0.01)
    ours, position = Adam((3, 2), 0.01), np.zeros((3, 2))
    for _ in range(50):
        gradient = rng.normal(size=(3, 2)) * 10
        parameters.grad = torch.from_numpy(gradient.copy())
        theirs.step()
        position += ours.step(gradient)
    np.testing.assert_allclose(position, parameters.detach().numpy(), rtol=1e-10)


def test_agrees_with_the_published_loop_by_automatic_differentiation():
    """The loss -log p (r - baseline), differentiated by torch, gives the same policy after 60 steps."""
    space = toy(*(4,) * 5)
    search = Reinforce(space, np.random.default_rng(0), learning_rate=0.05)
    logits = torch.from_numpy(search._logits.copy()).requires_grad_()
    adam = torch.optim.Adam([logits], lr=0.05)
    numerator = denominator = 0.0
    for _ in range(60):
        batch = search.ask().batch
        reward = float(batch.sum())
        search.tell(batch, np.array([reward]))
        numerator, denominator = 0.9 * numerator + 0.1 * reward, 0.9 * denominator + 0.1
        action = torch.from_numpy(batch[0].astype(np.int64))
        log_p = torch.distributions.Categorical(logits=logits).log_prob(action)
        loss = (-log_p * (reward - numerator / denominator)).sum()
        adam.zero_grad()
        loss.backward()
        adam.step()
    np.testing.assert_allclose(search.probabilities(), torch.softmax(logits, 1).detach().numpy(), rtol=1e-6)


def test_choices_of_different_arity_keep_their_padding_out():
    search = Reinforce(toy(2, 5, 1), np.random.default_rng(0), learning_rate=0.1)
    for _ in range(30):
        batch = search.ask().batch
        search.tell(batch, batch.sum(axis=1).astype(float))
    probabilities = search.probabilities()
    assert (probabilities[0, 2:] == 0).all()
    assert probabilities[2].tolist() == [1, 0, 0, 0, 0]
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


def test_learns_which_choice_is_good():
    space = toy(*(4,) * 3)
    search = Reinforce(space, np.random.default_rng(1), learning_rate=0.05)
    for _ in range(600):
        batch = search.ask().batch
        search.tell(batch, 60.0 + 10.0 * (batch == 2).sum(axis=1))
    assert (search.probabilities()[:, 2] > 0.9).all()


def test_a_constant_score_moves_nothing():
    search = Reinforce(toy(*(4,) * 3), np.random.default_rng(0))
    before = search.probabilities()
    for _ in range(20):
        batch = search.ask().batch
        search.tell(batch, np.full(len(batch), 50.0))
    np.testing.assert_allclose(search.probabilities(), before, atol=1e-6)


def test_a_batch_makes_one_mean_step():
    search = Reinforce(toy(*(3,) * 2), np.random.default_rng(0), batch=2, momentum=0.5)
    start = search._logits.copy()
    search.tell(np.array([[0, 1], [2, 2]], dtype=np.int8), np.array([10.0, 40.0]))
    p = softmax(start)
    # The baselines are 10 and (0.25 * 10 + 0.5 * 40) / 0.75 = 30, so the advantages are 0 and 10.
    gradient = -10.0 * log_probability_gradient(p, np.array([2, 2])) / 2
    np.testing.assert_allclose(search._logits - start, Adam((2, 3), 0.01).step(gradient), rtol=1e-9)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"learning_rate": 0.0}, "learning_rate must be positive"),
        ({"learning_rate": float("nan")}, "learning_rate must be a number"),
        ({"momentum": 1.0}, r"momentum must be in \[0, 1\)"),
        ({"batch": 0}, "batch must be at least 1"),
        ({"init_scale": -1.0}, "init_scale must not be negative"),
    ],
)
def test_wrong_hyperparameters_are_refused(wrong, message):
    with pytest.raises(InputError, match=message):
        Reinforce(toy(2, 2), np.random.default_rng(0), **wrong)
