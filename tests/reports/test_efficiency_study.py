"""The sample efficiency of a finished study, and ``benchkit leaderboard efficiency``."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchkit.analysis.statistics.efficiency import ALL_DATASETS, curve_area
from benchkit.base.errors import InputError
from benchkit.data.tables import Table
from benchkit.reports.api import run_study as run
from benchkit.reports.efficiency import SHARES, read_study_traces, study_efficiency
from benchkit.studies.store import StudyDirectory
from tests.toys import make_small

Run = Callable[..., tuple[int, str, str]]


def test_areas_are_those_of_the_kept_traces(done: StudyDirectory) -> None:
    found = study_efficiency(done.path)
    traces = done.read_traces()
    here = traces[(traces["strategy"] == "bohb") & (traces["dataset"] == "e")]
    by_hand = [
        curve_area(trial["queries"].to_numpy(), trial["regret"].to_numpy(), 20.0)
        for _, trial in here.groupby("seed")
    ]
    rows = found.efficiency
    row = rows[(rows["strategy"] == "bohb") & (rows["dataset"] == "e") & (rows["budget"] == 20)].iloc[0]
    assert row["area"] == pytest.approx(np.mean(by_hand))
    assert row["n"] == 2
    assert sorted(set(rows["budget"])) == [5, 10, 20]
    assert set(rows["dataset"]) == {"d", "e", ALL_DATASETS}


def test_final_regrets_are_those_of_the_trials(done: StudyDirectory) -> None:
    rows = study_efficiency(done.path).efficiency
    trials = done.read_trials().groupby(["dataset", "strategy"])["regret"].mean()
    for dataset, strategy in trials.index:
        where = (rows["dataset"] == dataset) & (rows["strategy"] == strategy) & (rows["budget"] == 20)
        assert rows.loc[where, "regret"].item() == pytest.approx(trials[dataset, strategy], abs=1e-8)


def test_the_baseline_s_median_trial_reaches_its_own_target(done: StudyDirectory) -> None:
    found = study_efficiency(done.path, targets=["baseline", 5.0])
    own = found.reaching[found.reaching["target_is"] == "baseline"]
    assert own["target"].notna().all()
    random = own[own["strategy"] == "random-search"]
    assert (random["share"] >= 0.5).all()
    assert random["median"].notna().all()
    assert set(found.reaching.loc[found.reaching["target_is"] == "", "target"]) == {5.0}


def test_the_same_study_gives_the_same_figures(done: StudyDirectory) -> None:
    first, again = study_efficiency(done.path), study_efficiency(done.path)
    pd.testing.assert_frame_equal(first.reaching, again.reaching)
    pd.testing.assert_frame_equal(first.efficiency, again.efficiency)


def test_against_the_other_axis_nobody_is_followed_beyond_his_end(done: StudyDirectory) -> None:
    found = study_efficiency(done.path, "seconds", targets=[0.0])
    ends = done.read_traces().groupby(["dataset", "strategy", "seed"])["seconds"].max()
    for dataset in ("d", "e"):
        here = found.efficiency[found.efficiency["dataset"] == dataset]
        assert here["budget"].max() == pytest.approx(ends[dataset].min())
        horizon = ends[dataset].groupby("strategy").max().min()
        assert (found.reaching.loc[found.reaching["dataset"] == dataset, "horizon"] == horizon).all()
    assert found.of.limit is None
    assert found.reaching["censored_early"].sum() > 0


def test_a_study_limited_by_seconds_is_read_against_them(toy: Table, tmp_path: Path) -> None:
    spec = make_small(budget={"simulated_seconds": 400.0}, strategies=["random-search"], datasets=["d"])
    found = study_efficiency(run(spec, tmp_path / "out").path)
    assert (found.of.axis, found.of.limit) == ("seconds", 400.0)
    assert set(found.reaching["horizon"]) == {400.0}
    assert found.reaching["speed_up"].isna().all()


def test_budgets_that_end_before_a_first_evaluation_are_left_out(toy: Table, tmp_path: Path) -> None:
    first = float(toy.values(next(m for m in toy.metrics if m.quantity == "train_seconds")).max())
    spec = make_small(
        budget={"simulated_seconds": 2.2 * first}, strategies=["random-search"], datasets=["d"], seeds=9
    )
    study = run(spec, tmp_path / "out")
    latest = study.read_traces().query("step == 0")["seconds"].max()
    found = study_efficiency(study.path)
    assert found.efficiency["budget"].min() >= latest
    assert len(found.reaching)


def test_a_target_equal_to_the_baseline_s_is_not_taken_for_it(done: StudyDirectory) -> None:
    found = study_efficiency(done.path, targets=["baseline"])
    own = float(found.reaching["target"].iloc[0])
    again = study_efficiency(done.path, targets=[own, "baseline"]).reaching
    here = again[again["dataset"] == again["dataset"].iloc[0]]
    assert here["target"].nunique() == 1
    assert here["target_is"].tolist() == [""] * (len(here) // 2) + ["baseline"] * (len(here) // 2)


def test_against_real_seconds_each_strategy_has_its_own_end(toy: Table, tmp_path: Path) -> None:
    study = run(
        make_small(strategies=["random-search", "local-search"], datasets=["d"], seeds=3), tmp_path / "out"
    )
    traces = study.read_traces()
    slow = np.where(traces["strategy"] == "local-search", 1000.0, 1.0) * (traces["step"] + 1)
    pd.DataFrame({"real_seconds": slow}).astype("float32").to_parquet(study.real_seconds)
    worst = float(traces["regret"].max())
    found = study_efficiency(study.path, "real-seconds", targets=[worst]).reaching.set_index("strategy")
    assert found.loc["random-search", "median"] == 1.0
    assert found.loc["local-search", "median"] == 1000.0  # long after random search has ended
    assert found.loc["local-search", "speed_up"] == pytest.approx(0.001)
    assert found.loc["local-search", "speed_up_bound"] == ""


def test_real_seconds_are_the_clock_s(
    toy: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Run
) -> None:
    ticks = iter(range(10**6))
    monkeypatch.setattr("time.perf_counter", lambda: float(next(ticks)))
    spec = make_small(strategies=["local-search"], datasets=["d"], seeds=3)
    study = run(spec, tmp_path / "out")
    monkeypatch.undo()
    traces = study.read_traces()
    seconds = study.read_real_seconds()
    for _, trial in traces.groupby("seed"):
        times = seconds[trial.index]
        assert times[0] >= 1
        assert (np.diff(times) >= 0).all()
        assert len(set(times)) > 1
    found = study_efficiency(study.path, "real-seconds")
    assert found.of.axis == "real_seconds"
    last = {seed: seconds[trial.index[-1]] for seed, trial in traces.groupby("seed")}
    assert set(found.efficiency["budget"]) == {share * min(last.values()) for share in SHARES}
    code, text, _ = cli("leaderboard", "efficiency", study.path, "--axis", "real-seconds")
    assert code == 0
    assert "(real s)" in text

    fast = pd.DataFrame({"real_seconds": np.where(traces["seed"] == 0, 0.001, seconds + 1.0)})
    fast.astype("float32").to_parquet(study.real_seconds)
    assert study_efficiency(study.path, "real-seconds").efficiency.empty  # one ends before the others begin
    code, text, _ = cli("leaderboard", "efficiency", study.path, "--axis", "real-seconds")
    assert code == 0
    assert "there is no budget to compare all at" in " ".join(text.split())
    assert "cost of a regret of 0.5 (real s)" in text
    study.real_seconds.unlink()
    with pytest.raises(InputError, match="keeps no real seconds"):
        study_efficiency(study.path, "real-seconds")


def test_what_does_not_fit_is_refused(done: StudyDirectory, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"unknown axis 'hours'.*queries, seconds, real-seconds"):
        study_efficiency(done.path, "hours")
    with pytest.raises(InputError, match="no strategy 'tpe'; it has random-search, local-search, bohb"):
        study_efficiency(done.path, baseline="tpe")
    with pytest.raises(InputError, match="a budget of 21 queries is more than the 20"):
        study_efficiency(done.path, budgets=[10.0, 21.0])
    with pytest.raises(InputError, match="holds no study"):
        study_efficiency(tmp_path)
    training = tmp_path / "training"
    training.mkdir()
    preset = files("benchkit").joinpath("studies/presets/sivdnas-table3-small.yaml")
    (training / "study.yaml").write_bytes(preset.read_bytes())
    with pytest.raises(InputError, match="benchkit plot stability draws"):
        read_study_traces(training)


def test_a_table_without_seconds_has_no_such_axis(done: StudyDirectory) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(done.traces)
    place = table.schema.get_field_index("seconds")
    pq.write_table(table.set_column(place, "seconds", pa.nulls(len(table), pa.float64())), done.traces)
    with pytest.raises(InputError, match="has no training seconds: its traces have queries only"):
        study_efficiency(done.path, "seconds")
    assert len(study_efficiency(done.path).efficiency) > 0


# -- the command ----------------------------------------------------------------------------------


def test_the_command_prints_tables_and_writes_them(cli: Run, done: StudyDirectory, tmp_path: Path) -> None:
    folder = tmp_path / "tables"
    code, text, _ = cli("leaderboard", "efficiency", done.path, "--targets", "5,baseline", "--out", folder)
    assert code == 0
    assert "area to 20" in text
    assert "cost of a regret of 5 (queries)" in text
    assert "where the median trial of random-search ends" in text
    assert "2/2" in text
    assert done.read_manifest()["table"]["sha256"][:12] in text
    kept = pd.read_csv(folder / "reaching.csv", keep_default_na=False)
    assert len(kept) == 2 * 2 * 3
    assert len(pd.read_csv(folder / "efficiency.csv")) == 3 * 3 * 3


def test_the_command_as_json(cli: Run, done: StudyDirectory) -> None:
    code, text, _ = cli("leaderboard", "efficiency", done.path, "--targets", "5,0,5", "--json")
    assert code == 0
    document = json.loads(text)
    assert (document["axis"], document["limit"], document["baseline"]) == ("queries", 20, "random-search")
    assert document["table"]["sha256"] == done.read_manifest()["table"]["sha256"]
    assert {row["target"] for row in document["reaching"]} == {5, 0}
    assert len(document["reaching"]) == 2 * 2 * 3


def test_a_narrow_terminal_gets_narrow_tables(
    cli: Run, done: StudyDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    code, text, _ = cli("leaderboard", "efficiency", done.path)
    assert code == 0
    assert "cost of a regret of 0.5 (queries)" in text
    assert max(map(len, text.splitlines())) <= 110  # titles are not broken
    assert max(len(line) for line in text.splitlines() if "[" in line) <= 80


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--axis", "real-second"], "did you mean 'real-seconds'?"),
        (["--targets", "a"], "--targets takes numbers from 0 on with commas, or baseline; got 'a'"),
        (["--targets", "-1"], "got '-1'"),
        (["--targets", "inf"], "got 'inf'"),
        (["--targets", ","], "--targets names nothing"),
        (["--budgets", "0"], "--budgets takes numbers above 0 with commas; got '0'"),
        (["--budgets", "0.01"], "ends before the first evaluation"),
        (["--baseline", "tpe"], "no strategy 'tpe'"),
    ],
)
def test_bad_input_is_one_line(cli: Run, done: StudyDirectory, words: list[str], said: str) -> None:
    code, text, error = cli("leaderboard", "efficiency", done.path, *words)
    assert (code, text) == (2, "")
    assert said in error
    assert len(error.splitlines()) == 1
