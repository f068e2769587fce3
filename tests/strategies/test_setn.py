"""SETN: the evaluator's loss, uniform candidates for the weights, and the most probable candidates."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch.nn import functional as F  # noqa: N812

from benchkit.base.errors import InputError
from benchkit.spaces import get_space
from benchkit.spaces.engine import build_supernet
from benchkit.strategies.setn import SETN, most_probable
from benchkit.strategies.weight_sharing import Gradients
from tests.strategies.supernets import RecordingWeights, bound, closure_of, digits_like


def log_probabilities(d: int, operations: int, seed: int = 0) -> np.ndarray[Any, np.dtype[np.float64]]:
    logits = np.random.default_rng(seed).standard_normal((d, operations))
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


# -- the evaluator --------------------------------------------------------------------------------


def test_the_gradient_of_the_evaluator_is_that_of_the_mixture_by_hand() -> None:
    """d L / d alpha_ij = w_ij (g_ij - sum_k w_ik g_ik), where g is the gradient by the mixture's weights."""
    strategy, batch = bound(SETN, initial_scale=1.0), digits_like()
    strategy.path = None
    found = closure_of(strategy)(batch, weights=False, architecture=True).architecture[0]
    weights = strategy.alpha.detach().softmax(dim=1).requires_grad_()
    loss = F.cross_entropy(strategy.supernet.mixture(batch.images, weights), batch.labels)
    g = torch.autograd.grad(loss, weights)[0]
    w = weights.detach()
    expected = w * (g - (w * g).sum(dim=1, keepdim=True))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-7)
    assert float(found.abs().max()) > 1e-4


def test_the_evaluator_learns_from_validation_images_and_weights_from_training_images() -> None:
    strategy = bound(SETN)
    train, valid = digits_like(seed=1), digits_like(seed=2)
    plain, seen = closure_of(strategy), []

    def closure(batch: Any, **asked: bool) -> Gradients:
        seen.append(("train" if batch is train else "valid", strategy.path is None))
        return plain(batch, **asked)

    weights = [p.detach().clone() for p in strategy.weights.parameters]
    alpha = strategy.alpha.detach().clone()
    strategy.architecture_step(closure, train, valid)
    assert all(torch.equal(p, old) for p, old in zip(strategy.weights.parameters, weights, strict=True))
    moved = strategy.alpha.detach().clone()
    assert not torch.equal(moved, alpha)
    strategy.weight_step(closure, train)
    assert torch.equal(strategy.alpha.detach(), moved)
    assert seen == [("valid", True), ("train", False)]  # the mixture of all, then one candidate


def test_candidates_for_the_weights_are_uniform_whatever_alpha_says() -> None:
    strategy = bound(SETN)
    with torch.no_grad():
        strategy.alpha[:, 3] = 50.0
    rows: list[list[int]] = []

    class Network:
        def path(self, images: Any, row: Any) -> None:
            rows.append(row.tolist())

    class Weights:
        def step(self, gradients: Any) -> None:
            return None

    def closure(batch: Any, **asked: bool) -> Gradients:
        strategy.forward(batch)
        return Gradients(torch.zeros(()), (), ())

    strategy.supernet, strategy.weights = Network(), Weights()  # type: ignore[assignment]
    for _ in range(2500):
        strategy.weight_step(closure, None)  # type: ignore[arg-type]
    counts = np.bincount(strategy.space.index(np.array(rows, dtype=np.int8)), minlength=125)
    assert stats.chisquare(counts).pvalue > 0.001


def test_a_candidates_loss_is_that_of_its_path() -> None:
    strategy, batch = bound(SETN), digits_like()
    strategy.path = np.array([3, 1, 2], dtype=np.int8)
    expected = strategy.supernet.path(batch.images, [3, 1, 2])
    assert torch.equal(strategy.forward(batch.images), expected)


# -- selection ------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 7, 100, 624, 625, 1000])
def test_the_most_probable_rows_are_those_of_the_whole_list(k: int) -> None:
    scores = log_probabilities(4, 5)
    rows = np.array(list(product(range(5), repeat=4)))
    sums = scores[np.arange(4), rows].sum(axis=1)
    expected = rows[np.argsort(-sums, kind="stable")][:k]
    np.testing.assert_array_equal(most_probable(scores, k), expected)


def test_the_two_most_probable_by_hand() -> None:
    scores = np.log([[0.6, 0.4], [0.9, 0.1], [0.3, 0.7]])
    # .6 .9 .7 = .378, .4 .9 .7 = .252, .6 .9 .3 = .162, .4 .9 .3 = .108, .6 .1 .7 = .042
    found = most_probable(scores, 5).tolist()
    assert found == [[0, 0, 1], [1, 0, 1], [0, 0, 0], [1, 0, 0], [0, 1, 1]]


def test_equal_rows_come_in_the_order_of_the_space() -> None:
    rows = most_probable(np.zeros((3, 5)), 12)
    np.testing.assert_array_equal(rows, get_space("nasbench201-3").at(np.arange(12)))


def test_operations_that_a_position_lacks_are_never_chosen() -> None:
    scores = log_probabilities(3, 4)
    scores[1, 2:] = -np.inf
    rows = most_probable(scores, 1000)
    assert len(rows) == 4 * 2 * 4
    assert rows[:, 1].max() == 1


def test_large_spaces_are_not_listed() -> None:
    scores = log_probabilities(28, 8)  # 8^28 rows
    rows = most_probable(scores, 100)
    sums = scores[np.arange(28), rows].sum(axis=1)
    assert (np.diff(sums) <= 0).all()
    np.testing.assert_array_equal(rows[0], scores.argmax(axis=1))
    # the second differs from the first in the one choice that costs least
    gaps = np.diff(np.sort(scores, axis=1)[:, -2:], axis=1)[:, 0]
    assert sums[0] - sums[1] == pytest.approx(gaps.min())
    assert len(np.unique(rows, axis=0)) == 100


def test_the_best_of_the_most_probable_is_recommended() -> None:
    strategy = bound(SETN, initial_scale=2.0, architectures=10)
    assert strategy.default_queries == 10
    batch = strategy.ask().batch
    alpha = strategy.alpha.detach().double().log_softmax(dim=1).numpy()
    np.testing.assert_array_equal(batch, most_probable(alpha, 10))
    strategy.tell(batch, np.arange(10.0) % 7)
    assert strategy.recommend().tolist() == batch[6].tolist() != strategy.derive().tolist()
    assert len(strategy.ask().batch) == 0


def test_published_settings() -> None:
    setting = SETN.Hyperparameters()
    assert (setting.architectures, setting.learning_rate, setting.weight_decay) == (100, 3e-4, 1e-3)
    assert (setting.beta1, setting.beta2, setting.initial_scale) == (0.5, 0.999, 1e-3)


def test_a_space_whose_choices_depend_on_one_another_is_refused() -> None:
    space = get_space("nasbench101")
    supernet = build_supernet(space, 10, 1, generator=torch.Generator().manual_seed(0), channels=16, cells=1)
    with pytest.raises(InputError, match="setn ranks architectures whose choices are free"):
        SETN(space, np.random.default_rng(0)).bind(supernet, RecordingWeights(list(supernet.parameters())))
    with pytest.raises(InputError, match="architectures"):
        SETN(space, np.random.default_rng(0), architectures=0)
