"""Random search with parameter sharing."""

from __future__ import annotations

import numpy as np
import pytest

from benchkit.base.errors import InputError
from benchkit.spaces import get_space
from benchkit.strategies.rsps import RSPS


def search(space: str, **options: int) -> tuple[RSPS, list[np.ndarray]]:
    strategy, asked = RSPS(get_space(space), np.random.default_rng(0), **options), []
    while len(batch := strategy.ask().batch):
        asked.append(batch)
        strategy.tell(batch, batch.sum(axis=1).astype(float))
    return strategy, asked


def test_a_hundred_architectures_are_scored_and_the_best_is_the_answer() -> None:
    strategy, asked = search("nasbench201")
    assert [len(batch) for batch in asked] == [100] == [strategy.default_queries]
    assert len(np.unique(asked[0], axis=0)) == 100
    assert strategy.recommend().sum() == asked[0].sum(axis=1).max()
    # uniform choices of 0..4: mean 2, standard error of 600 of them .058
    assert asked[0].mean() == pytest.approx(2, abs=0.25)


def test_a_small_space_is_scored_whole() -> None:
    _, asked = search("nasbench201-3", architectures=500)
    assert sum(len(batch) for batch in asked) == 125


def test_at_least_one_architecture() -> None:
    with pytest.raises(InputError, match="architectures must be at least 1"):
        search("nasbench201", architectures=0)
