"""TPE: that Optuna sees what was evaluated, and nothing else, and that its model is at work."""

import logging
import subprocess
import sys

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from benchkit.base.errors import InputError
from benchkit.spaces.categorical import CategoricalSpace
from benchkit.strategies.tpe import TPE


def toy(*arity):
    """A user's space without structure: independent choices."""
    return CategoricalSpace("toy", {f"op{i}": range(a) for i, a in enumerate(arity)})


class EvenSum(CategoricalSpace):
    """Half of the combinations are architectures: those whose choices add up to an even number."""

    def __init__(self, length=4):
        super().__init__("even", {f"op{i}": range(3) for i in range(length)})

    def is_valid(self, batch):
        return super().is_valid(batch) & (batch.sum(axis=1) % 2 == 0)

    def sample(self, rng, n):
        return self.sample_product(rng, [np.ones(3)] * self.length, n)


class OnlyZero(EvenSum):
    """One architecture, that no model will hit by chance: every proposal is refused."""

    def is_valid(self, batch):
        return (batch == 0).all(axis=1)

    def sample(self, rng, n):
        return np.zeros((n, self.length), dtype=np.int8)


def search_of(space, seed=0, **hyperparameters):
    return TPE(space, np.random.default_rng(seed), **hyperparameters)


def run(search, queries, score):
    rows = []
    while len(rows) < queries:
        batch = search.ask().batch
        search.tell(batch, score(batch))
        rows += batch.tolist()
    return np.array(rows)


def matches(batch):
    """Percent; how many choices are 2, so that the optimum is all twos."""
    return 100.0 * (batch == 2).mean(axis=1)


def completed(search):
    trials = search._study.get_trials(states=(TrialState.COMPLETE,))
    return [[trial.params[name] for name in sorted(trial.params)] for trial in trials], [
        t.value for t in trials
    ]


@pytest.mark.parametrize("multivariate", [False, True])
@pytest.mark.parametrize("space", [toy(*(4,) * 5), EvenSum()], ids=lambda space: space.name)
def test_the_model_learns_from_exactly_what_was_evaluated(space, multivariate):
    search = search_of(space, multivariate=multivariate)
    asked = run(search, 30, matches)
    rows, values = completed(search)
    assert rows == asked.tolist()
    assert values == matches(asked).tolist()


@pytest.mark.parametrize("multivariate", [False, True])
def test_the_model_beats_random_search(multivariate):
    """One random draw of 5^8 has 6 of 8 matches or more with probability 0.12 %; 120 draws, with 14 %."""
    space = toy(*(5,) * 8)
    best = [
        matches(run(search_of(space, seed, multivariate=multivariate), 120, matches)).max()
        for seed in range(4)
    ]
    assert np.mean(best) >= 100.0 * 6 / 8


def test_the_start_is_random_members_of_the_space():
    search = search_of(EvenSum(), startup=25)
    first = search.ask().batch
    assert len(first) == 25
    assert (first.sum(axis=1) % 2 == 0).all()


def test_refused_proposals_are_neither_asked_nor_learned_from():
    search = search_of(EvenSum(6))
    asked = run(search, 40, matches)
    assert (asked.sum(axis=1) % 2 == 0).all()
    failed = search._study.get_trials(states=(TrialState.FAIL,))
    assert failed  # half of the space is invalid: thirty proposals did not all hit the other half
    assert all(sum(trial.params.values()) % 2 == 1 for trial in failed)


def test_when_patience_ends_a_random_architecture_takes_its_place():
    search = search_of(OnlyZero(), startup=2, patience=3)
    search.tell(search.ask().batch, np.array([1.0, 2.0]))
    # Two all-zero rows make zero likely; what counts is that every refusal is bounded and every ask answered.
    for _ in range(10):
        before = len(search._study.get_trials(deepcopy=False))
        batch = search.ask().batch
        assert batch.tolist() == [[0, 0, 0, 0]]
        assert len(search._study.get_trials(deepcopy=False)) - before <= 3
        search.tell(batch, np.array([3.0]))
    assert len(completed(search)[0]) == 12


class Records(logging.Handler):
    """Keeps what is logged."""

    def __init__(self):
        super().__init__()
        self.messages = []

    def emit(self, record):
        self.messages.append(record.getMessage())


def test_optuna_is_silent_here_and_as_loud_as_ever_elsewhere():
    logger = logging.getLogger("optuna")
    verbosity, records = optuna.logging.get_verbosity(), Records()
    optuna.logging.set_verbosity(optuna.logging.INFO)
    logger.addHandler(records)
    try:
        run(search_of(toy(*(3,) * 3)), 15, matches)
        assert records.messages == []
        assert optuna.logging.get_verbosity() == optuna.logging.INFO
        optuna.create_study()
        assert any("new study" in message for message in records.messages)
    finally:
        logger.removeHandler(records)
        optuna.logging.set_verbosity(verbosity)


def test_listing_strategies_imports_no_optuna():
    code = (
        "import sys; from benchkit.strategies import get_strategy; get_strategy('tpe');"
        "sys.exit('optuna' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", ["startup", "candidates", "patience"])
def test_wrong_hyperparameters_are_refused(name):
    with pytest.raises(InputError, match=f"{name} must be at least 1, got 0"):
        search_of(toy(2, 2), **{name: 0})
