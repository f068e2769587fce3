"""The ensemble of predictors: what it learns, and what it leaves untouched."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch

from benchkit.base.devices import intra_op_threads
from benchkit.strategies.predictor_ensemble import PredictorEnsemble, _forward

Floats = npt.NDArray[np.float64]


def problem(n: int, seed: int = 0) -> tuple[npt.NDArray[np.float32], Floats]:
    """Return n binary rows, and an additive score in percent of each."""
    features = (np.random.default_rng(seed).random((n, 12)) < 0.4).astype(np.float32)
    return features, 60 + features @ np.linspace(-4, 8, 12)


def test_predicts_unseen_scores() -> None:
    features, targets = problem(120)
    unseen, truth = problem(60, seed=1)
    predicted = PredictorEnsemble().fit_predict(np.random.default_rng(0), features, targets, unseen)
    assert predicted.shape == (5, 60)
    assert np.corrcoef(predicted.mean(axis=0), truth)[0, 1] > 0.95
    assert np.abs(predicted.mean(axis=0) - truth).mean() < targets.std() / 3


def test_members_disagree_more_far_from_the_data() -> None:
    features, targets = problem(100)
    far = np.full((20, 12), 5, dtype=np.float32)
    predicted = PredictorEnsemble().fit_predict(
        np.random.default_rng(0), features, targets, np.concatenate([features, far])
    )
    spread = predicted.std(axis=0)
    assert spread[100:].mean() > 2 * spread[:100].mean()


def test_unit_of_the_score_does_not_matter() -> None:
    features, targets = problem(40)
    small = PredictorEnsemble(epochs=20)
    percent = small.fit_predict(np.random.default_rng(0), features, targets, features)
    share = small.fit_predict(np.random.default_rng(0), features, targets / 100 - 1, features)
    np.testing.assert_allclose(share, percent / 100 - 1, atol=2e-3)


def test_a_constant_score_is_predicted() -> None:
    features, _ = problem(40)
    predicted = PredictorEnsemble().fit_predict(
        np.random.default_rng(0), features, np.full(40, 91.5), features
    )
    np.testing.assert_allclose(predicted, 91.5, atol=0.5)


def test_one_observation_is_enough_to_run() -> None:
    features, targets = problem(1)
    predicted = PredictorEnsemble(epochs=5).fit_predict(np.random.default_rng(0), features, targets, features)
    assert np.isfinite(predicted).all()


def test_members_of_the_batched_network_are_separate_networks() -> None:
    """Against each member written as a loop of plain matrix products."""
    rng = np.random.default_rng(0)
    sizes = [6, 4, 4, 1]
    layers = [(rng.normal(size=(3, a, b)), rng.normal(size=(3, 1, b))) for a, b in pairwise(sizes)]
    inputs = rng.normal(size=(3, 7, 6))
    together = _forward([(torch.tensor(w), torch.tensor(b)) for w, b in layers], torch.tensor(inputs))
    for member in range(3):
        hidden = inputs[member]
        for weight, bias in layers[:-1]:
            hidden = np.maximum(hidden @ weight[member] + bias[member], 0)
        alone = hidden @ layers[-1][0][member] + layers[-1][1][member]
        np.testing.assert_allclose(together[member].numpy(), alone[:, 0])


def test_same_seed_same_predictions_and_another_seed_others() -> None:
    features, targets = problem(30)
    small = PredictorEnsemble(epochs=5)
    first, second, other = (
        small.fit_predict(np.random.default_rng(seed), features, targets, features) for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()
    assert len(np.unique(first[:, 0])) == 5  # no two members are one network


def test_global_generator_and_threads_are_left_alone() -> None:
    features, targets = problem(30)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        state = torch.get_rng_state()
        with intra_op_threads(1):
            assert torch.get_num_threads() == 1
        PredictorEnsemble(epochs=2).fit_predict(np.random.default_rng(0), features, targets, features)
        assert torch.get_num_threads() == 2
        assert torch.equal(torch.get_rng_state(), state)
    finally:
        torch.set_num_threads(threads)
