"""Studies of data sets that cover part of a table, and budgets that are too small for some methods."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchkit.base.errors import InputError
from benchkit.data.tables import Metric, Table, open_table
from benchkit.reports.api import run_study as run
from benchkit.searching import TableEvaluator
from benchkit.searching.entries import entries_with
from benchkit.strategies import strategy_names
from benchkit.studies.plan import make_plan
from benchkit.studies.studied import studied_entries
from benchkit.studies.verify import verify
from tests.measured import RANK, WITHOUT_TEST, WITHOUT_VALID, make_table, study

Cli = Callable[..., tuple[int, str, str]]

HAVE_BOTH = np.setdiff1d(np.arange(48), np.union1d(WITHOUT_VALID, WITHOUT_TEST))


@pytest.fixture
def table(home: Path) -> Table:
    return make_table(home)


# -- entries -------------------------------------------------------------------------------------------


def test_a_column_with_gaps_restricts_the_space(table: Table) -> None:
    metric = Metric("wiki", "valid", 40, quantity="perplexity")
    entries = entries_with(table, ((metric,),))
    assert (entries.n, entries.of, entries.space.complete) == (36, 48, False)
    there = table.rows[entries.mask]
    np.testing.assert_array_equal(entries.locate(there), np.flatnonzero(entries.mask))
    evaluator = TableEvaluator(
        table, "wiki", "valid", 40, "mean", np.random.default_rng(0), quantity="perplexity"
    )
    np.testing.assert_array_equal(evaluator.evaluate(there).scores, -table.values(metric)[entries.mask])
    drawn = evaluator.space.sample(np.random.default_rng(0), 500)
    assert len(np.unique(drawn, axis=0)) == 36
    whole = entries_with(table, ((Metric("ptb", "valid", 40, quantity="perplexity"),),))
    assert whole.rows is None
    assert whole.space is table.space


def test_what_has_no_entry_in_common_is_refused(home: Path, table: Table) -> None:
    spec = study(datasets=["wiki"], budget={"simulated_seconds": 100})
    assert studied_entries(spec, table, "wiki").n == len([i for i in HAVE_BOTH if i < 24])
    nothing = Metric("wiki", "valid", 40, quantity="perplexity")
    made = table.present
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Table, "present", lambda self, metric: made(metric) & (metric != nothing))
        entries_with.cache_clear()
        with pytest.raises(InputError, match=r"no entry of table lm has all of wiki\.valid"):
            studied_entries(spec, table, "wiki")
    entries_with.cache_clear()


def test_kept_studies_see_the_whole_table() -> None:
    table = open_table("nasbench201")  # the third run has gaps
    runs = tuple(Metric("cifar10", "valid", 200, run) for run in range(3))
    assert entries_with(table, (runs,)).rows is None
    assert entries_with(table, ((runs[2],),)).n == 15_625 - 7_456


def test_presence_is_that_of_the_values(table: Table) -> None:
    for metric in table.metrics:
        np.testing.assert_array_equal(table.present(metric), ~np.isnan(table.values(metric)))


# -- studies -------------------------------------------------------------------------------------------


def test_a_data_set_with_gaps_is_studied_where_it_is(cli: Cli, table: Table, tmp_path: Path) -> None:
    strategies = ["random-search", "regularized-evolution", "local-search", "tpe"]
    done = run(study(datasets=["ptb", "wiki"], strategies=strategies), tmp_path / "out")
    trials, manifest = done.read_trials(), done.read_manifest()
    assert manifest["studied"] == {"wiki": len(HAVE_BOTH)}
    assert manifest["remarks"]["data set wiki"].startswith(f"studied on the {len(HAVE_BOTH)} of 48 entries")
    needs = (
        f"needs a complete space; lm has every column of this study for {len(HAVE_BOTH)} of 48 architectures"
    )
    assert manifest["not_applicable"] == {"local-search on wiki": needs, "tpe on wiki": needs}
    wiki = trials[trials["dataset"] == "wiki"]
    assert set(wiki["strategy"]) == {"random-search", "regularized-evolution"}
    assert set(trials[trials["dataset"] == "ptb"]["strategy"]) == set(strategies)
    best = float(2 * (60 + RANK[HAVE_BOTH].min()))
    assert best > 2 * (60 + RANK.min())  # the best of all has a gap
    np.testing.assert_allclose(wiki["regret"], wiki["valid"] - best)
    assert wiki["regret"].min() >= 0
    assert wiki["test"].notna().all()
    assert verify(done.path).different is None
    for words in (["leaderboard", "show"], ["leaderboard", "efficiency"], ["leaderboard", "compare"]):
        code, shown, err = cli(*words, done.path)
        assert code == 0, err
        if words[-1] == "show":
            assert f"note: data set wiki: studied on the {len(HAVE_BOTH)} of 48 entries" in shown
            assert "not applicable: tpe on wiki: needs a complete space" in shown
    assert f"wiki on the {len(HAVE_BOTH)} of 48 entries that have it" in done.latex.read_text("utf-8")
    code, _, err = cli("report", done.path, "--out", tmp_path / "page.html")
    assert code == 0, err
    assert f"studied on the {len(HAVE_BOTH)} of 48 entries" in (tmp_path / "page.html").read_text("utf-8")


def test_a_budget_in_seconds_needs_them_of_every_entry(table: Table, tmp_path: Path) -> None:
    spec = study(datasets=["wiki"], budget={"simulated_seconds": 300}, strategies=["random-search"])
    done = run(spec, tmp_path / "out")
    assert done.read_manifest()["studied"] == {"wiki": int((HAVE_BOTH < 24).sum())}
    assert done.read_traces()["seconds"].notna().all()
    in_queries = run(study(datasets=["wiki"], strategies=["random-search"]), tmp_path / "queries")
    assert in_queries.read_traces()["seconds"].isna().all()  # not of every entry: nobody knows a sum


def test_a_missing_cost_is_not_feasible_and_is_told(table: Table, tmp_path: Path) -> None:
    spec = study(
        constraint={"cost": "params", "max": 2.0}, strategies=["random-search", "regularized-evolution"]
    )
    done = run(spec, tmp_path / "out")
    manifest = done.read_manifest()
    assert manifest["constraint"]["ptb"]["source"] == {"column": "params"}
    assert manifest["remarks"]["data set ptb"] == "8 of 48 entries have no params and count as not feasible"
    size = table.values(Metric("", None, None, quantity="params"))
    assert manifest["constraint"]["ptb"]["feasible"] == int((size <= 2e6).sum())
    recommended = [table.base_space.parse(text) for text in done.read_trials()["recommended"]]
    assert (size[table.locate(np.array(recommended))] <= 2e6).all()
    best = 60 + RANK[size <= 2e6].min()
    trials = done.read_trials()
    np.testing.assert_allclose(trials["regret"], trials["valid"] - best)


# -- budgets that are too small -------------------------------------------------------------------------


@pytest.mark.parametrize("queries", [1, 2, 3, 7])
def test_a_budget_too_small_for_one_method_stops_no_study(table: Table, tmp_path: Path, queries: int) -> None:
    done = run(
        study(strategies=list(strategy_names()), budget={"queries": queries}, seeds=2), tmp_path / "out"
    )
    left_out = done.read_manifest()["not_applicable"]
    assert set(left_out) == {"pcnas"}
    assert left_out["pcnas"].startswith("the budget is too small: pcnas makes at least")
    assert set(done.read_trials()["strategy"]) == set(strategy_names()) - {"pcnas"}


@pytest.mark.parametrize("name", ["nasbench201", "nasbench101-sample", "nasbench-macro"])
def test_two_queries_are_enough_for_a_plan_on_every_table(name: str) -> None:
    epochs = {"nasbench201": 200, "nasbench101-sample": 108, "nasbench-macro": 50}[name]
    split, score, report = "valid", "mean", {}
    if name == "nasbench101-sample":
        score, report = 0, {"valid": 0, "test": None}
    if name == "nasbench-macro":
        split, score, report = "test", 0, {"valid": None, "test": 1}
    spec = study(
        table=name,
        datasets=["cifar10"],
        search={"split": split, "epochs": epochs, "score": score},
        report={"epochs": epochs, **report},
        strategies=list(strategy_names()),
        budget={"queries": 2},
    )
    plan = make_plan(spec, open_table(name))
    small = {label for label, why in plan.not_applicable.items() if "budget is too small" in why}
    assert small == {"pcnas"}
    assert all("complete space" in why for label, why in plan.not_applicable.items() if label not in small)


def test_a_budget_that_pays_for_no_evaluation_leaves_out_those_that_ask_for_all(table: Table) -> None:
    both = study(strategies=["random-search", "bohb"], budget={"queries": 0.5})
    plan = make_plan(both, table)  # bohb begins at 10 of 40 epochs
    assert plan.not_applicable == {
        "random-search": "the budget is too small: the first evaluation of seed 0 costs 1 queries"
    }
    with pytest.raises(
        InputError, match="no strategy of this study applies: random-search the budget is too small"
    ):
        make_plan(study(strategies=["random-search"], budget={"queries": 0.5}), table)
    in_seconds = study(strategies=["random-search", "bohb"], budget={"simulated_seconds": 12})
    assert "simulated seconds" in make_plan(in_seconds, table).not_applicable["random-search"]


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        ({"name": "pcnas", "options": {"queries": 2}}, "pcnas makes at least"),
        ({"name": "pcnas", "options": {"pool": 0}}, "pool"),
        ({"name": "regularized-evolution", "options": {"population": 0}}, "population"),
        ({"name": "tpe", "options": {"populations": 2}}, "unknown hyperparameter"),
    ],
)
def test_a_wrong_option_is_an_error_however_small_the_budget(
    table: Table, strategy: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        make_plan(study(strategies=["random-search", strategy], budget={"queries": 2}), table)
