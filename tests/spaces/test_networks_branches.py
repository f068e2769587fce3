"""The multi-branch networks: gates against zeroed weights, finite differences, and the network of one row."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from benchkit.base.errors import InputError
from benchkit.spaces import ArchitectureError, get_space
from benchkit.spaces.branches.encoding import Branches
from benchkit.spaces.branches.layers import ConvolutionLayer
from benchkit.spaces.branches.network import BranchNetwork, BranchSubnet
from benchkit.spaces.counts import count, count_parameters
from benchkit.spaces.engine import (
    SHARED,
    BatchNormPolicy,
    build_network,
    build_supernet,
    compile_cells,
    inherit,
    recalibrate,
)
from benchkit.spaces.engine.network import Recipe
from benchkit.spaces.sizes import NetworkSize

torch.set_num_threads(1)
NAMES = ["m@2", "e@2", "r50@2", "d121@2"]
INFLATED = ["mi@2", "ei@2"]
AFFINE = BatchNormPolicy()


def supernet_of(name: str, policy: BatchNormPolicy = SHARED, image_channels: int = 3) -> BranchNetwork:
    space = get_space(f"branches:{name}")
    network = build_supernet(space, 5, image_channels, generator=seeded(), policy=policy)
    assert isinstance(network, BranchNetwork)
    return network


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(n: int = 3, side: int = 8, channels: int = 3) -> Tensor:
    return torch.randn(n, channels, side, side, generator=seeded(1), dtype=torch.float64)


def row_of(network: BranchNetwork, share: float = 0.5, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.random(network.recipe.space.length) < share).astype(np.int8)


def gates_of(row: np.ndarray) -> Tensor:
    return torch.from_numpy(row).double()[None]


def shaken(network: BranchNetwork) -> BranchNetwork:
    """Move batch normalisation away from where it starts, and return the network in double precision."""
    generator = seeded(9)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if ".bn." in name and tensor.is_floating_point():
                tensor.add_(torch.rand(tensor.shape, generator=generator))
    return network.double()


@torch.no_grad()
def zeroed(network: BranchNetwork, row: np.ndarray) -> BranchNetwork:
    """Return a copy in which the weights of closed slices are zero, slice by slice."""
    twin = copy.deepcopy(network)
    for node in twin.recipe.space.layout.gated:  # type: ignore[attr-defined]
        layer = twin.layers[node.name]
        for k in range(node.inputs):
            if row[node.first + k] == 0:
                if node.separable:
                    layer.conv.weight[k] = 0
                    layer.pointwise.weight[:, k] = 0
                else:
                    layer.conv.weight[:, k] = 0
    return twin


# -- gates ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("policy", [SHARED, AFFINE], ids=["batch", "affine"])
def test_hard_gates_are_weights_with_closed_slices_zeroed(name: str, policy: BatchNormPolicy) -> None:
    network = shaken(supernet_of(name, policy))
    row, x = row_of(network), images()
    by_hand = zeroed(network, row)
    each_image = gates_of(row).expand(len(x), -1)
    for training in (False, True):  # in this order, since training moves the running averages
        expected = by_hand.train(training)(x)
        assert expected.isfinite().all()
        network.train(training)
        for logits in (
            network.path(x, row),
            network.gated(x, gates_of(row)),
            network.gated(x, each_image),
        ):
            torch.testing.assert_close(logits, expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_gates_of_one_are_the_full_network(name: str) -> None:
    network = supernet_of(name).double()
    ones = torch.ones(3, network.recipe.space.length, dtype=torch.float64)
    full = network(images())
    torch.testing.assert_close(network.gated(images(), ones), full, rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(network.gated(images(), ones[:1]), full, rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(network.path(images(), np.ones(len(ones[0]), dtype=np.int8)), full)


@pytest.mark.parametrize("name", ["m@2", "e@2"])
@pytest.mark.parametrize("draws", [1, 3], ids=["one for all", "one an image"])
def test_the_gradient_of_gates_is_that_of_finite_differences(name: str, draws: int) -> None:
    network = shaken(supernet_of(name, AFFINE)).eval()  # running averages: smooth enough at width 2
    d = network.recipe.space.length
    gates = torch.rand(draws, d, generator=seeded(2), dtype=torch.float64).add(0.2).requires_grad_()
    x, labels = images(), torch.tensor([0, 1, 2])

    def loss(at: Tensor) -> Tensor:
        return F.cross_entropy(network.gated(x, at), labels)

    (gradient,) = torch.autograd.grad(loss(gates), gates)
    assert gradient.shape == (draws, d)
    largest = gradient.abs().flatten().argsort(descending=True)[:3].tolist()
    for index in [*largest, 0, draws * d - 1]:
        step = torch.zeros(draws * d, dtype=torch.float64)
        step[index] = 1e-6
        with torch.no_grad():
            difference = loss(gates + step.view_as(gates)) - loss(gates - step.view_as(gates))
        assert gradient.flatten()[index].item() == pytest.approx(difference.item() / 2e-6, rel=1e-4, abs=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_gates_of_each_image_are_calls_image_by_image(name: str) -> None:
    network = shaken(supernet_of(name, AFFINE)).eval()  # no statistics of the batch
    x, gates = images(), torch.rand(3, network.recipe.space.length, generator=seeded(3), dtype=torch.float64)
    together = network.gated(x, gates)
    for i in range(3):
        alone = network.gated(x[i : i + 1], gates[i : i + 1])
        torch.testing.assert_close(alone, together[i : i + 1], rtol=1e-6, atol=1e-8)
    assert (together[0] - network.gated(x, gates[1:2])[0]).abs().max() > 1e-6


def test_weights_of_a_closed_slice_get_no_gradient_and_others_do() -> None:
    network = supernet_of("m@4").double()
    row = row_of(network)
    network.gated(images(side=16), gates_of(row)).square().sum().backward()
    for node in network.recipe.space.layout.gated:  # type: ignore[attr-defined]
        gradient = network.get_parameter(f"layers.{node.name}.conv.weight").grad
        assert gradient is not None
        moved = gradient.abs().sum(dim=(0, 2, 3)) > 0
        assert not moved[row[node.first : node.first + node.inputs] == 0].any()
        assert moved.any()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("policy", [SHARED, AFFINE], ids=["batch", "affine"])
def test_nothing_is_nan_where_every_branch_is_closed(name: str, policy: BatchNormPolicy) -> None:
    network = supernet_of(name, policy).double()
    nothing = np.zeros(network.recipe.space.length, dtype=np.int8)
    gates = gates_of(nothing).requires_grad_()
    assert network.path(images(), nothing).isfinite().all()
    network.gated(images(), gates).square().sum().backward()
    assert gates.grad is not None
    assert gates.grad.isfinite().all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())
    assert inherit(network.float(), nothing)(images().float()).isfinite().all()


# -- a network by hand --------------------------------------------------------------------------


def test_the_first_block_of_the_multi_branch_resnet_by_hand() -> None:
    network = supernet_of("m@4").double()
    seen: dict[str, Tensor] = {}
    for name in ("stem", "stage1-block1-sum"):
        network.layers[name].register_forward_hook(lambda _m, _i, out, name=name: seen.update({name: out}))
    row = row_of(network, seed=4)
    network.path(images(side=10), row)
    gates = gates_of(row)[0]

    def weight(name: str) -> Tensor:
        return network.get_parameter(f"layers.stage1-block1-{name}.weight")

    def normal(value: Tensor) -> Tensor:
        centred = value - value.mean(dim=(0, 2, 3), keepdim=True)
        return centred / (centred.square().mean(dim=(0, 2, 3), keepdim=True) + 1e-5).sqrt()

    x = seen["stem"].relu()
    moved = F.pad(x, (0, 1, 0, 1))[:, :, 1:, 1:]
    total = normal(
        torch.cat(
            [F.conv2d(x, weight("shortcut.even")), F.conv2d(moved, weight("shortcut.odd"))],
            dim=1,
        )
    )
    # gates: 16 + 16 of the first layers, 4 + 4 of the second
    for branch, first, second in ((1, gates[:16], gates[32:36]), (2, gates[16:32], gates[36:40])):
        inner = F.conv2d(x * first[:, None, None], weight(f"conv1-branch{branch}.conv"), padding=1)
        inner = normal(inner).relu() * second[:, None, None]
        total = total + normal(F.conv2d(inner, weight(f"conv2-branch{branch}.conv"), padding=1))
    torch.testing.assert_close(seen["stage1-block1-sum"], total, rtol=1e-6, atol=1e-8)


# -- norms and counts ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["m@2", "e@2"])
def test_gate_norms_are_those_of_each_slice_and_reach_the_weights(name: str) -> None:
    network = supernet_of(name).double()
    norms = network.gate_norms()
    assert norms.shape == (network.recipe.space.length,)
    for node in network.recipe.space.layout.gated[::7]:  # type: ignore[attr-defined]
        layer = network.layers[node.name]
        for k in range(node.inputs):
            if node.separable:
                values = [
                    *layer.conv.weight[k].flatten().tolist(),
                    *layer.pointwise.weight[:, k].flatten().tolist(),
                ]
            else:
                values = layer.conv.weight[:, k].flatten().tolist()
            assert norms[node.first + k].item() == pytest.approx(sum(v * v for v in values))
    norms.sum().backward()
    for layer in network.layers.values():
        if isinstance(layer, ConvolutionLayer) and layer.node.first is not None and layer.conv is not None:
            torch.testing.assert_close(layer.conv.weight.grad, 2 * layer.conv.weight.detach())


@pytest.mark.parametrize("name", NAMES + INFLATED)
@pytest.mark.parametrize("share", [0.1, 1.0])
def test_the_network_of_a_row_has_the_parameters_counted(name: str, share: float) -> None:
    supernet = supernet_of(name, AFFINE, image_channels=1)
    row = row_of(supernet, share)
    alone = inherit(supernet, row)
    counted = count_parameters(supernet.recipe.space, row, 5, image_channels=1)[0]
    assert sum(p.numel() for p in alone.parameters()) == counted == supernet.parameters_of(row)


@pytest.mark.parametrize(("name", "side"), [("m@2", 13), ("e@2", 8), ("r50@2", 32), ("d121@2", 13)])
def test_multiply_adds_are_those_of_the_layers_that_run(name: str, side: int) -> None:
    space = get_space(f"branches:{name}")
    row = space.sample(np.random.default_rng(5), 1)
    network = build_network(space, row, 5, generator=seeded())
    counted: list[int] = []

    def count_layer(layer: nn.Module, _: object, output: Tensor) -> None:
        counted.append(layer.get_parameter("weight").numel() * output.shape[2:].numel())

    for module in network.modules():
        if isinstance(module, ConvolutionLayer):
            # its convolutions are called as functions; the pointwise one works on the same output
            module.register_forward_hook(
                lambda layer, _i, out: counted.extend(
                    part.weight.numel() * out.shape[2:].numel()
                    for part in (layer.conv, layer.pointwise)
                    if part is not None
                )
            )
        elif isinstance(module, nn.Linear) or (
            isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1)
        ):
            module.register_forward_hook(count_layer)
    network(images(2, side).float())
    assert sum(counted) == count(space, row, 5, image_size=side).flops[0]


@pytest.mark.parametrize(("name", "classes"), [("m@96", 10), ("mi@96", 10), ("e@36", 10), ("ei@36", 10)])
def test_networks_of_full_width_hold_what_is_counted(name: str, classes: int) -> None:
    space = get_space(f"branches:{name}")
    assert isinstance(space, Branches)
    with torch.device("meta"):
        network = BranchNetwork(Recipe(space, classes, 3, AFFINE, NetworkSize()))
    full = np.ones((1, space.length), dtype=np.int8)
    held = sum(p.numel() for p in network.parameters())
    assert held == count_parameters(space, full, classes)[0]
    row = space.sample(np.random.default_rng(6), 1)
    assert network.parameters_of(row) == count_parameters(space, row, classes)[0]


# -- one row alone --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "policy"),
    [*((name, AFFINE) for name in NAMES), ("m@2", SHARED), ("mi@2", SHARED)],
    ids=lambda value: value if isinstance(value, str) else "affine" if value.affine else "batch",
)
def test_an_inherited_network_computes_the_path(name: str, policy: BatchNormPolicy) -> None:
    supernet = supernet_of(name, policy)
    shaken(supernet).float()
    rows = [row_of(supernet, share, seed=7) for share in (0.02, 0.6)]
    alone = [
        inherit(supernet.train(training), row) for row, training in zip(rows, (False, True), strict=True)
    ]
    supernet.double()
    for row, network, training in zip(rows, alone, (False, True), strict=True):
        assert isinstance(network, BranchSubnet)
        assert network.training == training
        expected = supernet.train(training).path(images(), row)
        torch.testing.assert_close(network.double()(images()), expected, rtol=1e-6, atol=1e-8)


def test_running_averages_are_estimated_for_one_mask() -> None:
    network = supernet_of("m@4", AFFINE)
    row = row_of(network)
    x = images(16, 16).float()
    by_batch = network.train().path(x, row)
    recalibrate(network, lambda batch: network.path(batch, row), [x])
    again = network.eval().path(x, row)
    # running averages hold the unbiased variance
    assert (again - by_batch).norm() < 0.05 * by_batch.norm()


def test_equal_seeds_give_equal_weights_and_the_global_generator_rests() -> None:
    before = torch.get_rng_state()
    first, second = supernet_of("e@2"), supernet_of("e@2")
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert torch.equal(torch.get_rng_state(), before)


# -- images of any size -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES + INFLATED)
@pytest.mark.parametrize(("side", "channels"), [(8, 1), (19, 3)])
def test_any_image_size_will_do(name: str, side: int, channels: int) -> None:
    network = supernet_of(name, image_channels=channels)
    logits = network.path(images(2, side, channels).float(), row_of(network))
    assert logits.shape == (2, 5)
    assert logits.isfinite().all()


@pytest.mark.parametrize("name", ["r50@4", "d121@4"])
def test_networks_for_imagenet_shrink_its_images_32_times(name: str) -> None:
    network = supernet_of(name)
    shapes: list[tuple[int, ...]] = []
    *_, last = network.layers.values()
    last.register_forward_hook(lambda _m, _i, out: shapes.append(tuple(out.shape[2:])))
    with torch.no_grad():
        network(images(2, 224).float())
    assert shapes == [(7, 7)]


def test_values_lie_in_channels_last() -> None:
    network = supernet_of("e@4")
    seen: list[bool] = []
    for layer in network.layers.values():
        layer.register_forward_hook(
            lambda _m, _i, out: seen.append(out.is_contiguous(memory_format=torch.channels_last))
        )
    network.path(images(2, 16).float(), row_of(network))
    assert seen
    assert all(seen)


# -- bad input ----------------------------------------------------------------------------------


def test_bad_input_is_one_clear_line() -> None:
    network = supernet_of("m@2")
    x, d = images().float(), network.recipe.space.length
    with pytest.raises(InputError, match=rf"gates must have shape \[3, {d}\] or \[1, {d}\]; got \[2, {d}\]"):
        network.gated(x, torch.ones(2, d))
    with pytest.raises(InputError, match="gates must have shape"):
        network.gated(x, torch.ones(3, d - 1))
    with pytest.raises(InputError, match="takes images of 3 channels"):
        network.path(x[:, :1], np.ones(d, dtype=np.int8))
    with pytest.raises(ArchitectureError, match="one architecture of branches:m@2; got 2"):
        network.path(x, np.ones((2, d), dtype=np.int8))
    with pytest.raises(ArchitectureError, match="choice 0 is 2"):
        network.path(x, np.full(d, 2, dtype=np.int8))
    with pytest.raises(InputError, match="not with both"):
        network(x, torch.ones(1, d), np.ones(d, dtype=np.int8))
    with pytest.raises(InputError, match="unknown size 'width'"):
        build_supernet(network.recipe.space, 5, generator=seeded(), width=4)
    with pytest.raises(InputError, match="blocks to compile"):
        compile_cells(network)
    assert network.recipe.describe()["space"] == "branches:m@2"
    assert network.recipe.describe()["size"] == {}
