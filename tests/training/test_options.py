"""Options of a training: parts of a batch, threads, compiled cells, TensorBoard, recalibration."""

from __future__ import annotations

import csv
import json
import shutil
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from benchkit.base.errors import InputError
from benchkit.data.images import SearchImages
from benchkit.spaces import get_space
from benchkit.spaces.engine import BatchNormPolicy, build_supernet
from benchkit.strategies.darts import DARTS
from benchkit.strategies.spos import SPOS
from benchkit.strategies.weight_sharing import ImageBatch
from benchkit.training.recipe import TrainingRecipe
from benchkit.training.search import SearchSettings, run_search
from benchkit.training.tensorboard import Scalars
from benchkit.training.trainer import Progress, Streams, Trainer
from tests.training.plain_supernet import PlainSupernet

Make = Callable[..., Trainer]
SMALL = SearchSettings("spos", "nasbench201-3", "digits", epochs=2, limit=200, images=40, scoring_batch=20)


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    own = {f"own.{name}": value.clone() for name, value in trainer.strategy.state_tensors().items()}
    return {name: value.clone() for name, value in trainer.supernet.state_dict().items()} | own


def same(first: Trainer, second: Trainer) -> bool:
    one, other = weights(first), weights(second)
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


# -- parts of a batch -----------------------------------------------------------------------------


def a_batch(images: int) -> ImageBatch:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(images, 1, 8, 8, generator=generator)
    return ImageBatch(x, torch.randint(10, (images,), generator=generator))


@pytest.mark.parametrize("images", [30, 29])  # 29 in parts of 10, 10 and 9
def test_a_batch_in_parts_has_the_mean_gradient_of_its_parts(make_trainer: Make, images: int) -> None:
    whole, parts = make_trainer("darts"), make_trainer("darts", accumulate=3)
    batch = a_batch(images)
    found = parts._closure(batch, architecture=True)
    pieces = [
        ImageBatch(*piece) for piece in zip(batch.images.split(10), batch.labels.split(10), strict=True)
    ]
    each = [whole._closure(piece, architecture=True) for piece in pieces]
    shares = [len(piece.labels) / images for piece in pieces]
    assert found.loss.item() == pytest.approx(
        sum(share * one.loss.item() for share, one in zip(shares, each, strict=True))
    )
    for group in ("weights", "architecture"):
        for index, gradient in enumerate(getattr(found, group)):
            wanted = [getattr(one, group)[index] for one in each]
            assert (gradient is None) == (wanted[0] is None)
            if gradient is not None:
                mean = sum(share * one for share, one in zip(shares, wanted, strict=True))
                torch.testing.assert_close(gradient, mean)


def plain_trainer(digits: SearchImages, accumulate: int) -> Trainer:
    streams = Streams.of(0)
    supernet = PlainSupernet(streams.network)
    recipe = TrainingRecipe(epochs=2, batch_size=30, clip=None, accumulate=accumulate)
    strategy = SPOS(supernet.recipe.space, streams.strategy)
    return Trainer(strategy, supernet, digits, recipe, torch.device("cpu"), streams)


def test_without_batch_statistics_the_parts_do_not_matter(digits: SearchImages) -> None:
    whole, parts = plain_trainer(digits, 1), plain_trainer(digits, 5)
    whole.fit()
    parts.fit()
    torch.testing.assert_close(weights(parts), weights(whole), rtol=1e-4, atol=1e-5)
    assert parts.history[-1]["loss"] == pytest.approx(whole.history[-1]["loss"], rel=1e-4)


def test_batch_statistics_are_those_of_a_part(make_trainer: Make) -> None:
    whole, parts = make_trainer(epochs=1), make_trainer(epochs=1, accumulate=3)
    whole.fit()
    parts.fit()
    assert not same(whole, parts)


