"""The NAS-Bench-201 networks against a plain per-edge implementation, and against the counter."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from benchkit.data.tables import Metric, open_table
from benchkit.spaces import get_space
from benchkit.spaces.counts import count_flops, count_parameters
from benchkit.spaces.engine import (
    SHARED,
    BatchNormPolicy,
    CandidateNetwork,
    build_network,
    build_supernet,
    compile_cells,
)
from benchkit.spaces.nasbench201.encoding import OPERATIONS, DenseCells

SMALL = {"channels": 4, "cells": 1}
AFFINE = BatchNormPolicy(affine=True, running=False)
Term = Callable[[int, dict[int, Tensor]], Tensor]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def dense(name: str) -> DenseCells:
    space = get_space(name)
    assert isinstance(space, DenseCells)
    return space


def supernet_of(name: str, policy: BatchNormPolicy = AFFINE) -> CandidateNetwork:
    network = build_supernet(dense(name), 7, generator=seeded(), policy=policy, **SMALL)
    assert isinstance(network, CandidateNetwork)
    with torch.no_grad():  # scale and shift away from 1 and 0, so that they are tested
        generator = seeded(1)
        for parameter in network.parameters():
            if parameter.ndim == 1:
                parameter += 0.3 * torch.randn(parameter.shape, generator=generator)
    return network.double()


def some_images(side: int = 8, n: int = 5) -> Tensor:
    return torch.randn(n, 3, side, side, generator=seeded(2), dtype=torch.float64)


def added(terms: Iterable[Tensor]) -> Tensor:
    return torch.stack(list(terms)).sum(dim=0)


def plainly(network: CandidateNetwork, images: Tensor, combine: Term) -> Tensor:
    """Compute the published network edge by edge from the weights of `network`.

    `combine` is given an edge and the value of every operation on it.
    """
    w = dict(network.named_parameters())
    space = network.recipe.space
    assert isinstance(space, DenseCells)

    def bn(value: Tensor, name: str) -> Tensor:
        centred = value - value.mean(dim=(0, 2, 3), keepdim=True)
        deviation = (centred.square().mean(dim=(0, 2, 3), keepdim=True) + 1e-5).sqrt()
        scale, shift = (w[f"{name}.{what}"].view(1, -1, 1, 1) for what in ("weight", "bias"))
        return scale * centred / deviation + shift

    def convolve(value: Tensor, name: str, stride: int = 1) -> Tensor:
        kernel = w[f"{name}.weight"]
        return F.conv2d(value, kernel, stride=stride, padding=kernel.shape[-1] // 2)

    def operations(value: Tensor, name: str) -> dict[int, Tensor]:
        convolved = {
            OPERATIONS.index(op): bn(convolve(F.relu(value), f"{name}_{i}.conv"), f"{name}_{i}.bn")
            for i, op in enumerate(OPERATIONS)
            if op.startswith("nor_conv")
        }
        pooled = F.avg_pool2d(value, 3, stride=1, padding=1, count_include_pad=False)
        return {0: torch.zeros_like(value), 1: value, 4: pooled, **convolved}

    value = bn(convolve(images, "stem.0"), "stem.1")
    for block in range(5):  # cell, residual block, cell, residual block, cell
        name = f"body.{block}"
        if block % 2:
            inner = bn(convolve(F.relu(value), f"{name}.module.residual.1", 2), f"{name}.module.residual.2")
            inner = bn(convolve(F.relu(inner), f"{name}.module.residual.4"), f"{name}.module.residual.5")
            value = inner + convolve(F.avg_pool2d(value, 2), f"{name}.module.shortcut.1")
            continue
        nodes = [value]
        for target in range(1, space.nodes):
            entering = [(e, s) for e, (s, t) in enumerate(space.edges) if t == target]
            terms = [combine(e, operations(nodes[s], f"{name}.candidates.{e}")) for e, s in entering]
            nodes.append(torch.stack(terms).sum(dim=0))
        value = nodes[-1]
    features = F.relu(bn(value, "head.0")).mean(dim=(2, 3))
    return features @ w["head.4.weight"].T + w["head.4.bias"]


def same_with_gradients(network: CandidateNetwork, ours: Tensor, plain: Tensor, *inputs: Tensor) -> None:
    """Check logits, and the gradients of every parameter and of `inputs`."""
    torch.testing.assert_close(ours, plain)
    wanted = [*network.parameters(), *inputs]
    weights = torch.randn(ours.shape, generator=seeded(3), dtype=ours.dtype)
    first, second = (
        torch.autograd.grad((logits * weights).sum(), wanted, allow_unused=True, retain_graph=True)
        for logits in (ours, plain)
    )
    assert any(gradient is not None and gradient.abs().max() > 1e-6 for gradient in first)
    for mine, theirs, parameter in zip(first, second, wanted, strict=True):
        zero = torch.zeros_like(parameter)
        torch.testing.assert_close(
            zero if mine is None else mine, zero if theirs is None else theirs, rtol=1e-6, atol=1e-9
        )


@pytest.mark.parametrize("name", ["nasbench201", "nasbench201-3"])
def test_a_path_equals_the_plain_network(name: str) -> None:
    network, images = supernet_of(name), some_images()
    for row in dense(name).sample(np.random.default_rng(0), 4):
        ours = network.path(images, row)
        plain = plainly(network, images, lambda e, ops, row=row: ops[int(row[e])])
        same_with_gradients(network, ours, plain)


@pytest.mark.parametrize("name", ["nasbench201", "nasbench201-3"])
def test_a_mixture_equals_the_plain_network(name: str) -> None:
    network, images = supernet_of(name), some_images()
    weights = torch.rand(network.present.shape, generator=seeded(4), dtype=torch.float64).requires_grad_()
    images.requires_grad_()
    ours = network.mixture(images, weights)
    plain = plainly(network, images, lambda e, ops: added(weights[e, o] * ops[o] for o in ops))
    same_with_gradients(network, ours, plain, weights, images)


def test_a_mixture_without_scale_and_shift_equals_the_plain_network_in_single_precision() -> None:
    network = build_supernet(dense("nasbench201"), 7, generator=seeded(), policy=SHARED, **SMALL)
    assert isinstance(network, CandidateNetwork)
    affine = build_supernet(dense("nasbench201"), 7, generator=seeded(), policy=AFFINE, **SMALL)
    assert isinstance(affine, CandidateNetwork)  # of scale 1 and shift 0: the same function
    images = some_images().float()
    weights = torch.rand(network.present.shape, generator=seeded(4)).requires_grad_()
    ours = network.mixture(images, weights)
    plain = plainly(affine, images, lambda e, ops: added(weights[e, o] * ops[o] for o in ops))
    torch.testing.assert_close(ours, plain, rtol=1e-3, atol=1e-4)
    ours_gradient, plain_gradient = (
        torch.autograd.grad(y.square().sum(), weights, retain_graph=True)[0] for y in (ours, plain)
    )
    torch.testing.assert_close(ours_gradient, plain_gradient, rtol=2e-2, atol=1e-3)


def test_multipath_sums_the_selected_candidates() -> None:
    network, images = supernet_of("nasbench201"), some_images()
    mask = np.random.default_rng(1).random(network.present.shape) < 0.5
    zero = torch.tensor(0.0, dtype=torch.float64)
    plain = plainly(
        network, images, lambda e, ops: sum((ops[o] for o in ops if mask[e, o]), 0 * ops[1] + zero)
    )
    same_with_gradients(network, network.multipath(images, mask), plain)


def test_a_sampled_mixture_is_the_path_with_a_gradient_for_the_chosen_weights() -> None:
    network, images = supernet_of("nasbench201"), some_images()
    row = dense("nasbench201").sample(np.random.default_rng(2), 1)[0]
    alpha = torch.randn(6, 5, generator=seeded(5), dtype=torch.float64, requires_grad=True)
    soft = alpha.softmax(dim=1)
    hard = F.one_hot(torch.from_numpy(row.astype(np.int64)), 5)
    straight_through = hard - soft.detach() + soft
    ours = network.sampled(images, row, straight_through)
    torch.testing.assert_close(ours, network.path(images, row))
    plain = plainly(network, images, lambda e, ops: straight_through[e, int(row[e])] * ops[int(row[e])])
    same_with_gradients(network, ours, plain, alpha)


def test_candidates_that_do_not_run_get_no_gradient() -> None:
    network = supernet_of("nasbench201-3", SHARED)
    network.path(some_images(), [3, 0, 1]).sum().backward()
    got = {name for name, p in network.named_parameters() if p.grad is not None and "candidates" in name}
    assert got == {f"body.{block}.candidates.0_3.conv.weight" for block in (0, 2, 4)}


@pytest.mark.parametrize("dataset", [("cifar10", 10), ("cifar100", 100), ("imagenet16-120", 120)], ids=str)
def test_built_networks_have_the_parameters_of_the_table(dataset: tuple[str, int]) -> None:
    name, classes = dataset
    table = open_table("nasbench201")
    column = table.values(Metric(name, None, None, quantity="parameters"))
    for entry in [0, 15_624, *np.random.default_rng(3).integers(15_625, size=3).tolist()]:
        network = build_network(table.space, table.rows[entry], classes, generator=seeded())
        assert sum(p.numel() for p in network.parameters()) == column[entry]


@pytest.mark.parametrize("side", [8, 10, 7])
def test_multiply_adds_of_the_built_network_are_those_counted(side: int) -> None:
    space = dense("nasbench201")
    for row in space.sample(np.random.default_rng(4), 3):
        network = build_network(space, row, 5, 1, generator=seeded(), channels=3, cells=2)
        counted = 0

        def add(module: torch.nn.Module, _: object, output: Tensor) -> None:
            nonlocal counted
            assert isinstance(module, torch.nn.Conv2d | torch.nn.Linear)
            counted += module.weight.numel() * output.shape[2:].numel()

        for module in network.modules():
            if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
                module.register_forward_hook(add)
        network(torch.zeros(2, 1, side, side))
        assert counted == count_flops(space, row[None], 5, side, 1, channels=3, cells=2)[0]


def test_the_supernet_has_seventeen_blocks_and_all_candidates_of_every_edge() -> None:
    space = dense("nasbench201")
    network = build_supernet(space, 10, generator=seeded())
    assert isinstance(network, CandidateNetwork)
    assert len(network.body) == 3 * 5 + 2
    convolutions = sum(isinstance(module, torch.nn.Conv2d) for module in network.modules())
    assert convolutions == 1 + 2 * 3 + 15 * 6 * 2
    # every edge has each convolution: its parameters are those of six cells that hold one kind throughout
    both = count_parameters(space, np.array([[2] * 6, [3] * 6, [0] * 6]), 10)
    batch_norm = 2 * (16 + 2 * 32 + 2 * 64 + 64 + 5 * 12 * (16 + 32 + 64))
    assert sum(p.numel() for p in network.parameters()) == both[0] + both[1] - both[2] - batch_norm


def test_bfloat16_autocast_comes_near_single_precision() -> None:
    network = build_supernet(dense("nasbench201"), 7, generator=seeded(), **SMALL)
    assert isinstance(network, CandidateNetwork)
    images, weights = some_images().float(), torch.full((6, 5), 0.2, requires_grad=True)
    exact = network.mixture(images, weights)
    with torch.autocast("cpu", torch.bfloat16):
        rough = network.mixture(images, weights)
    rough.float().sum().backward()
    assert weights.grad is not None
    assert weights.grad.isfinite().all()
    assert (rough.float() - exact).norm() < 0.1 * exact.norm()


# the compiler looks at the gradient of every tensor that it meets, leaves or not
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
def test_compiled_cells_compute_the_same_without_a_break_in_the_graph() -> None:
    network = build_supernet(dense("nasbench201-3"), 7, generator=seeded(), **SMALL)
    assert isinstance(network, CandidateNetwork)
    images, weights = some_images().float(), torch.full((3, 5), 0.2, requires_grad=True)
    plain = network.mixture(images, weights)
    # this backend captures the graphs, forward and backward, and generates no code
    assert compile_cells(network, backend="aot_eager", fullgraph=True) == 3
    compiled = network.mixture(images, weights)
    torch.testing.assert_close(compiled, plain, rtol=1e-4, atol=1e-5)
    first, second = (torch.autograd.grad(y.square().sum(), weights)[0] for y in (compiled, plain))
    torch.testing.assert_close(first, second, rtol=1e-3, atol=1e-4)
