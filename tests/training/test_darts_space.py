"""Every weight-sharing method on the space of DARTS: it finds a genotype, or refuses in one line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchkit.base.errors import InputError
from benchkit.searching import Budget, search
from benchkit.spaces import get_space
from benchkit.spaces.engine import build_supernet
from benchkit.strategies import get_weight_sharing, weight_sharing_names
from benchkit.training.presets import get_preset
from benchkit.training.search import SearchSettings, run_search
from benchkit.training.streams import Streams
from benchkit.training.trainer import Trainer
from tests.training.made_up import made_up

SMALL = SearchSettings(
    *("spos", "darts", "digits"),
    epochs=1,
    batch_size=6,
    limit=24,
    images=6,
    scoring_batch=6,
    queries=3,
    size={"channels": 4, "cells": 3},
)
REFUSED = {
    "fairnas": "fairnas found no 8 architectures of darts that use every choice equally often; use spos",
    "setn": "setn ranks architectures whose choices are free",
    "enas": "enas draws every choice by itself",
}
OPTIONS: dict[str, dict[str, Any]] = {
    "vaenas": {"ranked": 4, "vae_iterations": 2, "interval": 1},
    "vaenas-g": {"ranked": 4, "vae_iterations": 2, "interval": 1},
}
METHODS = [name for name in weight_sharing_names() if name not in REFUSED]


@pytest.mark.parametrize("strategy", METHODS)
def test_a_method_finds_a_genotype(strategy: str, tmp_path: Path) -> None:
    settings = replace(SMALL, strategy=strategy, options=OPTIONS.get(strategy, {}))
    result = run_search(settings, tmp_path, "cpu")
    space = get_space("darts")
    assert space.is_valid(np.array([result["row"]], dtype=np.int8)).all()
    assert result["architecture"].startswith("Genotype(normal=[(")
    assert space.parse(result["architecture"]).tolist() == result["row"]
    for text in result.get("findings", {}).get("architectures", []):
        space.parse(text)
    assert result.get("findings", {}).get("fallbacks", 0) == 0


def test_two_paths_of_a_multinomial_are_members_where_the_weights_learn(tmp_path: Path) -> None:
    settings = replace(SMALL, strategy="vaenas-g", options={"sampler": "multinomial"})
    assert run_search(settings, tmp_path, "cpu")["architecture"].startswith("Genotype(")


@pytest.mark.parametrize("strategy", [name for name in weight_sharing_names() if name in REFUSED])
def test_what_cannot_work_says_so(strategy: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=REFUSED[strategy]):
        run_search(replace(SMALL, strategy=strategy), tmp_path / "out", "cpu")
    assert not (tmp_path / "out" / "result.json").exists()


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("strategy", ["darts", "darts-v2", "gdas", "snas", "spos", "gibbsnas"])
def test_the_paper_preset_starts_at_full_size(strategy: str) -> None:
    preset, space, streams = get_preset("paper-darts"), get_space("darts"), Streams.of(0)
    supernet = build_supernet(space, 10, 3, generator=streams.network, **preset.size_of("darts"))
    weights = sum(weight.numel() for weight in supernet.parameters())
    assert weights == pytest.approx(1.93e6, rel=0.001)  # the published figure, in millions
    kind = get_weight_sharing(strategy)
    trainer = Trainer(
        kind(space, streams.strategy, **preset.options_for(strategy)),
        supernet,
        made_up(32, 10, train=2, valid=2),
        replace(preset.recipe_for(strategy), epochs=1, batch_size=2),
        torch.device("cpu"),
        streams,
        scoring={"images": 2, "batch_size": 2},
    )
    trainer.fit()  # one step of two images
    assert np.isfinite(trainer.history[0]["loss"])
    trace = search(trainer.strategy, trainer.evaluator, Budget(queries=1))
    assert len(trace) == 1
    assert space.is_valid(trace.batch).all()


def test_the_paper_preset_has_the_published_numbers() -> None:
    # Liu et al. (2019), appendix A.1
    recipe = get_preset("paper-darts").recipe_for("darts")
    assert (recipe.epochs, recipe.batch_size, recipe.clip) == (50, 64, 5)
    assert (recipe.learning_rate, recipe.last_learning_rate, recipe.schedule) == (0.025, 0.001, "cosine")
    assert (recipe.momentum, recipe.nesterov, recipe.weight_decay) == (0.9, False, 3e-4)
    alpha = get_weight_sharing("darts").Hyperparameters()
    assert (alpha.learning_rate, alpha.beta1, alpha.beta2, alpha.weight_decay) == (3e-4, 0.5, 0.999, 1e-3)
    # GibbsNAS, experiments: batches of 64 and 2,048, rate .1
    gibbs = get_preset("paper-darts").recipe_for("gibbsnas")
    assert (gibbs.epochs, gibbs.batch_size, gibbs.valid_batch_size, gibbs.learning_rate) == (
        50,
        64,
        2048,
        0.1,
    )
