"""Cost of one SI-VDNAS step beside one first-order DARTS step on the same supernet.

A step is a move of the architecture's parameters and one of the shared weights, through the trainer's own
closure, in batches of 64, float32, one thread: on the supernet of NAS-Bench-201 with C = 16 and N = 1 and on
that of the cells of DARTS with 3 cells and 8 channels, images of 32 x 32. The limit is 1.3 at the chances
of keeping with which SI-VDNAS starts, and where it keeps nearly everything, which costs most: what dropped
is not computed. Methods take turns in one process, and the fastest turn of each counts: other work only adds
time.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np
import torch

from benchkit.spaces import get_space
from benchkit.spaces.engine import build_supernet
from benchkit.strategies import get_weight_sharing
from benchkit.strategies.weight_sharing import ImageBatch
from benchkit.training.distributed import ALONE
from benchkit.training.gradients import LossClosure
from benchkit.training.recipe import TrainingRecipe
from benchkit.training.weights import SgdWeights

_BATCH, _IMAGES, _TURNS, _LIMIT = 64, 25_000, 5, 1.3
_SPACES: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
    "nasbench201": ({"darts": "nasbench201", "sivdnas": "nasbench201"}, {"channels": 16, "cells": 1}),
    "darts-multi": ({"darts": "darts", "sivdnas": "darts-multi"}, {"channels": 8, "cells": 3}),
}
_METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "DARTS, 1st order": ("darts", {}),
    "SI-VDNAS at its start": ("sivdnas", {}),
    "SI-VDNAS keeping 99 %": ("sivdnas", {"initial_drop": 0.01}),
    "H-VDNAS": ("sivdnas", {"variant": "h"}),
}


def images(seed: int) -> ImageBatch:
    """Return a batch of random images."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(_BATCH, 3, 32, 32, generator=generator).contiguous(memory_format=torch.channels_last)
    return ImageBatch(x, torch.arange(_BATCH) % 10)


def step_of(
    name: str, space_name: str, size: dict[str, Any], options: dict[str, Any]
) -> Callable[[ImageBatch, ImageBatch], None]:
    """Return one step of a method on a supernet of its own."""
    space = get_space(space_name)
    supernet = build_supernet(space, 10, 3, generator=torch.Generator().manual_seed(0), **size)
    supernet.train()
    strategy = get_weight_sharing(name)(space, np.random.default_rng(0), **options)
    recipe = TrainingRecipe(batch_size=_BATCH)
    weights = SgdWeights(supernet, recipe, _IMAGES, _IMAGES)
    strategy.bind(supernet, weights)
    strategy.begin_epoch(20, 50)
    closure = LossClosure(strategy, weights, recipe, ALONE)

    def step(train: ImageBatch, valid: ImageBatch) -> None:
        strategy.architecture_step(closure, train, valid)
        strategy.weight_step(closure, train)

    return step


def run() -> list[dict[str, str]]:
    """Time all methods on both supernets."""
    torch.set_num_threads(1)
    train, valid = images(0), images(1)
    lines = []
    for title, (spaces, size) in _SPACES.items():
        steps = {
            what: step_of(name, spaces[name], size, options) for what, (name, options) in _METHODS.items()
        }
        best = dict.fromkeys(steps, np.inf)
        for turn in range(_TURNS + 1):
            for what, step in steps.items():
                start = perf_counter()
                step(train, valid)
                if turn:  # the first warms up
                    best[what] = min(best[what], perf_counter() - start)
        floor = best.pop("DARTS, 1st order")
        lines += [
            {
                "what": f"one step of {what}, {title}",
                "measured": f"{1000 * seconds:.0f} ms beside {1000 * floor:.0f} ms of DARTS",
                "limit": f"{_LIMIT}x",
                "ratio": f"{seconds / floor:.2f}x",
            }
            for what, seconds in best.items()
        ]
    return lines
