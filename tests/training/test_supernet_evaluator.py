"""Scores with inherited weights, against plain loops, under both policies of batch normalisation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from benchkit.base.errors import InputError
from benchkit.data.images import SearchImages
from benchkit.data.images.device_set import DeviceImages
from benchkit.searching import Budget, search
from benchkit.searching.supernet_evaluator import SupernetEvaluator
from benchkit.spaces import ArchitectureError
from benchkit.spaces.engine import BatchNormPolicy, inherit
from benchkit.strategies.random_search import RandomSearch
from benchkit.training.trainer import Trainer

Make = Callable[..., Trainer]


@pytest.fixture
def valid(digits: SearchImages) -> DeviceImages:
    return DeviceImages(digits.valid, digits.normalisation)


@pytest.fixture
def train(digits: SearchImages) -> DeviceImages:
    return DeviceImages(digits.train, digits.normalisation)


def test_batch_statistics_against_a_plain_loop(make_trainer: Make, valid: DeviceImages) -> None:
    trainer = make_trainer(epochs=2)
    trainer.fit()
    supernet = trainer.supernet
    evaluator = SupernetEvaluator(supernet, valid, np.random.default_rng(5), batch_size=30)
    rows = supernet.recipe.space.at(np.arange(0, 125, 12))
    # 100 images in batches of at most 30 are four of 25, in the order that the generator draws
    order = np.random.default_rng(5).permutation(100)
    for row, score in zip(rows, evaluator.evaluate(rows).scores, strict=True):
        alone = inherit(supernet, row).eval()
        right = 0
        for part in order.reshape(4, 25):
            x, y = valid.batch(torch.from_numpy(part))
            with torch.no_grad():
                right += int((alone(x).argmax(1) == y).sum())
        assert score == pytest.approx(100 * right / 100)


def test_recalibration_against_a_plain_loop(
    make_trainer: Make, valid: DeviceImages, train: DeviceImages
) -> None:
    trainer = make_trainer(
        epochs=4, policy=BatchNormPolicy(), learning_rate=0.1, scoring={"calibration_batches": 2}
    )
    trainer.fit()
    supernet = trainer.supernet
    before = {name: value.clone() for name, value in supernet.state_dict().items()}
    supernet.train()
    evaluator = SupernetEvaluator(
        supernet, valid, np.random.default_rng(5), batch_size=50, calibration=train, calibration_batches=2
    )
    rows = supernet.recipe.space.at(np.arange(0, 125, 25))
    scores = evaluator.evaluate(rows).scores
    again = np.concatenate([evaluator.evaluate(row[None]).scores for row in rows[::-1]])[::-1]
    np.testing.assert_array_equal(scores, again)  # no row inherits another's averages

    rng = np.random.default_rng(5)
    rng.permutation(100)
    images = train.batch(torch.from_numpy(rng.permutation(150)[:100]))[0]
    everything = valid.batch(torch.arange(100))
    for row, score in zip(rows, scores, strict=True):
        alone = inherit(supernet, row).train()
        for layer in alone.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.reset_running_stats()
                layer.momentum = None  # plain mean over batches
        with torch.no_grad():
            for part in images.split(50):
                alone(part)
            right = alone.eval()(everything[0]).argmax(1) == everything[1]
        assert score == pytest.approx(100 * float(right.double().mean()), abs=1.0 + 1e-9)

    assert supernet.training
    for name, value in supernet.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_the_policy_must_fit_the_network(
    make_trainer: Make, valid: DeviceImages, train: DeviceImages
) -> None:
    rng = np.random.default_rng(0)
    shared = make_trainer().supernet
    with pytest.raises(InputError, match="batch statistics: there is nothing to recalibrate"):
        SupernetEvaluator(shared, valid, rng, calibration=train, calibration_batches=1)
    with pytest.raises(InputError, match="running averages, which describe no single architecture"):
        make_trainer(policy=BatchNormPolicy())


def test_a_fidelity_is_the_first_images_of_one_order(make_trainer: Make, valid: DeviceImages) -> None:
    supernet = make_trainer().supernet
    row = np.array([[3, 3, 2]], dtype=np.int8)
    evaluator = SupernetEvaluator(supernet, valid, np.random.default_rng(1), images=80, batch_size=20)
    assert evaluator.full_fidelity == 80
    few, all_of_them = evaluator.evaluate(row, 20).scores[0], evaluator.evaluate(row).scores[0]
    part = np.random.default_rng(1).permutation(100)[:20]
    x, y = valid.batch(torch.from_numpy(part))
    with torch.no_grad():
        right = int((supernet.eval().path(x, row[0]).argmax(1) == y).sum())
    assert few == pytest.approx(100 * right / 20)
    assert all_of_them * 80 / 100 == pytest.approx(round(all_of_them * 80 / 100))
    for images in (0, 81):
        with pytest.raises(InputError, match=r"number of images in 1\.\.80"):
            evaluator.evaluate(row, images)
    with pytest.raises(ArchitectureError):
        evaluator.evaluate(np.array([[5, 0, 0]], dtype=np.int8))
    with pytest.raises(InputError, match="cannot score on 101 validation images: there are 100"):
        SupernetEvaluator(supernet, valid, np.random.default_rng(1), images=101)
    with pytest.raises(InputError, match="batch size of scoring"):
        SupernetEvaluator(supernet, valid, np.random.default_rng(1), batch_size=0)


def test_every_query_is_charged_repeats_too(make_trainer: Make, valid: DeviceImages) -> None:
    supernet = make_trainer().supernet
    evaluator = SupernetEvaluator(supernet, valid, np.random.default_rng(1), images=50)
    strategy = RandomSearch(supernet.recipe.space, np.random.default_rng(0), batch=16)
    trace = search(strategy, evaluator, Budget(queries=200))  # of 125 architectures
    assert len(trace) == 200 > trace.distinct()
    assert trace.queries[-1] == 200
    assert set(trace.fidelity) == {50}
    assert np.isnan(trace.seconds).all()
    for row in np.unique(trace.batch, axis=0):
        assert len(set(trace.scores[(trace.batch == row).all(axis=1)])) == 1
