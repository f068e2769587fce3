"""A study that runs: what it leaves behind, where it may be left, and on which machines."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import benchkit
import benchkit.studies.table_work as table_work
from benchkit.base.errors import InputError
from benchkit.data.tables import Metric, Table, open_table
from benchkit.reports.api import run_study
from benchkit.reports.api import run_study as run
from benchkit.reports.report import leaderboard_of, write_report
from benchkit.searching.trace import pack
from benchkit.studies.spec import StudySpec, load_preset, load_spec
from benchkit.studies.store import StudyDirectory
from benchkit.studies.trial import Trial, run_trial

Small = Callable[..., StudySpec]
COLUMNS = (
    "dataset,strategy,n,valid,valid_low,valid_high,test,test_low,test_high,regret,regret_low,regret_high,"
    "rank,queries,seconds,distinct,distinct_isomorphic,wins_over_random,p_value"
)


@pytest.fixture
def spec(small: Small) -> StudySpec:
    return small()


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


# -- what a finished study holds --------------------------------------------------------------


def test_a_finished_study_holds_its_files_and_no_others(done: StudyDirectory) -> None:
    figures = {
        f"figures/{stem}.{kind}" for stem in ("efficiency-queries", "ranks") for kind in ("pdf", "png")
    }
    assert names(done.path) == figures | {
        "figures/efficiency-queries.csv",
        "figures/ranks.csv",
        "study.yaml",
        "manifest.json",
        "traces.parquet",
        "real_seconds.parquet",
        "trials.csv",
        "leaderboard.csv",
        "leaderboard.tex",
    }
    for name in figures:
        start = (done.path / name).read_bytes()[:8]
        assert start.startswith(b"%PDF-") if name.endswith("pdf") else start == b"\x89PNG\r\n\x1a\n"
    assert not (done.path / "trials").exists()


def test_beside_a_figure_are_its_numbers(done: StudyDirectory) -> None:
    trials = done.read_trials()
    curves = pd.read_csv(done.figures / "efficiency-queries.csv")
    last = curves[curves["x"] == curves["x"].max()].set_index(["dataset", "strategy"])["mean"]
    means = trials.groupby(["dataset", "strategy"])["regret"].mean()
    np.testing.assert_allclose(last[means.index], means)
    ranks = pd.read_csv(done.figures / "ranks.csv")
    assert len(ranks) == len(means)
    np.testing.assert_allclose(
        ranks.groupby("dataset")["rank"].mean(), (trials["strategy"].nunique() + 1) / 2
    )


def test_the_manifest_says_how_to_get_the_same_traces(
    done: StudyDirectory, spec: StudySpec, toy: Table
) -> None:
    manifest = json.loads(done.manifest.read_text())
    assert manifest == done.read_manifest()
    assert manifest["benchkit"] == benchkit.__version__
    assert manifest["python"] == platform.python_version()
    assert manifest["platform"]["machine"] == platform.machine()
    for package in ("numpy", "optuna", "pyarrow", "scipy", "torch"):
        assert manifest["dependencies"][package] == metadata.version(package)
    assert "pytest" not in manifest["dependencies"]
    assert manifest["table"]["name"] == "toy"
    assert manifest["table"]["sha256"] == toy.sha256
    assert manifest["table"]["source_sha256"] == {"in.csv": "0" * 64}
    assert manifest["seeds"] == [0, 1]
    assert manifest["not_applicable"] == manifest["remarks"] == {}
    expected = {}
    for label in ("random-search", "local-search", "bohb"):
        for dataset in ("d", "e"):
            for seed in (0, 1):
                trial = Trial(label, dataset, seed)
                expected[trial.name] = run_trial(spec, trial, toy.path, toy.sha256).digest
    assert manifest["traces"] == expected


def test_traces_are_tidy_and_hold_each_architecture_once(
    done: StudyDirectory, spec: StudySpec, toy: Table
) -> None:
    kept = pq.read_table(done.traces)
    columns = "strategy dataset seed step architecture score fidelity queries seconds regret"
    assert kept.column_names == columns.split()
    stored = pq.ParquetFile(done.traces).metadata.row_group(0).column(columns.split().index("architecture"))
    assert stored.has_dictionary_page
    assert "PLAIN" not in stored.encodings or "RLE_DICTIONARY" in stored.encodings
    space = toy.base_space
    batch = done.read_architectures(space)
    assert batch.dtype == np.int8
    assert batch.shape == (kept.num_rows, 3)
    packed = kept.column("architecture").to_pylist()
    assert packed == [row.tobytes() for row in pack(batch, space.arity)]
    assert {len(row) for row in packed} == {1}  # three choices of at most four options: six bits

    frame = done.read_traces()
    assert len(frame) == len(batch)
    traces = done.read_kept(space)
    assert len(traces) == 12
    for trial, trace in traces.items():
        fresh = run_trial(spec, trial, toy.path, toy.sha256)
        mine = (frame["strategy"] == trial.label) & (frame["dataset"] == trial.dataset)
        mine &= frame["seed"] == trial.seed
        assert np.array_equal(batch[mine.to_numpy()], fresh.trace.batch)
        assert frame.loc[mine, "step"].tolist() == list(range(len(fresh.trace)))
        assert frame.loc[mine, "regret"].tolist() == fresh.regret.tolist()
        assert trace.digest() == fresh.digest  # bit for bit through the file


def test_a_table_without_seconds_is_kept_bit_for_bit_too(tmp_path: Path) -> None:
    spec = load_preset("macro").replaced(["random-search"], seeds=1, queries=10)
    directory = run_study(spec, tmp_path / "out")
    table = open_table("nasbench-macro")
    ((trial, trace),) = directory.read_kept(table.base_space).items()
    assert np.isnan(trace.seconds).all()
    assert trace.digest() == directory.read_manifest()["traces"][trial.name]
    assert np.isnan(directory.read_trials()["valid"]).all()
    assert "ranks.pdf" not in names(directory.path / "figures")  # one strategy has no ranks


def test_trials_are_what_the_table_says_of_the_recommended(done: StudyDirectory, toy: Table) -> None:
    trials = done.read_trials()
    assert len(trials) == 12
    for row in trials.itertuples():
        valid = Metric(str(row.dataset), "valid", 100)
        assert row.valid == toy.query(str(row.recommended), valid)
        assert row.test == toy.query(str(row.recommended), Metric(str(row.dataset), "test", 100))
        assert row.regret == toy.optimum(valid).value - row.valid
        assert row.queries == pytest.approx(20)


def test_the_leaderboard_has_the_promised_columns_and_means(done: StudyDirectory) -> None:
    assert done.leaderboard.read_text().splitlines()[0] == COLUMNS
    board, trials = done.read_leaderboard(), done.read_trials()
    assert len(board) == 6
    for row in board.itertuples():
        mine = trials[(trials["strategy"] == row.strategy) & (trials["dataset"] == row.dataset)]
        assert row.n == len(mine) == 2
        assert row.valid == pytest.approx(mine["valid"].mean())
        assert row.test == pytest.approx(mine["test"].mean())
        assert np.isnan([row.regret_low, row.regret_high]).all()  # two seeds resolve no interval


def test_a_report_is_made_again_byte_for_byte(done: StudyDirectory) -> None:
    before = {name: (done.path / name).read_bytes() for name in names(done.path)}
    done.leaderboard.write_text("damaged")
    (done.figures / "ranks.png").unlink()
    write_report(done, done.read_manifest())
    assert {name: (done.path / name).read_bytes() for name in names(done.path)} == before


def test_intervals_are_resampled_from_a_fixed_seed(done: StudyDirectory) -> None:
    trials = done.read_trials()
    # two seeds have the interval from one to the other, whatever is drawn: take twenty
    many = pd.concat([trials.assign(seed=seed, regret=trials["regret"] + seed**1.5) for seed in range(20)])
    many = many.drop_duplicates(["strategy", "dataset", "seed"])
    first = leaderboard_of(many)
    pd.testing.assert_frame_equal(first, leaderboard_of(many.sample(frac=1, random_state=3)))
    assert (first["regret_high"] > first["regret_low"]).all()


def test_labels_that_look_like_numbers_or_gaps_stay_labels(small: Small, tmp_path: Path) -> None:
    labels = ["NA", "1", "nan", "1.0"]
    spec = small(strategies=[{"name": "random-search", "label": label} for label in labels], datasets=["d"])
    done = run_study(spec, tmp_path / "out")
    assert set(done.read_trials()["strategy"]) == set(done.read_leaderboard()["strategy"]) == set(labels)
    assert isinstance(done.read_leaderboard(), pd.DataFrame)


# -- where it is left -------------------------------------------------------------------------


def test_a_finished_study_is_not_run_again(
    done: StudyDirectory, spec: StudySpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {name: (done.path / name).read_bytes() for name in names(done.path)}

    def never(*_: Any) -> Any:
        raise AssertionError("a trial was run again")

    monkeypatch.setattr(table_work, "run_trial", never)
    run(spec, done.path)
    assert {name: (done.path / name).read_bytes() for name in names(done.path)} == before


def test_a_directory_of_another_study_is_refused(done: StudyDirectory, spec: StudySpec) -> None:
    before = {name: (done.path / name).read_bytes() for name in names(done.path)}
    with pytest.raises(
        InputError, match=r"holds another study \(small: seeds 2, not 3\); choose another --out"
    ):
        run(spec.replaced(seeds=3), done.path)
    assert {name: (done.path / name).read_bytes() for name in names(done.path)} == before


def test_a_directory_in_which_nothing_was_finished_is_free(spec: StudySpec, tmp_path: Path) -> None:
    # interrupted before its first trial was kept
    StudyDirectory(tmp_path / "out", open_table("toy").sha256).claim(spec.replaced(queries=5))
    assert names(tmp_path / "out") == {"study.yaml"}
    assert run(spec, tmp_path / "out").complete


def test_results_of_another_table_are_refused(done: StudyDirectory, spec: StudySpec) -> None:
    manifest = done.manifest.read_text().replace('"sha256": "', '"sha256": "0000', 1)
    assert manifest != done.manifest.read_text()
    done.manifest.write_text(manifest)
    with pytest.raises(InputError, match="was run on toy with SHA-256 0000"):
        run(spec, done.path)


def test_a_directory_of_something_else_is_refused(spec: StudySpec, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").write_text("years of work")
    (tmp_path / "file").write_text("a file")
    for place in ("thesis", "file"):
        with pytest.raises(InputError, match="is not empty and holds no study"):
            run(spec, tmp_path / place)
    with pytest.raises(InputError, match="cannot write"):
        run(spec, tmp_path / "file" / "below")
    assert names(tmp_path / "thesis") == {"chapter1.tex"}
    assert (tmp_path / "file").read_text() == "a file"


def test_an_empty_directory_will_do(spec: StudySpec, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert run(spec, tmp_path / "empty").complete
    assert load_spec(tmp_path / "empty" / "study.yaml") == spec


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("manifest.json", b"{", "manifest.json is not JSON"),
        ("manifest.json", b"{}", "manifest.json is damaged: it has no table"),
        ("manifest.json", b"\xff\xfe", "manifest.json: not UTF-8 text"),
        ("traces.parquet", b"PAR1", "traces.parquet cannot be read"),
        ("trials.csv", b"", "trials.csv is damaged"),
        ("leaderboard.csv", b"", "leaderboard.csv is damaged"),
    ],
)
def test_a_damaged_file_is_named(done: StudyDirectory, name: str, content: bytes, says: str) -> None:
    (done.path / name).write_bytes(content)
    read = {
        "manifest.json": done.read_manifest,
        "traces.parquet": done.read_traces,
        "trials.csv": done.read_trials,
        "leaderboard.csv": done.read_leaderboard,
    }
    with pytest.raises(InputError, match=says) as caught:
        read[name]()
    assert "\n" not in str(caught.value)


# -- on which machines ------------------------------------------------------------------------


def test_progress_counts_every_trial(spec: StudySpec, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    run(spec, tmp_path / "out", progress=lambda done, total: seen.append((done, total)))
    assert seen == [(done, 12) for done in range(13)]


@pytest.mark.parametrize(
    ("backend", "scheduler", "says"),
    [
        ("spark", None, "unknown backend 'spark'; there are loky, dask"),
        ("loky", "tcp://127.0.0.1:1", "--scheduler goes with --backend dask"),
        ("dask", None, "--backend dask needs --scheduler ADDRESS"),
    ],
)
def test_a_wrong_backend_is_refused_before_anything_is_written(
    spec: StudySpec, tmp_path: Path, backend: str, scheduler: str | None, says: str
) -> None:
    with pytest.raises(InputError, match=says):
        run(spec, tmp_path / "out", 1, backend, scheduler)
    assert not (tmp_path / "out").exists()
