"""What a study of fading asks of networks, against plain loops."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from benchkit.base.errors import InputError
from benchkit.data.images.device_set import DeviceImages
from benchkit.spaces import get_space
from benchkit.spaces.engine import SHARED, build_network, build_supernet, inherit, recalibrate
from benchkit.studies.building.table_build import BuildSettings
from benchkit.studies.fading.networks import SubspacePaths, fisher_diagonal, owners
from benchkit.studies.fading.trainings import groups_of, holds
from benchkit.training.standalone import StandaloneTrainer

pytestmark = pytest.mark.usefixtures("one_thread")

BUILD = BuildSettings("nasbench201-3", "digits", limit=150)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


SIZE: dict[str, Any] = BUILD.network()


def supernet() -> Any:
    return build_supernet(get_space("nasbench201-3"), 10, 1, generator=generator(), **SIZE)


def train_images() -> DeviceImages:
    _, images, _ = BUILD.images()
    return DeviceImages(images.train, images.normalisation)


def test_owners_of_a_dense_cell() -> None:
    found = owners(supernet())
    assert {owner for owner in found.values() if owner} == {(edge, op) for edge in range(3) for op in (2, 3)}
    for name, owner in found.items():
        # the names of the network's own modules: body.B.candidates.EDGE_OPERATION
        if owner is None:
            assert "candidates" not in name
        else:
            assert f"candidates.{owner[0]}_{owner[1]}." in name


def test_owners_of_a_chain() -> None:
    space = get_space("nasbench-macro")
    network = build_supernet(space, 10, 1, generator=generator(), channels=8, features=16)
    found = owners(network)
    assert {owner[0] for owner in found.values() if owner} == set(range(8))
    # a 1 x 1 convolution stands in for the identity where the shape changes
    assert {owner[1] for owner in found.values() if owner and owner[0] == 1} <= {0, 1, 2}


def test_other_rows_are_refused() -> None:
    network: Any = build_supernet(
        get_space("nasbench101"), 10, 1, generator=generator(), channels=16, cells=1
    )
    with pytest.raises(InputError, match="nasbench101"):
        owners(network)


@pytest.mark.parametrize("row", [[3, 4, 2], [2, 3, 1], [0, 0, 0]])
def test_the_fisher_matrix_is_that_of_images_one_by_one(row: list[int]) -> None:
    architecture, train = np.array(row, dtype=np.int8), train_images()
    alone = inherit(supernet(), architecture)
    found = fisher_diagonal(alone, architecture, train)
    plain = build_network(
        get_space("nasbench201-3"),
        architecture,
        10,
        1,
        generator=generator(1),
        policy=replace(SHARED, running=True),
        **SIZE,
    )
    plain.load_state_dict(dict(alone.named_parameters()), strict=False)
    recalibrate(plain, plain, [x for x, _ in train.batches(512)])
    plain.eval()
    weights = dict(plain.named_parameters())
    expected = {name: torch.zeros_like(value) for name, value in weights.items()}
    for x, y in train.batches(1):
        gradients = torch.autograd.grad(
            F.cross_entropy(plain(x), y), list(weights.values()), allow_unused=True
        )
        for name, gradient in zip(weights, gradients, strict=True):
            if gradient is not None:
                expected[name] += gradient.square() / len(train)
    assert set(found) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value.numpy(), rtol=1e-3, atol=1e-9)


def test_a_supernet_of_one_model_is_that_model_alone() -> None:
    _, images, _ = BUILD.images()
    recipe = replace(BUILD.recipe, epochs=1, batch_size=32)
    trainer = StandaloneTrainer(get_space("nasbench201-3"), images, recipe, size=SIZE)
    row = np.array([3, 1, 2], dtype=np.int8)
    shared = supernet()
    before = {name: value.detach().clone() for name, value in shared.named_parameters()}
    alone = inherit(shared, row)
    paths = SubspacePaths(shared, row[None], np.random.default_rng(0))
    losses = []
    for network in (alone, paths):
        losses.append([loss for loss, _ in trainer.fit(network, trainer.batches(generator(3)))])
    assert losses[0] == losses[1]
    trained = dict(shared.named_parameters())
    for name, value in alone.named_parameters():
        assert torch.equal(value, trained[name])
        assert not torch.equal(value, before[name])
    for name in trained.keys() - dict(alone.named_parameters()).keys():
        assert torch.equal(trained[name], before[name])


def test_paths_are_drawn_uniformly_from_the_subspace() -> None:
    rows = get_space("nasbench201-3").at(np.array([3, 60, 99]))
    seen: list[tuple[int, ...]] = []

    class Recorder(torch.nn.Module):
        def path(self, images: torch.Tensor, row: np.ndarray) -> torch.Tensor:
            seen.append(tuple(row.tolist()))
            return images

    paths = SubspacePaths(Recorder(), rows, np.random.default_rng(0))
    for _ in range(600):
        paths(torch.zeros(1))
    counts = [seen.count(tuple(row)) for row in rows.tolist()]
    assert sum(counts) == 600
    assert min(counts) > 150


def test_an_operator_that_leads_nowhere_is_no_part_of_the_model() -> None:
    network = supernet()
    groups = {(group.layer, group.operator): group for group in groups_of(network)}
    # the first edge's convolution ends at a node that nothing leaves: 0 -> 1 -none-> 2, 0 -skip-> 2
    row = np.array([3, 1, 0], dtype=np.int8)
    alone = inherit(network, row)
    part = {f"end/{name}": value.detach().numpy() for name, value in alone.named_parameters()}
    fisher = fisher_diagonal(alone, row, train_images())
    part |= {f"fisher/{name}": value for name, value in fisher.items()}
    assert not holds(part, groups[0, 3])
    assert not holds(part, groups[2, 3])  # not there at all
    assert holds(part, groups[None, None])
