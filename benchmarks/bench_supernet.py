"""Speed of one training step of the NAS-Bench-201 supernet, beside a plain per-edge implementation.

C = 16, N = 5, batches of 64 CIFAR-sized images, float32, two threads: forward, backward and an SGD step with
momentum and weight decay. The peer here is written as such supernets usually are: a module for each edge
and operation, each with its own ReLU and pooling, in the default memory format. Both run in one process,
in turns, and the best of the turns counts, since other work on the machine only ever adds time.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from time import perf_counter

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from benchkit.spaces import get_space
from benchkit.spaces.engine import CandidateNetwork, build_supernet, compile_cells
from benchkit.spaces.nasbench201.encoding import EDGES

_THREADS = 2
_CHANNELS, _CELLS, _BATCH, _CLASSES = 16, 5, 64, 10
_TURNS = 3
_PATHS = 4  # different paths in a turn of the path methods
_LIMIT = {"mixture": 2.5, "sampled": 2.0, "path": 2.0}
_WHAT = {"mixture": "full mixture (DARTS)", "sampled": "sampled mixture (GDAS)", "path": "single path (SPOS)"}


def conv_bn(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Return convolution and batch normalisation by batch statistics, without scale and shift."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs, affine=False, track_running_stats=False),
    )


class PlainZero(nn.Module):
    """The operation none."""

    def forward(self, value: Tensor) -> Tensor:
        """Return zeros."""
        return value.mul(0.0)


class PlainCell(nn.Module):
    """Every edge a list of five modules that know nothing of each other."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.edges = nn.ModuleList(
            nn.ModuleList(
                [
                    PlainZero(),
                    nn.Identity(),
                    nn.Sequential(nn.ReLU(), conv_bn(channels, channels, 1)),
                    nn.Sequential(nn.ReLU(), conv_bn(channels, channels, 3)),
                    nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False),
                ]
            )
            for _ in EDGES
        )

    def forward(self, value: Tensor, edge: Callable[[int, nn.ModuleList, Tensor], Tensor]) -> Tensor:
        """Return the last node; `edge` says how an edge combines its operations."""
        nodes = [value]
        for target in (1, 2, 3):
            entering = [(i, source) for i, (source, end) in enumerate(EDGES) if end == target]
            nodes.append(sum(edge(i, self.edges[i], nodes[source]) for i, source in entering))
        return nodes[-1]


class PlainResidual(nn.Module):
    """The residual block between two stages."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        first, second = conv_bn(inputs, outputs, 3, 2), conv_bn(outputs, outputs, 3)
        self.residual = nn.Sequential(nn.ReLU(), first, nn.ReLU(), second)
        self.shortcut = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(inputs, outputs, 1, bias=False))

    def forward(self, value: Tensor) -> Tensor:
        """Return the block's output."""
        return self.residual(value) + self.shortcut(value)


class PlainSupernet(nn.Module):
    """The supernet of NAS-Bench-201, per edge."""

    def __init__(self, channels: int, cells: int, classes: int) -> None:
        super().__init__()
        self.stem = conv_bn(3, channels, 3)
        body: list[nn.Module] = []
        for stage in range(3):
            if stage:
                body.append(PlainResidual(channels, 2 * channels))
                channels *= 2
            body += [PlainCell(channels) for _ in range(cells)]
        self.body = nn.ModuleList(body)
        self.last = nn.BatchNorm2d(channels, affine=False, track_running_stats=False)
        self.classifier = nn.Linear(channels, classes)

    def run(self, images: Tensor, edge: Callable[[int, nn.ModuleList, Tensor], Tensor]) -> Tensor:
        """Return the logits."""
        value = self.stem(images)
        for block in self.body:
            value = block(value, edge) if isinstance(block, PlainCell) else block(value)
        return self.classifier(F.relu(self.last(value)).mean(dim=(2, 3)))

    def mixture(self, images: Tensor, weights: Tensor) -> Tensor:
        """Return the logits of the weighted sum of all operations."""
        return self.run(
            images, lambda i, ops, x: sum(w * op(x) for w, op in zip(weights[i], ops, strict=True))
        )

    def sampled(self, images: Tensor, row: np.ndarray, weights: Tensor) -> Tensor:
        """Return the logits of one operation an edge, times its weight."""
        return self.run(images, lambda i, ops, x: weights[i, int(row[i])] * ops[int(row[i])](x))

    def path(self, images: Tensor, row: np.ndarray) -> Tensor:
        """Return the logits of one operation an edge."""
        return self.run(images, lambda i, ops, x: ops[int(row[i])](x))


