"""Training on pictures that stay on disk: a folder of twenty images."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchkit.base.errors import InputError
from benchkit.data.images import open_streamed
from benchkit.data.images.importing import import_images
from benchkit.data.images.stream_images import StreamImages
from benchkit.data.images.stream_loader import StreamBatches
from benchkit.training.presets import Preset
from benchkit.training.recipe import TrainingRecipe
from benchkit.training.search import SearchSettings, run_search
from benchkit.training.trainer import Progress
from tests.data.images.layouts import picture_folder

SMALL = SearchSettings(
    "spos",
    "nasbench201-3",
    "twenty",
    epochs=3,
    batch_size=5,
    image_size=16,
    split="6",
    queries=12,
    scoring_batch=4,
)


@pytest.fixture(autouse=True)
def twenty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twenty pictures to train on in two classes, of sizes that differ, left on disk."""
    monkeypatch.setenv("BENCHKIT_HOME", str(tmp_path / "home"))
    path = picture_folder(tmp_path / "in", [(24 + n % 5, 30 - n % 3) for n in range(40)])
    import_images(path, "twenty", stream=True)
    return path


def last_weights(out: Path) -> bytes:
    return (out / "checkpoints" / "epoch-0003.safetensors").read_bytes()


@pytest.mark.parametrize("strategy", ["spos", "darts"])
def test_an_interrupted_search_on_disk_ends_as_one_that_was_not(tmp_path: Path, strategy: str) -> None:
    def stop(at: Progress) -> None:
        if at.epoch == 2:
            raise KeyboardInterrupt

    settings = replace(SMALL, strategy=strategy)
    run_search(settings, tmp_path / "whole", "cpu")
    with pytest.raises(KeyboardInterrupt):
        run_search(settings, tmp_path / "cut", "cpu", stop)
    result = run_search(settings, tmp_path / "cut", "cpu", workers=2)  # workers change nothing
    assert last_weights(tmp_path / "cut") == last_weights(tmp_path / "whole")
    manifests = [json.loads((tmp_path / name / "manifest.json").read_text()) for name in ("whole", "cut")]
    assert manifests[0] == manifests[1]
    assert (manifests[0]["data"]["streamed"], manifests[0]["data"]["image_size"]) == (True, 16)
    assert manifests[0]["data"]["valid"] == 6
    assert result["images"] == 6


def test_scores_are_those_of_the_middles_on_disk() -> None:
    images = open_streamed("twenty").sized(16).divide(6)[0]
    assert (images.size, images.classes) == ((16, 16, 3), 2)
    by_index = StreamImages(images.valid, 16, workers=2)
    in_order = StreamBatches(images.valid, 16, 6, torch.Generator())
    ((x, y),) = in_order.evaluation()
    order = torch.tensor([4, 0, 5, 4])
    for _ in range(2):  # read, then remembered
        pixels, labels = by_index.batch(order)
        assert torch.equal(pixels, x[order])
        assert torch.equal(labels, y[order])
    assert len(by_index) == 6


def test_pictures_are_read_once_as_long_as_there_is_room(
    twenty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchkit.data.images.stream_images.KEPT_BYTES", 2 * 16 * 16 * 3)
    images = open_streamed("twenty").sized(16).divide(6)[0]
    by_index = StreamImages(images.valid, 16)
    first = by_index.batch(torch.arange(6))[0]
    for file in images.valid.files[:2]:
        (twenty / file).unlink()
    assert torch.equal(by_index.batch(torch.arange(2))[0], first[:2])
    assert torch.equal(by_index.batch(torch.arange(6))[0], first)
    (twenty / images.valid.files[2]).unlink()
    with pytest.raises(InputError, match=r"cannot read .*No such file"):
        by_index.batch(torch.arange(6))


def test_recalibration_and_a_limit_on_disk(tmp_path: Path) -> None:
    result = run_search(replace(SMALL, limit=16, recalibrate=2, epochs=1), tmp_path / "out", "cpu")
    assert 0 <= result["supernet_accuracy"] <= 100
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert (manifest["data"]["limit"], manifest["scoring"]["calibration_batches"]) == (16, 2)


def test_the_usual_size_is_that_of_imagenet() -> None:
    assert open_streamed("twenty").divide(6)[0].size == (224, 224, 3)
    np.testing.assert_array_equal(open_streamed("twenty").sized(8).divide(6)[0].size, (8, 8, 3))


def test_what_does_not_apply_to_streams_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for changes, said in (
        ({"split": "20"}, "larger than the data"),
        ({"split": "nasbench201"}, "halves are not known for twenty"),
        ({"batch_size": 15}, "batch size 15 must be in 1..14"),
        ({"image_size": -1}, "image_size must be a whole number from 1 to 4,096; got -1"),
        ({"images": 7}, "there are 6"),
    ):
        with pytest.raises(InputError, match=said):
            run_search(replace(SMALL, **changes), tmp_path / "out", "cpu")
    cut = TrainingRecipe(epochs=1, batch_size=5, cutout=4)
    monkeypatch.setattr(Preset, "recipe_for", lambda *_: cut)
    with pytest.raises(InputError, match="cutout 4 does not apply to streamed images"):
        run_search(SMALL, tmp_path / "out", "cpu")
    assert not (tmp_path / "out").exists()
