"""What a final training adds to the loss and to the schedule: against sums written by hand."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from benchkit.base.errors import InputError
from benchkit.spaces import get_space
from benchkit.spaces.engine import build_network
from benchkit.training.engine import train_epoch
from benchkit.training.losses import MixedBatches, has_auxiliary, loss_of, mixed, step_of
from benchkit.training.recipe import TrainingRecipe
from benchkit.training.standalone import accuracy
from benchkit.training.weights import SgdWeights

pytestmark = pytest.mark.usefixtures("one_thread")

# -- mixup ----------------------------------------------------------------------------------------


def test_mixed_images_and_targets_by_hand() -> None:
    x = torch.tensor([[1.0, 2.0], [5.0, 10.0], [0.0, -4.0]])
    images, targets = mixed(x, torch.tensor([0, 2, 1]), torch.tensor([1, 0, 2]), 0.75, 3)
    assert images.tolist() == [[2.0, 4.0], [4.0, 8.0], [0.0, -4.0]]
    assert targets.tolist() == [[0.75, 0.0, 0.25], [0.25, 0.0, 0.75], [0.0, 1.0, 0.0]]


def test_the_loss_of_mixed_targets_is_the_mixture_of_two_losses() -> None:
    # logits (ln 2, 0, 0): probabilities 1/2, 1/4, 1/4; target 3/4 of class 0 and 1/4 of class 1
    network = nn.Linear(1, 3)
    with torch.no_grad():
        network.weight.zero_()
        network.bias.copy_(torch.tensor([math.log(2), 0.0, 0.0]))
    target = torch.tensor([[0.75, 0.25, 0.0]])
    by_hand = 0.75 * math.log(2) + 0.25 * math.log(4)
    assert loss_of(network, TrainingRecipe())(torch.zeros(1, 1), target).item() == pytest.approx(by_hand)
    smooth = 0.9 * by_hand + 0.1 * (math.log(2) + 2 * math.log(4)) / 3
    assert loss_of(network, TrainingRecipe(label_smoothing=0.1))(
        torch.zeros(1, 1), target
    ).item() == pytest.approx(smooth)


class Listed:
    """Two batches of four images, the same in every epoch."""

    def __len__(self) -> int:
        return 2

    def epoch(self) -> Iterator[tuple[Tensor, Tensor]]:
        for first in (0.0, 4.0):
            yield torch.arange(first, first + 4)[:, None], torch.tensor([0, 1, 2, 0])


def test_shares_are_drawn_once_a_batch_from_beta() -> None:
    drawn = np.random.default_rng(3)
    for images, targets in MixedBatches(Listed(), 3, 0.2, np.random.default_rng(3)).epoch():
        share, partner = drawn.beta(0.2, 0.2), drawn.permutation(4)
        start = images.new_tensor([0.0]) if images.min() < 4 else images.new_tensor([4.0])
        x = start + torch.arange(4.0)
        assert images[:, 0].numpy() == pytest.approx(share * x + (1 - share) * x[partner], abs=1e-6)
        labels = np.array([0, 1, 2, 0])
        for row, label, other in zip(targets.numpy(), labels, labels[partner], strict=True):
            expected = np.zeros(3)
            expected[label] += share
            expected[other] += 1 - share
            assert row == pytest.approx(expected, abs=1e-6)


@given(st.integers(0, 2**32 - 1), st.floats(0.05, 5))
def test_targets_stay_distributions(seed: int, alpha: float) -> None:
    for _, targets in MixedBatches(Listed(), 3, alpha, np.random.default_rng(seed)).epoch():
        assert (targets >= 0).all()
        assert targets.sum(dim=1).numpy() == pytest.approx(np.ones(4), abs=1e-5)


# -- the auxiliary classifier ----------------------------------------------------------------------


class TwoHeads(nn.Module):
    """Logits w x and, from the auxiliary head, v x."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(1, 2, bias=False)
        self.auxiliary = nn.Linear(1, 2, bias=False)
        with torch.no_grad():
            self.last.weight.copy_(torch.tensor([[1.0], [0.0]]))
            self.auxiliary.weight.copy_(torch.tensor([[0.0], [2.0]]))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.last(x)
        return logits

    def with_auxiliary(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self(x), self.auxiliary(x)


def test_auxiliary_loss_by_hand() -> None:
    network = TwoHeads()
    assert has_auxiliary(network)
    loss = loss_of(network, TrainingRecipe(auxiliary=0.4))(torch.ones(1, 1), torch.tensor([0]))
    # softmax of (1, 0) and of (0, 2), both at class 0
    first, second = math.log(1 + math.exp(-1)), math.log(1 + math.exp(2))
    assert loss.item() == pytest.approx(first + 0.4 * second)
    loss.backward()  # type: ignore[no-untyped-call]
    assert network.auxiliary.weight.grad is not None
    q = 1 / (1 + math.exp(2))
    assert network.auxiliary.weight.grad[:, 0].tolist() == pytest.approx([0.4 * (q - 1), 0.4 * (1 - q)])


def test_which_networks_have_an_auxiliary_classifier() -> None:
    space = get_space("nasnet")
    row = space.sample(np.random.default_rng(0), 1)[0]

    def network(**size: int) -> Any:
        generator = torch.Generator().manual_seed(0)
        return build_network(space, row, 10, generator=generator, channels=2, cells=3, **size)  # type: ignore[arg-type]

    assert has_auxiliary(network(auxiliary=1))
    assert not has_auxiliary(network())
    assert not has_auxiliary(nn.Linear(1, 1))


# -- schedules --------------------------------------------------------------------------------------


def recipe(**changes: Any) -> TrainingRecipe:
    plain = TrainingRecipe(epochs=4, learning_rate=0.8, last_learning_rate=0.0, schedule="linear")
    return replace(plain, **changes)


def test_drop_path_rises_linearly_from_zero() -> None:
    assert [recipe(drop_path=0.2).drop_path_at(epoch) for epoch in range(4)] == pytest.approx(
        [0.0, 0.05, 0.1, 0.15]
    )
    darts = recipe(drop_path=0.2, epochs=600)
    assert darts.drop_path_at(300) == pytest.approx(0.1)
    assert darts.drop_path_at(599) == pytest.approx(0.2 * 599 / 600)


def test_the_rate_rises_in_warmup_then_follows_its_schedule() -> None:
    warm = recipe(warmup_epochs=2)
    rates = [warm.rate_at(step, 8) for step in range(8)]  # two steps an epoch
    assert rates == pytest.approx([0.2, 0.4, 0.6, 0.8, 0.8, 0.6, 0.4, 0.2])
    plain = recipe()
    assert [plain.rate_at(step, 8) for step in range(8)] == pytest.approx([0.8 - 0.1 * n for n in range(8)])


@pytest.mark.parametrize(
    "wrong",
    [{"auxiliary": -1.0}, {"drop_path": 1.0}, {"dropout": -0.1}, {"mixup": math.inf}, {"warmup_epochs": 4}],
)
def test_numbers_out_of_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=f"{next(iter(wrong))} (of a training of 4 epochs cannot|must) be"):
        recipe(**wrong)


