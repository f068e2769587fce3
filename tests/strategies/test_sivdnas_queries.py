"""SI-VDNAS on queries: its family, its closed-form KL, and what it finds."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

from benchkit.base.errors import InputError
from benchkit.spaces import get_space
from benchkit.strategies.nasas.queries import NASASQueries
from benchkit.strategies.posterior_queries import PosteriorQueries
from benchkit.strategies.score_function import signal_gradient, softmax
from benchkit.strategies.sivdnas.queries import (
    SIVDNASQueries,
    dropping_choices,
    expected_kl,
    row_logits,
    unit_probabilities,
)

SPACE = get_space("nasbench201-3")


def parameters() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An edge with three operations, a choice without none, an edge of one operation, an edge of two."""
    operations = np.random.default_rng(0).normal(size=(4, 4))
    operations[0, 0] = operations[2, 0] = operations[3, 2] = operations[3, 3] = -np.inf
    operations[2, 2:] = -np.inf
    return operations, np.array([0.3, 9.9, -1.2, 0.8]), np.array([0, -1, 0, 2])


def plain_kl(operations: np.ndarray, edges: np.ndarray, dropping: np.ndarray, gap: float) -> float:
    """The expectation of Eq. 14 by listing what can be kept, edge by edge."""
    total = 0.0
    for row, edge, drop in zip(operations, edges, dropping, strict=True):
        odds_of = np.exp(row) / np.exp(row).sum()
        keep = 1 / (1 + math.exp(-edge)) if drop >= 0 else 1.0
        for chance in odds_of[odds_of > 0]:
            kl = 0.5 * math.log(1 + gap / math.exp(-edge)) if drop >= 0 else 0.0
            if chance < 1:
                kl += 0.5 * math.log(1 + gap / ((1 - chance) / chance))
            total += keep * chance * kl
    return total


@pytest.mark.parametrize("gap", [1.0, 0.3, 0.0])
def test_expected_kl_and_its_gradient(gap: float) -> None:
    operations, edges, dropping = parameters()
    value, by_operation, by_edge = expected_kl(operations, edges, dropping, gap)
    assert value == pytest.approx(plain_kl(operations, edges, dropping, gap))
    for position, operation in np.argwhere(operations > -np.inf).tolist():
        moved = operations.copy()
        moved[position, operation] += 1e-6
        slope = (plain_kl(moved, edges, dropping, gap) - value) / 1e-6
        assert by_operation[position, operation] == pytest.approx(slope, abs=1e-5)
    for place in range(4):
        moved = edges.copy()
        moved[place] += 1e-6
        slope = (plain_kl(operations, moved, dropping, gap) - value) / 1e-6
        assert by_edge[place] == pytest.approx(slope, abs=1e-5)
    assert by_edge[1] == 0
    assert np.isfinite(by_operation).all()


def test_rows_follow_the_hierarchy() -> None:
    operations, edges, dropping = parameters()
    q = softmax(row_logits(operations, edges, dropping))
    chance, kept = unit_probabilities(operations, edges, dropping)
    np.testing.assert_allclose(q.sum(axis=1), 1)
    assert q[0, 0] == pytest.approx(1 / (1 + math.exp(0.3)))  # sigma / (1 + sigma), sigma = e^-0.3
    np.testing.assert_allclose(q[0, 1:], kept[0] * chance[0, 1:])
    np.testing.assert_allclose(q[1], chance[1])
    assert q[3, 3] == 0
    assert q[3, 2] == pytest.approx(1 / (1 + math.exp(0.8)))


