"""SI-VDNAS: what it draws, trains and derives, on tiny real supernets."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from benchkit.base.errors import InputError
from benchkit.spaces import get_space
from benchkit.spaces.engine import build_supernet
from benchkit.strategies.darts import DARTS
from benchkit.strategies.derived import relative_entropy, skip_shares
from benchkit.strategies.sivdnas.supernet import SIVDNAS, frozen_epochs
from benchkit.strategies.weight_sharing import Gradients, ImageBatch
from tests.strategies.supernets import RecordingWeights, digits_like

SIZES: dict[str, dict[str, Any]] = {
    "nasbench201-3": {"channels": 4, "cells": 1},
    "nasbench201": {"channels": 4, "cells": 1},
    "darts": {"channels": 2, "cells": 3},
    "darts-multi": {"channels": 2, "cells": 3},
    "nasbench-macro": {"channels": 4, "features": 16},
}


def bound(space_name: str = "nasbench201-3", seed: int = 0, **options: Any) -> SIVDNAS:
    space = get_space(space_name)
    generator = torch.Generator().manual_seed(0)
    supernet = build_supernet(space, 10, 1, generator=generator, **SIZES[space_name])
    strategy = SIVDNAS(space, np.random.default_rng(seed), **options)
    strategy.bind(supernet, RecordingWeights(list(supernet.parameters())))
    strategy.begin_epoch(15, 50)
    return strategy


def closure_of(strategy: SIVDNAS) -> Any:
    """The trainer's closure: cross-entropy and what the strategy adds."""

    def closure(batch: ImageBatch, *, weights: bool = True, architecture: bool = False) -> Gradients:
        shared = list(strategy.weights.parameters) if weights else []
        own = list(strategy.parameters.values()) if architecture else []
        loss = F.cross_entropy(strategy.forward(batch.images), batch.labels)
        extra = strategy.extra_loss()
        loss = loss if extra is None else loss + extra
        found = torch.autograd.grad(loss, [*shared, *own], allow_unused=True)
        return Gradients(loss.detach(), found[: len(shared)], found[len(shared) :])

    return closure


def set_keep(strategy: SIVDNAS, operations: Any, edges: Any) -> None:
    """Set the chances of being kept."""
    posterior = strategy.posterior
    with torch.no_grad():
        for values, chances in ((posterior.log_delta, operations), (posterior.log_sigma, edges)):
            chance = torch.as_tensor(chances, dtype=torch.float32).expand(values.shape)
            values.copy_(torch.log((1 - chance) / chance))


def test_starts_as_darts_mixture_would_without_noise() -> None:
    strategy = bound()
    assert strategy.posterior.operation_weights[0].tolist() == [0, 0.25, 0.25, 0.25, 0.25]
    operations, edges = strategy.posterior.keep()
    np.testing.assert_allclose(operations, [[0, 0.5, 0.5, 0.5, 0.5]] * 3)
    np.testing.assert_allclose(edges, 0.5)
    assert strategy.entropy() == pytest.approx(1.0)
    assert list(strategy.parameters) == ["operation_weights", "log_delta", "edge_weights", "log_sigma"]


def test_forward_is_equation_13_of_the_draw() -> None:
    strategy = bound(seed=2)
    drawn = strategy.draw()
    images = digits_like().images
    (psi, psi_e), (eps, eps_e) = drawn.gates, drawn.normal
    # delta = sigma = 1 at the start: xi = psi (1 + eps)
    weights = 0.25 * psi * (1 + eps) * (psi_e * (1 + eps_e))[:, None]
    expected = strategy.supernet.mixture(images, weights)
    torch.testing.assert_close(strategy.forward(images), expected, rtol=1e-4, atol=1e-5)
    assert torch.equal(strategy.forward(images), strategy.forward(images))  # one draw until the next


def test_kl_is_that_of_what_is_kept_over_n() -> None:
    strategy = bound(seed=1, initial_drop=0.2)
    strategy.gap = 0.3
    drawn = strategy.draw()
    count = float(drawn.gates.operations.sum() + drawn.gates.edges.sum())
    expected = count * 0.5 * math.log(1 + 0.3 / 0.25) / 1000  # delta = .2 / .8; 1000 validation images
    assert strategy.extra_loss().item() == pytest.approx(expected, rel=1e-5)  # type: ignore[union-attr]
    assert drawn.gates.operations[:, 0].tolist() == [0, 0, 0]  # none is no operation


