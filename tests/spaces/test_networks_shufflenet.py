"""Chains of ShuffleNetV2 blocks against a plain implementation and published figures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from benchkit.base.errors import InputError
from benchkit.spaces import get_space
from benchkit.spaces.counts import count
from benchkit.spaces.engine import (
    SHARED,
    BatchNormPolicy,
    CandidateNetwork,
    build_network,
    build_supernet,
    set_dropout,
)
from benchkit.spaces.engine.dropout import Dropout
from tests.spaces.network_checks import images, seeded

SPACE = get_space("shufflenet")
SMALL = {"divisor": 8, "stem_stride": 1, "strided_stages": 3}
AFFINE = BatchNormPolicy(affine=True, running=False)
WIDTHS = (64, 160, 320, 640)

# Multiply-adds in thousands of each block (3x3, 5x5, 7x7, Xception) at 224 pixels, without squeeze-and-
# excitation: the look-up table of a public search on this chain; a stage's first layer, then its others.
PUBLISHED = (
    ((13_396.992, 15_805.440, 19_418.112, 13_146.112), (7_325.696, 8_931.328, 11_339.776, 12_343.296)),
    ((26_304.768, 28_111.104, 30_820.608, 20_296.192), (10_599.680, 11_603.200, 13_108.480, 16_746.240)),
    ((30_670.080, 31_673.600, 33_178.880, 21_199.360), (10_317.440, 10_819.200, 11_571.840, 15_899.520)),
    ((30_387.840, 30_889.600, 31_642.240, 20_634.880), (10_176.320, 10_427.200, 10_803.520, 15_476.160)),
)


pytestmark = pytest.mark.usefixtures("one_thread")


def supernet_of(policy: BatchNormPolicy = SHARED, **size: int) -> CandidateNetwork:
    network = build_supernet(SPACE, 5, generator=seeded(), policy=policy, **{**SMALL, **size})
    assert isinstance(network, CandidateNetwork)
    return network


def sampled(n: int, seed: int = 0) -> Any:
    return SPACE.sample(np.random.default_rng(seed), n)


def plainly(network: CandidateNetwork, x: Tensor, weights: Tensor, strided_stages: int) -> Tensor:
    """Return the logits of a weighted sum at every layer, from the weights of `network`; batch statistics."""
    w = dict(network.named_parameters())

    def conv_bn(value: Tensor, name: str, stride: int = 1) -> Tensor:
        kernel = w[f"{name}.0.weight"]
        value = F.conv2d(
            value, kernel, None, stride, kernel.shape[-1] // 2, 1, value.shape[1] // kernel.shape[1]
        )
        scale, shift = w.get(f"{name}.1.weight"), w.get(f"{name}.1.bias")
        return F.batch_norm(value, None, None, scale, shift, training=True)

    def squeezed(value: Tensor, name: str) -> Tensor:
        mean = value.mean(dim=(2, 3))
        hidden = (mean @ w[f"{name}.1.weight"][:, :, 0, 0].T + w[f"{name}.1.bias"]).relu()
        gate = hidden @ w[f"{name}.3.weight"][:, :, 0, 0].T + w[f"{name}.3.bias"]
        return value * torch.sigmoid(gate)[:, :, None, None]

    def block(operation: int, value: Tensor, name: str, stride: int) -> Tensor:
        act = torch.relu if operation == 0 else lambda z: z * torch.sigmoid(z)
        if operation < 3:
            value = act(conv_bn(value, f"{name}.main.0"))
            value = conv_bn(value, f"{name}.main.1", stride)
            value = act(conv_bn(value, f"{name}.main.2"))
            return squeezed(value, f"{name}.main.3.weigh") if operation == 2 else value
        for part in range(3):
            value = conv_bn(value, f"{name}.main.{2 * part}", 1 if part else stride)
            value = act(conv_bn(value, f"{name}.main.{2 * part + 1}"))
        return squeezed(value, f"{name}.main.6.weigh")

    value = conv_bn(x, "stem", 1).relu()
    layer = 0
    for stage, layers in enumerate((4, 4, 8, 4)):
        for number in range(layers):
            stride = 2 if number == 0 and stage >= 4 - strided_stages else 1
            terms = []
            for operation in range(4):
                name = f"body.{layer}.candidates.{operation}.module"
                if number == 0:
                    act = torch.relu if operation == 0 else lambda z: z * torch.sigmoid(z)
                    side = conv_bn(value, f"{name}.side.0", stride)
                    kept = act(conv_bn(side, f"{name}.side.1"))
                    made = block(operation, value, name, stride)
                else:
                    n, channels, height, width = value.shape
                    pairs = value.reshape(n, channels // 2, 2, height, width)
                    kept, made = pairs[:, :, 0], block(operation, pairs[:, :, 1], name, stride)
                terms.append(weights[layer, operation] * torch.cat([kept, made], dim=1))
            value = torch.stack(terms).sum(dim=0)
            layer += 1
    features = conv_bn(value, "head.0").relu().mean(dim=(2, 3))
    return features @ w["head.4.weight"].T + w["head.4.bias"]


@pytest.mark.parametrize(
    ("policy", "strided_stages", "side"), [(SHARED, 3, 8), (AFFINE, 1, 5)], ids=["plain", "affine"]
)
def test_mixtures_and_paths_are_those_of_the_plain_chain(
    policy: BatchNormPolicy, strided_stages: int, side: int
) -> None:
    network = supernet_of(policy, strided_stages=strided_stages).double()
    x = images(side, dtype=torch.float64)
    soft = torch.rand(20, 4, generator=seeded(2), dtype=torch.float64).requires_grad_()
    ours, plain = network.mixture(x, soft), plainly(network, x, soft, strided_stages)
    torch.testing.assert_close(ours, plain)
    wanted = [soft, *network.parameters()]
    gradients = [torch.autograd.grad(y.square().sum(), wanted) for y in (ours, plain)]
    # twenty normalised layers of few pixels amplify rounding
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-6)
    with torch.no_grad():
        for row in sampled(3):
            hard = F.one_hot(torch.from_numpy(row.astype(np.int64)), 4).double()
            torch.testing.assert_close(network.path(x, row), plainly(network, x, hard, strided_stages))


def test_half_of_the_channels_passes_a_layer_as_it_is() -> None:
    network = supernet_of()
    value = torch.randn(2, 8, 6, 6, generator=seeded(4))
    unit = network.body[1].candidates["2"].module
    output = unit(value)
    assert torch.equal(output[:, :4], value[:, ::2])
    assert not torch.allclose(output[:, 4:], value[:, 1::2])


# -- counts ---------------------------------------------------------------------------------------


def squeezing(operation: int, made: int) -> int:
    """Return the multiply-adds of squeeze-and-excitation, by hand."""
    return 2 * made * (made // 4) if operation >= 2 else 0


def test_every_block_has_the_published_multiply_adds_at_224_pixels() -> None:
    stem, end = 3 * 16 * 9 * 112**2, 640 * 1024 * 7**2 + 1024 * 1000
    first = np.cumsum([0, 4, 4, 8])
    same = [
        count(SPACE, np.full((1, 20), operation, dtype=np.int8), 1000, 224).flops[0] for operation in range(4)
    ]
    entering = (16, *WIDTHS)
    for operation in range(4):
        total = stem + end
        for stage, layers in enumerate((4, 4, 8, 4)):
            head, rest = (round(1000 * row[operation]) for row in PUBLISHED[stage])
            total += head + squeezing(operation, WIDTHS[stage] - entering[stage])
            total += (layers - 1) * (rest + squeezing(operation, WIDTHS[stage] // 2))
        assert same[operation] == total
    for stage, layers in enumerate((4, 4, 8, 4)):
        for layer, published in ((0, PUBLISHED[stage][0]), (layers - 1, PUBLISHED[stage][1])):
            made = WIDTHS[stage] - entering[stage] if layer == 0 else WIDTHS[stage] // 2
            rows = np.zeros((4, 20), dtype=np.int8)
            rows[:, first[stage] + layer] = range(4)
            flops = count(SPACE, rows, 1000, 224).flops
            more = [round(1000 * (p - published[0])) + squeezing(op, made) for op, p in enumerate(published)]
            assert (flops - flops[0]).tolist() == more


def test_chains_are_as_large_as_published_ones() -> None:
    # Guo et al. (2020): about 3.4 M parameters and 320 M multiply-adds, without squeeze-and-excitation
    plain = count(SPACE, np.array([[0] * 20, [1] * 20], dtype=np.int8), 1000, 224)
    assert ((plain.parameters > 3.0e6) & (plain.parameters < 3.5e6)).all()
    assert ((plain.flops > 290e6) & (plain.flops < 330e6)).all()


# -- dropout --------------------------------------------------------------------------------------


def test_dropout_stands_before_the_classifier_and_draws_from_its_generator() -> None:
    network = build_network(SPACE, sampled(1)[0], 5, generator=seeded(), policy=AFFINE, **SMALL)
    dropped: list[Tensor] = []
    network.head[-1].register_forward_hook(lambda _m, inputs, _o: dropped.append(inputs[0]))
    state = torch.get_rng_state()
    network(images())
    for _ in range(2):
        set_dropout(network, seeded(3), features=0.5)
        network(images())
    network.eval()(images())
    assert torch.equal(torch.get_rng_state(), state)
    plain, first, second, evaluated = dropped
    assert torch.equal(first, second)
    assert torch.equal(evaluated, plain)
    kept = first != 0
    assert 0.4 < kept[plain != 0].float().mean() < 0.6
    torch.testing.assert_close(first[kept], 2 * plain[kept])


def test_dropout_drops_each_entry_on_its_own() -> None:
    drop = Dropout().train()
    drop.rate, drop.generator = 0.5, seeded()
    rows = drop(torch.ones(50, 40))
    assert sorted(set(rows.flatten().tolist())) == [0.0, 2.0]
    assert ((rows == 0).any(dim=1) & (rows == 2).any(dim=1)).all()


def test_there_is_no_drop_path() -> None:
    with pytest.raises(InputError, match="has no drop path"):
        set_dropout(supernet_of(), seeded(), path=0.2)


@pytest.mark.parametrize(
    ("size", "says"),
    [
        ({"divisor": 3}, "divisor must be one of 1, 2, 4, 8; got 3"),
        ({"stem_stride": 4}, "stem_stride must be one of 1, 2; got 4"),
        ({"strided_stages": 0}, "strided_stages must be one of 1, 2, 3, 4; got 0"),
        ({"divisor": 2.0}, "divisor must be one of"),
        ({"channels": 8}, "unknown size 'channels' for the network of shufflenet"),
    ],
)
def test_sizes_out_of_range_are_one_clear_line(size: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        count(SPACE, sampled(1), 10, **size)