def test_gradient_by_the_parameters_is_that_of_the_expectation() -> None:
    """With every row of the space as a draw, weighted by its probability, nothing is estimated."""
    strategy = SIVDNASQueries(SPACE, np.random.default_rng(0))
    strategy._operations += np.where(strategy._operations > -np.inf, np.linspace(-1, 1, 15).reshape(3, 5), 0)
    strategy._edges += np.array([0.5, -0.2, 0.1])
    rows = np.array(list(itertools.product(range(5), repeat=3)), dtype=np.int8)
    values = np.random.default_rng(1).normal(size=len(rows))

    def expectation(operations: np.ndarray, edges: np.ndarray) -> tuple[float, np.ndarray]:
        q = softmax(row_logits(operations, edges, np.zeros(3, dtype=np.int64)))
        of_row = q[np.arange(3), rows].prod(axis=1)
        return float(of_row @ values), of_row

    now, of_row = expectation(strategy._operations, strategy._edges)
    gradient = signal_gradient(strategy.probabilities(), rows, values, of_row) * (1 - of_row @ of_row)
    by_operation, by_edge = strategy._by_parameters(gradient)
    for position in range(3):
        moved = strategy._edges.copy()
        moved[position] += 1e-6
        slope = (expectation(strategy._operations, moved)[0] - now) / 1e-6
        assert by_edge[position] == pytest.approx(slope, abs=1e-5)
        for operation in range(1, 5):
            changed = strategy._operations.copy()
            changed[position, operation] += 1e-6
            slope = (expectation(changed, strategy._edges)[0] - now) / 1e-6
            assert by_operation[position, operation] == pytest.approx(slope, abs=1e-5)


@pytest.mark.parametrize("name", ["nasbench201", "nasbench-macro", "nasbench101", "natsbench-size"])
def test_starts_uniform_over_the_choices(name: str) -> None:
    space = get_space(name)
    q = SIVDNASQueries(space, np.random.default_rng(0)).probabilities()
    for row, arity in zip(q, space.arity, strict=True):
        np.testing.assert_allclose(row[:arity], 1 / arity)
        assert not row[arity:].any()


def test_which_choices_drop_an_edge() -> None:
    assert dropping_choices(get_space("nasbench201")).tolist() == [0] * 6
    assert dropping_choices(get_space("nasbench101")).tolist() == [0] * 21 + [-1] * 5
    assert dropping_choices(get_space("nasbench-macro")).tolist() == [-1] * 8


def search(queries: int, seed: int = 0, **options: Any) -> SIVDNASQueries:
    """Search for cells whose first edge is operation 3; the other edges do not matter."""
    strategy = SIVDNASQueries(SPACE, np.random.default_rng(seed), **options)
    asked = 0
    while asked < queries:
        batch = strategy.ask().batch
        strategy.tell(batch, np.where(batch[:, 0] == 3, 92.0, 90.0))
        asked += len(batch)
    return strategy


def test_finds_the_operation_that_matters() -> None:
    strategy = search(60)
    assert strategy.probabilities()[0].argmax() == 3
    assert strategy.recommend()[0] == 3


def test_a_strong_prior_holds_it_back_and_annealing_lets_it_go() -> None:
    """Without an entropy only the KL keeps q from certainty."""
    options: dict[str, Any] = {"temperature": 2.0, "steps": 200, "fitting": 120}
    held = search(120, annealing=1.0, **options).probabilities()[0, 3]
    free = search(120, initial_gap=0.0, **options).probabilities()[0, 3]
    assert held < free


def test_annealing_is_once_a_round() -> None:
    strategy = search(40, round=10, fitting=30, annealing=0.5, initial_gap=1.0)
    assert strategy.gap == 0.25  # three fitted rounds, the first with the initial one


def test_both_methods_share_the_fit() -> None:
    assert issubclass(SIVDNASQueries, PosteriorQueries)
    assert NASASQueries.propose is SIVDNASQueries.propose
    assert NASASQueries.observe is SIVDNASQueries.observe


@pytest.mark.parametrize("wrong", [{"annealing": 1.2}, {"initial_gap": -0.1}, {"temperature": 0.0}])
def test_unusable_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        SIVDNASQueries(SPACE, np.random.default_rng(0), **wrong)