def test_what_is_dropped_is_not_computed_and_gets_no_gradient() -> None:
    strategy = bound(seed=3)
    strategy.draw()
    mask = strategy.posterior.mask(strategy._drawn)  # type: ignore[arg-type]
    assert mask is not None
    closure_of(strategy)(digits_like())
    gradients = closure_of(strategy)(digits_like()).weights
    names = [name for name, _ in strategy.supernet.named_parameters()]
    for name, gradient in zip(names, gradients, strict=True):
        if ".candidates." in name:
            edge, operation = map(int, name.split(".candidates.")[1].split(".")[0].split("_"))
            assert gradient is None or mask[edge, operation]
    found = closure_of(strategy)(digits_like(), weights=False, architecture=True).architecture
    assert not found[0][~torch.from_numpy(mask)].any()


@pytest.mark.parametrize("estimator", ["straight-through", "concrete"])
def test_estimators_with_a_gradient_reach_what_was_dropped(estimator: str) -> None:
    strategy = bound(seed=3, estimator=estimator)
    drawn = strategy.draw()
    found = closure_of(strategy)(digits_like(), weights=False, architecture=True).architecture
    dropped = (drawn.gates.operations == 0)[:, 1:] & (drawn.gates.edges > 0)[:, None]
    assert dropped.any()
    assert (found[1][:, 1:][dropped] != 0).any()
    gates = strategy.posterior.gates(drawn)
    hard = set(gates.operations.detach().flatten().tolist()) <= {0.0, 1.0}
    assert hard == (estimator == "straight-through")


def test_score_function_adds_the_advantage_times_the_score() -> None:
    plain, scored = (bound(seed=4, estimator=name, dropout_rate=1.0) for name in ("none", "score-function"))
    losses = iter([2.0, 5.0])

    def constant(batch: Any, *, weights: bool = True, architecture: bool = False) -> Gradients:
        return Gradients(
            torch.tensor(next(losses)), [], [torch.zeros_like(p) for p in scored.parameters.values()]
        )

    before = scored.posterior.log_sigma.detach().clone()
    scored.architecture_step(constant, digits_like(), digits_like())
    assert torch.equal(scored.posterior.log_sigma, before)  # the first loss is the baseline
    scored.architecture_step(constant, digits_like(), digits_like())
    edges = scored._drawn.gates.edges  # type: ignore[union-attr]
    # the loss rose by 3: what was kept becomes less probable (sigma grows against its score of -1/2)
    moved = scored.posterior.log_sigma - before
    assert (torch.sign(moved) == torch.sign(edges - 0.5)).all()
    assert scored._baseline == pytest.approx(0.95 * 2 + 0.05 * 5)
    assert plain._baseline is None


def test_the_architecture_rests_while_frozen() -> None:
    strategy = bound()
    strategy.begin_epoch(14, 50)
    before = {name: value.detach().clone() for name, value in strategy.parameters.items()}
    strategy.architecture_step(closure_of(strategy), digits_like(), digits_like())
    assert all(torch.equal(value, before[name]) for name, value in strategy.parameters.items())
    strategy.begin_epoch(15, 50)
    assert strategy.gap == 1.0
    strategy.architecture_step(closure_of(strategy), digits_like(), digits_like())
    assert all(not torch.equal(value, before[name]) for name, value in strategy.parameters.items())
    strategy.begin_epoch(17, 50)
    assert strategy.gap == pytest.approx(0.95**2)
    assert [frozen_epochs(15, n) for n in (50, 150, 10, 3)] == [15, 15, 3, 0]


