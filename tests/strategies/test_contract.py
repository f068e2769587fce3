"""What every strategy promises, in every kind of space. A strategy joins by being listed in the registry."""

import pickle
import random

import numpy as np
import pytest
import torch

from benchkit.base.errors import InputError
from benchkit.spaces import get_space, space_names
from benchkit.spaces.categorical import CategoricalSpace
from benchkit.spaces.restricted import RestrictedSpace
from benchkit.strategies import get_strategy, strategy_names

QUERIES = 40
FIDELITIES = (12, 200)

CHEAP = {
    "tpe": {"startup": 8, "candidates": 8, "patience": 4},
    "bananas": {"initial": 10, "candidates": 20, "members": 2, "layers": 2, "epochs": 10},
    "vaenas": {"initial": 10, "interval": 8, "epsilon_step": 0.03, "iterations": 4, "hidden": 8},
}
"""Hyperparameters that make the slow methods quick and let each one pass its random start."""

SPACES = ("nasbench201", "nasbench-macro", "nasbench101", "darts", "restricted", "categorical")


def make_space(name):
    if name == "categorical":
        return CategoricalSpace(
            "user", {"depth": [1, 2, 3], "width": [16, 32], "op": list("abcd"), "one": ["x"]}
        )
    if name == "restricted":
        complete = get_space("nasbench201")
        rows = complete.at(np.random.default_rng(5).choice(complete.size, 700, replace=False))
        return RestrictedSpace(complete, rows)
    return get_space(name)


@pytest.fixture(scope="module")
def spaces():
    return {name: make_space(name) for name in SPACES}


CASES = [
    (strategy, space)
    for strategy in strategy_names()
    for space in SPACES
    if space != "restricted" or not get_strategy(strategy).needs_complete
]


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]}-{case[1]}")
def case(request, spaces):
    """A strategy and a space that it can work in."""
    return get_strategy(request.param[0]), spaces[request.param[1]]


def make(strategy, space, seed=0):
    hyperparameters = dict(CHEAP.get(strategy.name, {}))
    if strategy.multi_fidelity:
        hyperparameters["fidelities"] = FIDELITIES
    return strategy(space, np.random.default_rng(seed), **hyperparameters)


def rough(batch, fidelity):
    """Percent: a mixture of the choices, and of the fidelity, without ties in most spaces."""
    weights = np.sin(np.arange(1, batch.shape[1] + 1) * 7.3)
    level = 50.0 if fidelity is None else 50.0 * fidelity / FIDELITIES[-1]
    return level + np.cos(batch * 2.1) @ weights


def constant(batch, fidelity):
    return np.full(len(batch), 10.0)


def tied(batch, fidelity):
    """Two values only."""
    return 10.0 + (batch[:, 0] == 1)


class Run:
    """What a search asked for and was told."""

    def __init__(self):
        self.rows, self.scores, self.fidelities = [], [], []

    @property
    def batch(self):
        return np.array(self.rows, dtype=np.int8)

    def trace(self):
        return self.rows, self.scores, self.fidelities


def search(strategy, queries=QUERIES, score=rough, run=None):
    """Ask and tell until `queries` are spent; the last batch is cut where the budget ends."""
    run = run or Run()
    while len(run.rows) < queries:
        ask = strategy.ask()
        assert ask.batch.dtype == np.int8
        if len(ask.batch) == 0:
            break
        batch = ask.batch[: queries - len(run.rows)]
        scores = score(batch, ask.fidelity)
        strategy.tell(batch, scores)
        run.rows += batch.tolist()
        run.scores += scores.tolist()
        run.fidelities += [ask.fidelity] * len(batch)
    return run


def step_to(strategy, queries, run):
    """Tell whole batches until `queries` are reached or passed, so that the search can go on."""
    while len(run.rows) < queries:
        ask = strategy.ask()
        if len(ask.batch) == 0:
            return
        scores = rough(ask.batch, ask.fidelity)
        strategy.tell(ask.batch, scores)
        run.rows += ask.batch.tolist()
        run.scores += scores.tolist()
        run.fidelities += [ask.fidelity] * len(ask.batch)


def test_the_same_seed_gives_the_same_trace(case):
    strategy, space = case
    first, second = make(strategy, space, 3), make(strategy, space, 3)
    assert search(first).trace() == search(second).trace()
    assert (first.recommend() == second.recommend()).all()


def test_another_seed_gives_another_trace(case):
    strategy, space = case
    assert search(make(strategy, space, 3)).rows != search(make(strategy, space, 4)).rows


def test_a_trace_does_not_depend_on_what_runs_beside_it(case):
    strategy, space = case
    alone = Run()
    step_to(make(strategy, space, 3), QUERIES, alone)
    searches, runs = [make(strategy, space, seed) for seed in (3, 4)], [Run(), Run()]
    for queries in range(1, QUERIES + 1):
        for one, run in zip(searches, runs, strict=True):
            step_to(one, queries, run)
    assert alone.trace() == runs[0].trace()


