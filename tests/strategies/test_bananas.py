"""BANANAS: what it asks for, what it never asks for twice, and that it searches."""

from __future__ import annotations

import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from benchkit.base.errors import InputError
from benchkit.spaces.base import Batch, Space
from benchkit.spaces.categorical import CategoricalSpace
from benchkit.spaces.nasbench101.encoding import NASBench101
from benchkit.spaces.nasbench201.encoding import NASBench201
from benchkit.spaces.restricted import RestrictedSpace
from benchkit.strategies.bananas import BANANAS, independent_thompson

QUICK: dict[str, Any] = {"epochs": 3, "layers": 2, "members": 2}
"""An ensemble that trains in no time, where what it predicts does not matter."""


def convolutions(batch: Batch) -> npt.NDArray[np.float64]:
    """Score in percent of NAS-Bench-201 rows: 3x3 convolutions, most of all on the edges to the output."""
    return np.asarray(40 + (batch == 3) @ np.array([6.0, 6, 6, 12, 12, 12]))


def make(space: Space, seed: int = 0, **hyperparameters: Any) -> BANANAS:
    return BANANAS(space, np.random.default_rng(seed), **hyperparameters)


def search(strategy: BANANAS, rounds: int) -> list[Batch]:
    """Run that many rounds, scoring rows by `convolutions` or by their sum; return the batches."""
    batches = []
    for _ in range(rounds):
        batch = strategy.ask().batch
        if len(batch) == 0:
            break
        scores = convolutions(batch) if batch.shape[1] == 6 else batch.sum(axis=1).astype(np.float64)
        strategy.tell(batch, scores)
        batches.append(batch)
    return batches


def test_finds_better_cells_than_random_search() -> None:
    space = NASBench201()
    for seed in range(3):
        strategy = make(space, seed, epochs=50)
        asked = np.concatenate(search(strategy, 8))
        random = space.sample(np.random.default_rng(seed), len(asked))
        assert len(asked) == 80
        assert convolutions(strategy.recommend()[None])[0] > convolutions(random).max()
        assert convolutions(asked[-10:]).mean() > convolutions(asked[:10]).mean() + 15


def test_the_predictor_chooses_among_the_mutations() -> None:
    """The asked candidates are better on average than those left, once the ensemble is trained."""
    space = NASBench201()
    gains = []
    for seed in range(5):
        strategy = make(space, seed)
        rows = space.sample(np.random.default_rng(100 + seed), 100)
        strategy.observe(rows, convolutions(rows))
        twin = pickle.loads(pickle.dumps(strategy))
        gains.append(convolutions(strategy.ask().batch).mean() - convolutions(twin._candidates()).mean())
    assert np.mean(gains) > 3


def test_candidates_are_one_step_from_the_five_best() -> None:
    space = NASBench201()
    strategy = make(space, **QUICK)
    rows = space.sample(np.random.default_rng(1), 60)
    strategy.observe(rows, convolutions(rows))
    best = rows[np.argsort(-convolutions(rows), kind="stable")[:5]]
    near = np.concatenate([space.neighbors(row) for row in best])
    assert np.isin(space.key(strategy.ask().batch), space.key(near)).all()


def test_rounds_have_the_sizes_asked_for() -> None:
    batches = search(make(NASBench201(), initial=7, batch=4, **QUICK), 4)
    assert [len(batch) for batch in batches] == [7, 4, 4, 4]


def test_no_entry_is_asked_for_twice() -> None:
    for space in (NASBench201(), NASBench101()):
        asked = np.concatenate(search(make(space, **QUICK), 12))
        assert len(np.unique(space.key(asked))) == len(asked) == 120
        assert space.is_valid(asked).all()


def test_a_small_space_is_asked_whole_and_then_the_trial_ends() -> None:
    space = CategoricalSpace("toy", {"a": "xyz", "b": "xyz", "c": "xyz"})
    strategy = make(space, **QUICK)
    asked = np.concatenate(search(strategy, 50))
    assert sorted(space.key(asked).tolist()) == list(range(27))
    assert strategy.ask().batch.shape == (0, 3)
    assert space.format(strategy.recommend()) == "a=z|b=z|c=z"


