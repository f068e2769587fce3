"""FairNAS: strict fairness, and one update by the sum of the paths' gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from benchkit.base.errors import InputError
from benchkit.spaces import Batch, ProductSpace, get_space
from benchkit.spaces.engine import build_supernet
from benchkit.strategies.fairnas import FairNAS, accumulate, fair_paths
from benchkit.strategies.weight_sharing import Gradients, ImageBatch


class Choices(ProductSpace):
    """Any numbers of choices."""

    def parse(self, text: str) -> Any:
        raise NotImplementedError

    def format(self, architecture: Any) -> str:
        raise NotImplementedError


class Recording:
    """Shared weights that keep what they are asked to move by."""

    def __init__(self, parameters: Sequence[Tensor] = ()) -> None:
        self.parameters = list(parameters)
        self.steps: list[list[Tensor | None]] = []

    def step(self, gradients: Sequence[Tensor | None]) -> None:
        self.steps.append(list(gradients))

    def unroll(self, gradients: object) -> Any:
        raise NotImplementedError


@given(st.lists(st.integers(1, 6), min_size=1, max_size=8), st.integers(0, 2**32 - 1))
def test_every_choice_of_every_position_is_used_equally_often(arity: list[int], seed: int) -> None:
    paths = fair_paths(Choices("any", arity), np.random.default_rng(seed))
    m = max(arity)
    assert paths.shape == (m, len(arity))
    assert paths.dtype == np.int8
    for choices, column in zip(arity, paths.T, strict=True):
        uses = np.bincount(column, minlength=choices)
        assert len(uses) == choices
        assert uses.max() - uses.min() <= (1 if m % choices else 0)
        if choices == m:
            assert sorted(column) == list(range(m))  # exactly once


def test_permutations_are_uniform_and_positions_independent() -> None:
    space = Choices("two", [3, 3])
    rng = np.random.default_rng(0)
    orders = np.array([fair_paths(space, rng) @ [[1], [3]] for _ in range(3600)])[..., 0]
    _, counts = np.unique(orders, axis=0, return_counts=True)
    assert len(counts) == 36  # 3! x 3! pairs of permutations
    assert stats.chisquare(counts).pvalue > 0.001


def test_positions_with_fewer_choices_are_even_in_expectation() -> None:
    space = Choices("uneven", [5, 3])
    rng = np.random.default_rng(0)
    columns = np.concatenate([fair_paths(space, rng)[:, 1] for _ in range(2000)])
    extra = np.bincount(columns) - 2000  # each has one use for sure, two of three have another
    assert extra.sum() == 4000
    np.testing.assert_allclose(extra / 2000, 2 / 3, atol=0.04)


def test_paths_of_a_space_with_invalid_rows_are_members_and_fair() -> None:
    space = get_space("nasbench101")
    rng = np.random.default_rng(0)
    for _ in range(50):
        paths = fair_paths(space, rng)
        assert space.is_valid(paths).all()
        assert (np.sort(paths[:, 21:], axis=0) == np.arange(3)[:, None]).all()  # operations: a permutation
        assert set(paths[:, :21].sum(axis=0)) <= {1, 2}  # edges: one or two of three


class Diagonal(Choices):
    """Only the rows (k, k): fair sets exist, though few of all."""

    def is_valid(self, batch: Batch) -> Any:
        return super().is_valid(batch) & (batch[:, 0] == batch[:, 1])


class NoThird(Choices):
    """No member takes choice 2 at position 0: no set is fair."""

    def is_valid(self, batch: Batch) -> Any:
        return super().is_valid(batch) & (batch[:, 0] != 2)


def test_rare_fair_sets_are_found_and_missing_ones_refused_before_training() -> None:
    paths = fair_paths(Diagonal("diagonal", [4, 4]), np.random.default_rng(0))
    assert sorted(paths.tolist()) == [[k, k] for k in range(4)]
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match="fairnas found no 3 architectures of odd"):
        FairNAS(NoThird("odd", [3, 3]), rng).bind(None, Recording())
    assert rng.bit_generator.state == np.random.default_rng(0).bit_generator.state


def test_one_step_trains_a_fair_set_on_one_batch_and_moves_once() -> None:
    space = get_space("nasbench201-3")
    strategy, weights = FairNAS(space, np.random.default_rng(0)), Recording()
    seen: list[list[int]] = []

    class Network:
        def path(self, images: object, row: np.ndarray) -> None:
            assert images == "images"
            seen.append(row.tolist())

    strategy.bind(Network(), weights)

    def closure(batch: Any, **_: bool) -> Gradients:
        strategy.forward(batch.images)
        return Gradients(torch.tensor(float(len(seen))), (), ())

    for number in range(1, 11):
        loss = strategy.weight_step(closure, ImageBatch("images", None))  # type: ignore[arg-type]
        assert len(weights.steps) == number
        five = np.array(seen[-5:])
        assert (np.sort(five, axis=0) == np.arange(5)[:, None]).all()
        assert float(loss) == pytest.approx(5 * number - 2)  # the mean of five numbers in a row
    assert len(seen) == 50


def test_the_update_is_the_sum_of_the_paths_gradients() -> None:
    space = get_space("nasbench201-3")
    supernet = build_supernet(space, 10, 1, generator=torch.Generator().manual_seed(0), channels=4, cells=1)
    generator = torch.Generator().manual_seed(1)
    images, labels = torch.randn(6, 1, 8, 8, generator=generator), torch.arange(6)
    weights = Recording(list(supernet.parameters()))
    strategy = FairNAS(space, np.random.default_rng(3))
    strategy.bind(supernet, weights)

    def closure(batch: ImageBatch, **_: bool) -> Gradients:
        loss = F.cross_entropy(strategy.forward(batch.images), batch.labels)
        found = torch.autograd.grad(loss, weights.parameters, allow_unused=True)
        return Gradients(loss.detach(), found, ())

    strategy.weight_step(closure, ImageBatch(images, labels))
    paths = fair_paths(space, np.random.default_rng(3))
    total = torch.zeros(())
    for row in paths:
        total = total + F.cross_entropy(supernet.path(images, row), labels)
    expected = torch.autograd.grad(total, weights.parameters, allow_unused=True)
    (moved,) = weights.steps
    took_part = 0
    for found, wanted in zip(moved, expected, strict=True):
        assert (found is None) == (wanted is None)
        if found is not None:
            took_part += 1
            torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-6)
    assert took_part > 10


def test_weights_that_took_part_once_keep_that_gradient() -> None:
    one = torch.ones(2)
    assert accumulate([None, one, None], [None, None, one]) == [None, one, one]
    assert torch.equal(accumulate([one], [2 * one])[0], 3 * one)


def test_the_search_is_the_evolution_of_spos() -> None:
    strategy = FairNAS(get_space("nasbench201"), np.random.default_rng(0), iterations=6)
    asked = []
    while len(batch := strategy.ask().batch):
        asked.append(batch)
        strategy.tell(batch, batch.sum(axis=1).astype(float))
    assert [len(batch) for batch in asked] == [50] * 6
    assert strategy.default_queries == 300
    assert asked[-1].sum(axis=1).mean() > asked[0].sum(axis=1).mean() + 3
