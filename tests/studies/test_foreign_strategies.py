"""Strategies that live in packages of their own, named by module and class."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchkit.base.errors import InputError
from benchkit.strategies import SearchStrategy, get_strategy, get_weight_sharing

Cli = Callable[..., tuple[int, str, str]]

SOURCE = '''
from benchkit.strategies import Ask, SearchStrategy
from benchkit.strategies.spos import SPOS

class Greedy(SearchStrategy):
    name = "greedy"
    citation = "nowhere"

    def propose(self):
        if self._incumbent is None:
            return Ask(self.space.sample(self.rng, 5))
        return Ask(self.space.mutate(self.rng, self.recommend()[None]))

class Paths(SPOS):
    """As SPOS."""

NUMBER = 3
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "foreign_greedy.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    return "foreign_greedy"


def test_a_class_is_found_by_its_module(package: str) -> None:
    kind = get_strategy(f"{package}:Greedy")
    assert issubclass(kind, SearchStrategy)
    assert kind.name == "greedy"
    assert get_weight_sharing(f"{package}:Paths").__name__ == "Paths"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere_at_all:Greedy", "is its package installed, or on PYTHONPATH"),
        ("foreign_greedy:Eager", "has no class 'Eager' that is a SearchStrategy"),
        ("foreign_greedy:NUMBER", "has no class 'NUMBER'"),
        (":Greedy", "cannot import strategy ':Greedy'"),
        (".greedy:Greedy", "cannot import strategy '.greedy:Greedy'"),
        ("foreign_greedy:", "has no class ''"),
    ],
)
def test_what_is_no_strategy_is_said_in_a_line(package: str, name: str, said: str) -> None:
    with pytest.raises(InputError, match=r"cannot import|has no class") as caught:
        get_strategy(name)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="that is a WeightSharingStrategy"):
        get_weight_sharing(f"{package}:Greedy")


def test_a_study_runs_it_beside_the_others(package: str, cli: Cli, tmp_path: Path) -> None:
    study = tmp_path / "study.yaml"
    study.write_text(
        "name: mine\ntable: nasbench201-3\ndatasets: [digits]\n"
        "search: {split: valid, epochs: 12, score: mean}\nreport: {epochs: 12, valid: mean, test: mean}\n"
        "budget: {queries: 12}\nseeds: 2\n"
        f'strategies: [random-search, {{name: "{package}:Greedy", label: greedy}}]\n'
    )
    code, _, error = cli("leaderboard", "run", study, "--out", tmp_path / "out", "--jobs", 1)
    assert (code, error.count("Traceback")) == (0, 0)
    traces = pd.read_parquet(tmp_path / "out" / "traces.parquet")
    assert set(traces["strategy"]) == {"random-search", "greedy"}
    assert np.isfinite(traces["regret"]).all()
    code, printed, _ = cli("leaderboard", "verify", tmp_path / "out")
    assert code == 0, printed
