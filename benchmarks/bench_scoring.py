"""Speed of scoring many subnets of a supernet, with common prefixes computed once and one by one.

The same random architectures on one batch of CIFAR-sized images, one thread, in one process, in turns; the
best of the turns counts. The logits of both ways must be equal, bit for bit.
"""

from __future__ import annotations

import sys
from time import perf_counter
from typing import Any

import numpy as np
import torch

from benchkit.spaces import get_space
from benchkit.spaces.engine import CandidateNetwork, build_supernet

_THREADS, _BATCH, _TURNS, _CLASSES = 1, 100, 2, 10
_CASES: tuple[tuple[str, dict[str, Any], int], ...] = (
    ("nasbench201", {"channels": 8, "cells": 1}, 50),
    ("nasbench201", {"channels": 8, "cells": 1}, 500),
    ("nasbench201", {"channels": 16, "cells": 5}, 50),
    ("nasbench-macro", {"channels": 8, "features": 128}, 50),
    ("nasbench-macro", {"channels": 8, "features": 128}, 500),
)


def run() -> list[dict[str, str]]:
    """Time all; raise where the two ways give different logits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(_THREADS)
    try:
        with torch.inference_mode():
            return [_measure(*case) for case in _CASES]
    finally:
        torch.set_num_threads(threads)


def _measure(name: str, size: dict[str, Any], count: int) -> dict[str, str]:
    generator = torch.Generator().manual_seed(0)
    space = get_space(name)
    network = build_supernet(space, _CLASSES, generator=generator, **size)
    if not isinstance(network, CandidateNetwork):
        raise TypeError("not a network of candidates")
    network.eval()
    rows = space.sample(np.random.default_rng(0), count)
    images = torch.randn(_BATCH, 3, 32, 32, generator=generator)
    best = {"together": np.inf, "one by one": np.inf}
    for _ in range(_TURNS):
        start = perf_counter()
        alone = [network.path(images, row) for row in rows]
        best["one by one"] = min(best["one by one"], perf_counter() - start)
        start = perf_counter()
        together = {number: logits for numbers, logits in network.paths(images, rows) for number in numbers}
        best["together"] = min(best["together"], perf_counter() - start)
    if any(not torch.equal(logits, together[number]) for number, logits in enumerate(alone)):
        raise RuntimeError(f"{name}: scoring together differs from scoring one by one")
    speed = {way: count / seconds for way, seconds in best.items()}
    options = ", ".join(f"{key} {value}" for key, value in size.items())
    return {
        "what": f"subnets/s on {_BATCH} images, {count} rows of {name} ({options}), prefixes once",
        "measured": f"{speed['together']:.0f} beside {speed['one by one']:.0f} one by one",
        "limit": "not slower",
        "ratio": f"{speed['together'] / speed['one by one']:.2f}x",
    }


if __name__ == "__main__":
    for line in run():
        sys.stdout.write("  ".join(line.values()) + "\n")
