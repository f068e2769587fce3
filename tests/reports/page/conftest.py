"""Folders of small finished studies of every kind that a report shows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchkit.analysis.statistics.rank_correlation import correlate
from benchkit.reports.api import run_study as run
from benchkit.spaces import get_space
from benchkit.studies.spec import StudySpec, parse_spec

HOSTILE = "</script><script>window.hacked=1</script>"
TABLE = {"name": "nasbench201", "sha256": "f2" * 32}
DATA = {"name": "digits", "sha256": "2e" * 32, "split": "seeded"}
ABOUT = {"benchkit": "0.1.0", "python": "3.11.7", "dependencies": {"numpy": "2.4.6"}, "device": "cpu"}


@pytest.fixture
def hostile(small: Callable[..., StudySpec], tmp_path: Path) -> Path:
    """A study whose title, label and notes try to get out of where they stand."""
    strategies = [
        "random-search",
        {"name": "local-search", "label": HOSTILE, "note": "<b>& \"quoted\" 'too'"},
    ]
    return run(
        small(title=HOSTILE, strategies=strategies, notes=[HOSTILE], seeds=2), tmp_path / "hostile"
    ).path


@pytest.fixture
def correlation(tmp_path: Path) -> Path:
    """A correlation study of two trainings of 40 architectures, at two checkpoints."""
    folder = tmp_path / "correlation"
    folder.mkdir()
    space = get_space("nasbench201")
    rng = np.random.default_rng(0)
    names = list(dict.fromkeys(space.format(row) for row in space.sample(rng, 40)))
    truth = np.round(50 + 40 * rng.random(len(names)), 3)
    rows, points = [], []
    for training in ("spos-0", "spos-1"):
        for epoch, noise in ((5, 20.0), (10, 5.0)):
            predicted = np.round(truth + noise * rng.standard_normal(len(names)), 2)
            frame = correlate(predicted, truth, resamples=50)
            rows.append(
                frame.assign(
                    training=training, seed=int(training[-1]), epoch=epoch, images=100, truth="valid"
                )
            )
        points.append(
            pd.DataFrame(
                {
                    "training": training,
                    "architecture": names,
                    "supernet_accuracy": predicted,
                    "table_valid": truth,
                }
            )
        )
    pd.concat(rows).to_csv(folder / "correlations.csv", index=False)
    pd.concat(points).to_csv(folder / "scatter.csv", index=False)
    ceiling = pd.DataFrame([("valid", 1.0, "kendall_tau", 3, len(names), 0.9, 0.85, 0.95)])
    ceiling.columns = pd.Index(["truth", "fraction", "measure", "pairs", "n", "value", "low", "high"])
    more = [
        ceiling.assign(fraction=fraction, measure=measure)
        for fraction in (1.0, 0.5, 0.25, 0.1)
        for measure in ("kendall_tau", "spearman", "pearson", "weighted_tau")
    ]
    pd.concat(more).to_csv(folder / "noise_ceiling.csv", index=False)
    settings = {
        **{"space": "nasbench201", "strategy": "spos", "dataset": "cifar10", "n": len(names), "images": 100},
        **{"final_images": 100, "seed": 0, "scoring_batch": 500, "data": DATA, "table": TABLE},
    }
    checkpoints = [
        {"training": t, "epoch": e, "sha256": "0" * 64} for t in ("spos-0", "spos-1") for e in (5, 10)
    ]
    write(folder / "correlation.json", settings)
    write(folder / "result.json", {"n": len(names), "truths": [{"split": "valid", "epochs": 200}]})
    write(folder / "manifest.json", {**ABOUT, "correlation": settings, "checkpoints": checkpoints})
    return folder


@pytest.fixture
def fading(tmp_path: Path) -> Path:
    """A study of fading with two numbers of models."""
    folder = tmp_path / "fading"
    folder.mkdir()
    divergence, functions, correlations = [], [], []
    for models in (2, 4):
        for measure in ("paper", "exact"):
            about = ("laplace", "shared", "product", measure, "searched", "", models, 10)
            divergence.append((*about, 10.0 * models, 1.0, 9.0 * models, 11.0 * models, 1.0, 100.0))
        functions.append(
            ("shared", "prediction_kl", "", "", models, 10, 0.1 * models, 0.01, 0.08 * models, 0.12 * models)
        )
        correlations.append((models, "shared", "supernet", "kendall_tau", 10, 0.5, 0.1, 0.4, 0.6, models))
    spread = ["mean", "sd", "low", "high"]
    group = ["layer", "operator", "models"]
    start = ["start", "measure", "layer", "operator"]
    frames = {
        "divergence-mean": (
            divergence,
            [
                "approximation",
                "start",
                "law",
                "measure",
                *group,
                "draws",
                *spread,
                "containing",
                "parameters",
            ],
        ),
        "function_space-mean": (functions, [*start, "models", "draws", *spread]),
        "correlation-mean": (correlations, ["models", "start", "of", "measure", "draws", *spread, "n"]),
        "floor": (
            [("shared", "prediction_kl", "", "", 4, 0.09, 0.08, 0.1)],
            [*start, "n", "mean", "low", "high"],
        ),
    }
    for name, (rows, columns) in frames.items():
        pd.DataFrame(rows, columns=columns).to_csv(folder / f"{name}.csv", index=False)
    settings = {
        **{"space": "nasbench201-3", "data": DATA, "models": [2, 4], "architectures": 125, "subspaces": 10},
        **{"seeds": [0, 1, 2], "starts": ["shared"], "supernet_epochs": {"2": 120, "4": 240}, "seed": 0},
        "network": {"channels": 8, "cells": 1},
        "recipe": {"epochs": 12, "batch_size": 64, "learning_rate": 0.1, "weight_decay": 0.0005},
    }
    write(folder / "fading.json", settings)
    write(folder / "result.json", {})
    write(folder / "manifest.json", {**ABOUT, "fading": settings})
    return folder


@pytest.fixture
def supernets(tmp_path: Path) -> Path:
    """A finished study of supernet searches, without a query-backed block."""
    folder = tmp_path / "supernets"
    folder.mkdir()
    spec = parse_spec(
        {
            **{"name": "tiny", "title": "Tiny supernets", "table": "nasbench201", "datasets": ["cifar10"]},
            "searches": {"data": "digits", "seeds": 2, "strategies": ["spos", "darts"]},
            "published": {"darts": {"cifar10": {"valid": [39.77, 0.0], "test": [54.3, None]}}},
            "source": "a paper",
        },
        "the test",
    )
    (folder / "study.yaml").write_text(spec.to_yaml())
    columns = ["valid", "valid_sd", "test", "test_sd"]
    columns += [f"published_{name}" for name in columns]
    table = pd.DataFrame(
        [
            ("weight sharing", "spos", "cifar10", 2, 88.125, 1.5, 90.5, 0.25, *[np.nan] * 4),
            ("weight sharing", "darts", "cifar10", 2, 40.0, 0.0, 54.0, 0.0, 39.77, 0.0, 54.3, np.nan),
        ],
        columns=["block", "strategy", "dataset", "n", *columns],
    )
    table.to_csv(folder / "table.csv", index=False)
    write(folder / "manifest.json", {**ABOUT, "table": TABLE, "traces": {"spos-0": "0" * 64}})
    return folder


def write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content))
