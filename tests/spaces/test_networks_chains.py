"""What the supernets of all chains promise: paths, mixtures, gradients, recalibration and counts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from benchkit.spaces import get_space
from benchkit.spaces.engine import SHARED, BatchNormPolicy, CandidateNetwork, ChoiceLayer, build_supernet
from tests.spaces.network_checks import (
    assert_counts_are_those_built,
    assert_inherits,
    assert_paths_at_once_are_single_ones,
    assert_recalibration_is_of_one_path,
    images,
    seeded,
    taught_by_one_path,
    taught_by_two_paths,
)

STAGES = {"divisor": 8, "stem_stride": 1, "strided_stages": 3}
CHAINS: dict[str, dict[str, int]] = {
    "nasbench-macro": {"channels": 4, "features": 16},
    "shufflenet": STAGES,
    "mobile-small:11": STAGES,
    "mobile-large:11": {**STAGES, "squeeze": 1},
}
LAST_CHANNELS = {"shufflenet": 80, "mobile-small:11": 40, "mobile-large:11": 40}
AFFINE = BatchNormPolicy(affine=True, running=False)
RUNNING = BatchNormPolicy()

pytestmark = pytest.mark.usefixtures("one_thread")
every_chain = pytest.mark.parametrize("name", CHAINS)


def supernet_of(name: str, policy: BatchNormPolicy = SHARED, **size: int) -> CandidateNetwork:
    network = build_supernet(
        get_space(name), 5, generator=seeded(), policy=policy, **{**CHAINS[name], **size}
    )
    assert isinstance(network, CandidateNetwork)
    return network


def sampled(name: str, n: int, seed: int = 0) -> Any:
    return get_space(name).sample(np.random.default_rng(seed), n)


@every_chain
@pytest.mark.parametrize("policy", [SHARED, RUNNING], ids=["batch", "running"])
@pytest.mark.parametrize("side", [13, 16])
def test_a_path_is_the_stand_alone_network_with_inherited_weights(
    name: str, policy: BatchNormPolicy, side: int
) -> None:
    supernet = supernet_of(name, policy).eval()
    for row in sampled(name, 3):
        assert_inherits(supernet, row, images(side))


@pytest.mark.parametrize("name", LAST_CHANNELS)
@pytest.mark.parametrize("side", [8, 9, 32])
@pytest.mark.parametrize(("stem_stride", "strided_stages"), [(2, 4), (1, 1)])
def test_every_stride_runs_at_every_image_size(
    name: str, side: int, stem_stride: int, strided_stages: int
) -> None:
    network = supernet_of(name, stem_stride=stem_stride, strided_stages=strided_stages)
    last: list[Tensor] = []
    network.body[-1].register_forward_hook(lambda _m, _i, output: last.append(output))
    assert network.path(images(side, n=2), sampled(name, 1)[0]).shape == (2, 5)
    halvings = (stem_stride == 2) + strided_stages
    left = -(-side // 2**halvings)
    assert last[0].shape == (2, LAST_CHANNELS[name], left, left)


@every_chain
def test_many_rows_at_once_give_what_each_gives_alone(name: str) -> None:
    rows = sampled(name, 5)
    half = rows.shape[1] // 2
    rows[1, :half] = rows[0, :half]
    assert_paths_at_once_are_single_ones(supernet_of(name).eval(), rows, images(8))


@every_chain
def test_gradients_reach_the_chosen_blocks_only(name: str) -> None:
    supernet = supernet_of(name, AFFINE)
    row = sampled(name, 1, seed=3)[0]
    supernet.path(images(), row).square().sum().backward()  # type: ignore[no-untyped-call]
    layers = [block for block in supernet.body if isinstance(block, ChoiceLayer)]
    assert [layer.position for layer in layers] == list(range(len(row)))
    for layer in layers:
        for parameter_name, parameter in layer.named_parameters():
            chosen = parameter_name.startswith(f"candidates.{row[layer.position]}.")
            assert (parameter.grad is not None) == chosen, parameter_name
    fixed = [block for block in supernet.body if not isinstance(block, ChoiceLayer)]
    for module in (supernet.stem, supernet.head, *fixed):
        assert all(parameter.grad is not None for parameter in module.parameters())


@every_chain
def test_of_two_paths_the_one_that_does_not_run_learns_its_weights(name: str) -> None:
    # of the running path, too, but where a normalisation of the whole layer follows: it undoes any scale
    supernet = supernet_of(name)
    first = sampled(name, 1)[0]
    second = ((first + 1) % supernet.present.shape[1]).astype(np.int8)
    taught = taught_by_two_paths(supernet, first, second, images())
    assert taught[supernet.mask_of(second)].all()
    assert not taught[~(supernet.mask_of(first) | supernet.mask_of(second))].any()


@every_chain
def test_one_sampled_path_teaches_no_weights_but_its_own(name: str) -> None:
    supernet = supernet_of(name)
    row = sampled(name, 1)[0]
    taught = taught_by_one_path(supernet, row, images())
    assert taught.any()
    assert not taught[~supernet.mask_of(row)].any()


@every_chain
def test_several_blocks_of_a_layer_are_added_up(name: str) -> None:
    supernet = supernet_of(name)
    mask = supernet.mask_of(sampled(name, 1)[0])
    mask[len(mask) // 2] = True
    ones = torch.from_numpy(mask).float()
    torch.testing.assert_close(
        supernet.multipath(images(), mask), supernet.mixture(images(), ones), rtol=1e-3, atol=1e-4
    )


@every_chain
def test_recalibration_is_of_one_path(name: str) -> None:
    assert_recalibration_is_of_one_path(supernet_of(name, RUNNING), sampled(name, 1)[0], images(n=64))


COUNTED = [
    *((name, size, 9, 3) for name, size in CHAINS.items()),
    *((name, {"divisor": 4, "stem_stride": 2, "strided_stages": 2}, 32, 1) for name in LAST_CHANNELS),
    ("shufflenet", {}, 32, 3),
    ("mobile-small", {"squeeze": 1}, 32, 3),
]


@pytest.mark.parametrize(("name", "size", "side", "channels"), COUNTED)
def test_counts_are_those_of_the_networks_built(
    name: str, size: dict[str, int], side: int, channels: int
) -> None:
    space = get_space(name)
    alike = np.repeat(np.arange(space.arity[0], dtype=np.int8)[:, None], space.length, axis=1)
    assert_counts_are_those_built(space, np.concatenate([sampled(name, 2), alike]), size, side, channels)