@pytest.mark.parametrize(
    ("strategy", "options"),
    [
        ("spos", {"accumulate": 2}),
        ("darts", {"accumulate": 4}),
        ("darts-v2", {"accumulate": 2, "bfloat16": True}),
        ("spos", {"label_smoothing": 0.1, "cutout": 2}),
        ("spos", {"policy": BatchNormPolicy(affine=False), "scoring": {"calibration_batches": 1}}),
    ],
)
def test_resuming_is_exact_with_every_option(
    make_trainer: Make, tmp_path: Path, strategy: str, options: dict[str, Any]
) -> None:
    whole, again = make_trainer(strategy, folder=tmp_path, **options), make_trainer(strategy, **options)
    whole.fit()
    again.resume(tmp_path / "epoch-0001.json")
    again.fit()
    assert same(whole, again)


# -- threads --------------------------------------------------------------------------------------


def test_a_training_runs_on_its_own_number_of_threads(make_trainer: Make, tmp_path: Path) -> None:
    seen: list[int] = []

    def look(_: Progress) -> None:
        seen.append(torch.get_num_threads())

    make_trainer(threads=2, epochs=1, on_progress=look, folder=tmp_path).fit()
    assert set(seen) == {2}
    assert torch.get_num_threads() == 1  # as before
    with pytest.raises(InputError, match=r"another training: \{'threads': 2\}, not \{'threads': 1\}"):
        make_trainer(epochs=1).resume(tmp_path / "epoch-0001.json")


# -- compiled cells -------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on the CPU")
@pytest.mark.filterwarnings("ignore")  # of the compiler, on whatever it meets
def test_compiled_cells_train_mixtures_and_resume_exactly(make_trainer: Make, tmp_path: Path) -> None:
    options = {"compile_cells": True, "epochs": 2}
    plain, whole = make_trainer("darts", epochs=2), make_trainer("darts", folder=tmp_path, **options)
    assert weights(plain).keys() == weights(whole).keys()
    expected, found = (each._closure(a_batch(30), architecture=True) for each in (plain, whole))
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5)
    whole.fit()
    torch.compiler.reset()  # as in a new process
    again = make_trainer("darts", **options)
    again.resume(tmp_path / "epoch-0001.json")
    again.fit()
    assert same(whole, again)


def test_paths_run_as_without_compilation(make_trainer: Make) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the compiler, when it is loaded
        plain, compiled = make_trainer(), make_trainer(compile_cells=True)
    plain.fit()
    compiled.fit()
    assert same(plain, compiled)
    rows = get_space("nasbench201-3").at(np.arange(0, 125, 9))
    np.testing.assert_array_equal(
        plain.evaluator.evaluate(rows).scores, compiled.evaluator.evaluate(rows).scores
    )


def test_a_network_without_cells_is_not_compiled(digits: SearchImages) -> None:
    streams = Streams.of(0)
    space = get_space("nasbench101")
    supernet = build_supernet(space, 10, 1, generator=streams.network, channels=8, cells=1)
    recipe = TrainingRecipe(batch_size=30, compile_cells=True)
    with pytest.raises(InputError, match="only networks of cells and chains"):
        Trainer(SPOS(space, streams.strategy), supernet, digits, recipe, torch.device("cpu"), streams)


# -- TensorBoard ----------------------------------------------------------------------------------


class Recorder:
    """In place of TensorBoard's own writer."""

    written: ClassVar[list[tuple[str, float, int]]] = []

    def __init__(self, log_dir: str, purge_step: int) -> None:
        assert purge_step == 0
        self.written.clear()

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        self.written.append((tag, value, step))

    def flush(self) -> None:
        return None

    def close(self) -> None:
        return None


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> type[Recorder]:
    module = ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = Recorder  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    return Recorder


def test_scalars_of_every_epoch_those_before_an_interruption_too(
    recorder: type[Recorder], tmp_path: Path
) -> None:
    def stop(at: Progress) -> None:
        if at.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_search(SMALL, tmp_path / "out", "cpu", stop, tensorboard=True)
    assert {step for _, _, step in recorder.written} == {1}
    run_search(SMALL, tmp_path / "out", "cpu", tensorboard=True)
    with (tmp_path / "out" / "training.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    expected = {
        (f"training/{name}", float(row[name]), int(row["epoch"]))
        for row in rows
        for name in ("loss", "learning_rate", "seconds", "images_per_second")
    }
    assert set(recorder.written) == expected
    assert len(recorder.written) == len(expected) == 8
    for row in rows:  # 150 training images in batches of 64: 128 an epoch
        seconds, speed = float(row["seconds"]), float(row["images_per_second"])
        assert 128 / speed == pytest.approx(seconds, abs=0.001)  # seconds are kept to milliseconds


