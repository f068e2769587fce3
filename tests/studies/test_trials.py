"""Trials: each is its own, what it reports is what the table says, and a search sees no test column."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import benchkit.studies.trial as trial_module
from benchkit.base.errors import InputError
from benchkit.data.tables import Metric, Table, open_table
from benchkit.studies.plan import make_plan
from benchkit.studies.runner import spread
from benchkit.studies.spec import StudySpec, load_preset
from benchkit.studies.trial import Trial, TrialResult, run_trial

Small = Callable[..., StudySpec]
EVERYTHING = ["random-search", "regularized-evolution", "local-search", "reinforce", "tpe", "bohb"]


def one(
    spec: StudySpec, table: Table, label: str = "random-search", dataset: str = "d", seed: int = 0
) -> TrialResult:
    return run_trial(spec, Trial(label, dataset, seed), table.path, table.sha256)


def digests(spec: StudySpec, table: Table, trials: list[Trial], jobs: int) -> dict[str, str]:
    results = spread(run_trial, [(spec, trial, table.path, table.sha256) for trial in trials], jobs)
    return {result.trial.name: result.digest for result in results}


# -- a trial depends on nothing but itself ----------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"strategies": ["random-search"]},
        {"strategies": ["tpe", "local-search", "random-search"]},
        {"datasets": ["d"]},
        {"datasets": ["e", "d"]},
        {"seeds": 1},
        {"seeds": 50},
        {"name": "other", "title": "of another name"},
        {"report": {"epochs": 100, "test": None}},
    ],
)
def test_what_else_is_in_the_study_does_not_matter(toy: Table, small: Small, change: dict[str, Any]) -> None:
    assert one(small(**change), toy).digest == one(small(), toy).digest


def test_strategy_data_set_and_seed_all_matter(toy: Table, small: Small) -> None:
    spec = small(strategies=["random-search", {"name": "random-search", "label": "again"}])
    results = [
        one(spec, toy),
        one(spec, toy, label="again"),
        one(spec, toy, dataset="e"),
        one(spec, toy, seed=1),
    ]
    asked = {result.trace.batch.tobytes() for result in results}
    assert len(asked) == len({result.digest for result in results}) == 4


def test_the_streams_of_a_trial_are_independent() -> None:
    trial = Trial("tpe", "cifar10", 3)
    draws = [generator.random(8).tolist() for generator in trial.streams("nasbench201")]
    assert len({tuple(draw) for draw in draws}) == 3
    assert draws == [generator.random(8).tolist() for generator in trial.streams("nasbench201")]
    assert draws != [generator.random(8).tolist() for generator in trial.streams("nasbench101")]


def test_neither_order_nor_processes_change_a_trace(toy: Table, small: Small) -> None:
    spec = small(strategies=EVERYTHING)
    trials = make_plan(spec, toy).trials
    assert len(trials) == 24
    forwards = digests(spec, toy, trials, jobs=1)
    assert digests(spec, toy, trials[::-1], jobs=1) == forwards
    assert digests(spec, toy, trials, jobs=2) == forwards


def test_every_trial_has_its_own_file_name() -> None:
    twins = ["a b", "a_b", "a/b", "a.b", "ä"]
    names = {Trial(label, dataset, 0).name for label in twins for dataset in twins}
    assert len(names) == 25
    assert not any("/" in name for name in names)
    assert Trial("tpe", "imagenet16-120", 7).name.endswith(".imagenet16-120.000007")


def test_another_table_of_the_same_name_is_refused(toy: Table, small: Small) -> None:
    with pytest.raises(InputError, match="has SHA-256"):
        run_trial(small(), Trial("random-search", "d", 0), toy.path, "0" * 64)


def test_where_the_path_is_not_the_table_is_found_by_its_name(
    small: Small, toy: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on another machine of a cluster: by its name, if it is the same file."""
    trial, elsewhere = Trial("random-search", "d", 0), tmp_path / "another-machine" / "toy.arrow"
    found = run_trial(small(), trial, elsewhere, toy.sha256)
    assert found.digest == run_trial(small(), trial, toy.path, toy.sha256).digest
    with pytest.raises(InputError, match=r"toy\.arrow has SHA-256 .*, the study's has 000000000000"):
        run_trial(small(), trial, elsewhere, "0" * 64)
    monkeypatch.setenv("BENCHKIT_HOME", str(tmp_path / "empty"))
    trial_module._open.cache_clear()
    with pytest.raises(InputError, match=r"unknown table 'toy'.*: import the same file here"):
        run_trial(small(), trial, elsewhere, toy.sha256)


