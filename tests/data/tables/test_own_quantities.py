"""Columns of any quantity, with a unit and a direction; rows that are runs; columns that are left out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchkit.base.errors import InputError
from benchkit.data.tables import Metric, Table, open_table
from benchkit.data.tables import csv_import as import_module
from benchkit.data.tables.csv_import import Mapping, import_csv
from benchkit.data.tables.info import table_info

Cli = Callable[..., tuple[int, str, str]]

PPL = {"column": "ppl", "dataset": "ptb", "split": "valid", "epochs": 5, "quantity": "perplexity"}
SPEED = {"column": "speed", "dataset": "ptb", "quantity": "throughput", "unit": "img/s", "better": "higher"}
ACC = {"column": "acc", "dataset": "ptb", "split": "valid", "epochs": 5}
P = Metric("ptb", "valid", 5, quantity="perplexity")
S = Metric("ptb", None, None, quantity="throughput")
A = Metric("ptb", "valid", 5)


def mapping(*metrics: dict[str, Any], **more: Any) -> Mapping:
    return Mapping.model_validate({"choices": {"op": ["b", "a", "c"]}, "metrics": list(metrics), **more})


def table_of(folder: Path, lines: list[str], described: Mapping) -> Table:
    (folder / "r.csv").write_text("\n".join(lines) + "\n")
    import_csv(folder / "r.csv", described, folder / "t.arrow", "mine")
    return Table(folder / "t.arrow")


def refused(folder: Path, lines: list[str], described: Mapping) -> str:
    with pytest.raises(InputError) as caught:
        table_of(folder, lines, described)
    assert "\n" not in str(caught.value)
    assert not (folder / "t.arrow").exists()
    return str(caught.value)


# -- quantity, unit, direction ------------------------------------------------------------------


def test_a_quantity_of_ones_own_has_a_unit_and_a_direction(tmp_path: Path) -> None:
    lines = ["op,ppl,speed", "a,80.5,100", "b,60,300", "c,70,200"]
    table = table_of(tmp_path, lines, mapping({**PPL, "better": "lower"}, SPEED))
    assert table.quantity(P) == ("", False)
    assert table.quantity(S) == ("img/s", True)
    assert (table.optimum(P).value, table.optimum(S).value) == (60, 300)
    columns = {each["quantity"]: each for each in table_info(table)["columns"]}
    assert (columns["perplexity"]["optimum_is"], columns["perplexity"]["optimum"]) == ("lowest", 60)
    assert (columns["throughput"]["optimum_is"], columns["throughput"]["unit"]) == ("highest", "img/s")


def test_scores_may_be_negative(tmp_path: Path) -> None:
    score = {**PPL, "quantity": "log_likelihood", "better": "higher"}
    loss = {**PPL, "column": "loss", "quantity": "loss"}
    table = table_of(tmp_path, ["op,ppl,loss", "a,-80.5,-1", "b,-60,0", "c,-70,1e-3"], mapping(score, loss))
    assert table.optimum(Metric("ptb", "valid", 5, quantity="log_likelihood")).value == -60
    assert table.optimum(Metric("ptb", "valid", 5, quantity="loss")).value == -1


def test_the_direction_is_said_once_for_a_quantity(tmp_path: Path) -> None:
    test = {**PPL, "column": "test", "split": "test"}
    table = table_of(tmp_path, ["op,ppl,test", "a,2,9", "b,1,8"], mapping({**PPL, "better": "lower"}, test))
    assert table.optimum(Metric("ptb", "test", 5, quantity="perplexity")).value == 8


@pytest.mark.parametrize(
    ("metrics", "says"),
    [
        (
            [PPL],
            "unknown quantity 'perplexity' for which the direction is.*better: higher or better",
        ),
        ([{**ACC, "column": "ppl", "quantity": "acuracy"}], "did you mean 'accuracy'"),
        (
            [{**PPL, "better": "lower"}, {**PPL, "column": "speed", "epochs": 6, "better": "higher"}],
            "columns of one quantity, perplexity, must have one better: ppl says 'lower', speed says 'hig",
        ),
        (
            [{**SPEED}, {**SPEED, "column": "ppl", "dataset": "other", "unit": "img/min"}],
            "columns of one quantity, throughput, must have one unit: speed says 'img/s', ppl says 'img/min'",
        ),
        ([{**ACC, "column": "ppl", "better": "lower"}], "column ppl: higher accuracy is better, not lower"),
        (
            [{**SPEED, "quantity": "latency_seconds", "better": "lower", "unit": "ms"}],
            "column speed: latency_seconds is in s, not in 'ms': scale: turns one into the other",
        ),
        (
            [{**SPEED, "quantity": "latency_seconds", "unit": "s"}],
            "lower latency_seconds is better, not higher",
        ),
    ],
)
def test_a_direction_that_is_not_known_or_contradicts(
    metrics: list[dict[str, Any]], says: str, tmp_path: Path
) -> None:
    assert re.search(says, refused(tmp_path, ["op,ppl,speed", "a,80.5,100", "b,60,300"], mapping(*metrics)))


def test_what_is_known_may_be_said_again(tmp_path: Path) -> None:
    described = mapping({**ACC, "unit": "%", "better": "higher"})
    assert table_of(tmp_path, ["op,acc", "a,80.5"], described).query("op=a", A) == 80.5


def test_no_advice_on_scale_for_a_negative_number(tmp_path: Path) -> None:
    for figure in ("-0.5", "-90", "100.5"):
        text = refused(tmp_path, ["op,acc", f"a,{figure}", "b,60"], mapping(ACC))
        assert "scale:" not in text
        assert f"accuracy acc is {figure}, not in 0..100 percent; what is no percentage needs another" in text


def test_training_takes_no_negative_seconds(tmp_path: Path) -> None:
    """A budget in seconds would be given time back."""
    seconds = {"column": "t", "dataset": "ptb", "epochs": 5, "quantity": "train_seconds"}
    assert "line 3: t is -1" in refused(tmp_path, ["op,t", "a,2", "b,-1"], mapping(seconds))


# -- repeated rows ------------------------------------------------------------------------------

REPEATED = [
    "op,acc,test,size,secs",
    "a,60,50,7,3",
    "b,70,65,8,5",
    "a,62,51,7,4",
    "c,80,79,9,6",
    "a,,52,7,8",
    "b,71,66,8,2",
]
MEASURED = [
    ACC,
    {**ACC, "column": "test", "split": "test"},
    {"column": "size", "dataset": "ptb", "quantity": "parameters"},
    {"column": "secs", "dataset": "ptb", "epochs": 5, "quantity": "train_seconds"},
]


def test_repeated_rows_are_runs_on_request(tmp_path: Path) -> None:
    table = table_of(tmp_path, REPEATED, mapping(*MEASURED, repeats="runs"))
    rows = [table.base_space.parse(f"op={op}") for op in "abc"]
    entries = table.locate(np.array(rows))

    def column(metric: Metric) -> list[float | None]:
        return [None if np.isnan(v) else v for v in table.values(metric)[entries].tolist()]

    test, seconds = Metric("ptb", "test", 5), Metric("ptb", None, 5, quantity="train_seconds")
    assert [column(run) for run in table.runs(A)] == [[60, 70, 80], [62, 71, None]]
    assert [column(run) for run in table.runs(test)] == [[50, 65, 79], [51, 66, None], [52, None, None]]
    assert column(A) == [61, 70.5, 80]
    assert column(test) == [51, 65.5, 79]
    assert column(seconds) == [5, 3.5, 6]
    parameters = Metric("ptb", None, None, quantity="parameters")
    assert parameters in table.metrics  # no run: all rows of an architecture agree
    assert column(parameters) == [7, 8, 9]
    assert table_info(table)["computed_means"] == [str(A), str(test), str(seconds)]


def test_what_repeats_disagree_on_is_a_run_too(tmp_path: Path) -> None:
    size = {"column": "ms", "dataset": "ptb", "quantity": "latency_seconds", "scale": 0.001}
    table = table_of(tmp_path, ["op,ms", "a,1000", "a,3000", "b,500"], mapping(size, repeats="runs"))
    metric = Metric("ptb", None, None, quantity="latency_seconds")
    assert [run.run for run in table.runs(metric)] == [0, 1]
    assert table.query("op=a", metric) == 2
    assert table.query("op=b", metric) == 0.5


def test_without_a_repeated_row_the_figures_stay_what_they_are(tmp_path: Path) -> None:
    table = table_of(tmp_path, ["op,acc", "a,60", "b,70"], mapping(ACC, repeats="runs"))
    assert list(table.metrics) == [A]


def test_repeats_and_a_numbered_run_exclude_each_other(tmp_path: Path) -> None:
    described = mapping({**ACC, "run": 0}, repeats="runs")
    text = refused(tmp_path, ["op,acc", "a,60", "a,61"], described)
    assert "column acc: repeats: runs numbers the runs of repeated rows; leave out run: 0" in text


def test_more_repeats_than_a_table_can_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module, "_MOST_RUNS", 3)
    text = refused(tmp_path, ["op,acc", *["a,60"] * 4], mapping(ACC, repeats="runs"))
    assert "line 5: more than 3 rows of one architecture" in text


# -- what is left out is said -------------------------------------------------------------------


def test_columns_that_are_left_out_are_named(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(
        "choices: {op: [b, a]}\nrepeats: runs\n"
        "metrics: [{column: acc, dataset: d, split: valid, epochs: 1}]\n"
    )
    (tmp_path / "r.csv").write_text("op,acc,acc_std,remark,,\na,60,1,,,x\na,61,2,,,\nb,70,1,,,\n")
    given = ("table", "import", tmp_path / "r.csv", "--columns", tmp_path / "c.yaml", "--as", "mine")
    code, out, err = cli(*given)
    assert code == 0
    assert "table mine: 2 architectures" in out
    assert "columns that the mapping does not name were left out: acc_std, remark, column 6" in err
    assert "3 rows are 1 to 2 runs of each of 2 architectures" in err
    code, out, _ = cli("table", "info", "mine", "--json")
    assert json.loads(out)["ignored_columns"] == ["acc_std", "remark", "column 6, which has no name"]
    words = ("table", "query", "mine", "op=a", "--dataset", "d", "--split", "valid", "--epochs", "1")
    assert "60.5 %  (d.valid.1ep.mean.accuracy, mean over 2 runs;" in cli(*words)[1]
    assert open_table("mine").query("op=b", Metric("d", "valid", 1)) == 70
    code, out, _ = cli(*given, "--replace", "--json")
    assert len(json.loads(out)["notes"]) == 2