class Reporting(DARTS):
    """Says how sharp its softmax is."""

    name = "reporting"

    def report(self) -> Mapping[str, float]:
        return {"largest_probability": float(self.alpha.detach().softmax(dim=1).max())}


def test_what_a_strategy_reports_is_a_scalar_too(
    make_trainer: Make, recorder: type[Recorder], tmp_path: Path
) -> None:
    trainer = make_trainer(Reporting, epochs=2)
    trainer.fit()
    with Scalars(tmp_path) as scalars:
        for row in trainer.history:
            scalars.add(row)
    found = [each for each in recorder.written if each[0] == "strategy/largest_probability"]
    assert [step for _, _, step in found] == [1, 2]
    assert all(0.2 < value < 1 for _, value, _ in found)


def test_without_tensorboard_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(InputError, match="pip install tensorboard"):
        run_search(SMALL, tmp_path / "out", "cpu", tensorboard=True)
    assert not (tmp_path / "out").exists()


def test_the_real_writer_is_understood(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    with Scalars(tmp_path) as scalars:
        scalars.add({"epoch": 1, "loss": 2.5})
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("events.")]


# -- settings -------------------------------------------------------------------------------------


def test_settings_go_over_the_presets_recipe() -> None:
    given = replace(SMALL, learning_rate=0.2, label_smoothing=0.1, accumulate=4, threads=2, compile=True)
    recipe = given.resolve().recipe
    assert (recipe.learning_rate, recipe.last_learning_rate) == (0.2, 0.001)
    assert (recipe.label_smoothing, recipe.accumulate, recipe.threads) == (0.1, 4, 2)
    assert recipe.compile_cells
    assert replace(SMALL, weight_decay=0.0027).resolve().recipe.weight_decay == 0.0027
    assert "weight_decay" not in SMALL.describe()  # searches of before this setting can be gone on with
    assert replace(SMALL, weight_decay=0.0).describe()["weight_decay"] == 0.0
    slow = replace(SMALL, learning_rate=0.0005).resolve().recipe
    assert slow.learning_rate == slow.last_learning_rate == 0.0005
    assert SMALL.resolve().recipe.threads == 1  # not the machine's
    for wrong in ({"accumulate": 0}, {"accumulate": 65}, {"threads": 0}, {"label_smoothing": 1.0}):
        with pytest.raises(InputError, match=f"{next(iter(wrong))} (cannot be|must be)"):
            replace(SMALL, **wrong).resolve()
    with pytest.raises(InputError, match="recalibrate must be a whole number"):
        replace(SMALL, recalibrate=-1)


def test_recalibration_is_the_supernets_policy_from_the_start(tmp_path: Path) -> None:
    settings = replace(SMALL, recalibrate=2, queries=10, accumulate=2)
    result = run_search(settings, tmp_path / "out", "cpu")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["network"]["batch_norm"]["running"] is True
    assert manifest["network"]["batch_norm"]["affine"] is False
    assert manifest["scoring"] == {"images": 40, "batch_size": 20, "calibration_batches": 2}
    assert (manifest["training"]["accumulate"], manifest["training"]["threads"]) == (2, 1)
    facts = json.loads((tmp_path / "out" / "checkpoints" / "epoch-0002.json").read_text())
    assert facts["network"] == manifest["network"]
    again = run_search(settings, tmp_path / "again", "cpu")
    assert {**again, "seconds": 0} == {**result, "seconds": 0}
    with pytest.raises(InputError, match="holds another search"):
        run_search(replace(settings, recalibrate=0), tmp_path / "out", "cpu")
