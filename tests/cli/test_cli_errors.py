"""Bad input ends with one clear line on stderr and exit code 2: no traceback, nothing written."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
import yaml

from benchkit.data.tables import Table
from benchkit.studies.spec import StudySpec
from benchkit.studies.store import StudyDirectory

Cli = Callable[..., tuple[int, str, str]]
Refused = Callable[..., str]
CELL = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"


@pytest.fixture
def refused(cli: Cli, tmp_path: Path) -> Refused:
    """``refused(*words)``: the one line with which a command is refused; it writes nothing at all."""

    def check(*words: object) -> str:
        before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
        code, out, err = cli(*words)
        assert (code, out) == (2, "")
        assert re.fullmatch(r"benchkit: error: \S[^\n]*\n", err)
        assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
        return err.removeprefix("benchkit: error: ").strip()

    return check


@pytest.fixture
def study(small: Callable[..., StudySpec], tmp_path: Path) -> Path:
    (tmp_path / "s.yaml").write_text(small().to_yaml())
    return tmp_path / "s.yaml"


# -- usage ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["leaderboard", "run", "--preset", "quick"], "Missing option '--out'"),
        (["leaderboard", "run", "--prest", "quick"], "No such option: --prest"),
        (["leaderbord"], "No such command 'leaderbord'"),
        (["table", "query", "nasbench201"], "Missing argument 'ARCH'"),
        (
            ["table", "query", "nasbench201", CELL, "--dataset", "cifar10", "--split", "valid"],
            "a number of epochs",
        ),
        (["leaderboard", "show"], "Missing argument 'DIR'"),
        (["leaderboard", "show", ".", "--format", "xml"], "'xml' is not one of"),
        (
            ["leaderboard", "run", "--preset", "quick", "--out", "o", "--seeds", "many"],
            "Invalid value for '--seeds'",
        ),
        (["leaderboard", "verify", ".", "--sample", "1.5"], "Invalid value for '--sample'"),
        (["space", "list", "extra"], "unexpected extra argument"),
    ],
)
def test_wrong_usage_is_one_line(refused: Refused, words: list[str], says: str) -> None:
    assert says in refused(*words)


@pytest.mark.parametrize("words", [[], ["leaderboard"], ["table"], ["space"], ["strategy"]])
def test_without_a_command_there_is_help_and_no_error_line(cli: Cli, words: list[str]) -> None:
    code, out, err = cli(*words)
    assert code == 2
    assert "Usage:" in out + err
    assert "error" not in err


# -- names that there are not -----------------------------------------------------------------

QUERY = ["table", "query", "nasbench201", CELL, "--dataset", "cifar10", "--split", "valid", "--epochs", "200"]


def changed(old: str, new: str) -> list[str]:
    assert QUERY.count(old) == 1
    return [new if word == old else word for word in QUERY]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ["strategy", "info", "regularised-evolution"],
            "unknown strategy.*did you mean 'regularized-evolution'",
        ),
        (["space", "info", "nasbench-201"], "unknown space.*did you mean 'nasbench201'"),
        (["table", "info", "nasbench202"], "unknown table 'nasbench202'; there are .*nasbench201"),
        (["table", "info", "../nasbench201"], "unknown table"),
        (["table", "info", "none.arrow"], "none.arrow"),
        (changed("nasbench201", "nasbench2"), "unknown table 'nasbench2'"),
        (
            changed("cifar10", "cifar-10"),
            "unknown dataset 'cifar-10' for table nasbench201.*it has cifar10, cifar100",
        ),
        (changed("valid", "val"), "unknown split 'val'; there are train, valid, test"),
        (changed("200", "90"), "unknown epochs '90' for table nasbench201.*it has 12, 200"),
        ([*QUERY, "--run", "9"], "unknown run '9'.*mean, 0, 1, 2"),
        (changed(CELL, "|conv~0|"), "nasbench201"),
        (changed(CELL, CELL.replace("nor_conv_3x3~0", "nor_conv_9x9~0", 1)), "nor_conv_9x9"),
        (changed(CELL, ""), "nasbench201"),
        (["leaderboard", "run", "--preset", "quik", "--out", "o"], "unknown preset.*did you mean 'quick'"),
    ],
)
def test_an_unknown_name_or_malformed_architecture(refused: Refused, words: list[str], says: str) -> None:
    assert re.search(says, refused(*words))


# -- studies ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"seed": 1}, "unknown key 'seed'"),
        ({"seeds": "two"}, "seeds: .*integer.*'two'"),
        ({"budget": {"queries": 0}}, "budget.queries: must be a number above 0"),
        ({"budget": {"queries": -5}}, "budget.queries: must be a number above 0"),
        (
            {"budget": {"queries": 0.05}},
            "no strategy of this study applies: random-search .*the budget.*; local-search .*; bohb ",
        ),
        ({"strategies": ["hill-climbing"]}, "unknown strategy 'hill-climbing'"),
        ({"strategies": [{"name": "tpe", "options": {"startup": "ten"}}]}, "strategy tpe: startup: .*'ten'"),
        ({"table": "toys"}, "unknown table 'toys'.*did you mean 'toy'"),
        ({"datasets": ["f"]}, "unknown dataset 'f' for table toy.*it has d, e"),
        (
            {"search": {"split": "valid", "epochs": 50, "score": "mean"}},
            "unknown epochs '50'.*it has 10, 100",
        ),
        ({"search": {"split": "test", "epochs": 100, "score": "mean"}}, "must see split 'valid'"),
        ({"report": {"epochs": 100, "datasets": ["d"]}}, "report.datasets goes with one searched"),
    ],
)
def test_a_study_that_cannot_be_run(
    cli: Cli, refused: Refused, study: Path, tmp_path: Path, change: dict[str, object], says: str
) -> None:
    study.write_text(yaml.safe_dump({**yaml.safe_load(study.read_text()), **change}))
    words = ("leaderboard", "run", study, "--out", tmp_path / "out", "--jobs", 1)
    assert re.search(says, refused(*words))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--queries", "0"], "--queries must be a number above 0 and at most 1,000,000; got 0.0"),
        (["--queries", "-1"], "--queries must be a number above 0 .*got -1.0"),
        (["--queries", "inf"], "--queries must be a number .*got inf"),
        (["--seeds", "0"], "--seeds must be a whole number from 1 to 1,000,000; got 0"),
        (["--seeds", "2147483648"], "--seeds must be a whole number from 1 to 1,000,000; got 2147483648"),
        (["--strategies", "tpe,,tpo"], "unknown strategy 'tpo'"),
        (["--strategies", ","], "strategies: must not be empty"),
        (["--strategies", "tpe,tpe"], "strategies: names something twice"),
        (["--datasets", "d,x"], "unknown dataset 'x'"),
        (["--jobs", "0"], "--jobs must be -1, or a whole number from 1 to 1,024; got 0"),
        (["--jobs", "-2"], "--jobs must be -1, or a whole number from 1 to 1,024; got -2"),
        (["--backend", "spark"], "unknown backend 'spark'"),
        (["--backend", "dask"], "--backend dask needs --scheduler"),
        (["--scheduler", "tcp://127.0.0.1:1"], "--scheduler goes with --backend dask"),
        (["--preset", "quick"], "give either a STUDY.yaml or a --preset"),
    ],
)
def test_an_option_that_cannot_be(
    refused: Refused, study: Path, tmp_path: Path, options: list[str], says: str
) -> None:
    assert re.search(says, refused("leaderboard", "run", study, "--out", tmp_path / "out", *options))


def test_a_study_that_is_not_there_or_is_no_study(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "n.yaml").write_text("[")
    words = ("--out", tmp_path / "out")
    assert "give either a STUDY.yaml" in refused("leaderboard", "run", *words)
    assert "No such file" in refused("leaderboard", "run", tmp_path / "none.yaml", *words)
    assert "Is a directory" in refused("leaderboard", "run", tmp_path, *words)
    assert "is not YAML" in refused("leaderboard", "run", tmp_path / "n.yaml", *words)


def test_an_output_directory_that_is_taken(
    refused: Refused, study: Path, done: StudyDirectory, tmp_path: Path
) -> None:
    run = ("leaderboard", "run", study, "--jobs", 1, "--out")
    assert "holds another study (small: seeds 2, not 1); choose another --out" in refused(
        *run, done.path, "--seeds", 1
    )
    assert "is not empty and holds no study" in refused(*run, tmp_path)
    assert "is not empty and holds no study" in refused(*run, study)
    assert "cannot write" in refused(*run, study / "below")
    assert "cannot write" in refused(*run, "/dev/null/below")


def test_a_directory_without_results(refused: Refused, done: StudyDirectory, tmp_path: Path) -> None:
    for command in ("show", "verify"):
        assert "holds no study" in refused("leaderboard", command, tmp_path / "none")
        assert "holds no study" in refused("leaderboard", command, tmp_path)
    assert "--jobs must be" in refused("leaderboard", "verify", done.path, "--jobs", 0)
    assert "--sample must be a whole" in refused("leaderboard", "verify", done.path, "--sample", 0)
    done.leaderboard.unlink()
    assert "has no leaderboard.csv" in refused("leaderboard", "show", done.path)
    assert "has no leaderboard.csv" in refused("leaderboard", "show", done.path, "--format", "csv")
    done.manifest.write_text("{")
    assert "manifest.json is not JSON" in refused("leaderboard", "show", done.path)
    assert "manifest.json is not JSON" in refused("leaderboard", "verify", done.path)
    done.manifest.unlink()
    for command in ("show", "verify"):
        assert "has not finished; run it again to resume" in refused("leaderboard", command, done.path)


# -- tables -----------------------------------------------------------------------------------


def test_a_truncated_table(
    refused: Refused, cli: Cli, toy: Table, study: Path, done: StudyDirectory, tmp_path: Path
) -> None:
    toy.path.write_bytes(toy.path.read_bytes()[:-100])
    for words in (
        ["table", "info", "toy"],
        ["table", "query", "toy", "a=w|b=p|c=k", "--dataset", "d", "--split", "valid", "--epochs", "100"],
        ["leaderboard", "run", study, "--out", tmp_path / "out"],
        ["leaderboard", "verify", done.path],
    ):
        line = refused(*words)
        assert "truncated" in line
        assert "toy.arrow" in line
    code, out, err = cli("table", "list")  # the others are listed all the same
    assert code == 2
    assert "nasbench201" in out
    assert "truncated" in err


def test_a_table_of_another_version(refused: Refused, toy: Table, study: Path, tmp_path: Path) -> None:
    with pa.memory_map(str(toy.path)) as file:
        data = pa.ipc.open_file(file).read_all()
    newer = data.schema.metadata[b"benchkit"].replace(b'"format_version": 2', b'"format_version": 3')
    data = data.replace_schema_metadata({b"benchkit": newer})
    toy.path.unlink()
    with pa.OSFile(str(toy.path), "wb") as sink, pa.ipc.new_file(sink, data.schema) as writer:
        writer.write_table(data)
    for words in (["table", "info", "toy"], ["leaderboard", "run", study, "--out", tmp_path / "out"]):
        assert "has format version 3; this benchkit reads 1 and 2" in refused(*words)


def test_results_of_another_table_cannot_be_verified(
    refused: Refused, toy: Table, done: StudyDirectory, study: Path
) -> None:
    text = done.manifest.read_text().replace(toy.sha256, "f" * 64)
    done.manifest.write_text(text)
    assert "ran on toy with SHA-256 ffffffffffff" in refused("leaderboard", "verify", done.path)
    assert "was run on toy with SHA-256 ffffffffffff" in refused(
        "leaderboard", "run", study, "--out", done.path
    )


def test_an_import_that_cannot_be(refused: Refused, home: Path, tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("a,acc\nx,50\ny,high\n")
    (tmp_path / "m.yaml").write_text(
        "choices: {a: [x, y]}\nmetrics: [{column: acc, dataset: d, split: valid, epochs: 5}]\n"
    )
    words = ("table", "import", tmp_path / "r.csv", "--columns", tmp_path / "m.yaml")
    assert "r.csv, line 3: acc is 'high', not a number" in refused(*words, "--as", "mine")
    assert "'nasbench201' is an embedded table" in refused(*words, "--as", "nasbench201")
    assert "must be lower-case" in refused(*words, "--as", "My Table")
    assert "needs --as NAME" in refused(*words)
    assert "give either --space NAME or choices" in refused(*words, "--as", "mine", "--space", "nasbench201")
    space = ("--as", "mine", "--space", "nasbench201")
    assert "needs --columns" in refused("table", "import", tmp_path / "r.csv", *space)
    assert not home.exists()
