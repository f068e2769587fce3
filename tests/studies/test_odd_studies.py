"""Studies as people write them: numbers in every spelling, and labels that are formulas, markup or paths.

The files under ``tests/cases/yaml/study`` run on the toy table in place of their own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from matplotlib.figure import Figure

import benchkit
from benchkit.analysis.figures.text import LONGEST_TEXT, method_texts, name_text
from benchkit.base.errors import InputError
from benchkit.studies.spec import StudySpec, load_spec, parse_spec
from benchkit.studies.spec_parts import folder_name
from benchkit.studies.trial import Trial

Cli = Callable[..., tuple[int, str, str]]
CASES = Path(benchkit.__file__).parents[1] / "tests" / "cases" / "yaml" / "study"

RUN: dict[str, dict[str, Any]] = {
    "plain": {"seeds": 2, "name": "st"},
    "crlf": {"seeds": 2},
    "datename": {"name": "2024-05-01"},
    "numname": {"name": "1.10"},
    "slashname": {"name": "../../evil"},
    "seedsoct": {"seeds": 10},
    "q1e2": {"queries": 100.0},
    "q25": {"queries": 2.5},
    "q05": {"queries": 0.5},
    "title": {"title": "100% of $x_1$ & more"},
    "labels": {"labels": ["a_b%c$d&e#f{g}~h^i\\j", "Ünïcode 中文 ε-greedy"]},
    "pathlabel": {"labels": ["a/b", "=SUM(A1)", 'c,d"q']},
    "underscorelabel": {"labels": ["_hidden", "A", "a"]},
    "mathlabels": {"labels": ["$\\alpha_1$ method", "x$y", "very long label " * 12]},
}
"""What is read of the cases that are studies."""

REFUSED = {
    "blanklabel": "strategies.0.label: must be 1 to 500 visible characters; got ' '",
    "dupstrat": "strategies: names something twice",
    "q3_0": "budget.queries: .*valid number.*'3_0'",
    "qinf": "budget.queries: must be a number above 0 and at most 1,000,000; got inf",
    "scalards": "datasets: .*list.*'cifar10'",
    "scalarstrat": "strategies: .*list.*'random-search'",
    "seeds0": "seeds: must be a whole number from 1 to 1,000,000; got 0",
    "seedsstr": "seeds: .*integer.*'2'",
}
ODD = ("labels", "pathlabel", "underscorelabel", "mathlabels")


def on_the_toy(case: str, folder: Path) -> Path:
    """Return a copy of a case that reads the toy table."""
    text = (CASES / f"{case}.yaml").read_bytes().decode()
    for old, new in (("t-plain", "toy"), ("[cifar10]", "[d]"), ("epochs: 50", "epochs: 100")):
        assert old in text or case.startswith("scalar")
        text = text.replace(old, new)
    path = folder / f"{case}.yaml"
    path.write_bytes(text.encode())
    return path


def test_every_case_is_either_run_or_refused() -> None:
    assert {path.stem for path in CASES.glob("*.yaml")} == {*RUN, *REFUSED}


@pytest.mark.parametrize("case", RUN)
def test_what_a_case_says_is_what_is_read(case: str) -> None:
    spec = load_spec(CASES / f"{case}.yaml")
    read = {
        "seeds": spec.seeds,
        "name": spec.name,
        "title": spec.title,
        "queries": spec.budget.queries,
        "labels": [strategy.label for strategy in spec.strategies],
    }
    assert {key: read[key] for key in RUN[case]} == RUN[case]


@pytest.mark.parametrize("case", REFUSED)
def test_a_case_that_is_no_study_is_one_line(cli: Cli, tmp_path: Path, case: str) -> None:
    with pytest.raises(InputError, match=REFUSED[case]):
        load_spec(CASES / f"{case}.yaml")
    code, out, err = cli("leaderboard", "run", CASES / f"{case}.yaml", "--out", tmp_path / "out")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert re.search(REFUSED[case], err)
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize("case", ["datename", "slashname", "seedsoct", "title"])
def test_odd_names_and_numbers_run(cli: Cli, tmp_path: Path, case: str) -> None:
    study = on_the_toy(case, tmp_path)
    code, out, _ = cli("leaderboard", "run", study, "--out", tmp_path / "out", "--jobs", 1, "--json")
    assert code == 0
    document = json.loads(out)
    assert document["study"]["name"] == RUN[case].get("name", "st")
    assert {row["n"] for row in document["leaderboard"]} == {RUN[case].get("seeds", 2)}
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([f"{case}.yaml", "home", "out"])


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize("case", ODD)
def test_odd_labels_stand_in_every_table_and_figure(
    cli: Cli, tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    shown: list[str] = []
    save = Figure.savefig

    def look(figure: Figure, *given: Any, **options: Any) -> None:
        for legend in figure.legends:
            shown.extend(text.get_text() for text in legend.get_texts())
        save(figure, *given, **options)

    monkeypatch.setattr(Figure, "savefig", look)
    code, printed, _ = cli("leaderboard", "run", on_the_toy(case, tmp_path), "--out", out, "--jobs", 1)
    assert code == 0
    labels = RUN[case]["labels"]
    texts = method_texts(labels)
    assert len(set(texts.values())) == len(labels)
    for label in labels:
        assert texts[label] in shown
        assert label.split()[0] in printed
    board = pd.read_csv(out / "leaderboard.csv", dtype=str, keep_default_na=False)
    assert set(board["strategy"]) == set(labels)
    code, printed, _ = cli("leaderboard", "show", out, "--json")
    assert {row["strategy"] for row in json.loads(printed)["leaderboard"]} == set(labels)
    assert cli("leaderboard", "verify", out, "--jobs", 1)[0] == 0
    assert cli("plot", "winrate", out, "--out", tmp_path / "wins.svg")[0] == 0
    for name in [path.name for path in tmp_path.rglob("*")]:
        assert len(name.encode()) <= 255


def test_labels_that_look_missing_or_like_numbers_stay_text(
    cli: Cli, small: Callable[..., StudySpec], tmp_path: Path
) -> None:
    labels = ["nan", "NA", "1e2", "0010"]
    strategies = [{"name": "random-search", "label": label} for label in labels]
    (tmp_path / "s.yaml").write_text(small(strategies=strategies, datasets=["d"]).to_yaml())
    code, out, _ = cli(
        "leaderboard", "run", tmp_path / "s.yaml", "--out", tmp_path / "o", "--jobs", 1, "--json"
    )
    assert code == 0
    assert {row["strategy"] for row in json.loads(out)["leaderboard"]} == set(labels)


@pytest.mark.parametrize(
    ("label", "says"),
    [("\t", "visible"), ("a\nb", "visible"), ("a\x1b[31m", "visible"), ("x" * 501, "1 to 500 visible")],
)
def test_labels_that_nobody_can_read_are_refused(
    small: Callable[..., StudySpec], label: str, says: str
) -> None:
    with pytest.raises(InputError, match=says) as caught:
        small(strategies=[{"name": "tpe", "label": label}])
    assert len(str(caught.value)) < 400


def test_half_a_character_is_refused_by_the_reader(cli: Cli, tmp_path: Path) -> None:
    text = (CASES / "plain.yaml").read_text().replace("name: st", 'name: "a\\uD800b"')
    (tmp_path / "s.yaml").write_text(text)
    code, _, err = cli("leaderboard", "run", tmp_path / "s.yaml", "--out", tmp_path / "out")
    assert (code, err.count("\n")) == (2, 1)
    assert "half of a character" in err


@pytest.mark.usefixtures("toy")
def test_half_a_query_buys_nothing_and_two_and_a_half_buy_two(cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, printed, _ = cli(
        "leaderboard", "run", on_the_toy("q25", tmp_path), "--out", out, "--jobs", 1, "--json"
    )
    assert code == 0
    assert {row["queries"] for row in json.loads(printed)["leaderboard"]} == {2.0}
    code, _, err = cli(
        "leaderboard", "run", on_the_toy("q05", tmp_path), "--out", tmp_path / "o", "--jobs", 1
    )
    assert (code, err.count("\n")) == (2, 1)
    assert "quer" in err


# -- figures ----------------------------------------------------------------------------------


def test_names_are_text_and_fit() -> None:
    assert name_text("$\\alpha_1$") == "\\$\\alpha_1\\$"
    assert name_text("_hidden") == " _hidden"
    assert name_text("中文 ε") == "?? ε"
    assert name_text("plain (variant)") == "plain (variant)"
    assert name_text("one\ntwo$") == "one\ntwo\\$"
    long = method_texts(["x" * 100, "x" * 101, "中", "国"])
    assert len(set(long.values())) == 4
    assert max(len(text) for text in long.values()) <= LONGEST_TEXT


@pytest.mark.parametrize(
    "name", ["$\\frac{$", "$x_{1$", "a$b$c$", "\\", "{", "%", "^^", "$$", "\\$x$", "&#~"]
)
def test_no_name_breaks_a_figure(name: str, tmp_path: Path) -> None:
    figure = Figure()
    figure.text(0.1, 0.5, name_text(name))
    figure.text(0.1, 0.2, f"{name_text(name)} ($n$ = 3)")  # beside a formula of ours
    figure.savefig(tmp_path / "x.svg")
    assert (tmp_path / "x.svg").stat().st_size


# -- file names -------------------------------------------------------------------------------


def test_trials_and_searches_have_names_that_folders_can_have() -> None:
    labels = [
        "a/b",
        "a_b",
        "..",
        "../../x",
        "x" * 500,
        "ü" * 300,
        "中" * 300,
        ".hidden",
        "A",
        "a",
        "nan",
        "a b",
    ]
    trials = [Trial(label, "d", 3).name for label in labels]
    searches = [folder_name(label, 3) for label in labels]
    for names in (trials, searches):
        assert len({name.lower() for name in names if "A" not in name}) >= len(labels) - 1
        assert len(set(names)) == len(labels)
        for name in names:
            assert len(f".{name}.arrow".encode()) < 240
            assert "/" not in name
            assert not name.startswith(".")
    assert folder_name("spos", 0) == "spos-0"  # as studies of before have it
    assert folder_name("gibbsnas (sample)", 2) == "gibbsnas (sample)-2"
    assert Trial("tpe", "cifar10", 1).name == "tpe-953d7a.cifar10.000001"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"epochs": "3"}, "epochs must be a whole number or null; got '3'"),
        ({"epochs": 10**10}, "epochs must be a number of at most 1,000,000"),
        ({"threads": 0}, "threads must be a whole number from 1"),
        ({"learning_rate": float("nan")}, "learning_rate must be a number of at most"),
        ({"bfloat16": 1}, "bfloat16 must be true or false; got 1"),
        ({"size": 3}, "size must be a mapping"),
    ],
)
def test_settings_of_a_supernet_study_are_checked_before_it_runs(settings: dict[str, Any], says: str) -> None:
    study = {"name": "s", "table": "nasbench201", "datasets": ["cifar10"]}
    searches = {"data": "digits", "strategies": ["spos"], "settings": settings}
    with pytest.raises(InputError, match=says):
        parse_spec({**study, "searches": searches}, "s.yaml")


def test_a_study_of_too_many_searches_is_refused() -> None:
    study = {"name": "s", "table": "nasbench201", "datasets": ["cifar10"]}
    searches = {"data": "digits", "strategies": ["spos", "darts"], "seeds": 60_000}
    with pytest.raises(InputError, match="120,000 searches; a study has at most 100,000"):
        parse_spec({**study, "searches": searches}, "s.yaml")