def test_variants_of_table_3() -> None:
    h, v = bound(variant="h"), bound(variant="v")
    assert list(h.parameters) == ["operation_weights", "log_delta", "edge_weights", "log_sigma"]
    assert list(v.parameters) == ["operation_weights", "log_delta"]
    for strategy, units in ((h, 12 + 3), (v, 12)):
        drawn = strategy.draw()
        assert (drawn.gates.operations[:, 1:] == 1).all()
        assert (drawn.gates.edges == 1).all()
        strategy.begin_epoch(40, 50)
        # the vanilla ARD prior, whatever the epoch: 1/2 log(1 + 1 / delta) with delta = 1
        assert strategy.extra_loss().item() == pytest.approx(units * 0.5 * math.log(2) / 1000)  # type: ignore[union-attr]
        set_keep(
            strategy, [[0.5, 0.9, 0.1, 0.1, 0.1], [0.5, 0.2, 0.1, 0.3, 0.1], [0.5, 0.1, 0.1, 0.1, 0.6]], 0.01
        )
        assert strategy.derive().tolist() == [1, 3, 4]  # nothing drops out


def test_an_edge_of_nasbench201_keeps_its_most_probable_operation() -> None:
    strategy = bound()
    set_keep(strategy, [[0.5, 0.2, 0.1, 0.3, 0.1], [0.5, 0.9, 0.8, 0.1, 0.1], [0.5, 0.1, 0.1, 0.1, 0.6]], 0.5)
    assert strategy._row(np.ones((3, 5), dtype=np.bool_), np.array([True, False, True])).tolist() == [3, 0, 4]
    set_keep(strategy, 0.5, torch.tensor([1e-6, 1 - 1e-6, 1 - 1e-6]))
    strategy.end_epoch(0, None)  # type: ignore[arg-type]
    assert strategy.derive()[0] == 0
    assert (strategy.derive()[1:] > 0).all()
    assert np.array_equal(strategy.recommend(), strategy.derived[-1])


def test_a_structure_of_darts_multi_is_the_draw_itself() -> None:
    strategy = bound("darts-multi")
    set_keep(strategy, 0.3, 0.5)
    strategy.end_epoch(0, None)  # type: ignore[arg-type]
    operations, edges = strategy._final  # type: ignore[misc]
    row = strategy.recommend()
    held = strategy.space.holds(row[None])[0]  # type: ignore[attr-defined]
    assert np.array_equal(held[:, 1:], (operations & edges[:, None])[:, 1:])
    assert held.sum(axis=1).max() > 1  # several operations on an edge
    logits = strategy.supernet.path(digits_like().images, row)
    assert torch.isfinite(logits).all()


def test_on_darts_two_inputs_remain_and_dropped_edges_go_first() -> None:
    strategy = bound("darts")
    edges = np.ones(28, dtype=np.bool_)
    edges[2] = edges[4] = False  # of node 3, whose edges are 2, 3 and 4
    row = strategy._row(np.ones((28, 8), dtype=np.bool_), edges)
    assert strategy.space.is_valid(row[None])[0]
    assert row[3] > 0
    assert (row[[2, 4]] > 0).sum() == 1


def test_a_chain_always_has_a_block_in_every_layer() -> None:
    strategy = bound("nasbench-macro")
    assert "log_sigma" not in strategy.parameters
    set_keep(strategy, 0.05, 0.5)
    for _ in range(20):
        drawn = strategy.draw()
        assert (drawn.gates.operations.sum(dim=1) >= 1).all()
        assert (drawn.gates.edges == 1).all()
    assert torch.isfinite(strategy.forward(torch.randn(4, 1, 16, 16))).all()
    strategy.end_epoch(0, None)  # type: ignore[arg-type]
    assert strategy.space.is_valid(strategy.derive()[None])[0]


def test_draws_of_nasbench201_reach_the_output() -> None:
    strategy = bound("nasbench201")
    set_keep(strategy, 0.4, 0.4)
    edges = strategy.space.edges  # type: ignore[attr-defined]
    for _ in range(30):
        drawn = strategy.draw()
        through = (drawn.gates.operations.sum(dim=1) > 0) & (drawn.gates.edges > 0)
        reached = {0}
        for (source, target), passed in zip(edges, through.tolist(), strict=True):
            if passed and source in reached:
                reached.add(target)
        assert 3 in reached


