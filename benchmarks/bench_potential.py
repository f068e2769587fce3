"""Speed of PC-NAS's potentials: completions on common mini-batches, what they share computed once or not.

The candidates of the first decision and of one in the middle of ``mobile-small:11`` (one or five partial
models, extended by ten operators), completed at random and dealt to fixed mini-batches, as
`benchkit.strategies.pcnas.supernet` scores them: by the same evaluator, whose network offers many paths at
once or one only. One thread, one process; in turns, the best of the turns counts. Potentials must be equal.
"""

from __future__ import annotations

import sys
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchkit.searching.supernet_evaluator import SupernetEvaluator
from benchkit.spaces import get_space
from benchkit.spaces.base import Batch
from benchkit.spaces.engine import build_supernet
from benchkit.strategies.pcnas.decision import accuracies
from benchkit.strategies.pcnas.partial_models import complete, extend, potentials
from benchkit.strategies.protocol import Scores
from benchkit.strategies.weight_sharing import Evaluate

_THREADS, _TURNS, _CLASSES, _SIDE = 1, 2, 10, 16
_OPERATORS, _BATCHES, _IMAGES = 10, 2, 50
_SIZE: dict[str, Any] = {"divisor": 4, "stem_stride": 1, "strided_stages": 3}
_CASES = ((1, 0, 90), (5, 5, 6), (5, 5, 24))  # partial models, their choices, completions of a candidate


class _RandomImages:
    """Labelled images of random pixels, by index."""

    device = torch.device("cpu")

    def __init__(self, number: int) -> None:
        generator = torch.Generator().manual_seed(0)
        self._images = torch.randn(number, 3, _SIDE, _SIDE, generator=generator)
        self._labels = torch.randint(_CLASSES, (number,), generator=generator)

    def __len__(self) -> int:
        return len(self._images)

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        return self._images[index], self._labels[index]


class _Single:
    """A supernet that offers one path at a time."""

    def __init__(self, network: Any) -> None:
        self.recipe, self.path, self.eval = network.recipe, network.path, network.eval
        self.modules, self.named_buffers = network.modules, network.named_buffers


def _scorer(network: Any) -> Evaluate:
    images = _RandomImages(_BATCHES * _IMAGES)
    evaluator = SupernetEvaluator(network, images, np.random.default_rng(1), batch_size=_IMAGES)

    def evaluate(rows: Batch, images: int | None, part: tuple[int, int] | None = None) -> Scores:
        return evaluator.evaluate(rows, images, part).scores

    return evaluate


def run() -> list[dict[str, str]]:
    """Time all; raise where the two ways give different potentials."""
    threads = torch.get_num_threads()
    torch.set_num_threads(_THREADS)
    try:
        return [_measure(*case) for case in _CASES]
    finally:
        torch.set_num_threads(threads)


def _measure(pool: int, decided: int, samples: int) -> dict[str, str]:
    space, rng = get_space("mobile-small:11"), np.random.default_rng(0)
    network = build_supernet(space, _CLASSES, generator=torch.Generator().manual_seed(0), **_SIZE)
    ways = {"together": _scorer(network), "one by one": _scorer(_Single(network))}
    order = range(space.length)
    candidates = extend(space.sample(rng, pool)[:, :decided], _OPERATORS)
    drawn = complete(space, rng, order, candidates, samples)

    best = dict.fromkeys(ways, np.inf)
    found = {}
    for _ in range(_TURNS):
        for way, evaluate in ways.items():
            start = perf_counter()
            scores = accuracies(drawn, evaluate, _BATCHES, _IMAGES)
            best[way] = min(best[way], perf_counter() - start)
            found[way] = potentials(scores, drawn.whose, len(candidates))
    if not np.array_equal(found["together"], found["one by one"]):
        raise RuntimeError("potentials with common beginnings computed once differ from those one by one")
    speed = {way: len(drawn.rows) / seconds for way, seconds in best.items()}
    return {
        "what": f"subnets/s on {_IMAGES} images of {_SIDE} pixels, {len(candidates)} x {samples} completions "
        f"of {decided + 1} of {space.length} layers, {space.name}",
        "measured": f"{speed['together']:.0f} beside {speed['one by one']:.0f} one by one",
        "limit": "1.6x",
        "ratio": f"{speed['together'] / speed['one by one']:.2f}x",
    }


if __name__ == "__main__":
    for line in run():
        sys.stdout.write("  ".join(line.values()) + "\n")
