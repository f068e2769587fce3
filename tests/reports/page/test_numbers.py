"""The numbers of a report against plain loops and hand computations."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import benchkit
from benchkit.analysis.figures.style import method_look
from benchkit.base.errors import InputError
from benchkit.data.tables import Metric, Table
from benchkit.reports.api import run_study as run
from benchkit.reports.page.cells import cells_of
from benchkit.reports.page.charts import (
    DARK,
    Axis,
    Series,
    dark_color,
    lines_table,
    plain,
    rounded,
    view_data,
)
from benchkit.reports.page.correlations import correlation_section
from benchkit.reports.page.fadings import fading_section
from benchkit.reports.page.leaderboards import leaderboard_section
from benchkit.reports.page.origin import command, short_names
from benchkit.reports.page.parts import choice, number_cell
from benchkit.reports.page.scatters import scatter_data, shown_of
from benchkit.reports.page.shares import study_table, trials_at
from benchkit.reports.page.supernets import supernet_sections
from benchkit.studies.spec import StudySpec
from benchkit.studies.store import StudyDirectory


def test_trials_at_half_the_budget_are_those_of_a_plain_loop(done: StudyDirectory, toy: Table) -> None:
    spec = done.spec()
    table = study_table(spec, toy.sha256)
    assert table is not None
    found = trials_at(done, table, (0.5,))[0.5].set_index(["strategy", "dataset", "seed"])
    kept = done.read_kept(toy.base_space)
    assert len(found) == len(kept)
    for trial, trace in kept.items():
        seen: list[tuple[int, float, int]] = []
        for row in range(len(trace)):
            if trace.queries[row] <= 10 + 1e-6:
                seen.append((int(trace.fidelity[row]), float(trace.scores[row]), -row))
        best = trace.batch[-max(seen)[2]]
        row = found.loc[(trial.label, trial.dataset, trial.seed)]
        valid = toy.query(best, Metric(trial.dataset, "valid", 100))
        assert row["valid"] == valid
        assert row["test"] == toy.query(best, Metric(trial.dataset, "test", 100))
        assert row["regret"] == toy.optimum(Metric(trial.dataset, "valid", 100)).value - valid
        assert row["queries"] == trace.queries[len(seen) - 1]
        assert row["distinct"] == len({tuple(each) for each in trace.batch[: len(seen)].tolist()})


def test_without_the_table_regret_and_validation_are_the_same(done: StudyDirectory, toy: Table) -> None:
    keys = ["strategy", "dataset", "seed"]
    with_table = trials_at(done, toy, (0.25, 0.5))
    without = trials_at(done, None, (0.25, 0.5))
    for share in (0.25, 0.5):
        one, other = (
            frames[share].sort_values(keys).reset_index(drop=True) for frames in (with_table, without)
        )
        assert one[keys].equals(other[keys])
        for column in ("valid", "regret", "queries", "seconds"):
            assert other[column].to_numpy() == pytest.approx(one[column].to_numpy(), abs=1e-6)
        assert other["test"].isna().all()


def test_a_table_that_is_another_one_is_not_used(done: StudyDirectory, toy: Table) -> None:
    assert study_table(done.spec(), "0" * 64) is None


def test_a_share_before_the_first_evaluation_has_no_row(done: StudyDirectory, toy: Table) -> None:
    assert len(trials_at(done, toy, (1e-6,))[1e-6]) == 0


def test_the_whole_budget_is_the_leaderboard_that_was_kept(done: StudyDirectory) -> None:
    table = leaderboard_section(done.path, "done").tables[0]
    whole = [row for row in table.rows if row.keys[1] == "1"]
    kept = done.read_leaderboard()
    assert [row.cells[0].text for row in whole] == list(kept["strategy"])
    assert [row.cells[5].sort for row in whole] == pytest.approx(list(kept["regret"]))
    assert {row.keys[1] for row in table.rows} == {"1", "0.5", "0.25"}
    regret = {share: [r.cells[5].sort for r in table.rows if r.keys[1] == share] for share in ("0.25", "1")}
    assert np.mean(np.array(regret["0.25"], dtype=float)) > np.mean(np.array(regret["1"], dtype=float))


def test_curves_end_at_the_regret_of_the_leaderboard(done: StudyDirectory) -> None:
    figure = leaderboard_section(done.path, "done").figures[0]
    board = done.read_leaderboard().set_index(["dataset", "strategy"])
    views = [view for view in figure.data["views"] if view["keys"][1] == "queries"]
    assert {view["keys"][0] for view in views} == {"d", "e"}
    for view in views:
        for label in dict.fromkeys(series["label"] for series in view["series"]):
            mean, *seeds = (series for series in view["series"] if series["label"] == label)
            assert mean["mean"][-1] == pytest.approx(board.loc[(view["keys"][0], label), "regret"], rel=1e-4)
            assert (np.diff(mean["mean"]) <= 0).all()
            assert set(mean["low"]) == {None}  # two seeds resolve no interval: each is a thin line
            assert [seed["look"] for seed in seeds] == [None, None]
            average = np.mean([seed["mean"] for seed in seeds], axis=0)
            assert mean["mean"] == pytest.approx(average, rel=1e-4, abs=1e-4)


def test_thinned_curves_end_there_too(small: Callable[..., StudySpec], tmp_path: Path) -> None:
    done = run(small(budget={"simulated_seconds": 2000}, seeds=6), tmp_path / "out")
    assert done.read_traces()["seconds"].nunique() > 300
    figure = leaderboard_section(done.path, "done").figures[0]
    board = done.read_leaderboard().set_index(["dataset", "strategy"])
    views = [view for view in figure.data["views"] if view["keys"][1] == "seconds"]
    assert figure.filters[1].chosen == "seconds"
    for view in views:
        assert len(view["series"]) == 3
        for series in view["series"]:
            regret = board.loc[(view["keys"][0], series["label"]), "regret"]
            assert series["mean"][-1] == pytest.approx(regret, rel=1e-4)
            assert len(series["x"]) < 180


def test_a_study_without_traces_has_its_leaderboard_and_says_so(done: StudyDirectory) -> None:
    done.traces.unlink()
    section = leaderboard_section(done.path, "done")
    assert not section.figures
    assert {row.keys[1] for row in section.tables[0].rows} == {"1"}
    assert any("traces were not kept" in note for note in section.notes)


def test_correlations_and_their_ceiling(correlation: Path) -> None:
    section = correlation_section(correlation, "it")
    table, (curve, scatter) = section.tables[0], section.figures
    whole = [row for row in table.rows if row.keys[1] == "1"]
    assert [[cell.text for cell in row.cells[:2]] for row in whole] == [
        ["spos-0", "5"],
        ["spos-0", "10"],
        ["spos-1", "5"],
        ["spos-1", "10"],
    ]
    assert [row.keys[2] for row in whole] == ["earlier", "last"] * 2
    few = [row for row in table.rows if row.keys[1] == "0.1"]
    assert {row.cells[6].interval for row in few} == {"(not resolvable)"}  # tau of four architectures
    assert table.rows[0].cells[-1].text == "0.90"
    assert table.rows[0].cells[-1].interval == "[0.85, 0.95]"
    view = next(v for v in curve.data["views"] if v["keys"] == ["valid", "kendall_tau", "1"])
    mean, first, second = view["series"]
    assert mean["x"] == [5, 10]
    assert first["look"] is None
    assert mean["mean"] == pytest.approx(np.mean([first["mean"], second["mean"]], axis=0), rel=1e-4)
    assert mean["low"] == mean["high"] == [None, None]  # two trainings resolve no interval
    assert view["level"]["value"] == 0.9
    y = np.array(scatter.data["values"]["y"]["valid"])
    assert (np.diff(y) <= 0).all()
    assert (y >= scatter.data["views"][0]["least"][0]).sum() == (len(y) + 1) // 2
    again = section.commands[0][1]
    assert "--checkpoint spos-0 --checkpoint spos-1" in again
    assert "--every 5 " in again


def test_fading_has_a_figure_a_panel(fading: Path) -> None:
    section = fading_section(fading, "it")
    assert [figure.title for figure in section.figures][:2] == [
        "Eq. 10 as printed",
        "exact, with the normaliser",
    ]
    paper = section.figures[0].data["views"][0]["series"][0]
    assert paper["x"] == [2, 4]
    assert paper["mean"] == [0.2, 0.4]  # of 100 parameters
    predictions = section.figures[3].data["views"][0]
    assert predictions["level"]["value"] == 0.09
    assert predictions["y"]["domain"][0] < 0.09  # the level is in sight
    assert "--supernet-epochs 60 --per-model" in section.commands[0][1]
    rank = section.figures[5].table
    assert rank is not None
    assert [cell.text for cell in rank.rows[-1].cells[:3]] == ["Kendall's τ-b", "4", "0.5"]


def test_supernets_stand_beside_what_was_published(supernets: Path) -> None:
    (section,) = supernet_sections(supernets, "it")
    spos, darts = section.tables[0].rows
    assert (spos.cells[4].text, spos.cells[4].interval) == ("88.12", "± 1.50")
    assert spos.cells[6].text == "–"
    assert (darts.cells[7].text, darts.cells[7].interval) == ("54.30", "")
    assert section.notes[0] == "Published: a paper"


def test_cells_share_layouts_and_leave_none_out() -> None:
    one = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|"
    two = "|nor_conv_1x1~0|+|none~0|nor_conv_3x3~1|+|none~0|none~1|skip_connect~2|"
    three = "|nor_conv_1x1~0|+|none~0|none~1|+|none~0|none~1|skip_connect~2|"
    found = cells_of("nasbench201", [one, two, three])
    assert found is not None
    (first,), (second,), (third,) = found["cells"]
    assert first[1] == second[1] != third[1]
    assert [found["words"][word] for word in first[3]] == ["nor conv 3x3", "skip connect", "avg pool 3x3"]
    assert [found["words"][word] for word in first[2]] == ["input", "1", "2", "output"]
    layout = found["layouts"][first[1]]
    assert len(layout["edges"]) == 3
    lefts = [x for x, *_ in layout["nodes"]]
    assert lefts == sorted(set(lefts))  # a chain runs from left to right
    width, height = layout["size"]
    assert all(x >= 0 and x + w <= width and y >= 0 and y + h <= height for x, y, w, h in layout["nodes"])
    assert cells_of("natsbench-size", ["8:8:8:8:8"]) is None
    assert cells_of("no-such-space", []) is None


def luminance(color: str) -> float:
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("name", ["random-search", "nasas", "sivdnas", "tpe", "bohb"])
def test_dark_colours_stand_out(name: str) -> None:
    color = method_look(name).color
    dark = dark_color(color)
    assert (luminance(dark) + 0.05) / (luminance(DARK) + 0.05) >= 4.45  # eight bits a channel
    if (luminance(color) + 0.05) / (luminance(DARK) + 0.05) >= 4.5:
        assert dark == color.lower()


def test_the_dark_ground_is_that_of_the_style_sheet() -> None:
    import benchkit.reports.page

    style = Path(benchkit.reports.page.__file__).with_name("assets") / "report.css"
    assert f"--ground: {DARK}" in style.read_text()


@pytest.mark.parametrize(
    "name", ["random-search", "regularized-evolution", "bohb", "bananas", "gibbsnas", "darts"]
)
def test_markers_stay_within_their_box(name: str) -> None:
    x = np.array([1.0, 2.0])
    view = view_data([], Axis("x"), Axis("y"), [Series(name, "", method_look(name), x, x, x, x)])
    shape = view["series"][0]["look"]["shape"]
    assert shape.endswith("Z")
    numbers = [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", shape)]
    assert max(map(abs, numbers)) <= 1.0


def test_small_things() -> None:
    assert rounded([1.23456789, float("nan"), float("inf")]) == [1.2346, None, None]
    assert plain(r"Kendall's $\tau_b$") == "Kendall's τ-b"
    assert number_cell(float("nan"), ".2f").text == "–"
    assert number_cell(1.0, ".2f", 0.5, float("nan")).interval == ""
    assert choice("Data set", ["a"], everything="all").options == (("a", "a"),)
    assert choice("Data set", ["a", "b"], everything="all").chosen == ""
    assert command("plot", "it's", "--axis", None) == "benchkit plot 'it'\"'\"'s' --axis"
    assert len(shown_of(np.arange(4000.0))) == 1500
    assert list(shown_of(np.array([1.0, np.nan, 3.0]))) == [2, 0, 1]


def test_of_a_loss_the_lowest_are_the_best() -> None:
    truths = {"accuracy": np.array([10.0, 30, 20, 40]), "loss": np.array([4.0, 2, 3, 1])}
    cells = [benchkit.get_space("nasbench201-3").format(np.array([i, 0, 0])) for i in range(4)]
    predicted = {"a": np.arange(4.0)}

    def drawn(name: str) -> dict[str, Any]:
        keys, titles = {("a", name): ("a", name)}, {name: name}
        lower = {"loss"} & {name}
        return scatter_data("nasbench201-3", cells, predicted, {name: truths[name]}, keys, "x", titles, lower)

    accuracy, loss = drawn("accuracy"), drawn("loss")
    assert loss["names"] == accuracy["names"] == [cells[3], cells[1], cells[2], cells[0]]
    assert loss["values"]["y"]["loss"] == [1, 2, 3, 4]
    assert (loss["views"][0]["least"], loss["views"][0]["lower"]) == ([2, 1], True)
    assert (accuracy["views"][0]["least"], accuracy["views"][0]["lower"]) == ([30, 40], False)


def test_names_say_no_more_than_they_must(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert short_names([tmp_path / "a" / "x", tmp_path / "b" / "x"]) == ["a/x", "b/x"]
    assert short_names([tmp_path / "x"]) == ["x"]
    monkeypatch.chdir(tmp_path)
    assert short_names([Path("a/x")]) == ["a/x"]
    with pytest.raises(InputError, match="twice"):
        short_names([tmp_path / "x", Path("x")])


def test_the_table_beside_a_figure_has_both_ends_of_a_curve() -> None:
    x = np.arange(1.0, 101.0)
    view = view_data(["d"], Axis("x"), Axis("y"), [Series("a", "5", method_look("tpe"), x, x, x - 1, x + 1)])
    table = lines_table("caption", [choice("Data set", ["d"])], [view], "x", "y")
    assert [row.cells[1].text for row in (table.rows[0], table.rows[-1])] == ["1", "100"]
    assert table.rows[-1].cells[2].interval == "[99, 101]"
    assert len(table.rows) <= 8


def test_thirty_seeds_of_seven_methods_fit_into_three_megabytes() -> None:
    from benchkit.reports.page.page import _bundle

    rng = np.random.default_rng(0)
    views = [
        view_data(
            (dataset, axis),
            Axis(axis),
            Axis("regret"),
            [
                Series(f"method-{n}", "30 seeds", method_look("tpe"), *(1e5 * rng.random((4, 160))))
                for n in range(7)
            ],
        )
        for dataset in "abc"
        for axis in ("queries", "seconds")
    ]
    assert len(json.dumps(views)) + len(_bundle()) < 2_000_000
