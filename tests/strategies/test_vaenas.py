"""VAENAS-OS: paths of the mixture, the ranking, what the VAE is given, the seeds, and the constraint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from benchkit import Metric, open_table
from benchkit.base.errors import InputError
from benchkit.spaces import get_space
from benchkit.spaces.base import Batch
from benchkit.spaces.counts import count
from benchkit.spaces.engine import build_supernet
from benchkit.strategies.protocol import Scores
from benchkit.strategies.spos import SPOS
from benchkit.strategies.vaenas.one_shot import VAENAS
from benchkit.strategies.weight_sharing import Gradients, ImageBatch
from benchkit.training.sampled_entries import best_of_first, sampled_entries
from tests.strategies.supernets import RecordingWeights

TINY: dict[str, Any] = {"vae_hidden": 8, "vae_latent": 2, "vae_iterations": 3}


def make(space: str = "nasbench201", seed: int = 0, **options: Any) -> VAENAS:
    """Return a strategy bound to a supernet of four channels (16 on NAS-Bench-101)."""
    known = get_space(space)
    size = {"channels": 16, "cells": 1} if space == "nasbench101" else {"channels": 4, "cells": 1}
    supernet = build_supernet(known, 10, 1, generator=torch.Generator().manual_seed(0), **size)
    strategy = VAENAS(known, np.random.default_rng(seed), **{**TINY, **options})
    strategy.bind(supernet, RecordingWeights(list(supernet.parameters())))
    return strategy


def threes(batch: Batch, images: int | None = None) -> Scores:
    """Percent: better by ten points for each edge with operation 3."""
    return 10.0 * (batch == 3).sum(axis=1)


def no_step(batch: Any, **_: bool) -> Gradients:
    return Gradients(torch.zeros(()), (), ())


class Recording(RecordingWeights):
    def step(self, gradients: Any) -> None:
        return None


def trained_on(strategy: VAENAS, rows: Batch, iterations: int) -> None:
    strategy.learned.vae.fit(rows, iterations)  # type: ignore[union-attr]


# -- the mixture and its schedule -----------------------------------------------------------------


def test_epsilon_rises_by_a_step_an_epoch_and_ends_at_1() -> None:
    def seen(epochs: int, **options: Any) -> list[float]:
        strategy, found = make(**options), []
        for epoch in range(epochs):
            strategy.begin_epoch(epoch, epochs)
            found.append(strategy.report()["epsilon"])
        return found

    assert seen(4) == [0, 0.25, 0.5, 0.75]
    assert seen(5, epsilon_step=0.4) == pytest.approx([0, 0.4, 0.8, 1.0, 1.0])
    assert seen(3, epsilon_step=0) == [0, 0, 0]


@pytest.mark.parametrize("epsilon", [0.0, 0.3, 1.0])
def test_paths_are_of_the_learned_distribution_with_probability_epsilon(epsilon: float) -> None:
    strategy = make("nasbench201-3")
    always = np.array([3, 3, 3], dtype=np.int8)
    strategy.learned.one = lambda n: np.tile(always, (n, 1))  # type: ignore[union-attr, method-assign]
    strategy.epsilon = epsilon
    rows = np.array([strategy.draw() for _ in range(3000)])
    counts = np.bincount(strategy.space.index(rows), minlength=125)
    expected = np.full(125, (1 - epsilon) * 3000 / 125)
    expected[int(strategy.space.index(always[None])[0])] += epsilon * 3000
    where = expected > 0
    assert counts[~where].sum() == 0
    if where.sum() > 1:
        assert stats.chisquare(counts[where], expected[where]).pvalue > 0.001


def test_single_rows_follow_the_law_of_the_vae() -> None:
    strategy = make("nasbench201-3")
    good = np.array([[3, 3, 1], [2, 3, 3]], dtype=np.int8)
    trained_on(strategy, good, 60)
    sampler = strategy.learned
    assert sampler is not None
    one_by_one = np.concatenate([sampler.one(1) for _ in range(4000)])
    at_once = sampler.vae.sample(4000)
    for position in range(3):
        table = [np.bincount(rows[:, position], minlength=5) for rows in (one_by_one, at_once)]
        kept = np.sum(table, axis=0) > 10
        assert stats.chi2_contingency(np.array(table)[:, kept]).pvalue > 0.001


def test_until_the_vae_has_learned_paths_are_uniform() -> None:
    strategy = make("nasbench201-3")
    strategy.epsilon = 1.0
    counts = np.bincount(
        strategy.space.index(np.array([strategy.draw() for _ in range(3000)])), minlength=125
    )
    assert stats.chisquare(counts).pvalue > 0.001


def test_without_vaenas_it_is_spos_draw_for_draw() -> None:
    space = get_space("nasbench201")
    mine, spos = make(sampler="uniform", seed=7), SPOS(space, np.random.default_rng(7))
    assert mine.default_queries == spos.default_queries == 1000
    for epoch in range(3):
        mine.begin_epoch(epoch, 3)
        assert all(mine.draw().tolist() == spos.draw().tolist() for _ in range(50))
        mine.end_epoch(epoch, threes)
    while len(batch := spos.ask().batch):
        np.testing.assert_array_equal(mine.ask().batch, batch)
        for strategy in (mine, spos):
            strategy.tell(batch, threes(batch))
    assert len(mine.ask().batch) == 0
    assert not mine.state_tensors()
    assert mine.learned_samples(1, space.is_valid) is None


def test_on_nasbench101_uniform_paths_have_nine_edges() -> None:
    rows = make("nasbench101").uniform(200)
    assert (rows[:, :21].sum(axis=1) == 9).all()
    assert make("nasbench101", sampler="uniform").uniform(200)[:, :21].sum(axis=1).std() > 0


# -- ranking and learning -------------------------------------------------------------------------


def run(strategy: VAENAS, epochs: int, evaluate: Callable[..., Scores]) -> None:
    for epoch in range(epochs):
        strategy.begin_epoch(epoch, epochs)
        strategy.end_epoch(epoch, evaluate)


def test_ranks_every_interval_and_after_the_last_epoch() -> None:
    strategy, when, asked = make(interval=3, ranked=20, ranking_images=77), [], []

    def evaluate(batch: Batch, images: int | None) -> Scores:
        when.append(strategy.epsilon)
        asked.append((len(batch), images))
        return threes(batch)

    run(strategy, 8, evaluate)
    assert when == [2 / 8, 5 / 8, 7 / 8]  # after epochs 3, 6 and 8
    assert asked == [(20, 77)] * 3


def test_the_vae_is_trained_on_the_best_of_what_was_ranked_alone() -> None:
    strategy, ranked, given = make(interval=1, ranked=40, keep=25.0), [], []
    vae = strategy.learned.vae  # type: ignore[union-attr]
    fit = vae.fit

    def watched(rows: Batch, *numbers: int) -> float:
        given.append(rows.copy())
        return fit(rows, *numbers)

    def evaluate(batch: Batch, images: int | None) -> Scores:
        ranked.append(batch.copy())
        return threes(batch)

    vae.fit = watched  # type: ignore[method-assign]
    run(strategy, 2, evaluate)
    for rows, best in zip(ranked, given, strict=True):
        expected = rows[np.argsort(-threes(rows), kind="stable")][:10]
        np.testing.assert_array_equal(best, expected)
    report = strategy.report()
    assert report["ranked_best"] == threes(ranked[-1]).max()
    assert report["ranked_mean"] == pytest.approx(threes(ranked[-1]).mean())
    assert np.isfinite(report["vae_loss"])
    strategy.begin_epoch(2, 3)
    assert set(strategy.report()) == {"epsilon"}  # nothing was ranked in this epoch yet


def test_the_share_of_good_paths_grows_while_it_trains() -> None:
    strategy = make(interval=1, ranked=60, vae_hidden=32, vae_iterations=60, seed=3)
    drawn = []
    for epoch in range(8):
        strategy.begin_epoch(epoch, 8)
        drawn.append(np.mean([threes(strategy.draw()[None])[0] for _ in range(200)]))
        strategy.end_epoch(epoch, threes)
    assert drawn[0] == pytest.approx(12, abs=1.5)  # six edges, a fifth of them with operation 3
    assert drawn[-1] > drawn[0] + 8


# -- the search -----------------------------------------------------------------------------------


def test_the_first_population_is_drawn_by_the_decoder() -> None:
    strategy = make(seeds=6, population=10)
    good = np.array([[3, 3, 3, 3, 3, k] for k in range(5)] + [[3, 3, 3, 3, k, 3] for k in range(3)])
    asked: list[int] = []
    strategy.learned.sample = (  # type: ignore[union-attr, method-assign]
        lambda n: (asked.append(n), good[:n].astype(np.int8))[1]
    )
    first = strategy.ask().batch
    np.testing.assert_array_equal(first[:6], good[:6])
    assert asked == [6]
    assert len(np.unique(first, axis=0)) == 10  # filled up at random
    strategy.tell(first, threes(first))
    assert len(strategy.ask().batch) == 10
    assert asked == [6]  # later populations are bred


def test_seeds_that_repeat_give_way_to_random_rows() -> None:
    strategy = make(seeds=50)
    strategy.learned.sample = lambda n: np.full((n, 6), 3, dtype=np.int8)  # type: ignore[union-attr, method-assign]
    first = strategy.ask().batch
    assert first[0].tolist() == [3] * 6
    assert len(np.unique(first, axis=0)) == len(first) == 50


def test_on_nasbench101_children_are_one_step_of_a5_away() -> None:
    strategy = make("nasbench101", seeds=0, top=1, population=8, iterations=2)
    first = strategy.ask().batch
    strategy.tell(first, np.arange(8.0))
    parent = first[7]
    for child in strategy.ask().batch:
        edges, operations = (child != parent)[:21].sum(), (child != parent)[21:].sum()
        assert (edges, operations) in {(2, 0), (0, 1)}
        assert child[:21].sum() == 9


# -- the constraint -------------------------------------------------------------------------------


def seen_images(strategy: VAENAS, side: int = 8) -> None:
    images = ImageBatch(torch.zeros(1, 1, side, side), torch.zeros(1, dtype=torch.long))
    strategy.weights = Recording([])
    strategy.weight_step(no_step, images)


def test_everything_that_is_drawn_keeps_the_limits() -> None:
    space, options = get_space("nasbench201"), {"channels": 4, "cells": 1}
    counts = count(space, space.at(np.arange(15_625)), 10, 8, 1, **options)
    limits = {
        "max_parameters": float(np.quantile(counts.parameters, 0.3)) / 1e6,
        "max_flops": float(np.quantile(counts.flops, 0.2)) / 1e6,
    }
    strategy = make(**limits, interval=1, ranked=30, population=10, iterations=3, seeds=10)
    seen_images(strategy)
    rows: list[Batch] = []

    def evaluate(batch: Batch, images: int | None) -> Scores:
        rows.append(batch.copy())
        return threes(batch)

    for epoch in range(3):
        strategy.begin_epoch(epoch, 3)
        rows.append(np.array([strategy.draw() for _ in range(30)]))
        strategy.end_epoch(epoch, evaluate)
    while len(batch := strategy.ask().batch):
        rows.append(batch)
        strategy.tell(batch, threes(batch))
    drawn = np.concatenate(rows)
    mine = count(space, drawn, 10, 8, 1, **options)
    assert len(drawn) == 3 * 60 + 30
    assert mine.parameters.max() <= limits["max_parameters"] * 1e6
    assert mine.flops.max() <= limits["max_flops"] * 1e6
    again = make(**limits)
    again.load_state_tensors(strategy.state_tensors())
    assert len(again.ask().batch)  # the size of the images is not forgotten


def test_a_limit_that_nothing_keeps_is_named_with_the_smallest_count() -> None:
    space = get_space("nasbench201")
    least = count(space, space.at(np.arange(15_625)), 10, 8, 1, channels=4, cells=1)
    smallest = f"{least.parameters.min() / 1e6:.4g}"
    with pytest.raises(InputError, match=rf"max_parameters=1e-06 .*smallest drawn has {smallest}\)"):
        make(max_parameters=1e-6)  # at once, before anything is trained
    strategy = make(max_flops=1e-6)
    with pytest.raises(InputError, match="depends on the size of the images"):
        strategy.ask()
    with pytest.raises(InputError, match=r"max_flops=1e-06 \(millions; the smallest drawn has"):
        seen_images(strategy)


def test_the_papers_limit_leaves_nasnet_cells_to_search() -> None:
    space = get_space("nasnet")
    size = {"channels": 36, "cells": 20}
    rows = space.sample(np.random.default_rng(0), 300)
    millions = count(space, rows, 10, **size).parameters / 1e6
    assert 0 < (millions <= 3.5).sum() < 300  # Table 1: 3.4 million under the constraint, 5.2 without


# -- interruption ---------------------------------------------------------------------------------


def test_what_was_learned_survives_exactly() -> None:
    whole, again = make(interval=1, ranked=20), make(seed=5, interval=1, ranked=20)
    run(whole, 2, threes)
    kept = {name: value.clone() for name, value in whole.state_tensors().items()}
    random = whole.rng.bit_generator.state

    def go_on(strategy: VAENAS) -> list[Any]:
        strategy.begin_epoch(2, 3)
        paths = [strategy.draw().tolist() for _ in range(30)]
        strategy.end_epoch(2, threes)
        return [paths, strategy.ask().batch.tolist(), strategy.findings()]

    expected = go_on(whole)
    again.load_state_tensors(kept)
    again.rng.bit_generator.state = random
    assert go_on(again) == expected


# -- the table's word on what was learned ---------------------------------------------------------


def test_best_of_k_is_read_from_the_table_by_hand() -> None:
    table = open_table("nasbench101-sample")
    rows = table.space.sample(np.random.default_rng(0), 60)
    valid = [float(table.query(row, Metric("cifar10", "valid", 108, run=0))) for row in rows]
    found = best_of_first(table, rows)
    assert [(each["k"], each["valid"]) for each in found] == [(10, max(valid[:10])), (50, max(valid[:50]))]
    assert {(each["epochs"], each["run"], each["test"]) for each in found} == {(108, 0, None)}


def test_the_test_accuracy_is_that_of_the_best_by_validation() -> None:
    table = open_table("nasbench201")
    rows = table.space.sample(np.random.default_rng(0), 20)
    cifar = next(each for each in best_of_first(table, rows) if each["dataset"] == "cifar10")
    valid, test = (table.query(rows[:10], Metric("cifar10", split, 200)) for split in ("valid", "test"))
    assert (cifar["valid"], cifar["test"]) == (valid.max(), test[valid.argmax()])
    assert cifar["run"] is None


def test_no_more_random_members_than_there_are() -> None:
    table = open_table("nasbench201-3")
    rows = np.repeat(table.space.sample(np.random.default_rng(0), 30), 10, axis=0)
    last = best_of_first(table, rows)[-1]
    assert last["k"] == 300
    assert last["random_valid"] == pytest.approx(table.values(Metric("digits", "valid", 12)).max())


def test_random_members_are_the_baseline() -> None:
    """The mean best of ten distinct members, over many draws, is the exact figure within three errors."""
    table = open_table("nasbench201")
    rows = table.space.sample(np.random.default_rng(0), 10)
    cifar = next(each for each in best_of_first(table, rows) if each["dataset"] == "cifar10")
    accuracy = table.values(Metric("cifar10", "valid", 200))
    rng = np.random.default_rng(1)
    best = np.array([rng.choice(accuracy, 10, replace=False).max() for _ in range(2000)])
    assert abs(best.mean() - cifar["random_valid"]) < 3 * best.std() / np.sqrt(len(best))


def test_samples_of_a_nasbench101_sampler_are_members_of_the_table() -> None:
    strategy = make("nasbench101")
    trained_on(strategy, strategy.uniform(50), 3)
    table = open_table("nasbench101-sample")
    rows = strategy.learned_samples(40, table.space.is_valid)
    assert rows is not None
    assert len(rows) == 40
    assert table.space.is_valid(rows).all()
    (entry,) = sampled_entries(strategy)  # type: ignore[misc]
    assert (entry["name"], entry["samples"]) == ("nasbench101-sample", 300)
    assert [each["k"] for each in entry["best"]] == [10, 50, 100, 300]
    assert sorted(each["valid"] for each in entry["best"]) == [each["valid"] for each in entry["best"]]
    assert sampled_entries(SPOS(get_space("nasbench201"), np.random.default_rng(0))) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"sampler": "multinomial"},
        {"interval": 0},
        {"keep": 0.0},
        {"epsilon_step": -0.1},
        {"seeds": -1},
        {"population": 0},
        {"max_parameters": 0.0},
        {"vae_feedback": 2.0},
    ],
)
def test_hyperparameters_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="strategy vaenas"):
        make(**wrong)
