"""Both VAENAS that learn after every epoch: an interruption changes neither the sampler nor the search."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from benchkit.strategies.vaenas.gradient import VAENASGradient
from benchkit.strategies.vaenas.one_shot import VAENAS
from benchkit.training.trainer import Trainer

OFTEN: dict[str, Any] = {"interval": 1, "ranked": 20, "vae_hidden": 8, "vae_latent": 2, "vae_iterations": 5}


class OneShot(VAENAS):
    """Half of its paths are learned in the second epoch, all from the third on; with a limit."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments, **OFTEN, epsilon_step=0.5, max_flops=0.1)


class Gradient(VAENASGradient):
    """Ranks after every epoch."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments, **OFTEN)


def everything(trainer: Trainer) -> dict[str, torch.Tensor]:
    state = {f"network.{name}": value for name, value in trainer.supernet.state_dict().items()}
    return state | {f"own.{name}": value for name, value in trainer.strategy.state_tensors().items()}


@pytest.mark.parametrize("method", [OneShot, Gradient])
@pytest.mark.parametrize("finished", [1, 2, 4])
def test_a_resumed_training_draws_ranks_and_learns_the_same(
    make_trainer: Callable[..., Trainer], tmp_path: Path, method: type[Any], finished: int
) -> None:
    whole = make_trainer(method, folder=tmp_path, epochs=4)
    whole.fit()
    again = make_trainer(method, epochs=4)
    again.resume(tmp_path / f"epoch-{finished:04d}.json")
    again.fit()
    one, other = everything(whole), everything(again)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    losses = [
        [(row["loss"], row["strategy/vae_loss"], row["strategy/ranked_best"]) for row in trainer.history]
        for trainer in (whole, again)
    ]
    assert losses[0] == losses[1]
    assert whole.strategy.ask().batch.tolist() == again.strategy.ask().batch.tolist()
    assert whole.strategy.findings() == again.strategy.findings()


def test_ranking_uses_no_more_images_than_there_are(make_trainer: Callable[..., Trainer]) -> None:
    trainer = make_trainer(OneShot, epochs=1)  # which asks for 1,000 images where there are 100
    trainer.fit()
    assert 0 < trainer.history[0]["strategy/ranked_best"] <= 100