# -- what a trial reports ---------------------------------------------------------------------


@pytest.mark.parametrize("label", EVERYTHING)
@pytest.mark.parametrize("score", ["mean", "run", 1])
def test_regret_is_that_of_the_incumbent_counted_by_hand(
    toy: Table, small: Small, label: str, score: str | int
) -> None:
    search = {"split": "valid", "epochs": 100, "score": score}
    result = one(small(strategies=[label], search=search), toy, label)
    judged = Metric("d", "valid", 100)
    optimum = max(toy.values(judged).tolist())

    expected, best, incumbent = [], (0, -1.0), None
    for row, value, fidelity in zip(
        result.trace.batch, result.trace.scores, result.trace.fidelity, strict=True
    ):
        if (fidelity, value) > best:
            best, incumbent = (int(fidelity), float(value)), row
        assert incumbent is not None
        expected.append(optimum - toy.query(incumbent, judged))
    assert result.regret.tolist() == expected
    assert incumbent is not None
    assert np.array_equal(result.recommended, incumbent)
    (report,) = result.reports
    assert (report.dataset, report.regret) == ("d", expected[-1])
    assert report.valid == toy.query(incumbent, judged)
    assert report.test == toy.query(incumbent, Metric("d", "test", 100))
    if score == "mean" and label != "bohb":  # the search sees what is judged
        assert (np.diff(result.regret) <= 0).all()


def test_distinct_counts_are_those_of_the_trace(toy: Table, small: Small) -> None:
    result = one(small(budget={"queries": 300}), toy)
    rows = {tuple(row) for row in result.trace.batch.tolist()}
    assert result.distinct == result.distinct_isomorphic == len(rows) <= 48


def test_one_search_is_reported_on_several_data_sets(toy: Table, small: Small) -> None:
    spec = small(datasets=["d"], report={"epochs": 100, "datasets": ["e", "d"], "valid": 1})
    result = one(spec, toy)
    assert [report.dataset for report in result.reports] == ["e", "d"]
    for report in result.reports:
        valid = Metric(report.dataset, "valid", 100, 1)
        assert report.valid == toy.query(result.recommended, valid)
        assert report.regret == max(toy.values(valid).tolist()) - report.valid
        assert report.test == toy.query(result.recommended, Metric(report.dataset, "test", 100))
    judged = Metric("d", "valid", 100, 1)  # the curve is that of the data set searched on
    incumbents = result.trace.batch[result.trace.incumbents()]
    assert result.regret.tolist() == (toy.optimum(judged).value - toy.query(incumbents, judged)).tolist()


def test_a_budget_below_one_query_says_so(toy: Table, small: Small) -> None:
    with pytest.raises(InputError, match="does not pay for one query"):
        one(small(budget={"queries": 0.5}), toy)


# -- test accuracy is read once, of the recommended architecture -------------------------------


