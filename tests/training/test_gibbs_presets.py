"""GibbsNAS in a training: its presets, its two batch sizes, and what a stopped search finds."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchkit.base.errors import InputError
from benchkit.data.images import SearchImages
from benchkit.data.images.image_set import LabelledImages
from benchkit.searching import Budget, search
from benchkit.spaces import get_space
from benchkit.spaces.engine import build_supernet
from benchkit.strategies.gibbsnas.supernet import GibbsNAS
from benchkit.training.presets import get_preset
from benchkit.training.recipe import TrainingRecipe
from benchkit.training.search import SearchSettings, run_search
from benchkit.training.streams import Streams
from benchkit.training.trainer import Trainer

Make = Callable[..., Trainer]


def made_up() -> SearchImages:
    """Two training images and four for validation, of random pixels."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
    labels = np.array([0, 9] * 3, dtype=np.uint16)
    parts = LabelledImages(pixels[:2], labels[:2]), LabelledImages(pixels[2:], labels[2:])
    return SearchImages(*parts, tuple(map(str, range(10))), {"name": "made-up"})


@pytest.mark.parametrize(
    "options", [{}, {"omega": "sgd"}, {"omega": "mean", "alpha": "mean"}], ids=["sample", "sgd", "mean"]
)
def test_paper_preset_starts_at_full_size(options: dict[str, Any]) -> None:
    preset, space, streams = get_preset("paper-nasbench201"), get_space("nasbench201"), Streams.of(0)
    size: dict[str, Any] = dict(preset.size_of("nasbench201"))
    supernet = build_supernet(space, 10, 3, generator=streams.network, **size)
    # stem 16; three stages of 5 cells with 6 edges of a 3x3 and a 1x1; two residual blocks; classifier
    stages = sum(5 * 6 * (9 + 1) * c * c for c in (16, 32, 64))
    blocks = sum(9 * c * 2 * c + 9 * 4 * c * c + c * 2 * c for c in (16, 32))
    convolutions = 3 * 9 * 16 + stages + blocks
    weights = sum(w.numel() for w in supernet.parameters() if w.dim() == 4)
    assert weights == convolutions == 1_684_912
    before = [weight.detach().clone() for weight in supernet.parameters()]
    trainer = Trainer(
        GibbsNAS(space, streams.strategy, **{**preset.options_for("gibbsnas"), **options}),
        supernet,
        made_up(),
        replace(preset.recipe_for("gibbsnas"), epochs=1, batch_size=2),
        torch.device("cpu"),
        streams,
        scoring={"images": 2, "batch_size": 2},
    )
    alpha = trainer.strategy.parameters["alpha"].detach().clone()
    trainer.fit()  # one step: four validation images, run as twice two, and two training images
    assert np.isfinite(trainer.history[0]["loss"])
    assert (trainer.strategy.parameters["alpha"] != alpha).all()
    moved = [(w != b).any() for w, b in zip(supernet.parameters(), before, strict=True)]
    assert np.mean(moved) > 0.9
    assert len(search(trainer.strategy, trainer.evaluator, Budget(queries=1))) == 1


def test_the_darts_preset_starts_at_full_size() -> None:
    preset, space, streams = get_preset("paper-darts"), get_space("darts"), Streams.of(0)
    size: dict[str, Any] = dict(preset.size_of("darts"))
    supernet = build_supernet(space, 10, 3, generator=streams.network, **size)
    trainer = Trainer(
        GibbsNAS(space, streams.strategy),
        supernet,
        made_up(),
        replace(preset.recipe_for("gibbsnas"), epochs=1, batch_size=2),
        torch.device("cpu"),
        streams,
        scoring={"images": 2, "batch_size": 2},
    )
    assert trainer.recipe.valid_batch_size == 2048
    trainer.fit()
    assert np.isfinite(trainer.history[0]["loss"])
    row = trainer.strategy.recommend()
    assert space.is_valid(row[None]).all()  # two inputs a node
    assert trainer.strategy.findings()["architectures"] == [space.format(row)]


def test_numbers_are_those_of_the_experiments() -> None:
    preset = get_preset("paper-nasbench201")
    recipe = preset.recipe_for("gibbsnas")
    assert (recipe.batch_size, recipe.valid_batch_size, recipe.learning_rate) == (64, 2048, 0.1)
    defaults = GibbsNAS.Hyperparameters()
    assert (defaults.alpha_rate, defaults.alpha_decay, defaults.omega_decay) == (0.1, 1e-4, 1e-4)
    for other in ("darts", "gdas", "rsps"):  # Table 3's other methods run as NAS-Bench-201 runs them
        assert preset.recipe_for(other) == get_preset("nasbench201").recipe_for(other)
    assert get_preset("small").recipe_for("gibbsnas").valid_batch_size == 256


class Counting(GibbsNAS):
    """Notes how many images each pass runs."""

    passes: list[int]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.__dict__.setdefault("passes", []).append(len(images))
        return super().forward(images)


def test_a_larger_validation_batch_is_run_in_parts_of_the_training_batch(make_trainer: Make) -> None:
    trainer = make_trainer(Counting, epochs=1, batch_size=50, valid_batch_size=100)
    trainer.fit()
    # of 150 training and 100 validation images: three steps, each alpha twice on twice 50, omega twice on 50
    assert trainer.strategy.passes == [50] * 18  # type: ignore[attr-defined]
    assert trainer.recipe.describe()["valid_batch_size"] == 100
    uneven = make_trainer(Counting, epochs=1, batch_size=50, valid_batch_size=70)
    uneven.fit()
    assert uneven.strategy.passes[:6] == [35, 35, 35, 35, 50, 50]  # type: ignore[attr-defined]
    small = make_trainer(Counting, epochs=1, batch_size=50, valid_batch_size=20, accumulate=2)
    small.fit()
    assert small.strategy.passes[:4] == [10, 10, 10, 10]  # type: ignore[attr-defined]


def test_a_validation_batch_of_no_images_is_refused() -> None:
    with pytest.raises(InputError, match=r"valid_batch_size must be .*got 0"):
        TrainingRecipe(valid_batch_size=0)


def test_the_posterior_counts_the_images_of_both_halves(make_trainer: Make) -> None:
    weights = make_trainer("gibbsnas").strategy.weights
    assert (weights.images, weights.validation_images) == (150, 100)


def test_a_search_lists_the_architecture_of_every_epoch(tmp_path: Path) -> None:
    settings = SearchSettings("gibbsnas", "nasbench201-3", "digits", epochs=3, limit=300, images=60)
    result = run_search(settings, tmp_path, "cpu")
    listed = result["findings"]["architectures"]
    assert len(listed) == 3
    assert listed[-1] == result["architecture"]
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["training"]["valid_batch_size"] == 256


def test_nasbench101_is_refused_in_one_line(cli: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    code, _, err = cli(
        *("search", "gibbsnas", "--space", "nasbench101", "--data", "digits", "--limit", 200),
        *("--device", "cpu", "--out", tmp_path / "out"),
    )
    assert code == 2
    assert "gibbsnas is query-backed only on nasbench101" in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()
