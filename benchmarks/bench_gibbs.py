"""Cost of one GibbsNAS step beside one first-order DARTS step on the same supernet.

A step is a move of the architecture's parameters and one of the shared weights, through the trainer's own
closure, on the supernet of NAS-Bench-201 with C = 16 and N = 1, images of 32 x 32, float32, one thread. At
equal batch sizes (64 and 64) the limits are 1.8 (1st order: SGD for omega) and 3 (2nd order: omega is
drawn). The paper's batch sizes (64 and 2,048, in parts of 64) are reported apart: DARTS does not train so.
All methods take turns in one process; the fastest turn of each counts, in seconds of the processor, since
other work on the machine only ever adds time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from time import process_time
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

_CHANNELS, _CELLS, _BATCH, _PAPER_BATCH, _IMAGES = 16, 1, 64, 2048, 25_000
_TURNS = 5
_METHODS: dict[str, tuple[str, dict[str, Any], float | None]] = {
    "darts": ("DARTS, 1st order", {}, None),
    "first": ("GibbsNAS, 1st order", {"omega": "sgd"}, 1.8),
    "second": ("GibbsNAS, 2nd order", {"omega": "sample"}, 3.0),
}


def images(n: int) -> ImageBatch:
    """Return n random images."""
    generator = torch.Generator().manual_seed(n)
    x = torch.randn(n, 3, 32, 32, generator=generator).contiguous(memory_format=torch.channels_last)
    return ImageBatch(x, torch.arange(n) % 10)


def step_of(name: str, options: dict[str, Any]) -> Callable[[ImageBatch, ImageBatch], None]:
    """Return one step of a method on a supernet of its own."""
    space = get_space("nasbench201")
    generator = torch.Generator().manual_seed(0)
    supernet = build_supernet(space, 10, 3, generator=generator, channels=_CHANNELS, cells=_CELLS)
    supernet.train()
    strategy = get_weight_sharing(name)(space, np.random.default_rng(0), **options)
    recipe = TrainingRecipe(batch_size=_BATCH)
    if strategy.regularises_weights:
        recipe = replace(recipe, weight_decay=0.0)
    weights = SgdWeights(supernet, recipe, _IMAGES, _IMAGES)
    strategy.bind(supernet, weights)
    strategy.begin_epoch(0, 50)
    closure = LossClosure(strategy, weights, recipe, ALONE)

    def step(train: ImageBatch, valid: ImageBatch) -> None:
        strategy.architecture_step(closure, train, valid)
        strategy.weight_step(closure, train)

    return step


def run() -> list[dict[str, str]]:
    """Time all three, then GibbsNAS once with the paper's batches."""
    torch.set_num_threads(1)
    train, valid = images(_BATCH), images(_BATCH)
    steps = {
        key: step_of("darts" if key == "darts" else "gibbsnas", options)
        for key, (_, options, _) in _METHODS.items()
    }
    for _ in range(6):  # the memory of L-BFGS fills
        steps["second"](train, valid)
    best = dict.fromkeys(steps, np.inf)
    for turn in range(_TURNS + 1):
        for key, step in steps.items():
            start = process_time()
            step(train, valid)
            if turn:  # the first warms up
                best[key] = min(best[key], process_time() - start)
    floor = best["darts"]
    lines = [
        {
            "what": f"one step of {what}, batches {_BATCH} and {_BATCH}",
            "measured": f"{1000 * best[key]:.0f} ms beside {1000 * floor:.0f} ms of DARTS",
            "limit": f"{limit:.1f}x",
            "ratio": f"{best[key] / floor:.2f}x",
        }
        for key, (what, _, limit) in _METHODS.items()
        if limit is not None
    ]
    large = images(_PAPER_BATCH)
    for key in ("first", "second"):
        start = process_time()
        steps[key](train, large)
        seconds = process_time() - start
        lines.append(
            {
                "what": f"one step of {_METHODS[key][0]}, the paper's batches {_BATCH} and {_PAPER_BATCH:,}",
                "measured": f"{1000 * seconds:.0f} ms",
                "limit": "none",
                "ratio": f"{seconds / floor:.1f}x DARTS at {_BATCH}",
            }
        )
    return lines
