"""The NAS-Bench-Macro networks against the table and against a plain implementation of a chain."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from benchkit.data.tables import Metric, open_table
from benchkit.spaces import get_space
from benchkit.spaces.engine import BatchNormPolicy, CandidateNetwork, build_network, build_supernet
from tests.spaces.network_checks import multiply_adds, seeded

POLICY = BatchNormPolicy(affine=True, running=False)


def small_supernet() -> CandidateNetwork:
    network = build_supernet(
        get_space("nasbench-macro"), 5, generator=seeded(), policy=POLICY, channels=3, features=11
    )
    assert isinstance(network, CandidateNetwork)
    return network.double()


def plainly(network: CandidateNetwork, images: Tensor, weights: Tensor) -> Tensor:
    """Return the logits of a weighted sum at every layer, from the weights of `network`."""
    w = dict(network.named_parameters())

    def conv_bn(value: Tensor, name: str, stride: int = 1, relu: bool = True) -> Tensor:
        kernel = w[f"{name}.0.weight"]
        groups = value.shape[1] // kernel.shape[1]
        value = F.conv2d(value, kernel, stride=stride, padding=kernel.shape[-1] // 2, groups=groups)
        value = F.batch_norm(value, None, None, w[f"{name}.1.weight"], w[f"{name}.1.bias"], training=True)
        return value.relu() if relu else value

    value = conv_bn(images, "stem")
    for layer in range(8):
        stride = 2 if layer in (0, 2, 5) else 1
        name = f"body.{layer}.candidates"
        identity = value if stride == 1 else conv_bn(value, f"{name}.0.module", 2, relu=False)
        terms = [weights[layer, 0] * identity]
        for operation in (1, 2):
            block = f"{name}.{operation}.module.block"
            hidden = conv_bn(conv_bn(value, f"{block}.0"), f"{block}.1", stride)
            output = conv_bn(hidden, f"{block}.2", relu=False)
            terms.append(weights[layer, operation] * (output + value if stride == 1 else output))
        value = torch.stack(terms).sum(dim=0)
    features = conv_bn(value, "head.0").mean(dim=(2, 3))
    return features @ w["head.3.weight"].T + w["head.3.bias"]


def test_paths_and_mixtures_equal_the_plain_chain() -> None:
    network = small_supernet()
    images = torch.randn(4, 3, 16, 16, generator=seeded(1), dtype=torch.float64)
    soft = torch.rand(8, 3, generator=seeded(2), dtype=torch.float64).requires_grad_()
    ours, plain = network.mixture(images, soft), plainly(network, images, soft)
    torch.testing.assert_close(ours, plain)
    wanted = [soft, *network.parameters()]
    torch.testing.assert_close(*(torch.autograd.grad(y.square().sum(), wanted) for y in (ours, plain)))
    for row in get_space("nasbench-macro").sample(np.random.default_rng(0), 3):
        hard = F.one_hot(torch.from_numpy(row.astype(np.int64)), 3).double()
        torch.testing.assert_close(network.path(images, row), plainly(network, images, hard))


def test_built_networks_have_the_parameters_and_flops_of_the_table() -> None:
    table = open_table("nasbench-macro")
    parameters, flops = (
        table.values(Metric("cifar10", None, None, quantity=quantity)) for quantity in ("parameters", "flops")
    )
    for entry in [0, 6_560, *np.random.default_rng(1).integers(6_561, size=3).tolist()]:
        network = build_network(table.space, table.rows[entry], 10, generator=seeded()).eval()
        assert sum(p.numel() for p in network.parameters()) == parameters[entry]
        assert multiply_adds(network, torch.zeros(1, 3, 32, 32)) == flops[entry]


def test_the_supernet_is_eight_layers_of_three_blocks() -> None:
    network = build_supernet(get_space("nasbench-macro"), 10, generator=seeded())
    assert isinstance(network, CandidateNetwork)
    assert network.present.shape == (8, 3)
    assert len(network.body) == 8
    assert network(torch.zeros(2, 3, 32, 32), network.mask_of([0, 1, 2, 0, 1, 2, 0, 1])).shape == (2, 10)
