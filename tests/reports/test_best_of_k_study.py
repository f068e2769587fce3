"""A study with the layout of VAENAS's Table 4: its trials, its table, its figures, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import trapezoid

from benchkit.base.errors import InputError
from benchkit.data.tables import Metric, Table, open_table
from benchkit.reports.api import run_study as run
from benchkit.reports.best_of_k import best_of_k_values, sampled_accuracies, windows
from benchkit.studies.spec import StudySpec, load_preset, load_spec, parse_spec
from benchkit.studies.store import StudyDirectory
from benchkit.studies.trial import Trial
from benchkit.studies.verify import verify

OPTIONS: dict[str, Any] = {
    **{"initial": 12, "interval": None, "keep": 25.0, "epsilon_step": 1.0, "novel": False},
    **{"samples": 8, "population": 3, "children": 4, "iterations": 5, "hidden": 8, "latent": 2},
}
SAMPLER = {"name": "vaenas", "label": "sampler", "options": OPTIONS}


def tiny(**changes: Any) -> StudySpec:
    study = {
        "name": "tiny",
        "table": "toy",
        "datasets": ["d", "e"],
        "search": {"split": "valid", "epochs": 100, "score": "mean"},
        "report": {"epochs": 100},
        "budget": {"queries": 24},
        "seeds": 3,
        "strategies": ["random-search", "regularized-evolution", SAMPLER],
        "best_of_k": {"counts": [2, 8], "samplers": ["sampler"]},
    }
    return parse_spec({**study, **changes}, "the test's study")


@pytest.fixture
def study(toy: Table, tmp_path: Path) -> StudyDirectory:
    return run(tiny(), tmp_path / "out")


def test_every_cell_is_the_best_of_its_part_of_the_trace(study: StudyDirectory, toy: Table) -> None:
    values = best_of_k_values(study, toy).set_index(["row", "column", "dataset", "seed"])
    kept = study.read_kept(toy.base_space)
    sampler = kept[Trial("sampler", "e", 1)].scores
    chance = kept[Trial("random-search", "e", 1)].scores
    evolved = kept[Trial("regularized-evolution", "e", 1)].scores
    assert len(sampler) == 24
    for row, column, scores in (
        ("sampler", "2", sampler[12:14]),
        ("sampler", "8", sampler[12:20]),
        ("sampler", "evolution", [*sampler[12:15], *sampler[20:24]]),
        ("random-search", "2", chance[:2]),
        ("random-search", "8", chance[:8]),
        ("random-search", "evolution", evolved[:7]),
        ("random-search, 12 + K", "2", chance[:14]),
        ("random-search, 12 + K", "8", chance[:20]),
        ("random-search, 12 + K", "evolution", evolved[:19]),
    ):
        assert values.loc[(row, column, "e", 1), "valid"] == pytest.approx(max(scores))
    assert len(values) == 3 * 3 * 2 * 3
    test = toy.values(Metric("e", "test", 100))
    valid = toy.values(Metric("e", "valid", 100))
    cell = values.loc[("sampler", "8", "e", 1)]
    assert cell["test"] in test[np.isclose(valid, cell["valid"])]


def test_the_files_of_such_a_study(study: StudyDirectory, cli: Callable[..., tuple[int, str, str]]) -> None:
    summary = study.read_best_of_k()
    assert len(summary) == 2 * 3 * 3
    assert set(summary["n"]) == {3}
    assert summary.loc[summary["row"] == "sampler", "fair_gain"].notna().all()
    assert summary.loc[summary["row"] != "sampler", ["gain", "p_value"]].isna().all(axis=None)
    assert "random-search, 12 + K" in (study.path / "best_of_k.tex").read_text()
    for dataset in ("d", "e"):
        assert (study.figures / f"density-{dataset}.png").is_file()
        density = pd.read_csv(study.figures / f"density-{dataset}.csv").groupby("sampler")
        areas = density[["accuracy", "density"]].apply(lambda c: trapezoid(c["density"], c["accuracy"]))
        assert (areas + density["below"].first()).between(0.9, 1.1).all()
    assert load_spec(study.study) == tiny()
    code, out, err = cli("leaderboard", "show", study.path)
    assert (code, err) == (0, "")
    assert "over the same queries" in out
    again = {path: path.read_bytes() for path in study.path.rglob("*") if path.is_file()}
    run(tiny(), study.path)
    assert {path: path.read_bytes() for path in study.path.rglob("*") if path.is_file()} == again


def test_traces_verify_and_do_not_depend_on_jobs(study: StudyDirectory, toy: Table, tmp_path: Path) -> None:
    assert verify(study.path, sample=6).different is None
    both = run(tiny(), tmp_path / "two", jobs=2)
    assert both.read_manifest()["traces"] == study.read_manifest()["traces"]
    pd.testing.assert_frame_equal(both.read_best_of_k(), study.read_best_of_k())


def test_figure_2_is_of_the_trials_own_sampler(study: StudyDirectory, toy: Table) -> None:
    drawn = sampled_accuracies(study, toy, "d", 200)
    assert {label: len(values) for label, values in drawn.items()} == {"random-search": 200, "sampler": 200}
    values = toy.values(Metric("d", "valid", 100))
    assert all(np.isin(accuracies, values).all() for accuracies in drawn.values())
    np.testing.assert_array_equal(sampled_accuracies(study, toy, "d", 200)["sampler"], drawn["sampler"])


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"best_of_k": {"counts": [2], "samplers": ["vae"]}}, "'vae' is none of this study's strategies"),
        ({"best_of_k": {"counts": [9], "samplers": ["sampler"]}}, "draws 8 samples, K goes to 9"),
        ({"best_of_k": {"counts": [2], "samplers": ["random-search"]}}, "needs initial, samples"),
        ({"budget": {"queries": 23}}, "makes 24 queries"),
        ({"strategies": ["random-search", SAMPLER]}, "'regularized-evolution' is none"),
        ({"report": {"epochs": 100, "valid": None}}, "needs a reported validation column"),
    ],
)
def test_a_study_that_cannot_fill_the_table_is_refused(
    change: dict[str, Any], says: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=says):
        run(tiny(**change), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_unknown_keys_are_named() -> None:
    with pytest.raises(InputError, match=r"'count' for the best_of_k of a study.*'counts'"):
        tiny(best_of_k={"count": [2], "samplers": ["sampler"]})


def test_chosen_strategies_take_the_table_with_them_or_leave_it() -> None:
    spec = tiny()
    assert spec.replaced(strategies=["random-search"]).best_of_k is None
    kept = spec.replaced(strategies=["random-search", "regularized-evolution", "sampler"])
    assert kept.best_of_k == spec.best_of_k
    assert "best_of_k" not in spec.replaced(strategies=["random-search"]).to_yaml()


def test_the_presets_have_the_papers_layout() -> None:
    names = ("vaenas-table4", "vaenas-table4-nb101-sample", "vaenas-table4-nb101")
    for name in names:
        spec = load_preset(name)
        assert spec.best_of_k is not None
        assert spec.best_of_k.counts == [10, 50, 100, 300]
        assert spec.seeds >= 30
        cells, baselines = windows(spec)
        rows = list(dict.fromkeys(cell.row for cell in cells))
        papers = [f"vaenas 6000 noise {noise}" for noise in ("0", "0.1", "0.5")]
        assert rows[:2] == ["random-search", "random-search, 6,000 + K"] or "+ K" in rows[2]
        assert [row for row in rows if row in papers] == papers
        assert baselines[papers[1]] == ("random-search", "random-search, 6,000 + K")
        assert ((6000, 6050), (6300, 6550)) in {cell.steps for cell in cells if cell.column == "evolution"}
    share = 6000 / 423_624
    assert round(share * len(open_table("nasbench201"))) == 221
    assert round(share * len(open_table("nasbench101-sample"))) == 425
