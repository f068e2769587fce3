"""What holds for the networks of every space: seeds, inherited weights, batch normalisation, bad input."""

from __future__ import annotations

import copy
import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchkit.base.errors import InputError
from benchkit.spaces import ArchitectureError, get_space
from benchkit.spaces.categorical import CategoricalSpace
from benchkit.spaces.counts import count_parameters
from benchkit.spaces.engine import (
    SHARED,
    BatchNormPolicy,
    CandidateNetwork,
    build_network,
    build_supernet,
    compile_cells,
    inherit,
    recalibrate,
)
from benchkit.spaces.engine.initialise import initialise
from benchkit.spaces.restricted import RestrictedSpace

SIZES: dict[str, dict[str, Any]] = {
    "nasbench201": {"channels": 4, "cells": 1},
    "nasbench201-3": {"channels": 3, "cells": 2},
    "nasbench-macro": {"channels": 4, "features": 8},
    "nasbench101": {"channels": 10, "stacks": 2, "cells": 2},
}
RUNNING = BatchNormPolicy(affine=True, running=True)


@pytest.fixture(params=SIZES, ids=str)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def supernet_of(name: str, policy: BatchNormPolicy = SHARED, seed: int = 0) -> Any:
    generator = torch.Generator().manual_seed(seed)
    return build_supernet(get_space(name), 6, generator=generator, policy=policy, **SIZES[name])


def images(seed: int = 0, n: int = 4) -> Tensor:
    return torch.randn(n, 3, 16, 16, generator=torch.Generator().manual_seed(seed))


def shake(network: nn.Module) -> None:
    """Move everything away from where it starts, running averages included."""
    generator = torch.Generator().manual_seed(9)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if tensor.is_floating_point():
                noise = torch.rand(tensor.shape, generator=generator)
                tensor.add_(noise if name.endswith("running_var") else 0.2 * noise - 0.1)


@pytest.mark.parametrize("policy", [SHARED, RUNNING], ids=["batch", "running"])
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_a_path_is_the_stand_alone_network_with_inherited_weights(
    name: str, policy: BatchNormPolicy, training: bool
) -> None:
    supernet = supernet_of(name, policy)
    shake(supernet)
    supernet.train(training)
    for row in get_space(name).sample(np.random.default_rng(1), 6):
        alone = inherit(copy.deepcopy(supernet), row)
        assert alone.training == training
        torch.testing.assert_close(alone(images()), supernet.path(images(), row), rtol=1e-4, atol=1e-5)


def test_inherited_weights_are_a_copy(name: str) -> None:
    supernet = supernet_of(name)
    row = get_space(name).sample(np.random.default_rng(2), 1)[0]
    before = supernet.path(images(), row)
    shake(inherit(supernet, row))
    torch.testing.assert_close(supernet.path(images(), row), before, rtol=0, atol=0)


def test_stand_alone_networks_have_the_parameters_counted(name: str) -> None:
    space = get_space(name)
    rows = space.sample(np.random.default_rng(3), 8)
    for row, counted in zip(rows, count_parameters(space, rows, 6, **SIZES[name]), strict=True):
        network = build_network(space, row, 6, generator=torch.Generator(), **SIZES[name])
        assert sum(p.numel() for p in network.parameters()) == counted


def test_equal_seeds_give_equal_weights_whatever_ran_before(name: str) -> None:
    first = supernet_of(name)
    torch.rand(3)  # the global generator has no part in it
    second, third = supernet_of(name), supernet_of(name, seed=1)
    states = [torch.cat([p.flatten() for p in network.parameters()]) for network in (first, second, third)]
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])


def test_building_draws_nothing_from_the_global_generator(name: str) -> None:
    space = get_space(name)
    row = space.sample(np.random.default_rng(4), 1)[0]
    before = torch.get_rng_state()
    supernet = supernet_of(name)
    build_network(space, row, 6, generator=torch.Generator(), **SIZES[name])
    inherit(supernet, row)
    assert torch.equal(torch.get_rng_state(), before)


def test_every_parameter_is_drawn_within_the_bound_of_its_layer(name: str) -> None:
    supernet = supernet_of(name, RUNNING)
    for module in supernet.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            bound = module.weight[0].numel() ** -0.5
            assert 0.5 * bound < module.weight.abs().max() <= bound
        if isinstance(module, nn.BatchNorm2d):
            assert module.weight.eq(1).all()
            assert module.bias.eq(0).all()
            assert module.running_mean is not None
            assert module.running_mean.eq(0).all()


def test_a_layer_without_a_law_is_an_error() -> None:
    with pytest.raises(TypeError, match=re.escape("no law to initialise 0 (Embedding)")):
        initialise(nn.Sequential(nn.Embedding(2, 2)), torch.Generator())


def test_batch_statistics_hold_in_evaluation_too(name: str) -> None:
    supernet = supernet_of(name, SHARED)
    row = get_space(name).sample(np.random.default_rng(5), 1)[0]
    trained = supernet.train().path(images(), row)
    torch.testing.assert_close(supernet.eval().path(images(), row), trained, rtol=0, atol=0)


def test_recalibration_on_one_batch_gives_its_statistics(name: str) -> None:
    supernet = supernet_of(name, RUNNING)
    shake(supernet)
    row = get_space(name).sample(np.random.default_rng(6), 1)[0]
    weights = {k: v.clone() for k, v in supernet.named_parameters()}
    many = images(n=64)
    by_batch = supernet.train().path(many, row)
    supernet.eval()
    other = supernet.path(many, row)
    assert recalibrate(supernet, lambda x: supernet.path(x, row), [many]) == 1
    assert not supernet.training
    # not equal: running averages hold the unbiased variance, larger by n / (n - 1) of 256 pixels or more
    again = supernet.path(many, row)
    assert (again - by_batch).norm() < 0.05 * by_batch.norm()
    assert (other - by_batch).norm() > 0.2 * by_batch.norm()
    assert all(torch.equal(supernet.state_dict()[k], v) for k, v in weights.items())


