"""Chains of mobile operators against a plain implementation, by hand, and beside the paper's sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from benchkit.base.errors import InputError
from benchkit.spaces import get_space
from benchkit.spaces.counts import count, count_parameters
from benchkit.spaces.engine import SHARED, BatchNormPolicy, CandidateNetwork, build_supernet
from benchkit.spaces.mobile.encoding import IDENTITY
from tests.spaces.network_checks import images, seeded

SMALL = {"divisor": 8, "stem_stride": 1, "strided_stages": 3}
AFFINE = BatchNormPolicy(affine=True, running=False)
WIDTHS = (24, 40, 80, 96, 192, 320)

# kind, expansion, kernel of Table 4's operators, in order
TABLE_4 = [
    *(("MB", 1, 3), ("MB", 3, 3), ("MB", 6, 3), ("MB", 1, 5), ("MB", 3, 5)),
    *(("MB", 6, 5), ("MB", 1, 7), ("MB", 3, 7), ("MB", 6, 7), ("Identity", 0, 0)),
    *(("N", 1, 3), ("N", 2, 3), ("D", 1, 3), ("D", 2, 3), ("R", 1, 5)),
    *(("R", 2, 5), ("R", 4, 5), ("R", 1, 7), ("R", 2, 7), ("R", 4, 7)),
]

pytestmark = pytest.mark.usefixtures("one_thread")


def supernet_of(name: str, policy: BatchNormPolicy = SHARED, **size: int) -> CandidateNetwork:
    network = build_supernet(get_space(name), 5, generator=seeded(), policy=policy, **{**SMALL, **size})
    assert isinstance(network, CandidateNetwork)
    return network


def plainly(network: CandidateNetwork, x: Tensor, weights: Tensor, layers: int, squeeze: bool) -> Tensor:
    """Return the logits of a weighted sum at every layer, from the weights of `network`.

    For batch statistics, a stem of stride 1 and three strided stages; `layers` in each stage but the last.
    """
    w = dict(network.named_parameters())

    def conv_bn(value: Tensor, name: str, stride: int = 1, relu: bool = True) -> Tensor:
        kernel = w[f"{name}.0.weight"]
        up, left = kernel.shape[2] // 2, kernel.shape[3] // 2
        padded = F.pad(value, (left, left, up, up))
        value = F.conv2d(padded, kernel, None, stride, groups=value.shape[1] // kernel.shape[1])
        scale, shift = w.get(f"{name}.1.weight"), w.get(f"{name}.1.bias")
        value = F.batch_norm(value, None, None, scale, shift, training=True)
        return value.relu() if relu else value

    def block(value: Tensor, name: str, middle: int, stride: int = 1, squeezes: bool = False) -> Tensor:
        inner = conv_bn(value, f"{name}.block.0")
        for number in range(1, 1 + middle):
            inner = conv_bn(inner, f"{name}.block.{number}", stride if number == 1 else 1)
        inner = conv_bn(inner, f"{name}.block.{middle + 1}", relu=False)
        if squeezes:
            weigh = f"{name}.block.{middle + 2}.weigh"
            mean = inner.mean(dim=(2, 3))
            hidden = (mean @ w[f"{weigh}.1.weight"][:, :, 0, 0].T + w[f"{weigh}.1.bias"]).relu()
            gate = hidden @ w[f"{weigh}.3.weight"][:, :, 0, 0].T + w[f"{weigh}.3.bias"]
            inner = inner * torch.sigmoid(gate)[:, :, None, None]
        return inner + value if inner.shape == value.shape else inner

    value = block(conv_bn(x, "stem.0"), "stem.1", 1)
    layer = number = 0
    for stage, stride in enumerate((1, 2, 2, 1, 2, 1)):
        value = block(value, f"body.{number}.module", 1, stride)
        number += 1
        for _ in range(1 if stage == 5 else layers):
            terms = []
            for operation, (kind, _, _) in enumerate(TABLE_4[: weights.shape[1]]):
                name = f"body.{number}.candidates.{operation}.module"
                if kind == "Identity":
                    term = value
                else:
                    term = block(value, name, 2 if kind in "DR" else 1, squeezes=squeeze)
                terms.append(weights[layer, operation] * term)
            value = torch.stack(terms).sum(dim=0)
            layer, number = layer + 1, number + 1
    features = conv_bn(value, "head.0").mean(dim=(2, 3))
    return features @ w["head.3.weight"].T + w["head.3.bias"]


@pytest.mark.parametrize(
    ("name", "policy", "side", "squeeze"),
    [("mobile-small:11", AFFINE, 8, 0), ("mobile-large:6", SHARED, 9, 1)],
    ids=["small", "large"],
)
def test_mixtures_and_paths_are_those_of_the_plain_chain(
    name: str, policy: BatchNormPolicy, side: int, squeeze: int
) -> None:
    network = supernet_of(name, policy, squeeze=squeeze).double()
    layers = 2 if name.endswith("11") else 1
    x = images(side, dtype=torch.float64)
    shape = network.present.shape
    soft = torch.rand(shape, generator=seeded(2), dtype=torch.float64).requires_grad_()
    ours, plain = network.mixture(x, soft), plainly(network, x, soft, layers, bool(squeeze))
    torch.testing.assert_close(ours, plain)
    wanted = [soft, *network.parameters()]
    gradients = [torch.autograd.grad(y.square().sum(), wanted) for y in (ours, plain)]
    # normalised layers of few pixels amplify rounding
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-6)
    with torch.no_grad():
        for row in network.recipe.space.sample(np.random.default_rng(0), 3):
            hard = F.one_hot(torch.from_numpy(row.astype(np.int64)), shape[1]).double()
            wanted_logits = plainly(network, x, hard, layers, bool(squeeze))
            torch.testing.assert_close(network.path(x, row), wanted_logits)


def test_identity_is_the_layer_itself() -> None:
    network = supernet_of("mobile-small:6").eval()
    row = np.full(6, IDENTITY, dtype=np.int8)
    entering = []
    for block in network.body[1::2]:  # every second is a choice
        block.register_forward_hook(lambda _m, inputs, output: entering.append((inputs[1], output)))
    network.path(images(8), row)
    assert len(entering) == 6
    assert all(torch.equal(before, after) for before, after in entering)


def by_hand(kind: str, expansion: int, kernel: int, width: int) -> int:
    """Return the parameters of an operator without squeeze-and-excitation: weights, then normalisation."""
    hidden = expansion * width
    middle = {
        "MB": hidden * kernel**2,
        "N": hidden**2 * kernel**2,
        "D": 2 * hidden**2 * kernel**2,
        "R": 2 * hidden**2 * kernel,
        "Identity": 0,
    }[kind]
    normalised = 0 if kind == "Identity" else (3 if kind in "DR" else 2) * hidden + width
    return 2 * width * hidden + middle + 2 * normalised


def test_every_operator_has_the_parameters_of_a1_at_every_layer() -> None:
    space = get_space("mobile-large")
    stage_of = np.repeat(np.arange(6), (4, 4, 4, 4, 4, 1))
    for layer in (0, 3, 7, 12, 19, 20):
        width = WIDTHS[stage_of[layer]]
        rows = np.full((20, 21), IDENTITY, dtype=np.int8)
        rows[:, layer] = range(20)
        counted = count_parameters(space, rows, 1000)
        more = [by_hand(*operator, width) for operator in TABLE_4]
        assert (counted - counted[IDENTITY]).tolist() == more
        squeezing = count_parameters(space, rows, 1000, squeeze=1) - counted
        within = width // 4
        assert squeezing.tolist() == [
            0 if operation == IDENTITY else 2 * width * within + within + width for operation in range(20)
        ]


def test_what_stands_around_the_layers_costs_what_the_chain_says() -> None:
    # stem, its block to 16, a block before each stage, 1 x 1 to 1,280, classifier; at 224 pixels
    def fixed(inputs: int, outputs: int, expansion: int, wide: int, side: int) -> tuple[int, int]:
        hidden = inputs * expansion
        weights = [(inputs * hidden, wide), (9 * hidden, side), (hidden * outputs, side)]
        flops = sum(number * pixels**2 for number, pixels in weights)
        return sum(number for number, _ in weights) + 2 * (2 * hidden + outputs), flops

    parameters, flops = 3 * 9 * 32 + 64, 3 * 9 * 32 * 112**2
    blocks = [(32, 16, 1, 112, 112), (16, 24, 3, 112, 56), (24, 40, 3, 56, 28), (40, 80, 3, 28, 14)]
    blocks += [(80, 96, 3, 14, 14), (96, 192, 3, 14, 7), (192, 320, 3, 7, 7)]
    for block in blocks:
        held, computed = fixed(*block)
        parameters, flops = parameters + held, flops + computed
    parameters += 320 * 1280 + 2 * 1280 + 1280 * 1000 + 1000
    flops += 320 * 1280 * 7**2 + 1280 * 1000
    row = np.full((1, 21), IDENTITY, dtype=np.int8)
    counted = count(get_space("mobile-small"), row, 1000, 224)
    assert (counted.parameters[0], counted.flops[0]) == (parameters, flops)


def test_the_spaces_hold_networks_of_the_papers_size() -> None:
    # PC-NAS, Table 1: 5.1 M and 15.3 M parameters, squeeze-and-excitation included; inside what most have
    for name, published in (("mobile-small", 5.1), ("mobile-large", 15.3)):
        space = get_space(name)
        rows = space.sample(np.random.default_rng(0), 2000)
        millions = count_parameters(space, rows, 1000, squeeze=1) / 1e6
        assert np.percentile(millions, 5) < published < np.percentile(millions, 95)


@pytest.mark.parametrize(
    ("size", "says"),
    [
        ({"divisor": 3}, "divisor must be one of 1, 2, 4, 8; got 3"),
        ({"squeeze": 2}, "squeeze must be one of 0, 1; got 2"),
        ({"squeeze": True}, "squeeze must be one of 0, 1; got True"),
        ({"strided_stages": 5}, "strided_stages must be one of 1, 2, 3, 4; got 5"),
        ({"channels": 8}, "unknown size 'channels' for the network of mobile-large:6"),
    ],
)
def test_sizes_out_of_range_are_one_clear_line(size: dict[str, Any], says: str) -> None:
    space = get_space("mobile-large:6")
    with pytest.raises(InputError, match=says):
        count(space, space.sample(np.random.default_rng(0), 1), 10, **size)
