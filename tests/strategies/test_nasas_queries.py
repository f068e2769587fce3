"""NASAS on queries: the posterior that it fits, and what it asks."""

from __future__ import annotations

import numpy as np
import pytest

from benchkit.base.errors import InputError
from benchkit.spaces import get_space
from benchkit.strategies.nasas.queries import NASASQueries

SPACE = get_space("nasbench201-3")


def search(queries: int, seed: int = 0, **options: object) -> tuple[NASASQueries, list[np.ndarray]]:
    """Search for the cell whose first edge is operation 3; the other edges do not matter."""
    strategy = NASASQueries(SPACE, np.random.default_rng(seed), **options)
    asked = []
    while sum(map(len, asked)) < queries:
        batch = strategy.ask().batch
        strategy.tell(batch, np.where(batch[:, 0] == 3, 92.0, 90.0))
        asked.append(batch)
    return strategy, asked


def test_posterior_follows_the_temperature() -> None:
    """Two points of accuracy at temperature 1: the odds against each other operation are e^2."""
    strategy, _ = search(100, temperature=1.0, steps=300, learning_rate=0.1)
    q = strategy.probabilities()
    assert q[0, 3] == pytest.approx(np.e**2 / (np.e**2 + 4), abs=0.1)
    assert q[1:].max() < 0.45  # what does not matter stays near its prior of 1/5


def test_the_plain_estimator_moves_the_same_way() -> None:
    strategy, _ = search(100, reuse=False, learning_rate=0.2)
    assert strategy.probabilities()[0].argmax() == 3


def test_no_row_is_asked_twice_while_new_ones_are_easy_to_draw() -> None:
    _, asked = search(30)
    keys = SPACE.key(np.concatenate(asked))
    assert len(np.unique(keys)) == len(keys)


def test_posterior_rests_once_it_is_fitted() -> None:
    strategy, _ = search(40, fitting=40)
    before = strategy.probabilities()
    batch = strategy.ask().batch
    strategy.tell(batch, np.arange(len(batch), dtype=np.float64))
    np.testing.assert_array_equal(strategy.probabilities(), before)


def test_without_fitting_it_is_random_search_from_the_prior() -> None:
    strategy, asked = search(50, fitting=0)
    np.testing.assert_allclose(strategy.probabilities(), 0.2)
    assert len(np.concatenate(asked)) == 50


def test_answer_is_the_best_seen() -> None:
    strategy, _ = search(60)
    assert strategy.recommend()[0] == 3


@pytest.mark.parametrize(
    "wrong",
    [{"round": 0}, {"steps": 0}, {"fitting": -1}, {"temperature": 0.0}, {"learning_rate": -1.0}],
)
def test_unusable_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        NASASQueries(SPACE, np.random.default_rng(0), **wrong)