def test_a_restricted_space_is_asked_whole_and_nothing_else() -> None:
    """Cells of which most have no neighbour among the others."""
    whole = NASBench101()
    rows = whole.sample(np.random.default_rng(0), 45)
    space = RestrictedSpace(whole, rows)
    asked = np.concatenate(search(make(space, **QUICK), 50))
    assert len(asked) == space.size
    assert set(whole.key(asked).tolist()) == set(whole.key(rows).tolist())


def test_the_predictor_chooses_where_members_have_no_neighbours() -> None:
    """1 of 7 cells, no two of them one step apart: mutations are random draws, and still chosen among."""
    whole = NASBench201()
    cells = whole.at(np.arange(whole.size))
    space = RestrictedSpace(whole, cells[cells @ np.array([1, 2, 3, 1, 2, 3]) % 7 == 0])
    gains = []
    for seed in range(3):
        asked = np.concatenate(search(make(space, seed), 8))
        gains.append(convolutions(asked[-20:]).mean() - convolutions(cells).mean())
    assert np.mean(gains) > 10


def test_a_constant_score_is_survived() -> None:
    strategy = make(NASBench201(), **QUICK)
    for _ in range(4):
        batch = strategy.ask().batch
        strategy.tell(batch, np.full(len(batch), 10.0))
    assert NASBench201().is_valid(strategy.recommend()[None]).all()


def test_independent_thompson_draws_each_candidate_from_its_own_normal() -> None:
    predictions = np.array([[70.0, 80, 90], [72.0, 80, 96]])
    draws = np.array([independent_thompson(np.random.default_rng(seed), predictions) for seed in range(4000)])
    np.testing.assert_allclose(draws.mean(axis=0), [71, 80, 93], atol=0.2)
    np.testing.assert_allclose(draws.std(axis=0), [1, 0, 3], atol=0.15)
    assert abs(np.corrcoef(draws[:, 0], draws[:, 2])[0, 1]) < 0.07  # drawn apart


def test_same_seed_same_search_even_pickled_half_way() -> None:
    expected = search(make(NASBench201(), **QUICK), 6)
    half = make(NASBench201(), **QUICK)
    seen = search(half, 3)
    seen += search(pickle.loads(pickle.dumps(half)), 3)
    for batch, other in zip(expected, seen, strict=True):
        np.testing.assert_array_equal(batch, other)


def test_another_seed_is_another_search() -> None:
    first, second = (np.concatenate(search(make(NASBench201(), seed, **QUICK), 3)) for seed in (0, 1))
    assert (first != second).any()


def test_global_random_states_are_left_alone() -> None:
    before = str(np.random.get_state())  # noqa: NPY002 - that it is untouched is the point
    torch_before = torch.get_rng_state()
    search(make(NASBench201(), **QUICK), 3)
    assert str(np.random.get_state()) == before  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), torch_before)


def test_torch_is_loaded_only_when_a_network_is_trained() -> None:
    program = (
        "import sys, numpy\n"
        "from benchkit.spaces import get_space\n"
        "from benchkit.strategies import get_strategy\n"
        "s = get_strategy('bananas')(get_space('nasbench201'), numpy.random.default_rng(0))\n"
        "s.ask(); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize(
    "name", ["initial", "batch", "candidates", "members", "layers", "width", "epochs", "batch_size"]
)
def test_refused_sizes_name_themselves(name: str) -> None:
    with pytest.raises(InputError, match=f"bananas: {name} must be at least 1"):
        make(NASBench201(), **{name: 0})


@pytest.mark.parametrize(("name", "value"), [("learning_rate", 0.0), ("longest_path", 0)])
def test_refused_values_name_themselves(name: str, value: float) -> None:
    given: dict[str, Any] = {name: value}
    with pytest.raises(InputError, match=f"bananas: {name} must be"):
        make(NASBench201(), **given)
