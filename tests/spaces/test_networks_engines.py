"""Cells and chains as engines: shapes that the first spaces do not have, and the parts they share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from benchkit.spaces.engine import Candidate, Cell, CellGraph, Gates, ReluConvBN, Skip, Source, Whole
from benchkit.spaces.engine.batchnorm import BatchNormPolicy
from benchkit.spaces.engine.layers import normalise, total
from benchkit.spaces.engine.pooling import average_pool


class Times(Candidate):
    """A candidate that is easy to compute by hand."""

    def __init__(self, factor: float, stride: int = 1) -> None:
        super().__init__()
        self.factor, self.stride = factor, stride

    def forward(self, source: Source, scale: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        return self.factor * source.value[:, :, :: self.stride, :: self.stride], scale


def images(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# two inputs, two summing nodes, concatenated: the shape of a DARTS cell
DARTS_LIKE = CellGraph(2, ((0, 2), (1, 2), (0, 3), (1, 3), (2, 3)), (2, 3))


def darts_like(first: int = 0, stride: int = 1, preprocess: Sequence[nn.Module] | None = None) -> Cell:
    graph = CellGraph(DARTS_LIKE.inputs, DARTS_LIKE.edges, DARTS_LIKE.outputs, stride)
    candidates = {
        (edge, operation): Times(10.0**operation * (edge + 1), stride if source < 2 else 1)
        for edge, (source, _) in enumerate(graph.edges)
        for operation in (1, 2)
    }
    return Cell(graph, candidates, first, preprocess)


def gates_of(choice: Sequence[int], weights: Tensor | None = None) -> Gates:
    return Gates.of(np.asarray(choice)[:, None] == np.arange(3), weights)


def test_a_cell_with_two_inputs_concatenates_its_nodes_by_hand() -> None:
    previous, current = images(2, 3, 4, 4), images(2, 3, 4, 4, seed=1)
    output = darts_like()(previous, current, gates_of([1, 2, 0, 1, 2]))
    node2 = 10 * previous + 200 * current
    node3 = 40 * current + 500 * node2
    torch.testing.assert_close(output, torch.cat([node2, node3], dim=1))


def test_the_second_kind_of_cell_reads_the_row_from_its_own_first_position() -> None:
    previous, current = images(2, 3, 4, 4), images(2, 3, 4, 4, seed=1)
    row = [0, 0, 0, 0, 0, 1, 2, 0, 1, 2]  # nothing in the first kind
    second = darts_like(first=5)(previous, current, gates_of(row))
    torch.testing.assert_close(second, darts_like()(previous, current, gates_of(row[5:])))
    assert darts_like()(previous, current, gates_of(row)).eq(0).all()


def test_a_reduction_cell_halves_and_a_node_without_edges_is_zero() -> None:
    previous, current = images(2, 3, 4, 4), images(2, 3, 4, 4, seed=1)
    output = darts_like(stride=2)(previous, current, gates_of([1, 0, 0, 0, 0]))
    assert output.shape == (2, 6, 2, 2)
    torch.testing.assert_close(output[:, :3], 10 * previous[:, :, ::2, ::2])
    assert output[:, 3:].eq(0).all()


def test_inputs_are_preprocessed_each_by_its_own_module() -> None:
    previous, current = images(2, 3, 8, 8), images(2, 3, 4, 4, seed=1)
    cell = darts_like(preprocess=[nn.AvgPool2d(2), nn.Identity()])
    output = cell(previous, current, gates_of([1, 1, 0, 0, 1]))
    node2 = 10 * F.avg_pool2d(previous, 2) + 20 * current
    torch.testing.assert_close(output, torch.cat([node2, 50 * node2], dim=1))


def test_a_node_that_leads_nowhere_is_not_computed() -> None:
    graph = CellGraph(1, ((0, 1), (0, 2), (1, 2)), (2,))
    computed: list[str] = []

    class Noted(nn.Module):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

        def forward(self, value: Tensor) -> Tensor:
            computed.append(self.name)
            return value

    cell = Cell(graph, {(edge, 1): Whole(Noted(str(edge))) for edge in range(3)})
    x = images(1, 1, 2, 2)
    torch.testing.assert_close(cell(x, x, gates_of([1, 1, 0])), x)
    assert computed == ["1"]


@settings(max_examples=30)
@given(
    scaled=st.lists(st.booleans(), min_size=1, max_size=5),
    seed=st.integers(0, 1000),
    channels_last=st.booleans(),
)
def test_the_sum_of_terms_and_its_gradients_are_those_of_plain_sums(
    scaled: list[bool], seed: int, channels_last: bool
) -> None:
    layout = torch.channels_last if channels_last else torch.contiguous_format
    values = [
        images(2, 3, 4, 5, seed=seed + i).to(memory_format=layout).requires_grad_()
        for i in range(len(scaled))
    ]
    scales = [images(1, seed=seed + 50 + i)[0].requires_grad_() if s else None for i, s in enumerate(scaled)]
    ours = total(list(zip(values, scales, strict=True)))
    plain = torch.stack([v if s is None else v * s for v, s in zip(values, scales, strict=True)]).sum(dim=0)
    torch.testing.assert_close(ours, plain)
    wanted = [*values, *(s for s in scales if s is not None)]
    gradients = [torch.autograd.grad(y.square().sum(), wanted, create_graph=True) for y in (ours, plain)]
    torch.testing.assert_close(*gradients)
    # and once more, for methods that differentiate a gradient
    second = [torch.autograd.grad(sum(g.square().sum() for g in first), wanted) for first in gradients]
    torch.testing.assert_close(*second)


@settings(max_examples=15)
@given(height=st.integers(1, 5), width=st.integers(1, 5), channels=st.integers(1, 2))
def test_pooling_is_torchs_own_at_every_size(height: int, width: int, channels: int) -> None:
    x = images(2, channels, height, width).requires_grad_()
    ours, torchs = average_pool(x), F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
    torch.testing.assert_close(ours, torchs)
    weights = images(2, channels, height, width, seed=1)
    first, second = (torch.autograd.grad((y * weights).sum(), x)[0] for y in (ours, torchs))
    torch.testing.assert_close(first, second)
    assert torch.autograd.gradcheck(average_pool, x)
    assert torch.autograd.gradgradcheck(average_pool, x)


def test_half_precision_pools_as_torch_does() -> None:
    x = images(2, 3, 5, 5).to(torch.bfloat16)
    expected = F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
    assert torch.equal(average_pool(x), expected)


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("running", [True, False])
@pytest.mark.parametrize("training", [True, False])
def test_a_scale_folded_into_batch_normalisation_is_the_scaled_layer(
    affine: bool, running: bool, training: bool
) -> None:
    layers = [BatchNormPolicy(affine, running).layer(3).double().train(training) for _ in range(2)]
    for layer in layers:
        if affine:
            layer.weight.data.copy_(torch.tensor([0.5, 2.0, -1.0]))
            layer.bias.data.copy_(torch.tensor([1.0, 0.0, 3.0]))
    x, scale = images(4, 3, 5, 5).requires_grad_(), torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    ours, plain = normalise(layers[0], x, scale), layers[1](x) * scale
    torch.testing.assert_close(ours, plain)
    torch.testing.assert_close(*(torch.autograd.grad(y.square().sum(), (x, scale)) for y in (ours, plain)))
    torch.testing.assert_close(layers[0].state_dict(), layers[1].state_dict())


def test_what_candidates_share_is_computed_once() -> None:
    calls = 0

    def counted(value: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return value + 1

    source = Source(images(1, 1, 2, 2))
    assert source.shared(counted) is source.shared(counted)
    assert calls == 1


def test_skip_and_convolution_leave_the_shape() -> None:
    source = Source(images(2, 3, 5, 4).float())
    for candidate in (Skip(), ReluConvBN(3, 3, BatchNormPolicy()), ReluConvBN(3, 1, BatchNormPolicy())):
        value, scale = candidate(source, None)
        assert value.shape == source.value.shape
        assert scale is None