def same_weights(plain: PlainSupernet, ours: CandidateNetwork) -> None:
    """Give the plain network the weights of ours: both list them in the order of definition."""
    theirs = list(plain.parameters())
    mine = list(ours.parameters())
    with torch.no_grad():
        for target, source in zip(theirs, mine, strict=True):
            target.copy_(source)


def steps(
    network: PlainSupernet | CandidateNetwork, kind: str, rows: np.ndarray
) -> Callable[[Tensor, Tensor], list[float]]:
    """Return a function that trains one batch a row (mixtures: one batch) and returns the losses."""
    optimizer = torch.optim.SGD(network.parameters(), lr=0.025, momentum=0.9, weight_decay=5e-4)
    alpha = torch.zeros(len(EDGES), 5, requires_grad=True)

    def run(images: Tensor, labels: Tensor) -> list[float]:
        losses = []
        for row in rows if kind != "mixture" else rows[:1]:
            optimizer.zero_grad(set_to_none=True)
            soft = alpha.softmax(dim=1)
            if kind == "mixture":
                logits = network.mixture(images, soft)
            elif kind == "sampled":
                hard = F.one_hot(torch.from_numpy(row.astype(np.int64)), 5)
                logits = network.sampled(images, row, hard - soft.detach() + soft)
            else:
                logits = network.path(images, row)
            loss = F.cross_entropy(logits, labels)
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
        return losses

    return run


def run() -> list[dict[str, str]]:
    """Time all in turns; raise where the first losses of ours and of the plain network differ."""
    threads = torch.get_num_threads()
    torch.set_num_threads(_THREADS)
    try:
        return [row for kind in _LIMIT for row in _measure(kind)]
    finally:
        torch.set_num_threads(threads)


def _measure(kind: str) -> list[dict[str, str]]:
    generator = torch.Generator().manual_seed(0)
    space = get_space("nasbench201")
    rows = space.sample(np.random.default_rng(0), _PATHS)
    ours = build_supernet(space, _CLASSES, generator=generator, channels=_CHANNELS, cells=_CELLS)
    plain = PlainSupernet(_CHANNELS, _CELLS, _CLASSES)
    if not isinstance(ours, CandidateNetwork):
        raise TypeError("not a network of candidates")
    same_weights(plain, ours)
    images = torch.randn(_BATCH, 3, 32, 32, generator=generator)
    labels = torch.randint(_CLASSES, (_BATCH,), generator=generator)
    runs = {"": steps(ours, kind, rows), "plain": steps(plain, kind, rows)}
    if kind == "mixture":
        half, compiled = copy.deepcopy(ours), copy.deepcopy(ours)
        compile_cells(compiled)
        runs[", bfloat16"] = torch.autocast("cpu", torch.bfloat16)(steps(half, kind, rows))
        runs[", cells compiled"] = steps(compiled, kind, rows)
    best: dict[str, float] = {}
    first: dict[str, float] = {}
    for _ in range(1 + _TURNS):  # the first turn warms up, and compiles
        for name, train in runs.items():
            start = perf_counter()
            losses = train(images, labels)
            seconds = (perf_counter() - start) / len(losses)
            best[name] = min(best.get(name, np.inf), seconds)
            first.setdefault(name, losses[0])
    if abs(first[""] - first["plain"]) > 1e-3:
        raise RuntimeError(f"{kind}: the first losses differ: {first}")
    return [
        {
            "what": f"supernet step on NAS-Bench-201, {_WHAT[kind]}{name}",
            "measured": f"{best[name]:.3f} s beside {best['plain']:.3f} s",
            "limit": f"{_LIMIT[kind]}x faster",
            "ratio": f"{best['plain'] / best[name]:.1f}x faster",
        }
        for name in runs
        if name != "plain"
    ]


if __name__ == "__main__":
    for line in run():
        sys.stdout.write("  ".join(line.values()) + "\n")