# -- the loop ---------------------------------------------------------------------------------------


def test_parts_of_a_batch_have_the_gradient_of_the_whole() -> None:
    def after(parts: int) -> tuple[float, list[float]]:
        network = nn.Linear(1, 3)
        with torch.no_grad():
            network.weight.copy_(torch.tensor([[0.3], [-0.2], [0.1]]))
            network.bias.zero_()
        recipe = TrainingRecipe(epochs=1, learning_rate=0.1, last_learning_rate=0.1, accumulate=parts)
        weights = SgdWeights(network, recipe)
        step = step_of(network, weights, recipe)
        loss = train_epoch(network, weights, Listed(), recipe, step, 0)
        return loss, network.weight.flatten().tolist()

    (whole, weights), (split, others) = after(1), after(3)  # parts of 2 and 2: chunks may be fewer
    assert split == pytest.approx(whole)
    assert others == pytest.approx(weights, rel=1e-5)


def test_rates_are_asked_for_by_the_step_of_the_whole_training() -> None:
    network = nn.Linear(1, 3)
    rates: list[float] = []
    sums: list[tuple[int, float]] = []
    plain = recipe(epochs=5)
    weights = SgdWeights(network, plain)
    step = step_of(network, weights, plain)

    def look(done: int, total: Tensor) -> None:
        rates.append(weights.learning_rate)
        sums.append((done, float(total)))

    mean = train_epoch(network, weights, Listed(), plain, step, 3, look)
    assert rates == [plain.rate_at(6, 10), plain.rate_at(7, 10)] == pytest.approx([0.32, 0.24])
    assert [done for done, _ in sums] == [1, 2]
    assert mean == pytest.approx(sums[-1][1] / 2)


def test_accuracy_is_a_percentage_of_all_images() -> None:
    network = nn.Linear(1, 3)
    with torch.no_grad():
        network.weight.zero_()
        network.bias.copy_(torch.tensor([1.0, 0.0, 0.0]))  # always class 0
    assert accuracy(network, Listed().epoch()) == 50.0
    ragged = [(torch.zeros(2, 1), torch.tensor([0, 1])), (torch.zeros(1, 1), torch.tensor([0]))]
    assert accuracy(network, ragged) == pytest.approx(200 / 3)
