"""Measures a network's operators one by one, and whole networks beside their sums.

PC-NAS (Li et al., 2019), section 4.1: batches of 16, on the device that the network is meant for. The modules
are those of stand-alone networks (scale, shift and running averages), in evaluation mode, each alone, on
inputs of the shape that it gets inside the network.

Deviations and choices
----------------------
- The paper does not say how its latencies were had. A figure is the median of many repetitions after a
  warm-up. Repetitions go round all parts and networks, so that a slow minute of the machine meets all alike,
  and no part finds its own data in the caches, as in a network.
- On CUDA a repetition of a part is ten calls in a row between two synchronisations, since inside a network
  nothing waits between layers either. A whole network is one call between two synchronisations.
- On the CPU with one thread the clock is that thread's processor time: what other programs take meanwhile
  would lengthen whole networks, but hardly the short parts. With more threads it is the clock on the wall.
- Two places with the same modules and the same shapes are one measurement (layers of one stage; cells of one
  stage, and all edges of a cell).
- What an edge of NAS-Bench-201 takes is summed over all cells. Additions at nodes are in no part; ReLU and
  pooling that edges share are in every part that needs them; an edge that leads nowhere counts although the
  network does not run it. The check says what all this is worth.
- Time depends on the shapes, not on the values: weights are random, and inputs are noise.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from benchkit.base.devices import explain_memory, intra_op_threads, parse_device
from benchkit.base.errors import InputError
from benchkit.base.limits import check_fields
from benchkit.base.processes import Progress
from benchkit.data.latency.lookup import LatencyLookup
from benchkit.data.latency.parts import Part, no_parts, parts_of
from benchkit.data.latency.stopwatch import Stopwatch, Timing, Work
from benchkit.spaces import get_space
from benchkit.spaces.engine import build_network, build_supernet
from benchkit.spaces.engine.batchnorm import BatchNormPolicy
from benchkit.spaces.engine.network import CandidateNetwork
from benchkit.spaces.sizes import network_size

CUDA_CALLS = 10
"""Calls of a part in one repetition on CUDA."""

Compare = Callable[[npt.NDArray[np.float64], npt.NDArray[np.float64]], dict[str, Any]]


@dataclass(frozen=True)
class LatencySettings:
    """What to measure, and how.

    Attributes
    ----------
    space : Name of a space of chains or of NAS-Bench-201 cells.
    image_size, classes : Side of the images and number of classes; None is 224 and 1,000 for the chains of
        ImageNet, else 32 and 10.
    image_channels : Number of channels: 3 for colour, 1 for grey.
    batch : Number of images at once.
    size : Options of the network (`benchkit.spaces.sizes`).
    warmup, repeats : Number of repetitions before those that count, and of those.
    check : Number of whole networks to measure; 0 for none.
    seed : Seed that draws them.
    threads : Number of threads of torch on the CPU.

    Raises
    ------
    InputError : a number is out of its range.
    """

    space: str
    image_size: int | None = None
    classes: int | None = None
    image_channels: int = 3
    batch: int = 16
    size: dict[str, Any] = field(default_factory=dict)
    warmup: int = 5
    repeats: int = 30
    check: int = 20
    seed: int = 0
    threads: int = 1

    def __post_init__(self) -> None:
        check_fields(self)
        if self.check == 1:
            raise InputError("check takes at least 2 networks to compare, or 0 for none; got 1")


def measure_latency(
    settings: LatencySettings,
    compare: Compare,
    device: str = "auto",
    progress: Progress | None = None,
    clock: Callable[[], float] | None = None,
) -> LatencyLookup:
    """Measure every part of a space's network, and whole networks to check the sums.

    Parameters
    ----------
    compare : Function of predicted and measured milliseconds, float[n] each, that returns the figures of a
        `benchkit.data.latency.lookup.Check`.
    device : ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    progress : Function that is told after every round of repetitions.
    clock : Function that gives seconds, rising; None is a real one, see above.

    Raises
    ------
    InputError : a space without such parts, no such device, no memory left, or a number that cannot be used.
    """
    space = get_space(settings.space)
    size = network_size(space, **settings.size)
    options: dict[str, Any] = size.options()
    image_size = settings.image_size or size.usual_image_size
    classes = settings.classes or size.usual_classes
    channels = settings.image_channels
    where = parse_device(device)
    cuda = where.type == "cuda"
    calls = CUDA_CALLS if cuda else 1
    own = not cuda and settings.threads == 1
    watch = Stopwatch(
        settings.warmup,
        settings.repeats,
        partial(torch.cuda.synchronize, where) if cuda else lambda: None,
        clock or (time.thread_time if own else time.perf_counter),
    )
    generator = torch.Generator().manual_seed(settings.seed)
    network: Any = build_supernet(
        space, classes, channels, generator=generator, policy=BatchNormPolicy(), **options
    )
    if not isinstance(network, CandidateNetwork):
        raise no_parts(space.name)

    def noise(shape: tuple[int, ...]) -> Tensor:
        drawn = torch.randn(settings.batch, *shape, generator=generator).to(where)
        return drawn.contiguous(memory_format=torch.channels_last)

    rows = space.sample(np.random.default_rng(settings.seed), settings.check)
    memory, threads = explain_memory(settings.batch, "--batch"), intra_op_threads(settings.threads)
    with memory, threads, torch.inference_mode():
        one = torch.zeros(1, channels, image_size, image_size, device=where)
        parts = parts_of(network.eval().to(where), one)
        inputs = {shape: noise(shape) for shape in dict.fromkeys(part.shape for part in parts)}
        distinct = {part.key: part for part in parts}
        works = [Work(part.call(inputs[part.shape]), calls) for part in distinct.values()]
        images = inputs[channels, image_size, image_size]
        wholes = [
            build_network(space, row, classes, channels, generator=generator, **options).eval().to(where)
            for row in rows
        ]
        works += [Work(partial(whole, images)) for whole in wholes]
        timings = watch.times(works, progress)
    content: dict[str, Any] = {
        "space": network.recipe.space.name,
        "conditions": {
            "device": where.type,
            "device_name": _device_name(where),
            "torch": str(torch.__version__),
            "threads": settings.threads,
            "batch": settings.batch,
            "image_size": image_size,
            "image_channels": channels,
            "classes": classes,
            "size": options,
            "warmup": settings.warmup,
            "repeats": settings.repeats,
            "calls": calls,
            "clock": "thread" if own else "wall",
        },
        **_sums(parts, dict(zip(distinct, timings, strict=False)), network.recipe.space.arity),
    }
    lookup = LatencyLookup(**content)
    if not settings.check:
        return lookup
    measured = np.array([timing.ms for timing in timings[len(distinct) :]])
    content["check"] = {
        "seed": settings.seed,
        "architectures": [space.format(row) for row in rows],
        **compare(lookup.predict(rows), measured),
    }
    return LatencyLookup(**content)


def _sums(
    parts: list[Part], timed: dict[tuple[str, tuple[int, ...]], Timing], arity: tuple[int, ...]
) -> dict[str, Any]:
    """Return the fixed parts, and for each position what its choices take wherever they stand."""
    fixed = []
    ms, spread = ([np.zeros(choices) for choices in arity] for _ in range(2))
    for part in parts:
        timing = timed[part.key]
        if part.position is None:
            fixed.append({"name": part.name, "ms": timing.ms, "iqr_ms": timing.iqr_ms})
        else:
            ms[part.position][part.choice] += timing.ms
            spread[part.position][part.choice] += timing.iqr_ms
    layers = [
        {"ms": medians.round(6).tolist(), "iqr_ms": ranges.round(6).tolist()}
        for medians, ranges in zip(ms, spread, strict=True)
    ]
    return {"fixed": fixed, "layers": layers}


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()
