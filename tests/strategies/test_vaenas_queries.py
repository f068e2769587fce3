"""VAENAS on queries: the best share, the mixture, when it trains, what it asks, and its evolution."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.base.errors import InputError
from benchkit.spaces import get_space
from benchkit.spaces.base import Batch
from benchkit.strategies.protocol import Scores
from benchkit.strategies.vaenas.queries import VAENASQueries
from benchkit.strategies.vaenas.sampling import exploitation, mixture, top_share

SPACE = get_space("nasbench201")
QUICK = {"hidden": 8, "latent": 2, "iterations": 3}
ONCE = {"interval": None, "epsilon_step": 1.0, "keep": 25.0, "novel": False, **QUICK}


def threes(batch: Batch) -> Scores:
    """Percent: better by a point for each edge with operation 3."""
    return 80.0 + (batch == 3).sum(axis=1)


def search(queries: int, seed: int = 0, **options: object) -> tuple[VAENASQueries, list[Batch]]:
    strategy = VAENASQueries(SPACE, np.random.default_rng(seed), **{**QUICK, **options})
    asked: list[Batch] = []
    while sum(map(len, asked)) < queries:
        batch = strategy.ask().batch
        if not len(batch):
            break
        strategy.tell(batch, threes(batch))
        asked.append(batch)
    return strategy, asked


# -- Algorithm 1, lines 1 and 2 ---------------------------------------------------------------


def test_best_half_by_hand() -> None:
    rows = np.arange(5, dtype=np.int8)[:, None]
    scores = np.array([1.0, 4.0, 2.0, 4.0, 3.0])
    assert top_share(rows, scores, 50).ravel().tolist() == [1, 3, 4]  # 2.5 rows are 3; a tie keeps its order
    assert top_share(rows, scores, 1).ravel().tolist() == [1]
    assert top_share(rows, scores, 100).ravel().tolist() == [1, 3, 4, 2, 0]


def test_a_quarter_of_6000_is_the_papers_1500() -> None:
    rows = np.zeros((6000, 1), dtype=np.int8)
    assert len(top_share(rows, np.zeros(6000), 25)) == 1500


@given(st.lists(st.floats(0, 100), min_size=1, max_size=40), st.floats(0.1, 100))
def test_nothing_left_out_is_better_than_what_is_kept(scores: list[float], percent: float) -> None:
    values = np.array(scores)
    kept = top_share(np.arange(len(values), dtype=np.int8)[:, None], values, percent).ravel()
    left = np.setdiff1d(np.arange(len(values)), kept)
    assert 1 <= len(kept) <= len(values)
    assert len(kept) - 1 <= len(values) * percent / 100 <= len(kept) + 1e-6
    assert not len(left) or values[left].max() <= values[kept].min()


# -- Eq. 5 ------------------------------------------------------------------------------------


def test_exploitation_rises_from_0_and_ends_at_1() -> None:
    assert [exploitation(i, 0.25) for i in (0, 1, 3, 4, 5, 1000)] == [0.0, 0.25, 0.75, 1.0, 1.0, 1.0]


@given(st.integers(0, 60), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_each_row_comes_from_one_of_the_two(n: int, epsilon: float, seed: int) -> None:
    drawn: dict[int, int] = {0: 0, 1: 0}

    def source(value: int) -> object:
        def draw(m: int) -> Batch:
            drawn[value] += m
            return np.full((m, 2), value, dtype=np.int8)

        return draw

    rows = mixture(np.random.default_rng(seed), n, epsilon, source(0), source(1))  # type: ignore[arg-type]
    assert rows.shape == (n, 2)
    assert (rows[:, 0] == 1).sum() == drawn[1]
    assert (rows[:, 0] == 0).sum() == drawn[0]
    if epsilon == 0:
        assert drawn[1] == 0


def test_shares_and_order_of_the_mixture() -> None:
    """A quarter learned, and at random places: the first half holds as many of them as the second."""

    def draw(value: int) -> object:
        return lambda m: np.full((m, 1), value, dtype=np.int8)

    rows = mixture(np.random.default_rng(0), 40_000, 0.25, draw(0), draw(1))  # type: ignore[arg-type]
    assert rows.mean() == pytest.approx(0.25, abs=0.01)
    assert rows[:20_000].mean() == pytest.approx(0.25, abs=0.015)


# -- the search -------------------------------------------------------------------------------


def test_all_is_uniform_until_there_is_something_to_learn_from() -> None:
    strategy, asked = search(30, initial=30, epsilon_step=1.0)
    assert strategy.sampler is None
    assert sum(map(len, asked)) == 30
    strategy.ask()
    assert strategy.sampler is not None
    assert strategy.sampler.trained


def test_it_trains_on_the_best_and_again_after_every_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchkit.strategies.vaenas.architecture_vae import ArchitectureVAE

    trained: list[Batch] = []
    monkeypatch.setattr(ArchitectureVAE, "fit", lambda self, rows, *rest: trained.append(rows.copy()))
    _, asked = search(60, initial=20, interval=10, keep=50.0)
    rows = np.concatenate(asked)
    assert [len(each) for each in trained] == [10, 15, 20, 25]
    for each, n in zip(trained, (20, 30, 40, 50), strict=True):
        assert threes(each).tolist() == sorted(threes(rows[:n]), reverse=True)[: len(each)]


def test_it_learns_to_ask_for_what_is_good() -> None:
    _, asked = search(150, initial=40, epsilon_step=0.02, keep=25.0, iterations=20, hidden=32)
    rows = np.concatenate(asked)
    assert threes(rows[-50:]).mean() > threes(rows[:40]).mean() + 1


def test_epsilon_0_is_random_search_paid_as_such() -> None:
    strategy, asked = search(200, initial=20, epsilon_step=0.0)
    rows = np.concatenate(asked)
    assert np.bincount(rows.ravel(), minlength=5) == pytest.approx(np.full(5, 240), abs=60)
    assert strategy.recommend().tolist() in rows[threes(rows) == threes(rows).max()].tolist()


def test_novel_rows_are_preferred() -> None:
    _, asked = search(150, initial=20, epsilon_step=1.0, iterations=30)
    keys = SPACE.key(np.concatenate(asked))
    assert len(np.unique(keys)) > 140


def test_noise_changes_who_is_learned_from_and_not_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchkit.strategies.vaenas.architecture_vae import ArchitectureVAE

    trained: list[Batch] = []
    monkeypatch.setattr(ArchitectureVAE, "fit", lambda self, rows, *rest: trained.append(rows.copy()))
    for noise in (0.0, 20.0):
        strategy, asked = search(210, initial=200, **{**ONCE, "noise": noise})
        rows = np.concatenate(asked)
        assert threes(strategy.recommend()[None])[0] == threes(rows).max()
    exact, noisy = (threes(each).mean() for each in trained)
    assert len(trained[0]) == len(trained[1]) == 50
    assert exact > noisy + 0.5


# -- section 5.3 ------------------------------------------------------------------------------


def test_once_trained_it_only_draws_then_evolves_then_ends() -> None:
    """N = 40, 20 samples, and 7 children of the first 10 of them; then the trial is over."""
    options = {**ONCE, "initial": 40, "samples": 20, "population": 10, "children": 7}
    strategy, asked = search(1000, **options)
    rows = np.concatenate(asked)
    assert len(rows) == 67
    assert len(strategy.ask().batch) == 0
    pool = rows[40:50].tolist()
    for child in rows[60:]:
        changed = (np.array(pool) != child).sum(axis=1)
        assert changed.min() <= 1  # a mutation changes one edge of a member of the population
        pool = [*pool[1:], child.tolist()]


def test_without_evolution_it_ends_with_its_samples() -> None:
    _, asked = search(1000, **{**ONCE, "initial": 40, "samples": 20})
    assert len(np.concatenate(asked)) == 60


def test_the_table4_preset_is_the_papers() -> None:
    strategy = VAENASQueries(SPACE, np.random.default_rng(0), preset="table4", noise=0.1)
    setting = strategy.hyperparameters
    assert (setting.initial, setting.keep, setting.samples, setting.noise) == (6000, 25.0, 300, 0.1)
    assert setting.interval is None
    assert exploitation(setting.initial, setting.epsilon_step) == 1.0


def test_on_nasbench101_uniform_rows_are_those_of_a5() -> None:
    strategy = VAENASQueries(get_space("nasbench101"), np.random.default_rng(0), initial=10, **QUICK)
    batch = strategy.ask().batch
    assert (batch[:, :21].sum(axis=1) == 9).all()


@pytest.mark.parametrize(
    "wrong",
    [
        {"initial": 0},
        {"interval": 0},
        {"keep": 0.0},
        {"keep": 101.0},
        {"epsilon_step": -0.1},
        {"noise": -1.0},
        {"samples": 0},
        {"feedback": 2.0},
        {"learning_rate": 0.0},
        {"population": 5, "samples": 10},
        {"population": 20, "children": 5, "samples": 10},
    ],
)
def test_unusable_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        VAENASQueries(SPACE, np.random.default_rng(0), **wrong)
