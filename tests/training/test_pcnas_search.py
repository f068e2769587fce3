"""Searches by PC-NAS with real supernets: Table 3's rows, resumed ones, mini-batches, epochs that follow."""

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
from benchkit.data.images.device_set import DeviceImages
from benchkit.searching.supernet_evaluator import SupernetEvaluator
from benchkit.spaces import get_space
from benchkit.spaces.counts import count_parameters
from benchkit.studies.fading.searches import read_searches
from benchkit.training.search import SearchSettings, run_search
from benchkit.training.trainer import Progress, Trainer

Make = Callable[..., Trainer]
Cli = Callable[..., tuple[int, str, str]]

SIZE = {"channels": 4, "cells": 1}
SMALL = SearchSettings(
    *("pcnas", "nasbench201-3", "digits"),
    epochs=4,
    limit=150,
    images=30,
    scoring_batch=15,
    options={"samples": 8, "batches": 2, "images": 15, "pool": 2},
    size=SIZE,
)
ROWS: dict[str, dict[str, Any]] = {
    "ours, ours": {},
    "one-shot, ours": {"shrink": False},
    "one-shot, ours, tracked": {"shrink": False, "track": True},
    "one-shot, EA": {"search": "evolution"},
}


def settings_with(**options: Any) -> SearchSettings:
    return replace(SMALL, options={**SMALL.options, **options})


@pytest.mark.parametrize("row", ROWS)
def test_an_interrupted_search_tells_the_same_story(row: str, tmp_path: Path) -> None:
    settings = settings_with(**ROWS[row])

    def stop(at: Progress) -> None:
        if at.epoch == 4:
            raise KeyboardInterrupt

    whole = run_search(settings, tmp_path / "whole", "cpu")
    with pytest.raises(KeyboardInterrupt):
        run_search(settings, tmp_path / "cut", "cpu", stop)
    assert (tmp_path / "cut" / "checkpoints" / "epoch-0003.json").is_file()
    cut = run_search(settings, tmp_path / "cut", "cpu")
    assert {**cut, "seconds": 0} == {**whole, "seconds": 0}
    assert whole["queries"] == 2
    # a search that was stopped after its training knows what it found
    (tmp_path / "cut" / "result.json").unlink()
    assert {**run_search(settings, tmp_path / "cut", "cpu"), "seconds": 0} == {**whole, "seconds": 0}


def test_the_interval_study_reads_what_was_found(tmp_path: Path) -> None:
    for name, options in (("pcnas", {}), ("one-shot", {"shrink": False, "track": True})):
        run_search(settings_with(**options), tmp_path / name, "cpu")
    mine, other = read_searches([tmp_path / "pcnas", tmp_path / "one-shot"])
    assert (mine.training, other.training) == ("pcnas", "one-shot")
    assert [interval.epoch for interval in mine.intervals] == [2, 3, 4]
    assert [interval.left for interval in mine.intervals] == [50, 10, 2]
    space = get_space("nasbench201-3")
    candidates = mine.final_candidates(space)
    assert len(candidates) == 10
    result = json.loads((tmp_path / "pcnas" / "result.json").read_text())
    assert result["row"] in candidates.tolist()
    assert result["row"] == list(mine.intervals[-1].pool[0])


def test_a_search_keeps_its_limits(tmp_path: Path) -> None:
    space = get_space("nasbench201-3")
    counted = count_parameters(space, space.at(np.arange(125)), 10, 1, **SIZE) / 1e6
    most = float(np.quantile(counted, 0.3))
    result = run_search(replace(SMALL, limits={"params": most}), tmp_path, "cpu")
    assert result["costs"]["params"] <= most
    for interval in result["findings"]["intervals"]:
        limited = interval["constraint"]
        assert limited["limit"] == most
        assert counted.min() <= limited["smallest"] <= limited["mean"] <= most
    assert sum(interval["dumped"] for interval in result["findings"]["intervals"]) > 0


# -- epochs -----------------------------------------------------------------------------------------


def test_warmup_and_interval_decide_the_epochs() -> None:
    both = replace(SMALL, epochs=None, options={"warmup": 8, "interval": 2})
    assert both.resolve().recipe.epochs == 12
    assert replace(both, epochs=20).resolve().recipe.epochs == 20
    assert replace(both, options={"warmup": 8}).resolve().recipe.epochs == 30
    paper = SearchSettings("pcnas", "mobile-small", "imagenet", preset="paper-small")
    assert paper.resolve().recipe.epochs == 200
    # Figure 2a by a flag each
    longer = replace(paper, options={"warmup": 150})
    assert longer.resolve().recipe.epochs == 250
    assert longer.resolve().options["interval"] == 5


def test_from_the_command_line(cli: Cli, tmp_path: Path) -> None:
    words = [
        "search",
        "pcnas",
        "--space",
        "nasbench201-3",
        "--data",
        "digits",
        "--limit",
        150,
        "--device",
        "cpu",
    ]
    options = ["--set", "warmup=2", "--set", "interval=1", "--set", "samples=4", "--set", "order=[2,0,1]"]
    code, _, _ = cli(*words, *options, "--out", tmp_path / "out")
    assert code == 0
    told = json.loads((tmp_path / "out" / "result.json").read_text())["findings"]
    assert told["schedule"] == [2, 3, 4]
    assert told["order"] == [2, 0, 1]
    code, _, err = cli(*words, *options, "--epochs", 9, "--out", tmp_path / "wrong")
    assert code == 2
    assert "a warm-up of 2 epochs and 2 intervals of 1 are 4, but the training has 9" in err


# -- mini-batches -----------------------------------------------------------------------------------


def test_a_part_of_the_images_is_scored_like_a_plain_loop(make_trainer: Make, digits: SearchImages) -> None:
    supernet = make_trainer().supernet
    valid = DeviceImages(digits.valid, digits.normalisation)
    evaluator = SupernetEvaluator(supernet, valid, np.random.default_rng(5), images=90, batch_size=20)
    rows = supernet.recipe.space.at(np.arange(0, 125, 12))
    parts = np.array([evaluator.evaluate(rows, 60, part=(number, 3)).scores for number in range(3)])
    order = np.random.default_rng(5).permutation(100)[:60].reshape(3, 20)
    supernet.eval()
    for number, images in enumerate(order):
        x, y = valid.batch(torch.from_numpy(images))
        with torch.no_grad():
            expected = [100 * float((supernet.path(x, row).argmax(1) == y).double().mean()) for row in rows]
        assert parts[number] == pytest.approx(expected)
    # parts of equal size, each a batch: together they are the whole
    assert parts.mean(axis=0) == pytest.approx(evaluator.evaluate(rows, 60).scores)
    for wrong in ((3, 3), (-1, 3), (0, 61)):
        with pytest.raises(InputError, match="is no part of 60 images"):
            evaluator.evaluate(rows, 60, part=wrong)
