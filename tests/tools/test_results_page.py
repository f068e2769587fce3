"""The page of kept results: what it takes from the folders, what it refuses, and that ours is up to date."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import benchkit
from benchkit.base.errors import InputError
from benchkit.studies.spec import load_preset
from tools.about import read_about
from tools.key_figures import interval_text, key_figures
from tools.results_page import first_difference, main, results_page, write_results_page

Command = Callable[..., tuple[int, str, str]]
KEPT = Path(benchkit.__file__).parents[1] / "results"
checkout = pytest.mark.skipif(not (KEPT / "quick").is_dir(), reason="not a checkout")

ABOUT = """\
# A title

Command: `benchkit
search x`, S = 0

Shows: One | two,
see [the table](table.csv).

Text with a [picture](figures/a.png), a [page](https://example.org) and [another study](../b/about.md).

## Its own heading

```
# no heading
[as it](stands)
```

<!-- figures: inside -->

## Not seen

- A claim.

## More

The end.
"""


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """``command(FOLDER, "--check")``: exit code, stdout and stderr of the tool."""

    def run_main(*words: object) -> tuple[int, str, str]:
        code = main([str(word) for word in words])
        streams = capsys.readouterr()
        return code, streams.out, streams.err

    return run_main


def about(folder: Path, text: str = ABOUT) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "about.md").write_text(text, encoding="utf-8")
    return folder


def no_figures(folder: Path) -> str:
    return f"FIGURES OF {folder.name}"


def board(folder: Path, label: str, valid: float, regret: float, queries: int = 20) -> Path:
    """Keep what the page reads of a study on nasbench201, one method and data set."""
    folder.mkdir(parents=True)
    row = {"dataset": "cifar10", "strategy": label, "n": 3, "rank": 1}
    for name, value in (("valid", valid), ("test", float("nan")), ("regret", regret)):
        row |= {name: value, f"{name}_low": value - 0.1, f"{name}_high": value + 0.1}
    pd.DataFrame([row]).to_csv(folder / "leaderboard.csv", index=False)
    spec = load_preset("quick").replaced(["random-search"], ["cifar10"], 3, queries)
    (folder / "study.yaml").write_text(spec.to_yaml())
    table = {"name": "nasbench201", "sha256": "a" * 64, "entries": 15625}
    (folder / "manifest.json").write_text(json.dumps({"table": table, "traces": {}, "not_applicable": {}}))
    return folder


def test_an_about_is_read_for_the_page_above_it(tmp_path: Path) -> None:
    said = read_about(about(tmp_path / "a"), no_figures)
    assert said.title == "A title"
    assert said.command == "`benchkit search x`, S = 0"
    assert said.shows == "One | two, see [the table](a/table.csv)."
    assert "[picture](a/figures/a.png)" in said.text
    assert "[page](https://example.org) and [another study](b/about.md)" in said.text
    assert "\n#### Its own heading\n" in said.text
    assert "```\n# no heading\n[as it](stands)\n```" in said.text
    assert "\nFIGURES OF inside\n" in said.text
    assert said.not_seen == "- A claim."
    assert said.text.endswith("#### More\n\nThe end.")


@pytest.mark.parametrize(
    ("text", "lacks"),
    [
        ("", "title"),
        ("A title\n\nCommand: x\n\nShows: y", "title"),
        ("# A title\n\nShows: y", "command"),
        ("# A title\n\nCommand: \n\nShows: y", "command"),
        ("# A title\n\nCommand: x\n\nText", "shows"),
    ],
)
def test_an_about_without_its_beginning_is_refused(tmp_path: Path, text: str, lacks: str) -> None:
    with pytest.raises(InputError, match=f"there is no {lacks}"):
        read_about(about(tmp_path / "a", text), no_figures)


def test_leaderboards_gather_the_methods_of_all_studies(tmp_path: Path) -> None:
    plain = "# T\n\nCommand: `x`\n\nShows: y\n"
    about(board(tmp_path / "b", "worse", 90.0, 1.6), plain)
    about(board(tmp_path / "a", "best", 91.5, 0.1, 1500), plain)
    about(tmp_path / "c", plain + "\n## Not seen\n\n- A claim of theirs.\n")
    board(tmp_path / "c" / "queries", "middle", 91.0, 0.6)
    (tmp_path / ".hidden").mkdir()
    page = results_page(tmp_path)
    rows = [line for line in page.splitlines() if line.startswith("#### ") or "91.60 validation" in line]
    assert rows == [
        "#### 20 queries at 200 epochs",
        "| middle | [`c`](#c) | 3 | 91.00 [90.90, 91.10] |  | 0.60 [0.50, 0.70] | 91.60 validation |",
        "| worse | [`b`](#b) | 3 | 90.00 [89.90, 90.10] |  | 1.60 [1.50, 1.70] | 91.60 validation |",
        "#### 1,500 queries at 200 epochs",
        "| best | [`a`](#a) | 3 | 91.50 [91.40, 91.60] |  | 0.10 [0.00, 0.20] | 91.60 validation |",
    ]
    assert page.count("### Table nasbench201 (15,625 architectures, SHA-256 aaaaaaaaaaaa), cifar10\n") == 1
    headings = re.findall(r"^##+ .*", page, flags=re.MULTILINE)
    assert headings[0] == "## Overview"
    assert headings[-5:] == [
        "## Where a paper's claim was not seen",
        "## Studies",
        "### `a`",
        "### `b`",
        "### `c`",
    ]
    assert "[`c`](#c)\n\n- A claim of theirs.\n" in page


def test_without_leaderboards_or_claims_there_are_no_such_parts(tmp_path: Path) -> None:
    about(tmp_path / "a", "# T\n\nCommand: `x`\n\nShows: y\n")
    assert re.findall(r"^##+ .*", results_page(tmp_path), flags=re.MULTILINE) == [
        "## Overview",
        "## Studies",
        "### `a`",
    ]


def test_the_command_writes_and_checks(command: Command, tmp_path: Path) -> None:
    about(tmp_path / "a", "# T\n\nCommand: `x`\n\nShows: y\n")
    code, _, error = command(tmp_path, "--check")
    assert (code, error.count("\n")) == (1, 1)
    assert not (tmp_path / "README.md").exists()
    code, printed, _ = command(tmp_path)
    assert (code, printed.strip()) == (0, str(tmp_path / "README.md"))
    assert command(tmp_path, "--check")[0] == 0
    page = tmp_path / "README.md"
    lines = page.read_text().split("\n")
    page.write_text("\n".join([*lines[:4], "by hand", *lines[5:]]))
    assert first_difference(tmp_path) == 5
    page.write_text("\n".join(lines) + "more\n")
    assert first_difference(tmp_path) == len(lines)
    assert command(tmp_path, "--check")[0] == 1


def test_folders_without_about_are_named(command: Command, tmp_path: Path) -> None:
    code, _, error = command(tmp_path)
    assert (code, error.count("\n")) == (2, 1)
    assert "holds no folders of studies" in error
    about(tmp_path / "b")
    for name in ("a", "c"):
        (tmp_path / name).mkdir()
    for words in ((), ("--check",)):
        code, _, error = command(tmp_path, *words)
        assert (code, error.count("\n")) == (2, 1)
        assert re.search(r"about\.md.*: a, c ", error)


def test_the_intervals_of_nothing_are_nothing() -> None:
    nan = float("nan")
    assert [interval_text(*row) for row in ((nan, nan, nan), (1.5, nan, nan), (1.5, 1, 2))] == [
        "",
        "1.50",
        "1.50 [1.00, 2.00]",
    ]


def correlation_study(folder: Path) -> Path:
    folder.mkdir()
    head = "epoch,images,truth,fraction,measure"
    (folder / "correlations.csv").write_text(
        f"training,seed,{head},n,value,low,high\n"
        "a,0,1,9,valid,1.0,kendall_tau,50,0.1,0.0,0.2\n"  # not the last epoch
        "a,0,2,9,valid,1.0,kendall_tau,50,0.2,0.1,0.3\n"  # fewer images
        "a,0,2,30,valid,1.0,pearson,50,0.9,0.8,1.0\n"
        "a,0,2,30,valid,1.0,kendall_tau,50,0.3,0.2,0.4\n"
        "b,1,2,30,valid,1.0,kendall_tau,50,0.5,0.4,0.6\n"
        "a,0,2,30,test,0.1,kendall_tau,5,0.05,,\n"
    )
    (folder / "correlations-mean.csv").write_text(
        f"{head},trainings,mean,sd,low,high,values\n"
        "2,9,valid,1.0,kendall_tau,2,0.7,0.1,,,0.6 0.8\n"
        "2,30,valid,1.0,kendall_tau,2,0.4,0.1,,,0.3 0.5\n"
    )
    (folder / "noise_ceiling.csv").write_text(
        "truth,fraction,measure,pairs,n,value,low,high\nvalid,1.0,kendall_tau,3,50,0.8,0.7,0.9\n"
        "test,0.1,kendall_tau,3,5,0.2,-0.3,0.6\n"
    )
    told = {"dataset": "d", "n": 50, "table": {"name": "t", "sha256": "b" * 64}}
    (folder / "correlation.json").write_text(json.dumps(told))
    return folder


def test_key_figures_of_a_correlation_study(tmp_path: Path) -> None:
    shown = key_figures(correlation_study(tmp_path / "correlation"))
    assert shown.startswith("Tau-b of inherited accuracy (30 images, after epoch 2)")
    assert "table t (SHA-256 bbbbbbbbbbbb), 50 architectures" in shown
    assert shown.splitlines()[2:] == [
        "| truth | best share | a | b | mean | noise ceiling |",
        "| --- | --- | --- | --- | --- | --- |",
        "| validation | all | 0.30 [0.20, 0.40] | 0.50 [0.40, 0.60] | 0.40 | 0.80 [0.70, 0.90] |",
        "| test | 10 % | 0.05 (not resolvable) |  |  | not resolvable [-0.30, 0.60] |",
    ]


def test_key_figures_of_one_training_have_no_mean(tmp_path: Path) -> None:
    folder = correlation_study(tmp_path / "correlation")
    (folder / "correlations-mean.csv").unlink()
    assert "| truth | best share | a | b | noise ceiling |" in key_figures(folder)


def test_key_figures_of_supernet_searches_are_their_table(tmp_path: Path) -> None:
    (tmp_path / "table.md").write_text("**T** Accuracy\n\n| a |\n| --- |\n")
    assert key_figures(tmp_path) == "**T** Accuracy\n\n| a |\n| --- |"


@checkout
def test_key_figures_of_the_fading_study_are_those_of_its_prose() -> None:
    shown = key_figures(KEPT / "digits-fading")
    row = next(line for line in shown.splitlines() if line.startswith("| 8 |"))
    assert row == (
        "| 8 | 2.1e+05 [1.7e+05, 2.4e+05] | 8.1e+04 [6.4e+04, 1.0e+05] | 0.125 [0.107, 0.146] "
        "| 0.57 [0.43, 0.68] | 0.51 [0.35, 0.64] |"
    )


def test_what_has_no_key_figures(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no key figures"):
        key_figures(tmp_path)
    folder = correlation_study(tmp_path / "correlation")
    (folder / "correlations.csv").write_text("nothing\n1\n")
    with pytest.raises(InputError, match="is damaged"):
        key_figures(folder)


@checkout
def test_our_page_is_up_to_date_and_its_links_lead_somewhere() -> None:
    assert first_difference(KEPT) is None, "run python -m tools.results_page results"
    page = (KEPT / "README.md").read_text(encoding="utf-8")
    anchors = {
        re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)", page, flags=re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)]+)\)", page):
        if target.startswith("#"):
            assert target[1:] in anchors, target
        elif "://" not in target:
            assert (KEPT / target).exists(), target


@checkout
def test_best_known_accuracies_are_the_tables_optima(tmp_path: Path) -> None:
    shutil.copytree(KEPT / "quick", tmp_path / "quick", ignore=shutil.ignore_patterns("*.parquet"))
    write_results_page(tmp_path)
    lines = (tmp_path / "README.md").read_text(encoding="utf-8").splitlines()
    table = benchkit.open_table("nasbench201")
    for dataset in ("cifar10", "cifar100", "imagenet16-120"):
        start = next(number for number, line in enumerate(lines) if line.endswith(f"), {dataset}"))
        rows = [line for line in lines[start:] if line.startswith("| ")][2:9]
        best = table.optimum(benchkit.Metric(dataset, "valid", 200)).value
        assert {row.split(" | ")[-1] for row in rows} == {f"{best:.2f} validation |"}
