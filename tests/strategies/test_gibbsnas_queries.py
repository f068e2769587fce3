"""GibbsNAS on queries: conditionals, the law of the chain, what is asked, restarts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from benchkit import Metric, open_table
from benchkit.analysis.statistics.chain_diagnostics import (
    effective_sample_size,
    histogram,
    independent_distance,
    tempered_posterior,
    total_variation,
)
from benchkit.base.errors import InputError
from benchkit.spaces import Space, get_space
from benchkit.spaces.base import Batch
from benchkit.spaces.categorical import CategoricalSpace
from benchkit.spaces.restricted import RestrictedSpace
from benchkit.strategies.gibbsnas.queries import (
    GibbsChain,
    GibbsNASQueries,
    conditional,
    inverse_temperature,
)

Scores = NDArray[np.float64]


def walk(space: Space, accuracies: Scores, beta: float, draws: int, seed: int = 0) -> NDArray[np.int64]:
    """Return int64[draws + 1]: the ranks where a chain stands that may look everything up."""
    chain = GibbsChain(space, np.random.default_rng(seed))
    for _ in range(draws):
        chain.draw(accuracies[space.index(chain.candidates())], beta)
    return space.index(chain.history()[0])


def answer(strategy: GibbsNASQueries, queries: int, score: Callable[[Batch], Scores]) -> list[Batch]:
    """Ask and tell so many queries; return the batches."""
    batches: list[Batch] = []
    while sum(map(len, batches)) < queries:
        batch = strategy.ask().batch
        if not len(batch):
            break
        strategy.tell(batch, score(batch))
        batches.append(batch.copy())
    return batches


def sines(batch: Batch) -> Scores:
    """Percent, without ties in small spaces."""
    weights = np.sin(np.arange(1, batch.shape[1] + 1) * 7.3)
    return np.asarray(50 + np.cos(batch * 2.1) @ weights)


# -- the mathematics ------------------------------------------------------------------------------


def test_a_conditional_by_hand() -> None:
    # a point better at beta = ln 3 is three times as probable
    np.testing.assert_allclose(conditional(np.array([91.0, 90.0, 90.0]), np.log(3)), [3 / 5, 1 / 5, 1 / 5])
    np.testing.assert_allclose(conditional(np.array([10.0, 94.0]), 1000.0), [0, 1])
    np.testing.assert_allclose(conditional(np.array([10.0, 94.0]), 1e-12), [0.5, 0.5])


def test_annealing_is_geometric_in_queries() -> None:
    assert [inverse_temperature(q, 0.5, 8.0, 100) for q in (0, 25, 50, 100, 400)] == pytest.approx(
        [0.5, 1.0, 2.0, 8.0, 8.0]
    )
    assert inverse_temperature(0, None, 8.0, 100) == 8.0


@pytest.mark.parametrize("beta", [1.0, 2.0])
def test_the_chain_has_the_exact_posterior_on_125_cells(beta: float) -> None:
    table = open_table("nasbench201-3")
    accuracies = np.asarray(table.query(table.space.at(np.arange(125)), Metric("digits", "valid", 12)))
    exact = tempered_posterior(accuracies, beta)
    chains = [walk(table.space, accuracies, beta, 8000, seed) for seed in range(2)]
    size = effective_sample_size([accuracies[chain] for chain in chains])
    distance = total_variation(histogram(chains, 125), exact)
    independent = independent_distance(exact, round(size), np.random.default_rng(0))
    assert 4000 < size < 16_000
    assert independent.low / 2 < distance < 1.15 * independent.high
    # the test can tell: the same chain is far from the posterior of twice the beta, and from the prior
    for other in (tempered_posterior(accuracies, 2 * beta), np.full(125, 1 / 125)):
        assert total_variation(histogram(chains, 125), other) > 2 * independent.high


def test_on_nasbench201_the_chain_is_as_near_as_an_independent_sample() -> None:
    table = open_table("nasbench201")
    metric = Metric("cifar100", "valid", 200)
    accuracies = np.asarray(table.query(table.space.at(np.arange(15_625)), metric))
    exact = tempered_posterior(accuracies, 1.0)
    chains = [walk(table.space, accuracies, 1.0, 6000, seed) for seed in range(2)]
    chains = [chain[1000:] for chain in chains]
    size = effective_sample_size([accuracies[chain] for chain in chains])
    independent = independent_distance(exact, round(size), np.random.default_rng(0), 50)
    distance = total_variation(histogram(chains, 15_625), exact)
    assert distance < 1.1 * independent.high
    draws = np.concatenate([accuracies[chain] for chain in chains])
    error = np.sqrt(exact @ (accuracies - exact @ accuracies) ** 2 / size)
    assert abs(draws.mean() - exact @ accuracies) < 4 * error


def test_inside_a_restricted_space_absent_choices_have_probability_0() -> None:
    whole = get_space("nasbench201-3")
    rows = whole.at(np.random.default_rng(1).choice(125, 70, replace=False))
    space = RestrictedSpace(whole, rows)
    accuracies = sines(space.at(np.arange(space.size)))
    chain = walk(space, accuracies, 1.0, 12_000)
    assert set(chain.tolist()) <= set(range(70))
    exact = tempered_posterior(accuracies, 1.0)
    thinned = np.bincount(chain[1::6], minlength=70)  # two sweeps apart
    assert stats.chisquare(thinned, exact * thinned.sum()).pvalue > 1e-4


def test_every_sweep_visits_every_choice_once() -> None:
    chain = GibbsChain(get_space("nasbench201"), np.random.default_rng(0))
    for _ in range(5):
        visited = []
        for _ in range(6):
            rows = chain.candidates()
            assert len(rows) == 5
            visited += np.flatnonzero((rows != rows[0]).any(axis=0)).tolist()
            chain.draw(np.zeros(5), 1.0)
        assert sorted(visited) == list(range(6))


def test_isomorphic_rows_are_asked_once_and_both_drawn() -> None:
    space = get_space("nasbench101")
    strategy = GibbsNASQueries(space, np.random.default_rng(3))
    keys: list[Any] = []
    for batch in answer(strategy, 200, sines):
        assert space.is_valid(batch).all()
        keys += space.key(batch).tolist()
    assert len(keys) == len(set(keys))
    rows = np.concatenate(strategy.chains[0].history())
    assert len({row.tobytes() for row in rows}) > len(set(space.key(rows).tolist()))


# -- what is asked --------------------------------------------------------------------------------


def test_a_conditional_is_one_batch_and_only_what_is_new() -> None:
    space = get_space("nasbench201")
    strategy = GibbsNASQueries(space, np.random.default_rng(0), beta=2.0)
    batches = answer(strategy, 60, sines)
    assert [len(batch) for batch in batches[:4]] == [5, 4, 4, 4]  # the start is not known either
    assert max(map(len, batches)) <= 5
    for batch in batches[:5]:
        assert (batch != batch[0]).any(axis=0).sum() == 1
    asked = np.concatenate(batches)
    assert len(np.unique(space.index(asked))) == len(asked)


def test_chains_take_turns_and_share_what_is_known() -> None:
    space = get_space("nasbench201-3")
    strategy = GibbsNASQueries(space, np.random.default_rng(0), chains=3)
    batches = answer(strategy, 60, sines)
    lengths = [sum(len(part) - 1 for part in chain.history()) for chain in strategy.chains]
    assert max(lengths) - min(lengths) <= 1
    asked = np.concatenate(batches)
    assert len(np.unique(space.index(asked))) == len(asked)


def test_where_everything_around_is_known_a_chain_starts_again_until_the_space_is_used_up() -> None:
    space = get_space("nasbench201-3")
    strategy = GibbsNASQueries(space, np.random.default_rng(0), beta=50.0)
    asked = np.concatenate(answer(strategy, 1000, sines))
    assert sorted(space.index(asked).tolist()) == list(range(125))
    assert len(strategy.ask().batch) == 0
    assert len(strategy.chains[0].history()) > 5
    best = int(sines(space.at(np.arange(125))).argmax())
    assert strategy.recommend().tolist() == space.at([best])[0].tolist()


def test_a_patient_chain_sits_longer_before_it_starts_again() -> None:
    space = get_space("nasbench201-3")
    for patience in (1, 6):
        strategy = GibbsNASQueries(space, np.random.default_rng(0), beta=50.0, patience=patience)
        answer(strategy, 90, sines)
        left = strategy.chains[0].history()[:-1]
        assert left  # a sweep of three draws for each unit of patience asked nothing
        assert min(len(part) - 1 for part in left) >= 3 * patience
        assert (min(len(part) - 1 for part in left) < 12) == (patience == 1)


def test_a_space_of_one_architecture_ends_after_it() -> None:
    space = CategoricalSpace("one", {"a": ["x"], "b": ["y"]})
    strategy = GibbsNASQueries(space, np.random.default_rng(0))
    assert [len(batch) for batch in answer(strategy, 10, sines)] == [1]


def test_the_first_answer_of_a_noisy_table_is_kept() -> None:
    strategy = GibbsNASQueries(get_space("nasbench201"), np.random.default_rng(0))
    batch = strategy.ask().batch
    strategy.tell(batch, sines(batch))
    before = dict(strategy._known)
    strategy.tell(batch, sines(batch) + 5)
    assert strategy._known == before


def test_a_constraint_is_kept_in_everything_that_is_asked() -> None:
    class FewThrees:
        cost, unit, limit = "threes", "edges", 1.0

        def values(self, batch: Batch) -> Scores:
            return np.asarray((batch == 3).sum(axis=1), dtype=np.float64)

        def feasible(self, batch: Batch) -> NDArray[np.bool_]:
            return self.values(batch) <= self.limit

    strategy = GibbsNASQueries(get_space("nasbench201"), np.random.default_rng(0), chains=2)
    strategy.constrain(FewThrees())
    asked = np.concatenate(answer(strategy, 150, lambda batch: 10.0 * (batch == 3).sum(axis=1)))
    assert len(asked) >= 150
    assert FewThrees().feasible(asked).all()
    assert (strategy.recommend() == 3).sum() == 1


@pytest.mark.parametrize(
    "wrong", [{"beta": 0}, {"initial_beta": -1.0}, {"annealing": 0}, {"chains": 0}, {"patience": 0}]
)
def test_hyperparameters_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        GibbsNASQueries(get_space("nasbench201"), np.random.default_rng(0), **wrong)
