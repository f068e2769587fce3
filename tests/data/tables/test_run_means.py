"""The mean over runs has one meaning, wherever it is asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchkit.base.errors import InputError
from benchkit.data.tables import Metric, Table, open_table
from benchkit.data.tables.metric import QUANTITIES
from benchkit.data.tables.write import Column, TableSource, write_table
from benchkit.reports.api import run_study
from benchkit.searching.table_evaluator import TableEvaluator
from benchkit.spaces.categorical import CategoricalSpace
from benchkit.studies.correlation.table_columns import TableColumns
from benchkit.studies.spec import parse_spec

SPACE = CategoricalSpace("toy", {"b": ["x", "y"], "a": ["p", "q", "r"]})
MEAN, SECONDS = Metric("d", "valid", 10), Metric("d", None, 10, quantity="train_seconds")
RUNS = np.array(
    [[50.0, 60, 70, 80, np.nan, 40], [52, np.nan, 71, 82, np.nan, 46], [57, np.nan, 75, 84, np.nan, 40]]
)
MEANS = [53, 60, 72, 82, np.nan, 42]


def table_of(path: Path, columns: dict[Metric, Column]) -> Table:
    source = TableSource("toy", SPACE, "a toy", "made here", "CC0", {})
    write_table(path, source, SPACE.at(np.arange(6)), columns)
    return Table(path)


def run(metric: Metric, number: int) -> Metric:
    return Metric(metric.dataset, metric.split, metric.epochs, number, metric.quantity)


@pytest.fixture
def table(tmp_path: Path) -> Table:
    """Three runs of accuracy and two of seconds, and no mean of either."""
    columns = {run(MEAN, number): Column(values) for number, values in enumerate(RUNS)}
    columns |= {run(SECONDS, number): Column(np.arange(6) + 10.0 * number) for number in range(2)}
    return table_of(tmp_path / "toy.arrow", columns)


def test_a_mean_that_is_not_stored_is_over_the_runs_that_are_there(table: Table) -> None:
    assert MEAN not in table.metrics
    assert MEAN in table
    assert table.values(MEAN) == pytest.approx(MEANS, nan_ok=True)
    assert table.raw(MEAN) == pytest.approx(MEANS, nan_ok=True)
    assert table.query("b=x|a=q", MEAN) == 60
    assert (table.optimum(MEAN).value, table.optimum(MEAN).n) == (82, 5)
    assert table.available == [
        MEAN, *(run(MEAN, n) for n in range(3)), SECONDS, *(run(SECONDS, n) for n in range(2))
    ]  # fmt: skip
    with pytest.raises(InputError, match=r"no d\.valid\.10ep\.mean\.accuracy for b=y\|a=q \(5 of 6"):
        table.query("b=y|a=q", MEAN)
    with pytest.raises(ValueError, match="read-only"):
        table.values(MEAN)[0] = 0
    with pytest.raises(InputError, match=r"unknown run '7'.*it has mean, 0, 1, 2"):
        table.query("b=x|a=q", run(MEAN, 7))


def test_a_stored_mean_is_what_it_is(tmp_path: Path) -> None:
    columns = {run(MEAN, number): Column(values) for number, values in enumerate(RUNS)}
    table = table_of(tmp_path / "t.arrow", {**columns, MEAN: Column(np.full(6, 33.0))})
    assert set(table.values(MEAN)) == {33.0}
    assert list(table.metrics) == table.available


def test_a_single_run_is_no_mean(tmp_path: Path) -> None:
    """Which may be the best of several, as in the sample of NAS-Bench-101."""
    table = table_of(tmp_path / "t.arrow", {run(MEAN, 0): Column(RUNS[0])})
    assert MEAN not in table
    with pytest.raises(InputError, match=r"unknown run 'mean'.*name a run, such as 0"):
        table.values(MEAN)


def test_searches_and_correlations_see_the_same_mean(table: Table) -> None:
    rows = table.base_space.at(np.array([0, 1, 2, 3, 5]))
    expected = [each for each in MEANS if not np.isnan(each)]
    assert TableColumns(table).values("d/valid/10") == pytest.approx(MEANS, nan_ok=True)
    assert "d/valid/10" in TableColumns(table).means
    evaluator = TableEvaluator(table, "d", "valid", 10, "mean", np.random.default_rng(0))
    assert evaluator.evaluate(rows).scores == pytest.approx(expected)
    assert table.query(rows, MEAN) == pytest.approx(expected)


def test_a_study_reads_the_mean_of_scores_and_of_seconds(home: Path, tmp_path: Path) -> None:
    full = np.where(np.isnan(RUNS[0]), 30, RUNS[0])
    columns = {
        run(MEAN, 0): Column(full),
        run(MEAN, 1): Column(np.where(np.isnan(RUNS[1]), np.nan, full + 8)),
    }
    columns |= {run(SECONDS, number): Column(np.arange(6) + 10.0 * number) for number in range(2)}
    table_of(home / "tables" / "toy.arrow", columns)
    table = open_table("toy")
    evaluator = TableEvaluator(table, "d", "valid", 10, "mean", np.random.default_rng(0))
    found = evaluator.evaluate(table.base_space.at(np.arange(6)))
    assert found.scores.tolist() == [54, 60, 74, 84, 30, 44]
    assert found.seconds is not None
    assert found.seconds.tolist() == [5, 6, 7, 8, 9, 10]
    study = {
        "name": "means", "table": "toy", "datasets": ["d"], "budget": {"queries": 6}, "seeds": 1,
        "search": {"split": "valid", "epochs": 10, "score": "mean"},
        "report": {"epochs": 10, "valid": "mean", "test": None},
        "strategies": ["random-search"],
    }  # fmt: skip
    trials = run_study(parse_spec(study, "here"), tmp_path / "out").read_trials()
    assert trials["valid"].tolist() == [84]
    assert trials["regret"].tolist() == [0]


def test_a_mean_has_the_unit_of_its_runs(tmp_path: Path) -> None:
    """Two data sets may state one quantity in different units."""
    speed = [Metric("d", None, None, run, "fps") for run in range(2)]
    other = [Metric("e", None, None, run, "fps") for run in range(2)]
    columns = {each: Column(np.ones(6), unit="1/s", better="higher") for each in speed}
    columns |= {each: Column(np.ones(6), unit="1/min", better="higher") for each in other}
    table = table_of(tmp_path / "t.arrow", columns)
    units = {m.dataset: table.quantity(m).unit for m in table.available if m.run is None}
    assert units == {"d": "1/s", "e": "1/min"}


def test_a_table_may_have_any_number_of_runs(tmp_path: Path) -> None:
    columns = {run(MEAN, number): Column(np.full(6, 2.0 * number + 1)) for number in (40, 3, 17)}
    table = table_of(tmp_path / "t.arrow", columns)
    assert [each.run for each in table.runs(MEAN)] == [3, 17, 40]
    assert table.query("b=x|a=p", MEAN) == (7 + 35 + 81) / 3


def test_points_of_curves_have_means_too(tmp_path: Path) -> None:
    curve = np.arange(12.0).reshape(6, 2)
    columns = {run(MEAN, n): Column((curve + 10 * n).astype(np.float32), "", (4, 10)) for n in range(2)}
    table = table_of(tmp_path / "t.arrow", columns)
    inside = Metric("d", "valid", 4, schedule=10)
    assert table.values(inside).tolist() == (curve[:, 0] + 5).tolist()
    assert table.values(MEAN).tolist() == (curve[:, 1] + 5).tolist()


@pytest.mark.parametrize("name", ["nasbench201", "nasbench-macro", "nasbench101-sample", "nasbench201-3"])
def test_embedded_tables_store_every_mean_that_they_answer(name: str) -> None:
    table = open_table(name)
    assert table.available == list(table.metrics)
    assert {metric.quantity for metric in table.metrics} <= set(QUANTITIES)


@pytest.mark.parametrize("metric", ["cifar10", None, 3, ["d", "valid"], {"dataset": "d"}])
def test_what_is_no_metric_gets_a_sentence(table: Table, metric: object) -> None:
    for read in (table.values, table.raw, lambda wrong: table.query("b=x|a=p", wrong)):
        with pytest.raises(InputError, match="what to read is a Metric, as in Metric") as caught:
            read(metric)  # type: ignore[operator]
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("given", [3, None, b"b=x|a=p", [["x"], ["x", "p"]], 1.5, {"b": "x"}, [0.5, 1.0]])
def test_what_is_no_architecture_gets_a_sentence(table: Table, given: object) -> None:
    with pytest.raises(InputError, match="toy architectures are rows of"):
        table.query(given, MEAN)  # type: ignore[call-overload]


def test_what_is_no_name_of_a_table_gets_a_sentence() -> None:
    with pytest.raises(InputError, match="a table is opened by its name or its path, not by 3"):
        open_table(3)  # type: ignore[arg-type]


def test_a_column_without_a_direction_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must say whether a higher or a lower value is better"):
        table_of(tmp_path / "t.arrow", {Metric("d", None, None, quantity="fps"): Column(np.ones(6))})
    same = {Metric("d.valid", None, 1, quantity="loss"): Column(np.ones(6))}
    with pytest.raises(InputError, match=r"two columns are named d\.valid\.1ep\.loss"):
        table_of(tmp_path / "t.arrow", {**same, Metric("d", "valid", 1, quantity="loss"): Column(np.ones(6))})
    assert list(tmp_path.iterdir()) == []
