"""PC-NAS: the schedule, the pool against a plain one, what is trained, mini-batches, Table 3's rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.base.errors import InputError
from benchkit.spaces import get_space
from benchkit.spaces.base import Batch
from benchkit.strategies.pcnas.decision import accuracies
from benchkit.strategies.pcnas.partial_models import Drawn
from benchkit.strategies.pcnas.supernet import PCNAS, schedule

MACRO = get_space("nasbench-macro")
THREE = get_space("nasbench201-3")
WEIGHTS = np.array([4.0, 1.0, 3.0, 2.0, 5.0, 1.5, 2.5, 3.5])
Scores = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Total:
    limit: float
    cost: str = "total"
    unit: str = "steps"

    def values(self, batch: Batch) -> Scores:
        return np.asarray(batch.sum(axis=1), dtype=np.float64)

    def feasible(self, batch: Batch) -> npt.NDArray[np.bool_]:
        return np.asarray(self.values(batch) <= self.limit)


class Scorer:
    """Additive accuracies of the chains; keeps what it was asked for."""

    def __init__(self, score: Callable[[Batch], Scores] = lambda batch: batch @ WEIGHTS) -> None:
        self.calls: list[tuple[Batch, int | None, tuple[int, int] | None]] = []
        self._score = score

    def __call__(self, batch: Batch, images: int | None, part: tuple[int, int] | None = None) -> Scores:
        self.calls.append((batch.copy(), images, part))
        return self._score(batch)


def make(seed: int = 0, space: Any = MACRO, **options: Any) -> PCNAS:
    return PCNAS(space, np.random.default_rng(seed), **{"samples": 40, **options})


def train(strategy: PCNAS, epochs: int, scorer: Any = None, draws: int = 20) -> tuple[list[Batch], Scorer]:
    """Walk a strategy through its epochs; return the paths of each."""
    scorer = scorer or Scorer()
    paths = []
    for epoch in range(epochs):
        strategy.begin_epoch(epoch, epochs)
        paths.append(np.array([strategy.draw() for _ in range(draws)]))
        strategy.end_epoch(epoch, scorer)
    return paths, scorer


# -- the schedule -----------------------------------------------------------------------------------


def test_the_papers_epochs() -> None:
    # section 4.1: 100 + 20 x 5 = 200 epochs for 21 mixed operators
    after = schedule(200, 21, 100, 5)
    assert after == list(range(100, 201, 5))
    assert len(after) == 21
    assert schedule(200, 21, None, None) == after
    assert schedule(250, 21, 150, 5)[0] == 150  # Figure 2a, T_w = 150


def test_one_number_decides_the_other() -> None:
    assert schedule(22, 8, 8, None) == schedule(22, 8, None, 2) == schedule(22, 8, 8, 2)
    assert schedule(22, 8, 8, 2) == [8, 10, 12, 14, 16, 18, 20, 22]
    assert schedule(30, 21, None, None) == list(range(10, 31))
    # ten epochs over seven intervals
    assert schedule(20, 8, 10, None) == [10, 11, 12, 14, 15, 17, 18, 20]
    assert schedule(5, 1, None, None) == [5]


@given(st.integers(1, 300), st.integers(1, 30))
def test_any_number_of_epochs_decides_every_operator(epochs: int, operators: int) -> None:
    after = schedule(epochs, operators, None, None)
    assert len(after) == operators
    assert after[-1] == epochs
    assert after == sorted(after)
    assert after[0] >= max(1, epochs // 2) or np.ptp(np.diff(after)) == 0
    if epochs >= operators:
        assert len(set(after)) == operators


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((30, 8, 8, 2), "warm-up of 8 epochs and 7 intervals of 2 are 22, but the training has 30"),
        ((5, 8, 8, None), "a warm-up of 8 epochs, but the training has 5"),
        ((14, 8, None, 2), "7 intervals of 2 leave no epoch of 14 for the warm-up: give at least 15"),
    ],
)
def test_epochs_that_do_not_agree_are_refused(arguments: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        schedule(*arguments)


def test_they_are_refused_before_the_training() -> None:
    with pytest.raises(InputError, match="but the training has 30"):
        make(warmup=8, interval=2).begin_epoch(0, 30)


def test_warmup_and_interval_make_up_the_epochs() -> None:
    assert PCNAS.planned_epochs(MACRO, {"warmup": 8, "interval": 2}) == 22
    assert PCNAS.planned_epochs(get_space("mobile-small"), {"warmup": 100, "interval": 5}) == 200
    assert PCNAS.planned_epochs(MACRO, {"warmup": 8}) is None


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"pool": 0}, "pool must be at least 1"),
        ({"interval": 0}, "interval must be at least 1"),
        ({"search": "random"}, "search must be one of pool, evolution"),
        ({"search": "evolution", "shrink": True}, "a supernet that was not shrunk"),
        ({"track": True}, "track is for shrink=false"),
        ({"order": [0, 1]}, "each of the positions"),
    ],
)
def test_hyperparameters_out_of_range_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make(**wrong)


# -- Algorithm 2 ------------------------------------------------------------------------------------


def plain_pools(pool: int) -> list[list[tuple[int, ...]]]:
    """Algorithm 2 with the exact potential of an additive accuracy: its decided part, and a constant."""
    kept: list[tuple[int, ...]] = [()]
    pools = []
    for level in range(1, 9):
        candidates = [(*model, operator) for model in kept for operator in range(3)]
        value = {candidate: float(np.dot(candidate, WEIGHTS[:level])) for candidate in candidates}
        kept = sorted(candidates, key=lambda candidate: -value[candidate])[:pool]
        pools.append(kept)
    return pools


def test_pools_are_those_of_a_plain_algorithm_2() -> None:
    # completions all score their mean: then a potential is exact
    def exact(batch: Batch) -> Scores:
        decided = len(strategy.along) + 1
        return np.asarray(batch[:, :decided] @ WEIGHTS[:decided] + WEIGHTS[decided:].sum())

    strategy = make(pool=4, warmup=3, interval=1)
    train(strategy, 10, Scorer(exact))
    assert [[tuple(m) for m in decision.pool.tolist()] for decision in strategy.along] == plain_pools(4)
    assert [decision.epoch for decision in strategy.along] == list(range(3, 11))
    assert [decision.candidates for decision in strategy.along] == [3, 9, 12, 12, 12, 12, 12, 12]
    assert strategy.along[0].completions == 3 * 40
    best = strategy.recommend()
    assert best.tolist() == [2] * 8
    assert strategy.along[-1].potentials[0] == pytest.approx(2 * WEIGHTS.sum())


def test_training_is_uniform_then_on_completions_of_the_pool() -> None:
    strategy = make(pool=2, warmup=2, interval=1)
    paths, _ = train(strategy, 9, draws=300)
    for uniform in paths[:2]:
        assert all(np.bincount(column, minlength=3).min() > 60 for column in uniform.T)
    for level, (decision, drawn) in enumerate(zip(strategy.along, paths[2:], strict=False), start=1):
        members = {tuple(model) for model in decision.pool.tolist()}
        assert {tuple(row) for row in drawn[:, :level].tolist()} == members  # both, within 300 draws
        assert all(np.bincount(column, minlength=3).min() > 60 for column in drawn[:, level:].T)


def test_the_order_is_that_of_the_decisions() -> None:
    order = (7, 6, 5, 4, 3, 2, 1, 0)
    strategy = make(pool=3, warmup=2, interval=1, order=order)
    paths, _ = train(strategy, 9)
    first = {tuple(model) for model in strategy.along[0].pool.tolist()}
    assert {(int(row[7]),) for row in paths[2]} <= first
    assert strategy.findings()["order"] == list(order)
    assert strategy.ask().batch.tolist() == [model[::-1] for model in strategy.along[-1].pool.tolist()]


def test_what_is_found_is_asked_best_first_and_once() -> None:
    strategy = make(pool=5)
    with pytest.raises(InputError, match="the training is not over"):
        strategy.ask()
    train(strategy, 10)
    assert strategy.default_queries == 5
    batch = strategy.ask().batch
    assert len(batch) == 5
    strategy.tell(batch, np.arange(5.0))  # the last one is the best by these scores
    assert strategy.recommend().tolist() == batch[0].tolist()
    assert not len(strategy.ask().batch)


def test_fewer_epochs_than_operators() -> None:
    strategy = make(pool=2)
    train(strategy, 2)
    assert [decision.epoch for decision in strategy.along] == [1] * 7 + [2]
    assert strategy.ask().batch.shape == (2, 8)


# -- the constraint ---------------------------------------------------------------------------------


def test_completions_that_break_the_constraint_are_never_scored() -> None:
    strategy = make(pool=5, samples=60)
    strategy.constrain(Total(6))
    _, scorer = train(strategy, 10)
    assert max(batch.sum(axis=1).max() for batch, _, _ in scorer.calls) <= 6
    assert strategy.recommend().sum() <= 6
    for decision, told in zip(strategy.along, strategy.findings()["intervals"], strict=True):
        assert told["dumped"] == decision.dumped > 0
        assert told["constraint"]["cost"] == "total"
        assert told["constraint"]["limit"] == 6
        assert 0 <= told["constraint"]["smallest"] <= told["constraint"]["mean"] <= 6


def test_a_constraint_that_nothing_keeps_is_named() -> None:
    strategy = make(samples=5)
    strategy.constrain(Total(-1))
    with pytest.raises(InputError, match=r"keeps total=-1 \(steps; the smallest drawn has 0\)"):
        train(strategy, 10)


# -- mini-batches -----------------------------------------------------------------------------------


def test_completions_are_dealt_to_the_mini_batches_in_turn() -> None:
    rows = np.array([[0] * 8] * 3 + [[1] * 8] * 4, dtype=np.int8)
    drawn = Drawn(rows, np.array([0, 0, 0, 1, 1, 1, 1]))

    def evaluate(batch: Batch, images: int | None, part: tuple[int, int] | None = None) -> Scores:
        assert images == 60
        assert part is not None
        assert part[1] == 2
        assert len(batch) == len(np.unique(batch, axis=0))  # once a mini-batch
        return np.asarray(batch[:, 0] * 100.0 + part[0])

    assert accuracies(drawn, evaluate, 2, 30).tolist() == [0, 1, 0, 100, 101, 100, 101]


def test_every_candidate_sees_every_mini_batch_alike() -> None:
    _, scorer = train(make(pool=2, samples=12, batches=3, images=50), 10)
    assert {(images, part) for _, images, part in scorer.calls} == {(150, (k, 3)) for k in range(3)}
    # whole models are drawn S times: each on every mini-batch
    last = scorer.calls[-3:]
    assert [len(batch) for batch, _, _ in last] == [6, 6, 6]


def test_no_more_mini_batches_than_samples() -> None:
    _, scorer = train(make(samples=2, batches=4), 10)
    assert {part for _, _, part in scorer.calls} == {(0, 2), (1, 2)}


# -- Table 3 ----------------------------------------------------------------------------------------


def test_one_shot_trains_uniformly_and_searches_at_the_end() -> None:
    strategy = make(shrink=False, pool=3)
    paths, _ = train(strategy, 10, draws=200)
    assert all(np.bincount(column, minlength=3).min() > 40 for rows in paths for column in rows.T)
    assert not strategy.along
    assert [decision.epoch for decision in strategy.after] == [10] * 8
    told = strategy.findings()
    assert (told["shrink"], told["search"]) == (False, "pool")
    assert len(told["intervals"]) == 8
    assert strategy.recommend().tolist() == [2] * 8


def test_tracked_pools_are_decided_along_and_not_trained_on() -> None:
    strategy = make(shrink=False, track=True, pool=3)
    paths, _ = train(strategy, 10, draws=200)
    assert all(np.bincount(column, minlength=3).min() > 40 for rows in paths for column in rows.T)
    told = strategy.findings()
    assert [each["epoch"] for each in told["intervals"]] == told["schedule"]
    assert [each["epoch"] for each in told["after"]] == [10] * 8


def test_the_evolution_sees_as_many_images() -> None:
    mine, other = make(shrink=False, pool=5, samples=8), make(search="evolution", pool=5, samples=8)
    (_, ours), (paths, theirs) = train(mine, 4), train(other, 4, draws=200)
    assert all(np.bincount(column, minlength=3).min() > 30 for rows in paths for column in rows.T)
    # 3 + 9 + 6 x 15 candidates of 8 completions on one of 4 mini-batches; individuals on all four
    assert sum(decision.completions for decision in mine.after) == 102 * 8
    individuals = sum(len(batch) for batch, _, _ in theirs.calls)
    assert 102 * 8 - 20 < 4 * individuals <= 102 * 8
    assert {len(batch) for batch, _, _ in theirs.calls} == {5}
    assert {(images, part) for _, images, part in theirs.calls} == {(4 * 512, None)}
    assert ours.calls[0][1] == 4 * 512
    assert other.findings()["search"] == "evolution"
    assert "intervals" not in other.findings()
    best, scores = other.found or (None, None)
    assert best is not None
    assert scores is not None
    assert scores.tolist() == sorted((best @ WEIGHTS).tolist(), reverse=True)
    assert other.recommend().tolist() == best[0].tolist()


def test_the_evolution_changes_one_operator_at_a_time() -> None:
    strategy = make(space=get_space("mobile-small"), search="evolution", pool=2, samples=1)
    _, scorer = train(strategy, 1, Scorer(lambda batch: batch.sum(axis=1).astype(np.float64)))
    seen = np.concatenate([batch for batch, _, _ in scorer.calls])
    assert len(seen) == 10 + 20 * 20
    # a population of two: one child of a crossover, one of a mutation, a step from one that was seen
    for number in range(3, 100, 2):
        assert (seen[:number] != seen[number]).sum(axis=1).min() == 1


# -- what is told -----------------------------------------------------------------------------------


def test_findings_tell_the_story() -> None:
    strategy = make(pool=4)
    train(strategy, 16)
    told = strategy.findings()
    assert [each["epoch"] for each in told["intervals"]] == told["schedule"]
    assert [each["left"] for each in told["intervals"]] == [3**8, *(4 * 3**k for k in range(6, 0, -1)), 4]
    for each in told["intervals"]:
        assert each["left_exact"] is True
        assert each["left_log10"] == pytest.approx(np.log10(each["left"]))
        assert each["potentials"] == sorted(each["potentials"], reverse=True)
        assert "constraint" not in each
    assert told["found"]["architectures"][0] == MACRO.format(strategy.recommend())
    assert strategy.report()["left_log10"] == pytest.approx(np.log10(4))


def test_the_whole_state_is_kept() -> None:
    strategy = make(pool=3)
    strategy.constrain(Total(8))
    train(strategy, 10)
    other = make(pool=3)
    other.constrain(Total(8))
    other.load_state_tensors(strategy.state_tensors())
    assert other.findings() == strategy.findings()
    assert other.ask().batch.tolist() == strategy.ask().batch.tolist()
