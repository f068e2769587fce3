"""SI-VDNAS in a training: its presets at full size, its record, and what the command line says."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchkit.searching import Budget, search
from benchkit.spaces import get_space
from benchkit.spaces.engine import build_supernet
from benchkit.strategies.sivdnas.supernet import SIVDNAS
from benchkit.training.presets import get_preset
from benchkit.training.search import SearchSettings, run_search
from benchkit.training.streams import Streams
from benchkit.training.trainer import Trainer
from tests.training.made_up import made_up


@pytest.mark.parametrize(("name", "epochs"), [("paper-base", 50), ("paper-convergence", 150)])
def test_paper_presets_start_at_full_size(name: str, epochs: int) -> None:
    preset, space, streams = get_preset(name), get_space("darts-multi"), Streams.of(0)
    size: dict[str, Any] = dict(preset.size_of("darts-multi"))
    recipe = preset.recipe_for("sivdnas")
    assert (recipe.epochs, recipe.batch_size, recipe.weight_decay) == (epochs, 64, 3e-4)
    assert size == {"channels": 16, "cells": 8}
    supernet = build_supernet(space, 10, 3, generator=streams.network, **size)
    # the search network of DARTS's published code has 1,930,618; of all its batch normalisation the stem's
    # alone has scale and shift, 48 each, which shared networks here do not have
    assert sum(w.numel() for w in supernet.parameters()) == 1_930_618 - 2 * 48
    before = [weight.detach().clone() for weight in supernet.parameters()]
    trainer = Trainer(
        SIVDNAS(space, streams.strategy, frozen=0),
        supernet,
        made_up(32, 10, 2, 2),
        replace(recipe, epochs=1, batch_size=2),
        torch.device("cpu"),
        streams,
        scoring={"images": 2, "batch_size": 2},
    )
    own = {key: value.detach().clone() for key, value in trainer.strategy.parameters.items()}
    assert [value.numel() for value in own.values()] == [28 * 8, 28 * 8, 28, 28]
    trainer.fit()  # one step of the architecture, one of the weights
    assert np.isfinite(trainer.history[0]["loss"])
    for key, value in trainer.strategy.parameters.items():
        assert (value != own[key]).any()
    moved = [bool((w != b).any()) for w, b in zip(supernet.parameters(), before, strict=True)]
    assert 0.1 < np.mean(moved) < 0.7  # a quarter of the operations was kept, and all that is no operation
    assert len(search(trainer.strategy, trainer.evaluator, Budget(queries=1))) == 1


def test_final_presets_have_the_numbers_of_section_43() -> None:
    cifar, imagenet = (get_preset(f"sivdnas-{name}", "train") for name in ("cifar", "imagenet"))
    sgd = cifar.recipe
    assert (sgd.epochs, sgd.batch_size, sgd.learning_rate, sgd.last_learning_rate) == (600, 96, 0.025, 0.0)
    assert (sgd.weight_decay, sgd.clip, sgd.cutout, cifar.recipe.drop_path) == (3e-4, 5.0, 16, 0.3)
    assert cifar.size == {"all": {"cells": 20, "channels": 36}}
    recipe = sgd = imagenet.recipe
    assert (sgd.epochs, sgd.batch_size, sgd.learning_rate, sgd.schedule) == (250, 1024, 0.5, "linear")
    assert (sgd.weight_decay, sgd.label_smoothing, recipe.warmup_epochs) == (3e-5, 0.1, 5)
    assert [recipe.rate_at(step, 250) for step in (0, 4, 5, 250)] == pytest.approx([0.1, 0.5, 0.5, 0.0])
    assert recipe.auxiliary > 0
    assert imagenet.size == {"all": {"cells": 14, "channels": 48, "stem_stride": 8}}


@pytest.mark.parametrize("space", ["nasbench201-3", "darts-multi"])
def test_a_search_records_every_epoch(space: str, tmp_path: Path) -> None:
    size = {"channels": 2, "cells": 3} if space == "darts-multi" else {}
    settings = SearchSettings("sivdnas", space, "digits", epochs=2, limit=150, images=30, size=size)
    result = run_search(settings, tmp_path, "cpu")
    found = result["findings"]
    for name in ("architectures", "most_probable", "entropies", "skip_shares"):
        assert len(found[name]) == 2
    assert found["architectures"][-1] == result["architecture"]
    head, *rows = (tmp_path / "training.csv").read_text().splitlines()
    assert {"strategy/skips", "strategy/entropy", "strategy/keep", "strategy/gap"} <= set(head.split(","))
    assert len(rows) == 2
    assert json.loads((tmp_path / "network.json").read_text())["row"] == result["row"]


def test_nasbench101_is_refused_in_one_line(cli: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    code, _, err = cli(
        *("search", "sivdnas", "--space", "nasbench101", "--data", "digits", "--limit", 200),
        *("--device", "cpu", "--out", tmp_path / "out"),
    )
    assert code == 2
    assert "sivdnas is query-backed only on nasbench101" in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()
