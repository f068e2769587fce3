"""Many architectures at once: bit for bit what one by one gives, and less work."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from benchkit.base.errors import InputError
from benchkit.spaces import ArchitectureError, get_space
from benchkit.spaces.engine import (
    BatchNormPolicy,
    CandidateNetwork,
    Cell,
    CellGraph,
    Gates,
    Whole,
    build_supernet,
    recalibrate,
)
from benchkit.spaces.engine.prefixes import run_with_prefixes

SIZES: dict[str, dict[str, Any]] = {
    "nasbench201": {"channels": 4, "cells": 2},
    "nasbench201-3": {"channels": 4, "cells": 1},
    "nasbench-macro": {"channels": 4, "features": 16},
}


pytestmark = pytest.mark.usefixtures("one_thread")


def supernet(name: str, **options: Any) -> CandidateNetwork:
    generator = torch.Generator().manual_seed(0)
    network = build_supernet(get_space(name), 7, generator=generator, **SIZES[name], **options)
    assert isinstance(network, CandidateNetwork)
    return network.eval()


def images(side: int = 8) -> Tensor:
    return torch.randn(6, 3, side, side, generator=torch.Generator().manual_seed(1))


@torch.inference_mode()
def together(network: CandidateNetwork, x: Tensor, rows: Any) -> list[Tensor]:
    found = {number: logits for numbers, logits in network.paths(x, rows) for number in numbers}
    assert sorted(found) == list(range(len(rows)))
    return [found[number] for number in range(len(rows))]


@pytest.mark.parametrize("name", SIZES)
@settings(max_examples=5)
@given(seed=st.integers(0, 1000))
def test_together_is_one_by_one_bit_for_bit(name: str, seed: int) -> None:
    network = supernet(name)
    rows = network.recipe.space.sample(np.random.default_rng(seed), 25)
    rows = np.concatenate([rows, rows[:3]])  # repeats too
    found = together(network, images(), rows)
    with torch.no_grad():
        for row, logits in zip(rows, found, strict=True):
            assert torch.equal(logits, network.path(images(), row))


def test_all_125_cells_in_bfloat16_and_at_odd_size() -> None:
    network = supernet("nasbench201-3")
    rows = network.recipe.space.at(np.arange(125))
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        found = together(network, images(7), rows)
        for row, logits in zip(rows, found, strict=True):
            assert torch.equal(logits, network.path(images(7), row))


def test_running_averages_serve_all_rows_alike() -> None:
    network = supernet("nasbench201-3", policy=BatchNormPolicy())
    recalibrate(network, lambda x: network.path(x, [3, 2, 3]), [images()])
    rows = network.recipe.space.at(np.arange(0, 125, 7))
    found = together(network, images(), rows)
    with torch.no_grad():
        assert all(torch.equal(y, network.path(images(), row)) for row, y in zip(rows, found, strict=True))


def counted(network: CandidateNetwork, x: Tensor, rows: Any) -> int:
    """Return how many convolutions inside candidates run for all rows together."""
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    convolutions = [m for m in network.body.modules() if isinstance(m, nn.Conv2d)]
    hooks = [module.register_forward_hook(count) for module in convolutions]
    together(network, x, rows)
    for hook in hooks:
        hook.remove()
    return calls


def test_a_chain_computes_every_branch_once() -> None:
    """All 3**8 chains share their beginnings: sum of 3**l blocks at layer l, not 8 x 3**8."""
    network = supernet("nasbench-macro")
    space = network.recipe.space
    rows = np.array([[a, b, 0, 0, 0, 0, 0, c] for a in (1, 2) for b in (1, 2) for c in (1, 2)], dtype=np.int8)
    shared = counted(network, images(32), space.validate(rows))
    # inverted residuals hold three convolutions; the third, fifth and last identities change no shape but
    # layer 2 and 5 do, by one convolution: run once a branch of the two layers before them
    changing = sum(1 for layer in (2, 5) if len(list(network.body[layer].candidates["0"].children())))
    assert shared == 3 * (2 + 4 + 8) + 4 * changing


def test_edges_that_lead_nowhere_make_no_difference() -> None:
    network = supernet("nasbench201-3")
    # edge (1, 2) is none, so node 1 leads nowhere, whatever enters it
    rows = np.array([[operation, 3, 0] for operation in range(5)], dtype=np.int8)
    assert [numbers for numbers, _ in network.paths(images(), rows)] == [[0, 1, 2, 3, 4]]
    assert counted(network, images(), rows) == counted(network, images(), rows[:1])


def test_a_first_cell_computes_what_two_rows_share_once() -> None:
    network = supernet("nasbench201")
    one = counted(network, images(), np.array([[3, 3, 3, 3, 3, 3]], dtype=np.int8))
    two = counted(network, images(), np.array([[3, 3, 3, 3, 3, 3], [3, 3, 3, 3, 3, 2]], dtype=np.int8))
    assert two == 2 * one - 5  # of the six edges of the first cell only the last is run again


def test_no_rows_and_bad_ones() -> None:
    network = supernet("nasbench201-3")
    assert list(network.paths(images(), np.empty((0, 3), dtype=np.int8))) == []
    with pytest.raises(ArchitectureError):
        list(network.paths(images(), [[5, 0, 0]]))
    with pytest.raises(InputError, match="takes images of 3 channels"):
        list(network.paths(images()[:, :1], [[3, 0, 0]]))


def test_two_kinds_of_cells_in_turn() -> None:
    """Cells of two inputs that read different positions, as those of DARTS do: against plain calls."""
    graph = CellGraph(2, ((0, 2), (1, 2), (2, 3)), (2, 3))
    generator = torch.Generator().manual_seed(2)

    def cell(first: int, inputs: int) -> Cell:
        candidates = {
            (edge, operation): Whole(nn.Conv2d(3, 3, 1)) for edge in range(3) for operation in (1, 2)
        }
        preprocess = [nn.Conv2d(3, 3, 1), nn.Conv2d(inputs, 3, 1)]
        return Cell(graph, candidates, first, preprocess)

    first, second = cell(0, 3), cell(3, 6)
    body = [first, second]
    with torch.no_grad():
        for block in body:
            for parameter in block.parameters():
                parameter.normal_(generator=generator)
        rows = np.random.default_rng(0).integers(0, 3, size=(40, 6))
        gates = [Gates.of(row[:, None] == np.arange(3)) for row in rows]
        x = images()
        found = {n: y for numbers, y in run_with_prefixes(body, x, gates) for n in numbers}
        for number, each in enumerate(gates):
            assert torch.equal(found[number], second(x, first(x, x, each), each))