@pytest.mark.parametrize("label", EVERYTHING)
def test_no_test_column_is_read_before_the_report(
    toy: Table, small: Small, monkeypatch: pytest.MonkeyPatch, label: str
) -> None:
    raw, query, search = Table.raw, Table.query, trial_module.search
    reads: list[tuple[str, Any]] = []

    def watched_raw(self: Table, metric: Metric) -> Any:
        reads.append(("column", metric))
        return raw(self, metric)

    def watched_query(self: Table, architectures: Any, metric: Metric) -> Any:
        reads.append(("entry", (metric, np.array(architectures).tolist())))
        return query(self, architectures, metric)

    def watched_search(*arguments: Any) -> Any:
        reads.append(("begin", None))
        trace = search(*arguments)
        reads.append(("end", None))
        return trace

    monkeypatch.setattr(Table, "raw", watched_raw)
    monkeypatch.setattr(Table, "query", watched_query)
    monkeypatch.setattr(trial_module, "search", watched_search)
    trial_module._open.cache_clear()  # a table opened by an earlier test has its columns at hand
    result = one(small(strategies=[label]), toy, label)

    begin, end = reads.index(("begin", None)), reads.index(("end", None))
    assert end == begin + 1  # the search reads no table at all: it was given its columns
    before = [metric for kind, metric in reads[:begin] if kind == "column"]
    assert before
    assert all(metric.split != "test" for metric in before)
    asked = [entry for kind, entry in reads[end:] if kind == "entry" and entry[0].split == "test"]
    assert asked == [(Metric("d", "test", 100), result.recommended.tolist())]


def test_a_table_without_validation_is_searched_on_one_run_and_reported_on_another() -> None:
    spec, table = load_preset("macro").replaced(queries=20), open_table("nasbench-macro")
    result = one(spec, table, "random-search", "cifar10")
    seen, reported = (Metric("cifar10", "test", 50, run) for run in (0, 1))
    assert result.trace.scores.tolist() == table.query(result.trace.batch, seen).tolist()
    (report,) = result.reports
    assert np.isnan(report.valid)
    assert report.test == table.query(result.recommended, reported) != result.trace.scores.max()
    assert report.regret == table.optimum(reported).value - report.test


@pytest.mark.parametrize(
    ("seen", "reported"),
    [(0, 0), (1, 1), (0, "mean"), ("mean", 0), ("mean", "mean"), ("run", 1), ("run", "mean")],
)
def test_what_a_search_saw_of_the_test_accuracy_is_not_reported(seen: str | int, reported: str | int) -> None:
    macro = load_preset("macro")
    search = macro.search.model_copy(update={"score": seen})
    report = macro.report.model_copy(update={"test": reported})
    spec = macro.model_copy(update={"search": search, "report": report})
    with pytest.raises(InputError, match="searches on test"):
        make_plan(spec, open_table("nasbench-macro"))


# -- what does not apply ----------------------------------------------------------------------


def test_local_search_does_not_apply_to_a_part_of_a_space() -> None:
    spec = load_preset("nb101-sample").replaced(strategies=["random-search", "local-search"], seeds=2)
    plan = make_plan(spec, open_table("nasbench101-sample"))
    assert [trial.label for trial in plan.trials] == ["random-search"] * 2
    reason = "needs a complete space; nasbench101-sample holds 30,001 of"
    assert plan.not_applicable["local-search"].startswith(reason)
    with pytest.raises(InputError, match="no strategy of this study applies: local-search needs a complete"):
        make_plan(spec.replaced(strategies=["local-search"]), open_table("nasbench101-sample"))


def test_a_search_in_a_part_of_a_space_stays_inside_it(tmp_path: Path) -> None:
    spec, table = load_preset("nb101-sample").replaced(queries=30), open_table("nasbench101-sample")
    for label in ("random-search", "regularized-evolution", "reinforce"):
        trace = one(spec, table, label, "cifar10").trace
        assert len(trace) == 30
        assert table.query(trace.batch, Metric("cifar10", "valid", 108, 0)).tolist() == trace.scores.tolist()


def test_a_strategy_of_several_fidelities_is_told_where_there_is_one(toy: Table, small: Small) -> None:
    both = make_plan(small(strategies=["bohb"]), toy)
    assert both.remarks == {}
    search = {"split": "valid", "epochs": 100, "score": "run"}  # the 10-epoch figures have no runs
    single = make_plan(small(strategies=["bohb"], search=search), toy)
    assert single.remarks["bohb"].startswith("the table offers 100 epochs alone")
