"""Training many small networks at once: processes, vmap, and grouped convolutions beside a plain loop.

The network is the one of the embedded table nasbench201-3 (three nodes, C = 8, N = 1) on batches of 64 images
of 8 x 8 pixels, one thread a process. Every way runs in turns with its loop, and the best of the turns
counts, since other work on the machine only ever adds time.

Processes are what ``benchkit table build --jobs`` uses. The other two, which train the seeds of one
architecture as one network, are measured to show why it does not use them.
"""

from __future__ import annotations

import copy
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from time import perf_counter

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.nn import functional as F  # noqa: N812

from benchkit.base.processes import in_processes
from benchkit.spaces import get_space
from benchkit.spaces.engine import CandidateNetwork, build_network
from benchkit.studies.building.table_build import BuildSettings, train_one
from benchkit.training.recipe import STANDALONE

_CELL = "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_3x3~1|"
_SEEDS, _CHANNELS, _BATCH, _SIDE, _CLASSES = 3, 8, 64, 8, 10
_TURNS, _STEPS = 4, 10
_LAYERS = 8


def best_of(ways: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Return seconds of each way; the first turn warms up."""
    best = dict.fromkeys(ways, float("inf"))
    for turn in range(1 + _TURNS):
        for name, way in ways.items():
            start = perf_counter()
            way()
            if turn:
                best[name] = min(best[name], perf_counter() - start)
    return best


def processes() -> dict[str, float]:
    """Train four times, one after the other and in two processes."""
    space = get_space("nasbench201-3")
    short = BuildSettings(space.name, "digits", replace(STANDALONE, epochs=4))
    images, _, _ = short.images()
    calls = [(short, images.sha256, (_CELL, space.parse(_CELL), seed)) for seed in range(4)]
    return best_of(
        {
            "loop": lambda: [train_one(*call) for call in calls],
            "way": lambda: list(in_processes(train_one, calls, 2, backend="loky", batch_size=1)),
        }
    )


def networks() -> list[CandidateNetwork]:
    """Return the same cell with the first weights of each seed."""
    space = get_space("nasbench201-3")
    made = []
    for seed in range(_SEEDS):
        generator = torch.Generator().manual_seed(seed)
        made.append(
            build_network(
                space, space.parse(_CELL), _CLASSES, 1, generator=generator, channels=_CHANNELS, cells=1
            )
        )
    return made


def data() -> tuple[Tensor, Tensor]:
    """Return images and labels of one batch a seed."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(_SEEDS, _BATCH, 1, _SIDE, _SIDE, generator=generator)
    return images, torch.randint(_CLASSES, (_SEEDS, _BATCH), generator=generator)


def stacked_by_vmap() -> dict[str, float]:
    """Take gradients of three networks, one after the other and by ``vmap``."""
    alone = networks()
    images, labels = data()
    parameters, buffers = stack_module_state(alone)
    skeleton = copy.deepcopy(alone[0]).to("meta").train()

    def loss(weights: dict[str, Tensor], state: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(functional_call(skeleton, (weights, state), (x,)), y)

    together = vmap(grad(loss))

    def loop() -> None:
        for _ in range(_STEPS):
            for network, x, y in zip(alone, images, labels, strict=True):
                network.train().zero_grad()
                F.cross_entropy(network(x), y).backward()

    def at_once() -> None:
        for _ in range(_STEPS):
            together(parameters, buffers, images, labels)

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="There is a performance drop")  # that is what is measured
        return best_of({"loop": loop, "way": at_once})


def stacked_by_groups() -> dict[str, float]:
    """Take gradients of ReLU, 3 x 3 convolution and normalisation: three chains, or one of three groups."""

    def chain(groups: int) -> nn.Sequential:
        width = groups * _CHANNELS
        layers: list[nn.Module] = []
        for _ in range(_LAYERS):
            layers += [nn.ReLU(), nn.Conv2d(width, width, 3, padding=1, groups=groups, bias=False)]
            layers.append(nn.BatchNorm2d(width))
        return nn.Sequential(*layers).to(memory_format=torch.channels_last)

    def step(network: nn.Module, width: int) -> None:
        value = torch.ones(_BATCH, width, _SIDE, _SIDE).contiguous(memory_format=torch.channels_last)
        network(value).sum().backward()

    alone, groups = [chain(1) for _ in range(_SEEDS)], chain(_SEEDS)

    def loop() -> None:
        for _ in range(_STEPS):
            for network in alone:
                step(network, _CHANNELS)

    def at_once() -> None:
        for _ in range(_STEPS):
            step(groups, _SEEDS * _CHANNELS)

    return best_of({"loop": loop, "way": at_once})


_WAYS = {
    "four trainings in two processes": (processes, "faster on two idle cores"),
    "gradients of three seeds by vmap": (stacked_by_vmap, "not used"),
    "convolution layers of three seeds in groups": (stacked_by_groups, "not used"),
}


def run() -> list[dict[str, str]]:
    """Return a row a way."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        rows = []
        for what, (measure, limit) in _WAYS.items():
            seconds = measure()
            rows.append(
                {
                    "what": f"stand-alone, {what}",
                    "measured": f"{seconds['way']:.3f} s beside {seconds['loop']:.3f} s for a plain loop",
                    "limit": limit,
                    "ratio": f"{seconds['loop'] / seconds['way']:.2f}x faster",
                }
            )
        return rows
    finally:
        torch.set_num_threads(threads)


if __name__ == "__main__":
    for line in run():
        sys.stdout.write("  ".join(line.values()) + "\n")