def test_only_members_of_the_space_are_asked_for(case):
    strategy, space = case
    run = search(make(strategy, space))
    assert space.is_valid(run.batch).all()
    assert run.batch.shape[1] == space.length


def test_the_budget_is_used_or_the_space_is_exhausted(case):
    strategy, space = case
    run = search(make(strategy, space))
    assert len(run.rows) == QUERIES or len(np.unique(space.key(run.batch))) == space.size


def test_fidelities_are_those_that_can_be_had(case):
    strategy, space = case
    asked = set(search(make(strategy, space)).fidelities)
    assert asked <= ({*FIDELITIES, None} if strategy.multi_fidelity else {None})


def global_states():
    legacy = np.random.get_state(legacy=False)  # noqa: NPY002 - it is what must stay as it was
    return random.getstate(), pickle.dumps(legacy), torch.get_rng_state().tolist()


def test_no_global_generator_is_seeded_or_drawn_from(case):
    strategy, space = case
    before = global_states()
    search(make(strategy, space))
    assert global_states() == before


@pytest.mark.parametrize("score", [constant, tied])
def test_survives_scores_that_do_not_tell_architectures_apart(case, score):
    strategy, space = case
    searched = make(strategy, space)
    run = search(searched, score=score)
    assert space.is_valid(run.batch).all()
    assert searched.recommend().tolist() in run.rows


@pytest.mark.parametrize("queries", [1, 3, 13, 37])
def test_survives_a_budget_that_ends_inside_a_batch(case, queries):
    strategy, space = case
    searched = make(strategy, space)
    run = search(searched, queries)
    assert len(run.rows) == queries or len(np.unique(space.key(run.batch))) == space.size
    assert searched.recommend().tolist() in run.rows


def test_recommends_the_best_that_it_saw(case):
    """At the highest fidelity seen; the study's own, None, is above all."""
    strategy, space = case
    searched = make(strategy, space)
    run = search(searched)
    levels = [np.inf if fidelity is None else fidelity for fidelity in run.fidelities]
    best = max(zip(levels, run.scores, strict=True))
    answer = searched.recommend()
    assert answer.dtype == np.int8
    assert answer.shape == (space.length,)
    assert (*best, answer.tolist()) in zip(levels, run.scores, run.rows, strict=True)


def test_an_answer_is_the_strategys_own_copy(case):
    strategy, space = case
    searched = make(strategy, space)
    ask = searched.ask()
    batch = ask.batch.copy()
    searched.tell(batch, rough(batch, ask.fidelity))
    answer = searched.recommend().copy()
    batch[:] = -1
    assert (searched.recommend() == answer).all()


def test_without_an_evaluation_there_is_no_answer(case):
    strategy, space = case
    with pytest.raises(InputError, match="does not pay for one query"):
        make(strategy, space).recommend()


def test_pickles_in_the_middle_and_goes_on_identically(case):
    strategy, space = case
    searched, run = make(strategy, space), Run()
    step_to(searched, QUERIES // 2, run)
    copy = pickle.loads(pickle.dumps(searched))
    first, second = Run(), Run()
    search(searched, QUERIES // 2, run=first)
    search(copy, QUERIES // 2, run=second)
    assert first.trace() == second.trace()
    assert (searched.recommend() == copy.recommend()).all()


@pytest.mark.parametrize("name", strategy_names())
def test_a_method_that_needs_a_complete_space_refuses_a_restricted_one(name, spaces):
    strategy = get_strategy(name)
    if strategy.needs_complete:
        with pytest.raises(InputError, match=f"{name} needs a complete space"):
            make(strategy, spaces["restricted"])
    else:
        assert len(search(make(strategy, spaces["restricted"]), 3).rows) == 3


@pytest.mark.parametrize("name", strategy_names())
def test_the_registry_and_the_class_agree(name):
    strategy = get_strategy(name)
    assert strategy.name == name
    assert strategy.citation


@pytest.mark.parametrize("name", strategy_names())
def test_every_preset_makes_a_strategy(name):
    strategy = get_strategy(name)
    for preset, values in strategy.presets.items():
        space = get_space(preset if preset in space_names() else "nasbench201")
        made = strategy(space, np.random.default_rng(0), preset=preset)
        assert all(getattr(made.hyperparameters, field) == value for field, value in values.items())


@pytest.mark.parametrize("name", strategy_names())
def test_unknown_hyperparameters_and_presets_are_named(name):
    strategy, space = get_strategy(name), get_space("nasbench201")
    with pytest.raises(InputError, match="unknown hyperparameter 'populaton'"):
        strategy(space, np.random.default_rng(0), populaton=3)
    with pytest.raises(InputError, match="unknown preset 'best'"):
        strategy(space, np.random.default_rng(0), preset="best")
