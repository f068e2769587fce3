"""Studies of what is no accuracy: perplexities, negative scores, throughputs, from the search to the page."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchkit.analysis.figures.efficiency import draw_efficiency, efficiency_info
from benchkit.analysis.figures.sample_density import density_info, draw_density
from benchkit.analysis.statistics.near_best import near_best
from benchkit.analysis.tables.best_of_k import best_of_k_layout, best_of_k_summary
from benchkit.base.errors import InputError
from benchkit.base.measure import ACCURACY, Measure
from benchkit.data.tables import Metric, Table, open_table
from benchkit.reports.api import run_study as run
from benchkit.searching import TableEvaluator
from benchkit.strategies import strategy_names
from benchkit.studies.plan import make_plan
from benchkit.studies.spec import parse_spec
from benchkit.studies.store import StudyDirectory
from benchkit.studies.verify import verify
from tests.measured import RANK, make_table, study

Cli = Callable[..., tuple[int, str, str]]
PERPLEXITY = Measure("perplexity", "", False)


@pytest.fixture
def table(home: Path) -> Table:
    return make_table(home)


# -- what a search hears -----------------------------------------------------------------------------


def test_a_search_on_perplexity_hears_that_higher_is_better(table: Table) -> None:
    rng = np.random.default_rng(0)
    heard = TableEvaluator(table, "ptb", "valid", 40, "mean", rng, quantity="perplexity")
    scores = heard.evaluate(table.rows).scores
    np.testing.assert_array_equal(scores, -(60 + RANK))
    assert heard.fidelities == (10, 40)
    best = int(np.argmax(scores))
    assert table.optimum(Metric("ptb", "valid", 40, quantity="perplexity")).row == best


def test_negative_scores_and_columns_without_epochs_are_heard_as_they_are(table: Table) -> None:
    rng = np.random.default_rng(0)
    likelihood = TableEvaluator(table, "ptb", "valid", 40, "mean", rng, quantity="log_likelihood")
    np.testing.assert_allclose(likelihood.evaluate(table.rows).scores, -(60 + RANK) / 1000)
    speed = TableEvaluator(table, "ptb", None, None, "mean", rng, quantity="throughput")
    np.testing.assert_array_equal(speed.evaluate(table.rows).scores, 12_000 + 100 * RANK)
    assert speed.fidelities == (1,)
    assert not speed.has_seconds


@pytest.mark.parametrize("split", ["test", None])
def test_a_search_on_any_quantity_must_see_validation_where_there_is_some(
    table: Table, split: str | None
) -> None:
    with pytest.raises(InputError, match="must see split 'valid'"):
        TableEvaluator(table, "ptb", split, 40, "mean", np.random.default_rng(0), quantity="perplexity")


def test_what_a_table_has_is_told_by_quantity(table: Table) -> None:
    assert table.datasets == ["ptb", "wiki"]
    assert table.epochs("ptb", "valid", quantity="perplexity") == [10, 40]
    assert table.epochs("ptb", "valid") == []


# -- the specification -------------------------------------------------------------------------------


def test_a_study_of_accuracy_is_written_as_before_there_were_others(toy: Table, small: Any) -> None:
    assert "quantity" not in small().to_yaml()
    assert "quantity: perplexity" in study().to_yaml()
    again = parse_spec(json.loads(json.dumps(study().model_dump(mode="json"))), "the test's study")
    assert again == study()


def test_a_search_without_split_reports_what_it_searches() -> None:
    spec = study(search={"split": None, "score": "mean", "quantity": "throughput"}, report={})
    assert (spec.report.valid, spec.report.test, spec.report.epochs) == ("mean", None, None)
    with pytest.raises(InputError, match="has no test"):
        study(search={"split": None, "score": "mean", "quantity": "throughput"}, report={"test": "mean"})


@pytest.mark.parametrize("missing", [{"split": None, "epochs": 9}, {"split": "valid"}])
def test_accuracy_still_needs_split_and_epochs(missing: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="accuracy needs its split and its epochs"):
        study(search={"score": "mean", **missing})


def test_a_quantity_that_the_table_does_not_have_is_named(table: Table) -> None:
    with pytest.raises(InputError, match=r"unknown quantity 'perplexty'.*did you mean 'perplexity'"):
        make_plan(study("perplexty"), table)


# -- regret, and what is shown -----------------------------------------------------------------------


@pytest.fixture
def finished(table: Table, tmp_path: Path) -> StudyDirectory:
    return run(study(), tmp_path / "perplexity")


def test_regret_follows_the_direction(finished: StudyDirectory) -> None:
    trials = finished.read_trials()
    np.testing.assert_allclose(trials["regret"], trials["valid"] - 60)
    np.testing.assert_allclose(trials["test"], trials["valid"] + 3)
    assert (trials["regret"] >= 0).all()
    traces = finished.read_traces()
    assert (traces["regret"] >= 0).all()
    assert (traces.groupby(["strategy", "seed"])["regret"].diff().dropna() <= 0).all()
    assert (traces["score"] < 0).all()
    by_seed = trials.pivot(index="seed", columns="strategy", values="valid")
    first, other = by_seed["local-search"], by_seed["random-search"]
    wins = ((first < other) + 0.5 * (first == other)).mean()
    board = finished.read_leaderboard().set_index("strategy")
    assert board.loc["local-search", "wins_over_random"] == pytest.approx(wins)
    assert board["rank"].idxmin() == ("local-search" if wins > 0.5 else "random-search")
    assert verify(finished.path).different is None


def test_the_best_perplexity_is_the_lowest_in_latex(finished: StudyDirectory) -> None:
    text = finished.latex.read_text("utf-8")
    board = finished.read_leaderboard()
    lowest = board["valid"].min()
    assert rf"\textbf{{{lowest:.2f}}}" in text
    assert rf"\textbf{{{board['valid'].max():.2f}}}" not in text.replace(f"{lowest:.2f}", "")
    assert "Perplexity, lower is better." in text
    assert r"\%)" not in text


def test_the_command_line_says_quantity_unit_and_direction(
    cli: Cli, finished: StudyDirectory, tmp_path: Path
) -> None:
    code, shown, err = cli("leaderboard", "show", finished.path)
    assert code == 0, err
    assert "search sees valid perplexity at 40 epochs" in shown
    assert "perplexity, lower is better" in shown
    assert "regret to the table's optimum\n" in shown
    assert "accuracy" not in shown
    code, shown, err = cli("leaderboard", "efficiency", finished.path)
    assert code == 0, err
    assert "validation perplexity" in shown
    assert "% points" not in shown
    assert "where the median trial of random-search ends" in shown
    assert "cost of a regret of 0.5 " not in shown  # targets in percent points mean nothing here
    code, shown, err = cli("leaderboard", "compare", finished.path)
    assert code == 0, err
    assert "the same within 0." in shown
    assert "percent" not in shown.split("the same within")[1]
    code, shown, err = cli("leaderboard", "show", finished.path, "--json")
    assert json.loads(shown)["measure"] == {"quantity": "perplexity", "unit": "", "higher_is_better": False}


def test_the_page_is_of_perplexities(cli: Cli, finished: StudyDirectory, tmp_path: Path) -> None:
    code, _, err = cli("report", finished.path, "--out", tmp_path / "report.html")
    assert code == 0, err
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "Perplexity (lower is better), and regret" in page
    assert "validation perplexity of what was recommended" in page
    assert "regret (% points)" not in page
    assert "Accuracy in %" not in page


def test_without_the_table_the_page_has_the_same_values(
    cli: Cli, finished: StudyDirectory, home: Path
) -> None:
    from benchkit.reports.page.shares import study_table, trials_at

    spec, manifest = finished.spec(), finished.read_manifest()
    with_table = trials_at(finished, study_table(spec, manifest["table"]["sha256"]), (0.5,), PERPLEXITY)[0.5]
    without = trials_at(finished, None, (0.5,), PERPLEXITY)[0.5]
    keys = ["strategy", "seed"]
    first, second = (frame.sort_values(keys)["valid"].to_numpy() for frame in (with_table, without))
    np.testing.assert_allclose(first, second)


@pytest.mark.parametrize(
    ("command", "more"),
    [("efficiency", []), ("ranks", []), ("reaching", ["--target", "4"]), ("winrate", []), ("profile", [])],
)
def test_figures_are_drawn(
    cli: Cli, finished: StudyDirectory, tmp_path: Path, command: str, more: list[str]
) -> None:
    out = tmp_path / f"{command}.png"
    code, _, err = cli("plot", command, finished.path, "--out", out, *more)
    assert code == 0, err
    assert out.stat().st_size > 1000


def test_the_axis_of_regret_has_the_quantity(finished: StudyDirectory) -> None:
    info = efficiency_info(finished.read_traces(), split="validation", measure=PERPLEXITY)
    axes = draw_efficiency(info).axes[0]
    assert axes.get_ylabel() == "regret of the incumbent\n(validation perplexity)"
    latency = Measure("latency", "ms", False)
    labelled = draw_efficiency(info._replace(split="", measure=latency)).axes[0]
    assert labelled.get_ylabel() == "regret of the incumbent\n(latency, ms)"
    mixed = draw_efficiency(info._replace(measure=None)).axes[0]
    assert mixed.get_ylabel() == "regret of the incumbent"


def test_tiny_regrets_are_not_lost_below_a_hundredth(finished: StudyDirectory) -> None:
    traces = finished.read_traces().assign(regret=lambda frame: frame["regret"] * 1e-5)
    info = efficiency_info(traces, split="test", measure=Measure("loss", "nats", False))
    _, high = draw_efficiency(info).axes[0].get_ylim()
    assert high < 1e-3  # 48e-5 is the largest there can be


# -- negative scores and throughputs -------------------------------------------------------------------


def test_negative_scores_from_the_study_to_the_page(cli: Cli, table: Table, tmp_path: Path) -> None:
    done = run(study("log_likelihood"), tmp_path / "negative")
    trials = done.read_trials()
    assert (trials["valid"] < 0).all()
    np.testing.assert_allclose(trials["regret"], -0.06 - trials["valid"], atol=1e-9)
    board = done.read_leaderboard()
    np.testing.assert_allclose(board["regret"], -0.06 - board["valid"], atol=1e-9)
    code, shown, err = cli("leaderboard", "show", done.path)
    assert code == 0, err
    assert "log likelihood in nats, higher is better" in shown
    assert "in nats\n" in shown
    code, _, err = cli("report", done.path, "--out", tmp_path / "negative.html")
    assert code == 0, err


def test_a_throughput_has_no_test_and_no_epochs(cli: Cli, table: Table, tmp_path: Path) -> None:
    spec = study(search={"split": None, "score": "mean", "quantity": "throughput"}, report={})
    done = run(spec, tmp_path / "throughput")
    trials = done.read_trials()
    np.testing.assert_allclose(trials["regret"], 12_000 + 4_700 - trials["valid"])
    assert trials["test"].isna().all()
    code, shown, err = cli("leaderboard", "show", done.path)
    assert code == 0, err
    assert "throughput in tokens/s, higher is better" in shown
    assert "None" not in shown
    header = next(line for line in shown.splitlines() if line.startswith("strategy"))
    assert "throughput" in header
    assert "test" not in header
    assert "Throughput (tokens/s)" in done.latex.read_text("utf-8")
    for words in (["leaderboard", "efficiency"], ["leaderboard", "compare"]):
        code, shown, err = cli(*words, done.path)
        assert code == 0, err
        assert "None" not in shown
    code, _, err = cli("report", done.path, "--out", tmp_path / "throughput.html")
    assert code == 0, err
    assert "None epochs" not in (tmp_path / "throughput.html").read_text("utf-8")


@pytest.mark.parametrize("quantity", ["perplexity", "throughput"])
def test_every_strategy_searches_any_quantity(table: Table, tmp_path: Path, quantity: str) -> None:
    see = {"split": "valid", "epochs": 40} if quantity == "perplexity" else {"split": None}
    spec = study(
        search={**see, "score": "mean", "quantity": quantity},
        report={"epochs": see.get("epochs")},
        strategies=list(strategy_names()),
        budget={"queries": 25},
        seeds=1,
    )
    done = run(spec, tmp_path / "all")
    trials = done.read_trials()
    assert set(trials["strategy"]) == set(strategy_names())
    assert (trials["regret"] >= 0).all()


def test_hyperparameters_that_are_meant_for_percentages_are_told(table: Table) -> None:
    plan = make_plan(study(strategies=["gibbsnas", "nasas", "vaenas", "tpe"]), table)
    assert plan.remarks == {
        "gibbsnas": "beta 4 is meant for accuracies in %: set it for perplexity",
        "nasas": "temperature 0.5 is meant for accuracies in %: set it for perplexity",
    }
    own = {"name": "gibbsnas", "options": {"beta": 0.5}}
    assert make_plan(study(strategies=[own]), table).remarks == {}
    likelihood = make_plan(study("log_likelihood", strategies=["nasas"]), table)
    assert likelihood.remarks["nasas"].endswith("set it for log likelihood in nats")


def test_studies_of_two_quantities_are_compared_as_tasks(
    cli: Cli, table: Table, finished: StudyDirectory, tmp_path: Path
) -> None:
    other = run(study("log_likelihood"), tmp_path / "likelihood")
    code, shown, err = cli("leaderboard", "compare", finished.path, other.path)
    assert code == 0, err
    assert "regret in validation perplexity" in shown
    assert "regret in validation log likelihood" in shown
    both = tmp_path / "both.png"
    code, _, err = cli("plot", "efficiency", finished.path, other.path, "--out", both)
    assert code == 0, err
    assert "each panel's regret is in its own unit" in err
    code, _, err = cli(
        "plot", "reaching", finished.path, other.path, "--target", 1, "--out", tmp_path / "r.png"
    )
    assert code == 2
    assert "different quantities" in err


# -- analysis ------------------------------------------------------------------------------------------


def trials_of(values: dict[str, list[float]]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"strategy": name, "dataset": "ptb", "seed": seed, "valid": value, "test": value, "regret": value}
            for name, each in values.items()
            for seed, value in enumerate(each)
        ]
    ).assign(queries=1.0, seconds=1.0, distinct=1, distinct_isomorphic=1)


def test_the_strategy_near_the_best_has_the_lowest_perplexity() -> None:
    trials = trials_of({"low": [60.0, 61, 62], "high": [90.0, 91, 92]})
    lower = near_best(trials, measure=PERPLEXITY).set_index(["measure", "strategy"])["best"]
    assert all(lower[column, "low"] for column in ("valid", "test", "regret"))
    higher = near_best(trials, measure=ACCURACY).set_index(["measure", "strategy"])["best"]
    assert higher["valid", "high"]
    assert higher["regret", "low"]


def test_a_gain_in_perplexity_is_above_0_where_it_is_lower() -> None:
    values = pd.DataFrame(
        [
            {
                "row": row,
                "column": "10",
                "dataset": "ptb",
                "seed": seed,
                "valid": value + seed,
                "test": np.nan,
            }
            for row, value in (("random-search", 80.0), ("sampler", 70.0))
            for seed in range(4)
        ]
    )
    baselines = {"sampler": ("random-search", "random-search")}
    summary = best_of_k_summary(values, baselines, measure=PERPLEXITY)
    assert summary.set_index("row")["gain"]["sampler"] == 10
    _, rows = best_of_k_layout(summary, "ptb", PERPLEXITY)
    assert any("+10.0" in cell for row in rows for cell in row)


def test_a_density_of_perplexities_reaches_from_the_best_to_the_worst_twentieth() -> None:
    rng = np.random.default_rng(0)
    samples = {"random-search": rng.exponential(20, 400) + 60, "sampler": rng.exponential(5, 400) + 60}
    info = density_info(samples, measure=PERPLEXITY)
    assert info.x[0] < min(values.min() for values in samples.values())
    assert info.curves[0].below == pytest.approx(0.05, abs=0.01)
    figure = draw_density(info)
    assert figure.axes[0].get_xlabel() == "validation perplexity"
    assert "further right" in figure.axes[0].texts[0].get_text()


def test_embedded_tables_have_the_data_sets_they_had() -> None:
    assert open_table("nasbench201").datasets == ["cifar10", "cifar100", "imagenet16-120"]
    assert open_table("nasbench-macro").datasets == ["cifar10"]
