"""What the chains of a study did: replayed from its traces, summarised, shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchkit.analysis.statistics.chain_diagnostics import change_share, effective_sample_size
from benchkit.base.errors import InputError
from benchkit.data.tables import Table
from benchkit.reports.api import run_study as run
from benchkit.reports.chains import FIGURES, chain_figures, replay, summarise_chains
from benchkit.searching import Budget, TableEvaluator, search
from benchkit.strategies.gibbsnas.queries import GibbsNASQueries
from benchkit.studies.spec import StudySpec
from benchkit.studies.trial import Trial, build_evaluator, build_strategy
from tests.toys import make_small, make_toy

Run = Callable[..., tuple[int, str, str]]


def searched(toy: Table, seed: int, queries: int = 30) -> tuple[GibbsNASQueries, Any]:
    a, b = np.random.default_rng(seed).spawn(2)
    strategy = GibbsNASQueries(toy.space, a, beta=0.2, chains=2)
    return strategy, search(
        strategy, TableEvaluator(toy, "d", "valid", 100, "mean", b), Budget(queries=queries)
    )


TWO = {"name": "gibbsnas", "label": "two chains", "options": {"chains": 2, "beta": 0.2}}
ONE = {"name": "gibbsnas", "options": {"beta": 0.2}}
ANNEALED = {"name": "gibbsnas", "label": "annealed", "options": {"initial_beta": 0.01, "beta": 0.2}}


def study(**changes: Any) -> StudySpec:
    chosen = ["random-search", TWO, ONE, ANNEALED]
    return make_small(**{"strategies": chosen, "budget": {"queries": 35}, "seeds": 3, **changes})


@pytest.fixture(scope="module")
def ran_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study, run once for all tests, on a table of the same bytes as `toy`."""
    folder = tmp_path_factory.mktemp("chains")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("BENCHKIT_HOME", str(folder / "home"))
        make_toy(folder / "home")
        return run(study(), folder / "out").path


def test_a_replay_walks_the_same_chains(toy: Table) -> None:
    first, trace = searched(toy, 3)
    again = GibbsNASQueries(toy.space, np.random.default_rng(3).spawn(2)[0], beta=0.2, chains=2)
    replay(again, trace)
    for one, other in zip(first.chains, again.chains, strict=True):
        assert [part.tolist() for part in one.history()] == [part.tolist() for part in other.history()]
    assert (first.recommend() == again.recommend()).all()


def test_a_trace_of_another_trial_is_refused(toy: Table) -> None:
    _, trace = searched(toy, 3)
    other = GibbsNASQueries(toy.space, np.random.default_rng(4), beta=0.2, chains=2)
    with pytest.raises(InputError, match="does not ask what the trace holds at evaluation 0"):
        replay(other, trace)


def test_every_trial_with_chains_has_figures(ran_once: Path, toy: Table) -> None:
    found = chain_figures(ran_once)
    assert set(found["strategy"]) == {"two chains", "gibbsnas", "annealed"}
    assert len(found) == 3 * 2 * 3
    assert found.equals(chain_figures(ran_once))
    found = found[found["strategy"] == "two chains"]
    assert found[list(FIGURES)].notna().all().all()
    assert found["change"].between(0, 1).all()
    assert found["distance"].between(0, 1).all()
    assert (found["effective"] >= 1).all()
    assert (found["starts"] >= 2).all()


def test_figures_by_hand(ran_once: Path, toy: Table) -> None:
    spec, found = study(), chain_figures(ran_once).set_index(["strategy", "dataset", "seed"])
    row = found.loc[("gibbsnas", "d", 0)]
    streams = Trial("gibbsnas", "d", 0).streams("toy")
    evaluator = build_evaluator(spec, toy, "d", streams[1])
    strategy = build_strategy(spec, spec.strategies[2], toy, "d", evaluator.fidelities, streams[0])
    assert isinstance(strategy, GibbsNASQueries)
    search(strategy, evaluator, spec.budget.to_budget())
    parts = [part for part in strategy.chains[0].history() if len(part) > 1]
    drawn = np.concatenate([part[1:] for part in parts])
    assert row["draws"] == len(drawn)
    assert row["starts"] == len(parts)
    assert row["change"] == change_share(parts)
    assert row["effective"] == effective_sample_size([evaluator.evaluate(drawn).scores])
    accuracies = evaluator.evaluate(toy.space.at(np.arange(48))).scores
    exact = np.exp(0.2 * accuracies) / np.exp(0.2 * accuracies).sum()
    shares = np.bincount(toy.space.index(drawn), minlength=48) / len(drawn)
    assert row["distance"] == pytest.approx(np.abs(shares - exact).sum() / 2)


def test_there_is_no_distance_where_beta_changes_or_runs_are_drawn(
    ran_once: Path, toy: Table, tmp_path: Path
) -> None:
    found = chain_figures(ran_once)
    found = found[found["strategy"] == "annealed"]
    assert found["distance"].isna().all()
    assert found["effective"].notna().all()
    assert set(summarise_chains(found)["figure"]) == {"draws", "starts", "change", "effective"}
    drawn = {"split": "valid", "epochs": 100, "score": "run"}
    spec = study(search=drawn, strategies=[ONE], datasets=["d"], seeds=1)
    found = chain_figures(run(spec, tmp_path / "out").path)
    assert found["distance"].isna().all()
    assert found["effective"].notna().all()


def test_the_summary_has_an_interval_over_seeds(ran_once: Path, toy: Table) -> None:
    figures = chain_figures(ran_once)
    figures = figures[figures["strategy"] == "gibbsnas"]
    summary = summarise_chains(figures)
    assert len(summary) == 2 * len(FIGURES)
    row = summary[(summary["dataset"] == "e") & (summary["figure"] == "change")].iloc[0]
    values = figures[figures["dataset"] == "e"]["change"]
    assert row["n"] == 3
    assert row["mean"] == pytest.approx(values.mean())
    assert row[["low", "high"]].isna().all()  # three seeds resolve none
    twice = summarise_chains(pd.concat([figures, figures]))
    row = twice[(twice["dataset"] == "e") & (twice["figure"] == "change")].iloc[0]
    assert row["n"] == 6
    assert values.min() <= row["low"] < row["mean"] < row["high"] <= values.max()


def test_the_command_shows_them(cli: Run, ran_once: Path, toy: Table) -> None:
    code, text, _ = cli("leaderboard", "chains", ran_once)
    assert code == 0
    assert "two chains" in text
    assert "not resolvable" in text
    assert "independent" in text
    code, text, _ = cli("leaderboard", "chains", ran_once, "--json")
    assert code == 0
    assert {row["figure"] for row in json.loads(text)} == set(FIGURES)


def test_a_study_without_chains_is_one_line(cli: Run, done: Any, tmp_path: Path) -> None:
    code, out, err = cli("leaderboard", "chains", done.path)
    assert (code, out) == (2, "")
    assert "has no strategy with chains; gibbsnas is one" in err
    code, _, err = cli("leaderboard", "chains", tmp_path / "nothing")
    assert code == 2
    assert err.count("\n") == 1
