"""Tables of other quantities than accuracy: perplexities, latencies, throughputs, negative scores."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchkit.base.errors import InputError
from benchkit.data.tables import Metric, Table, open_table
from benchkit.data.tables.end_columns import end_columns
from benchkit.data.tables.write import Column, TableSource, write_table
from benchkit.searching.table_evaluator import TableEvaluator
from benchkit.spaces.categorical import CategoricalSpace
from benchkit.studies.correlation.columns import columns_of, matrix_of
from benchkit.studies.correlation.table_columns import TableColumns
from benchkit.studies.correlation.truth import quantity_of, read_truth, read_truths, truth_label
from benchkit.training.sampled_entries import best_of_first
from benchkit.training.table_entry import table_entry

Cli = Callable[..., tuple[int, str, str]]
SPACE = CategoricalSpace("lm", {"depth": list("123456"), "width": list("abcd"), "act": list("xy")})
PERPLEXITY = Metric("wiki", "valid", 10, quantity="perplexity")


@pytest.fixture
def language(home: Path) -> Table:
    """Perplexity in three runs with gaps, and on test; a negative score, latency with gaps, throughput."""
    rng = np.random.default_rng(0)
    perplexity = np.exp(rng.normal(4, 0.8, 48))
    runs = perplexity * np.exp(rng.normal(0, 0.05, (3, 48)))
    runs[1, 5:15] = np.nan
    runs[2, :10] = np.nan
    latency = rng.uniform(2, 80, 48)
    throughput = 1e4 / latency
    latency[3:9] = np.nan
    columns = {
        Metric("wiki", "valid", 10, run, "perplexity"): Column(values, better="lower")
        for run, values in enumerate(runs)
    }
    columns |= {
        Metric("wiki", "test", 10, quantity="perplexity"): Column(1.1 * perplexity, better="lower"),
        Metric("wiki", "valid", 10, quantity="score"): Column(
            -np.log(perplexity), unit="nats", better="higher"
        ),
        Metric("", None, None, quantity="latency"): Column(latency, unit="ms", better="lower"),
        Metric("wiki", None, None, quantity="throughput"): Column(
            throughput, unit="tokens/s", better="higher"
        ),
    }
    path = home / "tables" / "lm.arrow"
    path.parent.mkdir(parents=True)
    write_table(path, TableSource("lm", SPACE, "", "", "", {}), SPACE.at(np.arange(48)), columns)
    return Table(path)


# -- one mean over runs -----------------------------------------------------------------------------


def test_the_mean_over_runs_is_the_same_wherever_it_is_asked_for(cli: Cli, home: Path) -> None:
    runs = np.random.default_rng(3).uniform(50, 90, (3, 48))
    runs[0, 1:3] = runs[1, 2:9] = runs[2, 4:20] = np.nan  # entry 2 has one run, 1 has two
    columns = {Metric("d", "valid", 10, run): Column(values) for run, values in enumerate(runs)}
    without = np.where(np.arange(48) == 3, np.nan, runs)
    columns |= {Metric("e", "valid", 10, run): Column(values) for run, values in enumerate(without)}
    columns[Metric("d", None, None, quantity="parameters")] = Column(np.arange(1.0, 49) * 1e6)
    path = home / "tables" / "gaps.arrow"
    path.parent.mkdir(parents=True)
    write_table(path, TableSource("gaps", SPACE, "", "", "", {}), SPACE.at(np.arange(48)), columns)
    table, mean = Table(path), Metric("d", "valid", 10)
    by_hand = [np.mean(each[~np.isnan(each)]) for each in runs.T]

    rows = SPACE.at(np.arange(48))
    queried = table.query(rows, mean)
    correlated = TableColumns(table).values("d/valid/10")
    (truth,) = read_truths(table, "d")
    searched = TableEvaluator(table, "d", "valid", 10, "mean", np.random.default_rng(0))
    np.testing.assert_allclose(queried, by_hand, rtol=1e-15)
    for values in (correlated, truth.mean, searched.evaluate(rows).scores):
        np.testing.assert_array_equal(values, queried)
    (other,) = read_truths(table, "e")
    assert np.flatnonzero(np.isnan(other.mean)).tolist() == [3]  # no run, no mean
    np.testing.assert_array_equal(TableColumns(table).values("e/valid/10"), other.mean)
    assert truth.metric == mean
    assert TableColumns(table).means[0] == "d/valid/10"
    code, printed, _ = cli("table", "query", "gaps", SPACE.format(rows[2]), "--dataset", "d", "--split",
                           "valid", "--epochs", 10, "--json")  # fmt: skip
    assert (code, json.loads(printed)["value"]) == (0, runs[2, 2])
    assert cli("plot", "space", "gaps", "--dataset", "d", "--out", home / "g.png")[0] == 0
    points = pd.read_csv(home / "g.csv")
    assert sorted(points["accuracy"]) == pytest.approx(sorted(queried))


def test_a_single_run_stands_for_no_mean(home: Path) -> None:
    table = open_table("nasbench101-sample")
    assert [str(metric) for metric in end_columns(table, "cifar10")][
        -1
    ] == "cifar10.valid.108ep.run0.accuracy"
    (truth,) = read_truths(table, "cifar10")
    assert truth.metric == Metric("cifar10", "valid", 108, run=0)
    assert table.optimum(truth.metric).value == np.nanmax(truth.mean)


# -- directions -------------------------------------------------------------------------------------


def test_columns_of_every_quantity_have_names_units_and_directions(language: Table) -> None:
    columns = columns_of(["lm"])
    assert list(columns.values) == [
        "wiki/valid/10/perplexity",
        "wiki/test/10/perplexity",
        "wiki/valid/10/score",
    ]
    assert set(columns.lower) == {"wiki/valid/10/perplexity", "wiki/test/10/perplexity"}
    assert columns.quantities["wiki/valid/10/score"].unit == "nats"
    assert list(columns.runs) == ["wiki/valid/10/perplexity"]
    names = ["latency", "wiki/throughput", "wiki/valid/10/perplexity/2", "wiki.valid.10ep.run0.perplexity"]
    more = columns_of(["lm"], names)
    assert tuple(more.quantities[name].unit for name in ("latency", "wiki/throughput")) == ("ms", "tokens/s")
    np.testing.assert_array_equal(
        more.values["wiki.valid.10ep.run0.perplexity"],
        language.values(Metric("wiki", "valid", 10, 0, "perplexity")),
    )
    with pytest.raises(InputError, match="did you mean 'wiki/throughput'"):
        columns_of(["lm"], ["wiki/troughput", "latency"])


def test_a_table_with_one_accuracy_is_correlated_with_what_else_it_has(home: Path) -> None:
    path = home / "tables" / "small.arrow"
    path.parent.mkdir(parents=True)
    values = np.linspace(10, 90, 48)
    columns = {
        Metric("d", "valid", 5): Column(values),
        Metric("d", None, None, quantity="latency_seconds"): Column(1 / values),
    }
    write_table(path, TableSource("small", SPACE, "", "", "", {}), SPACE.at(np.arange(48)), columns)
    assert list(columns_of(["small"]).values) == ["d/valid/5", "d/latency_seconds"]


def test_a_loss_and_an_accuracy_agree_where_better_goes_with_better(language: Table) -> None:
    found = columns_of(
        ["lm"], ["wiki/test/10/perplexity", "wiki/valid/10/score", "wiki/throughput", "latency"]
    )
    matrix = matrix_of(found, ["kendall_tau", "pearson"], [1.0, 0.25], [5], resamples=20)
    at = matrix.set_index(["row", "column", "measure", "fraction", "k"]).sort_index()

    def value(row: str, column: str, measure: str, fraction: float = 1.0, k: float = np.nan) -> float:
        chosen = matrix[
            (matrix["row"] == row)
            & (matrix["column"] == column)
            & (matrix["measure"] == measure)
            & (matrix["fraction"] == fraction)
            & (matrix["k"].isna() if np.isnan(k) else matrix["k"] == k)
        ]
        (only,) = chosen["value"]
        return float(only)

    assert len(at) == len(matrix)
    assert value("wiki/test/10/perplexity", "wiki/valid/10/score", "kendall_tau") == pytest.approx(1)
    assert value("latency", "wiki/throughput", "kendall_tau") == pytest.approx(1)
    assert value("latency", "wiki/throughput", "pearson") > 0
    perplexity = language.values(Metric("wiki", "test", 10, quantity="perplexity"))
    latency = language.values(Metric("", None, None, quantity="latency"))
    known = ~np.isnan(latency)
    natural = stats.kendalltau(perplexity[known], latency[known]).statistic
    assert value("wiki/test/10/perplexity", "latency", "kendall_tau") == pytest.approx(natural)  # both turned
    best = np.argsort(perplexity[known])[:11]  # the lowest quarter of 42, not the highest
    within = stats.kendalltau(perplexity[known][best], latency[known][best]).statistic
    assert value("wiki/test/10/perplexity", "latency", "kendall_tau", 0.25) == pytest.approx(within)
    fastest = np.argsort(latency[known])[:5]
    regret = perplexity[known][fastest].min() - perplexity[known].min()
    assert value("wiki/test/10/perplexity", "latency", "regret", k=5) == pytest.approx(regret)
    rank = 1 + (perplexity[known] < perplexity[known][fastest].min()).sum()
    assert value("wiki/test/10/perplexity", "latency", "best_rank", k=5) == rank


def test_the_output_says_which_way_round_it_is(cli: Cli, language: Table, tmp_path: Path) -> None:
    words = ("table", "correlate", "lm", "--resamples", 10, "--k", 3)
    code, printed, _ = cli(*words, "--out", tmp_path / "m")
    assert code == 0
    said = " ".join(printed.split())
    assert "Lower is better in wiki/valid/10/perplexity, wiki/test/10/perplexity: turned round" in said
    assert "regret (in the unit of the truth)" in said
    assert "percent" not in said
    about = json.loads((tmp_path / "m" / "matrix.json").read_text())
    assert about["lower_is_better"] == ["wiki/valid/10/perplexity", "wiki/test/10/perplexity"]
    for source in ("lm", tmp_path / "m"):
        code, _, notes = cli("plot", "heatmap", source, "--resamples", 10, "--out", tmp_path / "h.svg")
        assert code == 0
        assert "lower is better in wiki/valid/10/perplexity" in notes
        assert "(lower is better)" in (tmp_path / "h.svg").read_text()
    code, printed, _ = cli("table", "correlate", "nasbench201-3", "--n", 20, "--resamples", 10, "--k", 3)
    assert "regret (percent points)" in printed
    assert "turned round" not in printed


def test_a_truth_is_ranked_by_its_direction(language: Table) -> None:
    assert [truth.split for truth in read_truths(language, "wiki", quantity="perplexity")] == [
        "valid",
        "test",
    ]
    truth = read_truth(language, "wiki", "valid", quantity="perplexity")
    best = int(np.nanargmin(truth.mean))
    assert np.nanargmax(truth.ranked) == best == language.optimum(truth.metric).row
    np.testing.assert_array_equal(truth.ranked_runs, -truth.runs)
    score = read_truth(language, "wiki", "valid", quantity="score")
    np.testing.assert_array_equal(score.ranked, score.mean)
    speed = read_truth(language, "wiki", "valid", quantity="throughput")  # has no split
    assert (speed.split, speed.metric.epochs) == ("all", None)
    about = {**speed.metric.to_json(), "unit": "tokens/s"}
    assert truth_label(about) == "wiki throughput\nalone (tokens/s)"
    assert truth_label(truth.metric.to_json() | {"unit": ""}) == (
        "wiki validation perplexity\nafter 10 epochs alone"
    )
    with pytest.raises(InputError, match="has no accuracy: give --quantity, one of perplexity, score, lat"):
        quantity_of(language, None)
    with pytest.raises(InputError, match="did you mean 'perplexity'"):
        quantity_of(language, "perplexty")
    with pytest.raises(InputError, match=r"has no throughput on books: give --dataset, one of wiki"):
        read_truths(language, "books", quantity="throughput")
    with pytest.raises(InputError, match=r"unknown epochs '9'.*it has 10"):
        read_truths(language, "wiki", 9, "perplexity")
    with pytest.raises(InputError, match="is after no number of epochs"):
        read_truths(language, "wiki", 9, "throughput")


def test_the_best_of_k_samples_is_the_lowest_perplexity(language: Table) -> None:
    rows = language.space.sample(np.random.default_rng(0), 12)
    found = best_of_first(language, rows)
    values = language.query(rows, PERPLEXITY)
    test = language.query(rows, Metric("wiki", "test", 10, quantity="perplexity"))
    assert [each["k"] for each in found] == [10]
    assert found[0]["valid"] == values[:10].min()
    assert found[0]["test"] == test[values[:10].argmin()]
    assert (found[0]["quantity"], found[0]["unit"]) == ("perplexity", "")
    mean = language.values(PERPLEXITY)
    draws = np.random.default_rng(1)
    best = [draws.choice(mean, 10, replace=False).min() for _ in range(2_000)]
    assert abs(np.mean(best) - found[0]["random_valid"]) < 3 * np.std(best) / np.sqrt(2_000)


def test_the_entry_of_a_search_names_what_the_table_ranks_by(
    language: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = SPACE.at([7])[0]
    entry = table_entry(SPACE, row)
    assert entry is not None
    assert entry["accuracy"] == []
    valid, test = entry["scores"]
    assert (valid["quantity"], valid["better"], valid["split"], valid["runs"]) == (
        *("perplexity", "lower", "valid"),
        3,
    )
    assert valid["value"] == language.query(row, PERPLEXITY)
    assert valid["optimum"] == np.nanmin(language.values(PERPLEXITY))
    assert test["split"] == "test"


# -- plot space, and costs by their names -----------------------------------------------------------


def test_a_space_is_drawn_by_perplexity_and_entries_without_latency_are_counted(
    cli: Cli, language: Table, tmp_path: Path
) -> None:
    out = tmp_path / "a.svg"
    code, _, notes = cli("plot", "space", "lm", "--cost", "latency", "--quantity", "perplexity", "--out", out)
    assert code == 0
    assert "6 of 48 entries have no latency (latency) or no wiki.valid.10ep.perplexity, and are left" in notes
    perplexity, latency = (
        language.values(PERPLEXITY),
        language.values(Metric("", None, None, None, "latency")),
    )
    points = pd.read_csv(tmp_path / "a.csv")
    known = ~np.isnan(latency)
    assert points["perplexity"].tolist() == pytest.approx(perplexity[known].tolist())
    assert points["latency"].tolist() == pytest.approx(latency[known].tolist())
    front = pd.read_csv(tmp_path / "a-front.csv")
    plainly = [
        (x, y)
        for x, y in zip(latency[known], perplexity[known], strict=True)
        if not ((latency[known] < x) & (perplexity[known] <= y)).any()
        and not ((latency[known] <= x) & (perplexity[known] < y)).any()
    ]
    assert sorted(zip(front["latency"], front["perplexity"], strict=True)) == [
        (pytest.approx(x), pytest.approx(y)) for x, y in sorted(plainly)
    ]
    drawn = out.read_text()
    assert f"best (lowest): {perplexity[known].min():.4g}" in drawn
    assert "42 of 48 architectures" in drawn
    assert "validation perplexity" in drawn
    assert "accuracy" not in drawn


def test_a_throughput_as_cost_is_better_when_higher(cli: Cli, language: Table, tmp_path: Path) -> None:
    words = ("--cost", "throughput", "--quantity", "score", "--out", tmp_path / "a.svg")
    assert cli("plot", "space", "lm", *words)[0] == 0
    front = pd.read_csv(tmp_path / "a-front.csv")
    throughput = language.values(Metric("wiki", None, None, None, "throughput"))
    assert front["throughput"].max() == pytest.approx(throughput.max())
    assert front["score"].is_monotonic_increasing
    assert front["throughput"].is_monotonic_decreasing
    drawn = (tmp_path / "a.svg").read_text()
    assert "throughput (tokens/s)" in drawn
    assert "validation score (nats)" in drawn


def test_a_cost_is_queried_by_the_name_that_people_give_it(cli: Cli, language: Table) -> None:
    row = language.rows[0]
    words = ("table", "query", "lm", SPACE.format(row), "--dataset", "wiki", "--quantity", "latency")
    code, printed, _ = cli(*words, "--json")
    answer = json.loads(printed)
    assert (code, answer["unit"], answer["metric"]) == (0, "ms", "latency")
    assert answer["value"] == language.query(row, Metric("", None, None, quantity="latency"))
    missing = ("table", "query", "lm", SPACE.format(language.rows[4]), "--dataset", "wiki")
    code, _, error = cli(*missing, "--quantity", "latency")
    assert (code, "(42 of 48 entries have it)" in error) == (2, True)
    code, _, error = cli(*words, "--split", "valid")
    assert (code, "by --dataset and --epochs alone" in error) == (2, True)
    assert cli(*words[:-1], "params")[0] == 2
    cell = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"
    code, printed, _ = cli(
        *("table", "query", "nasbench201", cell, "--dataset", "cifar10"), "--quantity", "params"
    )
    assert (code, printed.split()[1]) == (0, "millions")
    parameters = open_table("nasbench201").query(cell, Metric("cifar10", None, None, quantity="parameters"))
    assert float(printed.split()[0]) == pytest.approx(parameters / 1e6, rel=1e-5)
