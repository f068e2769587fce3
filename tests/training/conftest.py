"""Small trainings on the digits: three-node cells of four channels, in a fraction of a second."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from benchkit.data.images import SearchImages, divide, open_image_set, parse_split
from benchkit.spaces import get_space
from benchkit.spaces.engine import build_supernet
from benchkit.spaces.engine.batchnorm import BatchNormPolicy
from benchkit.strategies import get_weight_sharing
from benchkit.training.recipe import TrainingRecipe
from benchkit.training.trainer import Streams, Trainer

QUICK: dict[str, dict[str, Any]] = {"enas": {"steps": 2, "aggregate": 3}, "pcnas": {"samples": 8}}
"""Hyperparameters that make slow methods quick."""


@pytest.fixture(autouse=True)
def always_one_thread(one_thread: None) -> None:
    """Train on one thread."""


@pytest.fixture(scope="session")
def digits() -> SearchImages:
    """150 training and 100 validation images."""
    return divide(open_image_set("digits", limit=250), parse_split("100"))[0]


@pytest.fixture
def make_trainer(digits: SearchImages) -> Callable[..., Trainer]:
    """``make_trainer("spos", seed=0, epochs=3, ...)``: a new training, on the CPU unless told."""

    def make(
        strategy: str | type[Any] = "spos",
        seed: int = 0,
        folder: Path | None = None,
        policy: BatchNormPolicy | None = None,
        scoring: dict[str, Any] | None = None,
        on_progress: Any = None,
        device: str = "cpu",
        **recipe: Any,
    ) -> Trainer:
        streams = Streams.of(seed)
        kind = get_weight_sharing(strategy) if isinstance(strategy, str) else strategy
        space = get_space("nasbench201-3")
        options = {} if policy is None else {"policy": policy}
        supernet = build_supernet(space, 10, 1, generator=streams.network, channels=4, cells=1, **options)
        return Trainer(
            kind(space, streams.strategy, **QUICK.get(kind.name, {})),
            supernet,
            digits,
            TrainingRecipe(**{"epochs": 3, "batch_size": 30, **recipe}),
            torch.device(device),
            streams,
            folder=folder,
            scoring=scoring,
            on_progress=on_progress,
        )

    return make
