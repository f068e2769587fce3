"""The command line: what each command prints, in a form for people and in one for programs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from benchkit.cli import output
from benchkit.data.tables import Table
from benchkit.reports.api import run_study as run
from benchkit.studies.spec import StudySpec, load_preset
from benchkit.studies.store import StudyDirectory

Cli = Callable[..., tuple[int, str, str]]
CELL = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"


def document(cli: Cli, *words: object) -> Any:
    """Return what a command prints with --json: one document, and nothing else."""
    code, out, _ = cli(*words, "--json")
    assert code == 0
    return json.loads(out)


# -- looking things up ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "shows"),
    [
        (
            ["table", "list"],
            ["nasbench201", "15,625", "nasbench101-sample", "30,001", "nasbench-macro", "6,561"],
        ),
        (
            ["table", "info", "nasbench201"],
            ["licence", "cifar10.valid.200ep.mean.accuracy", "94.37333", "sha256"],
        ),
        (["table", "info", "nasbench101-sample"], ["30001", "one repeat"]),
        (["space", "list"], ["nasbench201", "nasbench101", "nasbench-macro", "15,625", "6,561"]),
        (["space", "info", "nasbench201"], ["nor_conv_3x3", "15625"]),
        (["strategy", "list"], ["random-search", "regularized-evolution", "bananas", "bohb"]),
        (
            ["strategy", "info", "reinforce"],
            ["Williams", "learning_rate = ", "presets", "Deviations and choices"],
        ),
        (["--version"], ["benchkit 0"]),
        (["--help"], ["leaderboard", "table", "space", "strategy"]),
        (["leaderboard", "run", "-h"], ["--preset", "--jobs", "--backend"]),
    ],
)
def test_what_there_is_is_shown(cli: Cli, words: list[str], shows: list[str]) -> None:
    code, out, err = cli(*words)
    assert (code, err) == (0, "")
    for text in shows:
        assert text in out


@pytest.mark.parametrize(
    "words",
    [
        ["table", "list"],
        ["table", "info", "nasbench201"],
        ["space", "list"],
        ["space", "info", "nasbench101"],
        ["strategy", "list"],
        ["strategy", "info", "tpe"],
    ],
)
def test_json_is_one_document_and_nothing_else(cli: Cli, words: list[str]) -> None:
    found = document(cli, *words)
    assert found
    assert isinstance(found, list if words[1] == "list" else dict)


def test_a_query_says_what_it_answers(cli: Cli) -> None:
    words = [
        "table",
        "query",
        "nasbench201",
        CELL,
        "--dataset",
        "cifar10",
        "--split",
        "valid",
        "--epochs",
        200,
    ]
    code, out, err = cli(*words)
    assert (code, err) == (0, "")
    answer = document(cli, *words)
    assert answer["value"] == pytest.approx(91.2, abs=1)
    assert out.startswith(f"{answer['value']:g} %")
    assert "mean over runs" in out
    assert answer["metric"] == "cifar10.valid.200ep.mean.accuracy"
    assert answer["architecture"] == CELL
    runs = [document(cli, *words, "--run", run)["value"] for run in (0, 1)]
    assert answer["value"] == pytest.approx(sum(runs) / 2, abs=0.5)


# -- a study from beginning to end ------------------------------------------------------------


def test_a_study_is_run_shown_and_verified(cli: Cli, small: Callable[..., StudySpec], tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(small().to_yaml())
    out = tmp_path / "out"
    code, text, err = cli("leaderboard", "run", tmp_path / "s.yaml", "--out", out, "--jobs", 1)
    assert code == 0
    assert err.splitlines()[-1] == "trials: 12 of 12"
    for part in ("random-search", "local-search", "bohb", "sha256", "95 % interval", str(out / "figures")):
        assert part in text
    code, again, _ = cli("leaderboard", "show", out)
    assert code == 0
    assert text.startswith(again)

    code, text, _ = cli("leaderboard", "verify", out, "--jobs", 1)
    assert (code, text) == (0, "verified: 12 of 12 trials have the same traces, bit for bit\n")
    code, text, _ = cli("leaderboard", "verify", out, "--jobs", 1, "--sample", 5)
    assert (code, text) == (0, "verified: 5 of 12 trials have the same traces, bit for bit\n")
    found = document(cli, "leaderboard", "verify", out, "--jobs", 1)
    assert found == {"checked": 12, "trials": 12, "different": None, "difference": ""}

    manifest = json.loads((out / "manifest.json").read_text())
    first = next(iter(manifest["traces"]))
    manifest["traces"][first] = "0" * 64
    (out / "manifest.json").write_text(json.dumps(manifest))
    code, text, err = cli("leaderboard", "verify", out, "--jobs", 1)
    assert (code, text) == (1, "")
    assert err.splitlines()[-1].startswith("benchkit: random-search on d, seed 0 differs: ")
    code, text, err = cli("leaderboard", "verify", out, "--jobs", 1, "--json")
    assert code == 1
    assert json.loads(text)["different"] == "random-search on d, seed 0"


def test_options_choose_a_part_of_a_study(
    cli: Cli, toy: Table, small: Callable[..., StudySpec], tmp_path: Path
) -> None:
    (tmp_path / "s.yaml").write_text(small().to_yaml())
    found = document(
        cli, "leaderboard", "run", tmp_path / "s.yaml", "--out", tmp_path / "out", "--jobs", 1,
        "--strategies", "tpe, random-search", "--datasets", "e", "--seeds", 1, "--queries", 5,
    )  # fmt: skip
    assert [s["label"] for s in found["study"]["strategies"]] == ["tpe", "random-search"]
    assert {(row["dataset"], row["n"], row["queries"]) for row in found["leaderboard"]} == {("e", 1, 5.0)}
    assert found["table"]["sha256"] == toy.sha256
    assert StudyDirectory(tmp_path / "out").spec().budget.queries == 5


def test_a_leaderboard_is_shown_in_four_forms(cli: Cli, done: StudyDirectory) -> None:
    shown = {
        form: cli("leaderboard", "show", done.path, "--format", form)
        for form in ("table", "csv", "json", "latex")
    }
    assert {(code, err) for code, _, err in shown.values()} == {(0, "")}
    assert shown["csv"][1] == done.leaderboard.read_text()
    assert shown["latex"][1] == done.latex.read_text()
    assert "\\begin{tabular}" in shown["latex"][1]
    table = done.read_manifest()["table"]
    says = (
        f"Table toy (48 architectures, SHA-256 {table['sha256'][:12]}); 2 seeds, budget 20 queries, search on"
    )
    assert says in shown["latex"][1]
    assert f"% table toy, SHA-256 {table['sha256']}\n" in shown["latex"][1]
    rows = json.loads(shown["json"][1])["leaderboard"]
    assert pd.DataFrame(rows)["regret"].tolist() == done.read_leaderboard()["regret"].tolist()
    assert rows == document(cli, "leaderboard", "show", done.path)["leaderboard"]
    baseline = next(row for row in rows if row["strategy"] == "random-search")
    assert baseline["p_value"] is None  # JSON has no NaN
    assert "[" not in shown["table"][1].partition("\n\nd")[2]
    said = " ".join(shown["table"][1].split())
    assert "No interval: not resolvable, of fewer than 5 seeds or of seeds that are all equal." in said
    assert {row["regret_low"] for row in rows} == {None}


def test_six_seeds_have_intervals(cli: Cli, spread: StudyDirectory) -> None:
    _, text, _ = cli("leaderboard", "show", spread.path)
    board = spread.read_leaderboard()
    shown = board[board["valid_low"].notna()]
    assert set(shown["strategy"]) >= {"random-search"}
    for row in shown.itertuples():
        assert f"{row.valid:.2f} [{row.valid_low:.2f}, {row.valid_high:.2f}]" in text


@pytest.mark.parametrize("columns", [80, 100, 149])
def test_a_narrow_terminal_gets_two_tables_that_fit(
    cli: Cli, spread: StudyDirectory, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    _, text, _ = cli("leaderboard", "show", spread.path)
    board = text[text.index("\n\nd") :].splitlines()
    assert max(len(line) for line in board) <= columns
    for row in spread.read_leaderboard().itertuples():
        # whole figures: nothing is folded in the middle
        ends = [f"[{row.valid_low:.2f}, {row.valid_high:.2f}]"] if row.valid_low == row.valid_low else []
        for value in (f"{row.valid:.2f}", *ends, f"{row.seconds:,.0f}"):
            assert any(value in line.split("  ") or f" {value}" in line for line in board)
    for word in ("strategy", "valid", "test", "regret", "rank", "queries", "up to iso.", "p (Holm)"):
        assert any(word in line for line in board)


@pytest.mark.parametrize(
    "command",
    [["table", "list"], ["table", "info", "nasbench201"], ["space", "list"], ["strategy", "list"]],
)
def test_what_is_shown_fits_a_terminal(cli: Cli, monkeypatch: pytest.MonkeyPatch, command: list[str]) -> None:
    """What has no space to break at, such as an architecture, may go on, and so may the notes below."""
    monkeypatch.delenv("COLUMNS", raising=False)
    piped = cli(*command)[1].replace("; ", " ")
    monkeypatch.setenv("COLUMNS", "80")
    _, text, _ = cli(*command)
    for line in text.splitlines():
        words = line.split()
        assert len(line) <= 80 or len(max(words, key=len)) > 40 or words[0].endswith(":")
    whole = set(text.replace("; ", " ").split())
    numbers = {word for word in piped.split() if word[0].isdigit() and len(word) < 12}
    assert numbers <= whole  # no number is folded in the middle


def test_a_pipe_keeps_every_row_on_its_line(
    cli: Cli, spread: StudyDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert output.width() == 200
    _, text, _ = cli("leaderboard", "show", spread.path)
    rows = [line for line in text.splitlines() if line.startswith("random-search ")]
    assert len(rows) == 2
    assert all(line.count("[") == 3 for line in rows)


def test_what_does_not_apply_is_said_in_manifest_and_leaderboard(cli: Cli, tmp_path: Path) -> None:
    spec = load_preset("nb101-sample").replaced(["random-search", "local-search"], seeds=2, queries=10)
    directory = run(spec, tmp_path / "out")
    reason = "needs a complete space; nasbench101-sample holds 30,001 of"
    assert directory.read_manifest()["not_applicable"]["local-search"].startswith(reason)
    _, text, _ = cli("leaderboard", "show", directory.path)
    assert f"not applicable: local-search: {reason}" in text
    assert document(cli, "leaderboard", "show", directory.path)["not_applicable"]["local-search"].startswith(
        reason
    )
    assert set(directory.read_leaderboard()["strategy"]) == {"random-search"}
    assert "note: the value searched and reported is one repeat" in text


def test_a_remark_on_fidelities_is_shown(cli: Cli, small: Callable[..., StudySpec], tmp_path: Path) -> None:
    search = {"split": "valid", "epochs": 100, "score": 0}
    noted = {"name": "random-search", "note": "the baseline"}
    directory = run(small(search=search, seeds=1, strategies=[noted, "bohb"]), tmp_path / "out")
    _, text, _ = cli("leaderboard", "show", directory.path)
    assert "note: bohb: the table offers 100 epochs alone" in text
    assert "note: random-search: the baseline" in text


# -- a table of one's own ---------------------------------------------------------------------


def test_a_csv_file_is_imported_and_queried(cli: Cli, home: Path, tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("a,b,acc\nx,p,50\nx,q,60\ny,p,70\ny,q,80\n")
    (tmp_path / "m.yaml").write_text(
        "choices: {a: [x, y], b: [p, q]}\nmetrics: [{column: acc, dataset: d, split: valid, epochs: 5}]\n"
    )
    words = ["table", "import", tmp_path / "r.csv", "--columns", tmp_path / "m.yaml", "--as", "mine"]
    code, text, err = cli(*words)
    assert (code, err) == (0, "")
    assert text == f"table mine: 4 architectures of mine, kept at {home / 'tables' / 'mine.arrow'}\n"
    assert document(cli, *words, "--replace")["entries"] == 4
    assert "mine" in {table["name"] for table in document(cli, "table", "list")}
    query = ["table", "query", "mine", "a=y|b=p", "--dataset", "d", "--split", "valid", "--epochs", 5]
    assert document(cli, *query)["value"] == 70
    assert "d.valid.5ep.mean.accuracy" in cli("table", "info", "mine")[1]
