"""What tests of networks measure and draw alike."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from benchkit.spaces import Architecture, Batch, Space
from benchkit.spaces.counts import count
from benchkit.spaces.engine import CandidateNetwork, Mask, build_network, inherit, recalibrate


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(side: int = 16, n: int = 4, **options: Any) -> Tensor:
    return torch.randn(n, 3, side, side, generator=seeded(1), **options)


def multiply_adds(network: nn.Module, x: Tensor) -> int:
    """Count as the layers run, from the shapes of their weights and outputs."""
    counted: list[int] = []

    def count_layer(layer: nn.Module, _: object, output: Tensor) -> None:
        counted.append(layer.get_parameter("weight").numel() * output.shape[2:].numel())

    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(count_layer)
    network(x)
    return sum(counted)


def assert_counts_are_those_built(
    space: Space, rows: Batch, size: dict[str, int], side: int, channels: int
) -> None:
    """Compare the counts of `rows` with networks built, for 7 classes; an auxiliary classifier is none's."""
    counted = count(space, rows, 7, image_size=side, image_channels=channels, **size)
    for index, row in enumerate(rows):
        network = build_network(space, row, 7, channels, generator=seeded(), **size).eval()
        held = {name: p.numel() for name, p in network.named_parameters() if not name.startswith("auxiliary")}
        assert sum(held.values()) == counted.parameters[index]
        assert multiply_adds(network, torch.zeros(1, channels, side, side)) == counted.flops[index]


def taught_by_two_paths(
    supernet: CandidateNetwork, first: Architecture, second: Architecture, x: Tensor
) -> Mask:
    """Return which weights learn where two paths are sampled and the first runs at 1 (ProxylessNAS)."""
    both = supernet.mask_of(first) | supernet.mask_of(second)
    gates = torch.from_numpy(supernet.mask_of(first)).float().requires_grad_()
    logits = supernet(x, both, gates)
    torch.testing.assert_close(logits, supernet.path(x, first), rtol=1e-3, atol=1e-4)
    return _learning(logits, gates)


def taught_by_one_path(supernet: CandidateNetwork, row: Architecture, x: Tensor) -> Mask:
    """Return which weights learn where one path runs with straight-through weights (GDAS)."""
    soft = torch.full(supernet.present.shape, 1 / supernet.present.shape[1], requires_grad=True)
    logits = supernet.sampled(x, row, 1 + soft - soft.detach())
    torch.testing.assert_close(logits, supernet.path(x, row), rtol=1e-3, atol=1e-4)
    return _learning(logits, soft)


def _learning(logits: Tensor, weights: Tensor) -> Mask:
    (gradient,) = torch.autograd.grad(logits.square().sum(), weights)
    learning: Mask = gradient.numpy() != 0
    return learning


def assert_recalibration_is_of_one_path(supernet: CandidateNetwork, row: Architecture, x: Tensor) -> None:
    """Compare running averages, before and after, with the statistics of the batch itself."""
    supernet.eval()
    before = supernet.path(x, row)
    recalibrate(supernet, lambda value: supernet.path(value, row), [x])
    again = supernet.path(x, row)
    exact = supernet.train().path(x, row)
    assert (again - exact).norm() < 0.1 * exact.norm()
    assert (before - exact).norm() > 0.3 * exact.norm()


def assert_paths_at_once_are_single_ones(supernet: CandidateNetwork, rows: Batch, x: Tensor) -> None:
    with torch.inference_mode():
        found = {n: logits for numbers, logits in supernet.paths(x, rows) for n in numbers}
        assert sorted(found) == list(range(len(rows)))
        for number, logits in found.items():
            assert torch.equal(logits, supernet.path(x, rows[number]))


def assert_inherits(supernet: CandidateNetwork, row: Architecture, x: Tensor) -> None:
    """Compare a path with the stand-alone network that inherits it, which holds less."""
    alone = inherit(supernet, row)
    torch.testing.assert_close(alone(x), supernet.path(x, row), rtol=1e-4, atol=1e-5)
    assert sum(p.numel() for p in alone.parameters()) < sum(p.numel() for p in supernet.parameters())
