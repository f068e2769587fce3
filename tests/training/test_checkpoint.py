"""Checkpoints and devices: what is refused, in one line, and what is kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from benchkit.base.devices import explain_memory, parse_device
from benchkit.base.errors import InputError
from benchkit.data.images import divide, open_image_set, parse_split
from benchkit.spaces import get_space
from benchkit.spaces.engine import build_supernet
from benchkit.training import checkpoint as checkpoints
from benchkit.training.trainer import Streams, Trainer

Make = Callable[..., Trainer]


@pytest.fixture
def saved(make_trainer: Make, tmp_path: Path) -> Path:
    make_trainer(folder=tmp_path, epochs=2).fit()
    return tmp_path / "epoch-0002.json"


def test_every_epoch_is_kept_and_its_weights_can_be_loaded(make_trainer: Make, saved: Path) -> None:
    assert checkpoints.latest(saved.parent) == saved
    assert (saved.parent / "epoch-0001.json").is_file()
    trained = make_trainer(epochs=2)
    trained.fit()
    supernet = build_supernet(
        get_space("nasbench201-3"), 10, 1, generator=torch.Generator().manual_seed(9), channels=4, cells=1
    )
    checkpoint = checkpoints.read(saved)
    checkpoints.check_same_network(checkpoint.facts, supernet.recipe.describe(), saved)
    checkpoints.load_weights(checkpoint, supernet)
    for name, value in supernet.state_dict().items():
        assert torch.equal(value, trained.supernet.state_dict()[name]), name


def test_a_checkpoint_is_tensors_and_json(saved: Path) -> None:
    facts = json.loads(saved.read_text())
    assert facts["epoch"] == 2
    assert facts["network"]["space"] == "nasbench201-3"
    assert set(facts["random"]) == {"strategy", "train", "valid"}
    groups = {name.split(".")[0] for name in checkpoints.read(saved).tensors}
    assert groups == {"network", "momentum"}  # SPOS has no parameters of its own


@pytest.mark.parametrize("keep", [0, 7, 1000, -1])
def test_cut_short_tensors_are_refused(make_trainer: Make, saved: Path, keep: int) -> None:
    tensors = saved.with_suffix(".safetensors")
    tensors.write_bytes(tensors.read_bytes()[:keep])
    with pytest.raises(InputError, match="cut short or changed"):
        make_trainer(epochs=2).resume(saved)


def test_damaged_facts_are_refused(make_trainer: Make, saved: Path) -> None:
    text = saved.read_text()
    for damaged, reason in (
        (text[: len(text) // 2], "is not JSON"),
        ("[]", "format version None"),
        (text.replace('"format_version": 1', '"format_version": 2'), "format version 2"),
    ):
        saved.write_text(damaged)
        with pytest.raises(InputError, match=reason):
            make_trainer(epochs=2).resume(saved)
    saved.unlink()
    with pytest.raises(InputError, match="cannot read checkpoint"):
        make_trainer(epochs=2).resume(saved)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("space", "nasbench201", "another space: it has nasbench201, this search nasbench201-3"),
        ("classes", 100, "another number of classes: it has 100, this search 10"),
        ("image_channels", 3, "another number of image channels"),
        ("size", {"channels": 16, "cells": 5}, "another network size"),
        ("batch_norm", {}, "another batch normalisation"),
    ],
)
def test_a_checkpoint_of_another_network_is_refused(
    make_trainer: Make, saved: Path, key: str, value: object, said: str
) -> None:
    facts = json.loads(saved.read_text())
    facts["network"][key] = value
    saved.write_text(json.dumps(facts))
    with pytest.raises(InputError, match=said):
        make_trainer(epochs=2).resume(saved)


def test_a_checkpoint_of_another_training_is_refused(make_trainer: Make, saved: Path) -> None:
    with pytest.raises(InputError, match="another strategy: spos, not darts"):
        make_trainer("darts", epochs=2).resume(saved)
    with pytest.raises(InputError, match="another training"):
        make_trainer(epochs=2, learning_rate=0.5).resume(saved)
    facts = json.loads(saved.read_text())
    facts["data"]["sha256"] = "0" * 64
    saved.write_text(json.dumps(facts))
    with pytest.raises(InputError, match="another data"):
        make_trainer(epochs=2).resume(saved)


def test_a_checkpoint_of_other_images_is_refused(make_trainer: Make, saved: Path) -> None:
    smaller = divide(open_image_set("digits", image_size=4, limit=250), parse_split("100"))[0]
    first = make_trainer(epochs=2)
    streams = Streams.of(0)
    strategy = type(first.strategy)(get_space("nasbench201-3"), streams.strategy)
    other = Trainer(strategy, first.supernet, smaller, first.recipe, torch.device("cpu"), streams)
    with pytest.raises(InputError, match=r"trained on images of 8 x 8 pixels; this data has 4 x 4: give"):
        other.resume(saved)
    checkpoints.check_same_images({"image_size": [4, 4]}, (4, 4), saved)


def test_what_differs_is_named_and_nothing_else(saved: Path) -> None:
    mine = {"epochs": 2, "batch_size": 30, "clip": None}
    checkpoints.check_same({"training": dict(mine)}, "training", mine, saved)
    with pytest.raises(InputError) as raised:
        checkpoints.check_same({"training": {**mine, "epochs": 3}}, "training", mine, saved)
    assert (
        str(raised.value)
        == f"checkpoint {saved} is of another training: {{'epochs': 3}}, not {{'epochs': 2}}"
    )


def test_a_write_that_fails_leaves_no_checkpoint(
    make_trainer: Make, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make_trainer(folder=saved.parent, epochs=2)
    trainer.resume(saved.parent / "epoch-0001.json")
    saved.unlink()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match="No space left on device"):
        trainer.fit()
    assert checkpoints.latest(saved.parent) == saved.parent / "epoch-0001.json"


# -- devices --------------------------------------------------------------------------------------


def test_devices_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert parse_device("auto") == torch.device("cuda", 0)
    assert parse_device("cuda") == torch.device("cuda", 0)
    assert parse_device("cuda:1") == torch.device("cuda", 1)
    assert parse_device("cpu") == torch.device("cpu")
    with pytest.raises(InputError, match=r"no device cuda:2: this machine has CUDA devices 0\.\.1"):
        parse_device("cuda:2")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert parse_device("auto") == torch.device("cpu")
    with pytest.raises(InputError, match="no device cuda: this machine has no CUDA device"):
        parse_device("cuda")
    with pytest.raises(InputError, match="'gpu' is none of auto, cpu"):
        parse_device("gpu")


@pytest.mark.parametrize(
    ("batch_size", "advice"),
    [(64, "try --batch-size 32, or --preset small"), (1, "try --preset small")],
)
def test_out_of_memory_says_what_to_try(batch_size: int, advice: str) -> None:
    with (
        pytest.raises(InputError, match=f"CUDA out of memory at batch size {batch_size}: {advice}"),
        explain_memory(batch_size),
    ):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("random", {}),
        ("random", {"strategy": {"bit_generator": "PCG64"}, "train": {"generator": "AAAA", "position": 0}}),
        ("history", [{"loss": 1.0}]),
        ("history", "none"),
        ("epoch", "2"),
        ("image_size", 8),
        ("network", ["nasbench201-3"]),
    ],
)
def test_a_state_of_another_shape_is_one_line(make_trainer: Make, saved: Path, key: str, value: Any) -> None:
    saved.write_text(json.dumps({**json.loads(saved.read_text()), key: value}))
    with pytest.raises(InputError, match="checkpoint") as refused:
        make_trainer(epochs=2).resume(saved)
    assert "\n" not in str(refused.value)