def test_recalibration_averages_its_batches_and_forgets_what_was_before() -> None:
    supernet = supernet_of("nasbench201", RUNNING)
    row = [3, 0, 0, 0, 0, 0]
    batches = [images(seed) for seed in range(3)]
    stem = supernet.stem
    for _ in range(2):  # the second time starts anew
        recalibrate(supernet, lambda x: supernet.path(x, row), batches)
        means = torch.stack([stem[0](x).mean(dim=(0, 2, 3)) for x in batches])
        torch.testing.assert_close(stem[1].running_mean, means.mean(dim=0))
    unused = supernet.body[0].candidates["1_3"].bn
    assert unused.running_mean.eq(0).all()
    assert unused.num_batches_tracked == 0


def test_recalibration_of_a_mixture_averages_too() -> None:
    supernet = supernet_of("nasbench201-3", RUNNING)
    weights = torch.full((3, 5), 0.2)
    recalibrate(supernet, lambda x: supernet.mixture(x, weights), [images(0), images(1)])
    layer = supernet.body[0].candidates["0_2"]
    with torch.no_grad():
        supernet.eval()
        means = []
        for batch in (images(0), images(1)):
            stem = supernet.stem[0](batch)
            stem = (stem - stem.mean((0, 2, 3), True)) / (stem.var((0, 2, 3), False, True) + 1e-5).sqrt()
            means.append(layer.conv(stem.relu()).mean(dim=(0, 2, 3)))
    torch.testing.assert_close(layer.bn.running_mean, torch.stack(means).mean(dim=0), rtol=1e-4, atol=1e-5)
    assert layer.bn.num_batches_tracked == 2


def test_recalibration_without_anything_to_do_says_so() -> None:
    shared, running = supernet_of("nasbench201-3", SHARED), supernet_of("nasbench201-3", RUNNING)
    with pytest.raises(InputError, match="nothing to recalibrate"):
        recalibrate(shared, lambda x: shared.path(x, [0, 0, 0]), [images()])
    with pytest.raises(InputError, match="at least one batch"):
        recalibrate(running, lambda x: running.path(x, [0, 0, 0]), [])
    assert running.training


def test_memory_lies_in_channels_last(name: str) -> None:
    seen = []
    supernet = supernet_of(name)
    for module in supernet.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(
                lambda _m, _i, output: seen.append(output.is_contiguous(memory_format=torch.channels_last))
            )
    for row in get_space(name).sample(np.random.default_rng(7), 4):
        supernet.path(images(), row)
    assert seen
    assert all(seen)


def test_the_recipe_says_what_was_built(name: str) -> None:
    described = supernet_of(name).recipe.describe()
    assert described["space"] == name
    assert described["classes"] == 6
    assert described["batch_norm"]["affine"] is False
    assert described["size"] == SIZES[name]


def test_a_restricted_space_has_the_network_of_the_whole() -> None:
    whole = get_space("nasbench201-3")
    some = RestrictedSpace(whole, whole.at([7]))
    network = build_supernet(some, 6, generator=torch.Generator(), **SIZES["nasbench201-3"])
    assert isinstance(network, CandidateNetwork)
    assert network.recipe.space is whole


def test_bad_input_is_one_clear_line() -> None:
    space, generator = get_space("nasbench201"), torch.Generator()
    supernet = supernet_of("nasbench201")
    with pytest.raises(InputError, match="takes images of 3 channels"):
        supernet.path(images()[:, :1], [0] * 6)
    with pytest.raises(InputError, match=r"weights must have shape \[6, 5\]; got \[5, 6\]"):
        supernet.mixture(images(), torch.ones(5, 6))
    with pytest.raises(InputError, match="mask must select"):
        supernet.multipath(images(), np.ones((3, 5), dtype=bool))
    with pytest.raises(InputError, match="mask must select among"):
        inherit(supernet, [3] * 6)(images(), np.ones((6, 5), dtype=bool))
    with pytest.raises(ArchitectureError, match="one architecture of nasbench201; got 2"):
        supernet.path(images(), np.zeros((2, 6), dtype=np.int8))
    with pytest.raises(ArchitectureError, match="choice 0 is 9"):
        build_network(space, [9, 0, 0, 0, 0, 0], 10, generator=generator)
    with pytest.raises(InputError, match="unknown size 'width'"):
        build_supernet(space, 10, generator=generator, width=3)
    with pytest.raises(InputError, match="classes must be a whole number"):
        build_supernet(space, 0, generator=generator)
    with pytest.raises(InputError, match="has no network"):
        build_supernet(CategoricalSpace("mine", {"a": [1, 2]}), 10, generator=generator)
    with pytest.raises(InputError, match="no block for layer 2"):
        supernet_of("nasbench-macro").multipath(images(), np.arange(8)[:, None] * np.ones((1, 3)) != 2)
    with pytest.raises(InputError, match="momentum"):
        BatchNormPolicy(momentum=0.0)
    with pytest.raises(InputError, match="blocks to compile"):
        compile_cells(nn.Linear(2, 2))


def test_spaces_do_not_load_torch() -> None:
    code = (
        "import sys, benchkit.spaces as s\n"
        "[s.get_space(n).describe() for n in s.space_names()]; print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "False"