def test_every_epoch_is_recorded_here_and_for_darts() -> None:
    strategy = bound()
    for epoch in range(3):
        strategy.end_epoch(epoch, None)  # type: ignore[arg-type]
    found = strategy.findings()
    lists = ("architectures", "entropies", "skip_shares", "most_probable")
    assert all(len(found[name]) == 3 for name in lists)
    assert np.shape(found["keep_operation"]) == (3, 5)
    assert found["operations"][1] == "skip_connect"
    shares = [skip_shares(strategy.space, row[None])[0] for row in strategy.derived]  # type: ignore[index]
    assert found["skip_shares"] == pytest.approx(shares, abs=1e-6)
    assert strategy.report()["entropy"] == pytest.approx(1.0)
    darts = DARTS(strategy.space, np.random.default_rng(0), initial_scale=0.0)
    darts.bind(strategy.supernet, strategy.weights)
    darts.alpha.data[:, 1] = 50.0
    darts.end_epoch(0, None)  # type: ignore[arg-type]
    assert darts.report() == {"entropy": pytest.approx(0.0, abs=1e-6), "skips": 1.0}
    assert darts.findings()["skip_shares"] == [1.0]


def test_shares_and_entropies_by_hand() -> None:
    space = get_space("nasbench201")
    rows = np.array([[1, 1, 0, 3, 2, 4], [0] * 6, [1] * 6], dtype=np.int8)
    np.testing.assert_allclose(skip_shares(space, rows), [2 / 5, 0, 1])  # type: ignore[arg-type]
    assert skip_shares(get_space("nasbench-macro"), np.zeros((1, 8), dtype=np.int8)) is None
    multi = get_space("darts-multi")
    row = multi.parse(
        "Genotype(normal=[[('skip_connect', 0), ('sep_conv_3x3', 0)], [('skip_connect', 1)], [], []], "
        "normal_concat=range(2, 6), reduce=[[('max_pool_3x3', 0)], [], [], []], reduce_concat=range(2, 6))"
    )
    np.testing.assert_allclose(skip_shares(multi, row[None]), [0.5])  # type: ignore[arg-type]
    assert relative_entropy(np.array([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]])) == pytest.approx(1.0)
    quarter = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75)) / math.log(2)
    assert relative_entropy(np.array([[0.25, 0.75], [0.5, 0.5]])) == pytest.approx((quarter + 1) / 2)
    assert relative_entropy(np.array([[1.0, 0.0]])) == 0


def test_nasbench101_is_refused_in_one_line() -> None:
    space = get_space("nasbench101")
    supernet = build_supernet(space, 10, 1, generator=torch.Generator().manual_seed(0), channels=16, cells=1)
    with pytest.raises(InputError, match="sivdnas is query-backed only on nasbench101"):
        SIVDNAS(space, np.random.default_rng(0)).bind(supernet, RecordingWeights([]))


@pytest.mark.parametrize(
    "wrong",
    [
        {"variant": "x"},
        {"estimator": "reinforce"},
        {"variant": "h", "estimator": "concrete"},
        {"initial_drop": 1.0},
        {"annealing": 1.5},
        {"dropout_rate": 0.0},
        {"beta1": 1.0},
        {"frozen": -1},
    ],
)
def test_unusable_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        SIVDNAS(get_space("nasbench201"), np.random.default_rng(0), **wrong)


@pytest.mark.parametrize("options", [{"estimator": "score-function"}, {"variant": "h"}, {"variant": "v"}])
def test_what_it_remembers_goes_on_in_another(options: dict[str, Any]) -> None:
    first, second = (bound(**options) for _ in range(2))
    for _ in range(2):
        first.architecture_step(closure_of(first), digits_like(), digits_like())
        first.weight_step(closure_of(first), digits_like())
    first.end_epoch(0, None)  # type: ignore[arg-type]
    second.load_state_tensors({name: value.clone() for name, value in first.state_tensors().items()})
    second.rng.bit_generator.state = first.rng.bit_generator.state
    second.supernet.load_state_dict(first.supernet.state_dict())
    assert second.findings() == first.findings()
    assert second.recommend().tolist() == first.recommend().tolist()
    for strategy in (first, second):
        strategy.architecture_step(closure_of(strategy), digits_like(), digits_like())
    one, other = first.state_tensors(), second.state_tensors()
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
