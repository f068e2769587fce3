"""``benchkit plot efficiency``, ``reaching`` and ``ranks``: figures of kept studies, with their numbers."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from benchkit.analysis.figures.ranks import draw_ranks, rank_info
from benchkit.analysis.statistics.curves import regret_curve
from benchkit.analysis.statistics.ranking import average_ranks, regret_by_seed
from benchkit.base.errors import InputError
from benchkit.data.tables import Table
from benchkit.reports.api import run_study as run
from benchkit.reports.figures import draw_figure
from benchkit.studies.store import StudyDirectory
from tests.toys import make_small

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def two(done: StudyDirectory, tmp_path: Path) -> list[Path]:
    """The small study in two folders of one name."""
    return [done.path, Path(shutil.copytree(done.path, tmp_path / "again" / "done"))]


def test_the_numbers_beside_an_efficiency_figure(done: StudyDirectory, tmp_path: Path) -> None:
    drawn = draw_figure("efficiency", [done.path], formats=("png",), out=tmp_path / "e.png")
    assert [path.name for path in drawn.paths] == ["e.png", "e.csv"]
    kept = pd.read_csv(tmp_path / "e.csv")
    expected = regret_curve(done.read_traces())
    assert set(kept["study"]) == {"done"}
    assert kept["mean"].tolist() == pytest.approx(expected["mean"].tolist())
    assert kept["x"].min() < 1  # bohb's cheap evaluations stay in the numbers


def test_several_studies_stand_side_by_side(two: list[Path], tmp_path: Path) -> None:
    draw_figure("efficiency", two, "seconds", venue="icml", formats=("svg",), out=tmp_path / "e")
    kept = pd.read_csv(tmp_path / "e.csv")
    assert set(zip(kept["study"], kept["dataset"], strict=True)) == {
        (name, dataset) for name in (f"{two[0].parent.name}/done", "again/done") for dataset in ("d", "e")
    }
    counts = kept.groupby("study").size()
    assert counts.nunique() == 1
    assert (tmp_path / "e.svg").read_text(encoding="utf-8").count('id="axes_') == 4


def test_only_some_data_sets(done: StudyDirectory, tmp_path: Path) -> None:
    draw_figure("efficiency", [done.path], datasets=["e"], formats=("svg",), out=tmp_path / "e")
    assert set(pd.read_csv(tmp_path / "e.csv")["dataset"]) == {"e"}
    draw_figure("ranks", [done.path], ["e"], formats=("svg",), out=tmp_path / "r")
    assert set(pd.read_csv(tmp_path / "r.csv")["dataset"]) == {"e"}
    draw_figure("reaching", [done.path], 5.0, datasets=["e"], formats=("svg",), out=tmp_path / "s")
    assert set(pd.read_csv(tmp_path / "s.csv")["dataset"]) == {"e"}
    for kind in ("efficiency", "ranks", "profile", "winrate"):
        with pytest.raises(InputError, match="unknown data set 'f'"):
            draw_figure(kind, [done.path], datasets=["f"], out=tmp_path / "x")


def test_a_figure_s_numbers_do_not_replace_a_study_s_tables(done: StudyDirectory) -> None:
    kept = done.leaderboard.read_bytes()
    with pytest.raises(InputError, match=r"leaderboard\.csv is a table of the study there"):
        draw_figure("ranks", [done.path], out=done.path / "leaderboard.pdf")
    assert done.leaderboard.read_bytes() == kept
    assert not (done.path / "leaderboard.pdf").exists()


def test_the_same_folder_twice_is_one_study(done: StudyDirectory, tmp_path: Path) -> None:
    draw_figure("ranks", [done.path, done.path], formats=("png",), out=tmp_path / "r")
    assert len(pd.read_csv(tmp_path / "r.csv")) == 2 * 3


def test_reached_shares_and_who_was_censored(done: StudyDirectory, tmp_path: Path) -> None:
    drawn = draw_figure("reaching", [done.path], 5.0, formats=("png",), out=tmp_path / "r.png")
    assert [path.name for path in drawn.paths] == ["r.png", "r.csv"]
    kept = pd.read_csv(tmp_path / "r.csv")
    assert kept["share"].between(0, 1).all()
    assert (kept.groupby(["dataset", "strategy"])["x"].max() == 20).all()
    drawn = draw_figure("reaching", [done.path], 0.5, "seconds", formats=("png",), out=tmp_path / "s.png")
    assert [path.name for path in drawn.paths] == ["s.png", "s.csv", "s-censored.csv"]
    assert "censored" in drawn.notes[0]


def test_ranks_are_those_of_the_trials(done: StudyDirectory, tmp_path: Path) -> None:
    draw_figure("ranks", [done.path], formats=("pdf",), out=tmp_path / "k.pdf")
    kept = pd.read_csv(tmp_path / "k.csv").set_index(["dataset", "strategy"])
    trials = done.read_trials()
    for dataset in ("d", "e"):
        table = regret_by_seed(trials[trials["dataset"] == dataset])
        for strategy, rank in zip(table.columns, average_ranks(table), strict=True):
            assert kept.loc[(dataset, strategy), "rank"] == pytest.approx(rank)
    assert set(kept["n"]) == {2}


@pytest.mark.parametrize("venue", ["neurips", "cvpr"])
def test_a_heading_of_ranks_fits_whatever_the_study_is_called(done: StudyDirectory, venue: str) -> None:
    trials = done.read_trials()
    for name in ("d", "imagenet16-120, posteriors-nb201"):
        figure = draw_ranks(rank_info(trials[trials["dataset"] == "d"].assign(dataset=name)), venue)
        figure.draw_without_rendering()
        texts = figure.axes[0].texts
        (title,) = (text for text in texts if text.get_text() == name)
        (note,) = (text for text in texts if "Nemenyi" in text.get_text())
        assert not title.get_window_extent().overlaps(note.get_window_extent())
        for text in (title, note):
            assert figure.bbox.x0 <= text.get_window_extent().x0
            assert text.get_window_extent().x1 <= figure.bbox.x1
        others = [text.get_window_extent() for text in texts if text is not note]
        assert not any(note.get_window_extent().overlaps(other) for other in others)


def test_what_cannot_be_drawn_together_is_refused(done: StudyDirectory, toy: Table, tmp_path: Path) -> None:
    spec = make_small(budget={"simulated_seconds": 400.0}, strategies=["random-search"], datasets=["d"])
    timed = run(spec, tmp_path / "timed").path
    with pytest.raises(InputError, match="limited different costs"):
        draw_figure("reaching", [done.path, timed], 5.0, "queries", out=tmp_path / "r")
    with pytest.raises(InputError, match="no trial reached a regret of 1e-06"):
        draw_figure("reaching", [timed], 1e-6, out=tmp_path / "r")
    with pytest.raises(InputError, match="two strategies share a seed"):
        draw_figure("ranks", [timed], out=tmp_path / "r")
    with pytest.raises(InputError, match="unknown venue"):
        draw_figure("efficiency", [done.path], venue="tv", out=tmp_path / "r")
    with pytest.raises(InputError, match="no folder"):
        draw_figure("ranks", [], out=tmp_path / "r")
    assert not list(tmp_path.glob("r*"))


def test_the_commands(cli: Run, done: StudyDirectory, tmp_path: Path) -> None:
    for words in (
        ["efficiency"],
        ["efficiency", "--axis", "real-seconds"],
        ["reaching", "--target", "5"],
        ["ranks"],
    ):
        out = tmp_path / f"{words[0]}.png"
        code, text, _ = cli("plot", words[0], done.path, *words[1:], "--out", out)
        assert code == 0
        assert text.split() == [str(out), str(out.with_suffix(".csv"))]
        assert out.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["efficiency", "--axis", "hours"], "unknown axis 'hours'"),
        (["reaching", "--target", "nan"], "--target must be a number"),
        (["reaching", "--target", "-1"], "no trial reached"),
        (["ranks", "--format", "gif"], "unknown format 'gif'"),
    ],
)
def test_bad_input_is_one_line(
    cli: Run, done: StudyDirectory, tmp_path: Path, words: list[str], said: str
) -> None:
    code, text, error = cli("plot", words[0], done.path, *words[1:], "--out", tmp_path / "figure")
    assert (code, text) == (2, "")
    assert said in error
    assert len(error.splitlines()) == 1
