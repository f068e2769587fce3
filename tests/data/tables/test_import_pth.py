"""Reading NAS-Bench-201's ``.pth`` files, in the container that torch wrote in 2020 and in today's.

All inputs are built by torch.save in the official layout (benchmarks/build_nats.py): *real* ones of the three
real entries of NATS-Bench in shared/data, whose results are NAS-Bench-201's; others of the embedded table.
"""

from __future__ import annotations

import bz2
import collections
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import benchkit
from benchkit.base.errors import InputError
from benchkit.base.pickles.reader import load_pickle
from benchkit.data.tables import Metric, Table, open_table
from benchkit.data.tables.catalogue import imported_path
from benchkit.data.tables.formats import import_official, recognise
from benchkit.reports.api import run_study
from benchkit.studies.spec import parse_spec
from benchmarks.build_nats import build_pth, entries, for_pth, names_of
from tests.hostile import Hostile, refused

OFFICIAL = (
    Path(benchkit.__file__).resolve().parents[2]
    / "shared"
    / "data"
    / "official"
    / "NATS-tss-v1_0-3ffb9-simple"
)
SCALAR = np.float64(0).__reduce__()[0]
TORCH_MAY_CALL = [  # all that these files name, under numpy's old and its new name
    collections.OrderedDict,
    np.dtype,
    type(np.dtype(np.float64)),
    (SCALAR, "numpy.core.multiarray.scalar"),
    (SCALAR, "numpy._core.multiarray.scalar"),
]


def torch_reads(path: Path) -> dict[str, Any]:
    with torch.serialization.safe_globals(TORCH_MAY_CALL):
        return torch.load(path, weights_only=True)  # type: ignore[no-any-return]


def make(path: Path, target: Path) -> Table:
    reader, found = recognise(path)
    assert reader.name == "NAS-Bench-201 .pth"
    assert found.table == "nasbench201-v1"
    import_official(reader, path, target, target.stem, lambda done, total: None)
    return Table(target)


@pytest.fixture(scope="module", params=[False, True], ids=["container of 2020", "container of today"])
def real(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Architectures 0, 11 and 284 as they are in the benchmark."""
    if not OFFICIAL.is_dir():
        pytest.skip("the official sample is not beside the checkout")
    some = {
        int(file.name[:6]): load_pickle(bz2.decompress(file.read_bytes()), "real")
        for file in OFFICIAL.glob("0*")
    }
    path = tmp_path_factory.mktemp("pth") / "NAS-Bench-201-v1_1-096897.pth"
    build_pth(path, dict(sorted(some.items())), archive=request.param)
    return path


@pytest.fixture(scope="module", params=[False, True], ids=["container of 2020", "container of today"])
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty architectures of the embedded table, some with two runs."""
    path = tmp_path_factory.mktemp("pth") / "built.bin"
    build_pth(path, dict(entries("nasbench201", range(340, 360))), archive=request.param)
    return path


def test_the_table_is_that_of_the_nats_bench_folder(real: Path, tmp_path: Path) -> None:
    """Real: column by column the same figures from the other format of the same results."""
    ours = make(real, tmp_path / "pth.arrow")
    reader, _ = recognise(OFFICIAL)
    import_official(reader, OFFICIAL, tmp_path / "nats.arrow", "nats", lambda done, total: None)
    theirs = Table(tmp_path / "nats.arrow")
    assert list(ours.metrics) == list(theirs.metrics)
    assert np.array_equal(ours.rows, theirs.rows)
    for metric in ours.metrics:
        assert np.array_equal(ours.raw(metric), theirs.raw(metric), equal_nan=True)
    assert ours.metadata["source"].startswith("D-X-Y/NAS-Bench-201")


@pytest.mark.filterwarnings("ignore")
def test_the_official_package_answers_the_same(built: Path, tmp_path: Path) -> None:
    """The package nas-bench-201, given what torch reads with an explicit list of names."""
    api_201 = pytest.importorskip("nas_201_api")
    api = api_201.NASBench201API(torch_reads(built), verbose=False)
    table = make(built, tmp_path / "pth.arrow")
    sets = {
        Metric("cifar10", "valid", 200): ("cifar10-valid", "x-valid"),
        Metric("cifar10", "valid", 12): ("cifar10-valid", "x-valid"),
        Metric("cifar10", "valid", 37, schedule=200): ("cifar10-valid", "x-valid"),
        Metric("cifar10", "test", 200): ("cifar10", "ori-test"),
        Metric("cifar100", "test", 200): ("cifar100", "x-test"),
        Metric("imagenet16-120", "valid", 12): ("ImageNet16-120", "x-valid"),
        Metric("imagenet16-120", "train", 5, schedule=12): ("ImageNet16-120", "train"),
    }
    for row in table.rows:
        index = api.query_index_by_arch(table.base_space.format(row))
        for metric, (official, set_) in sets.items():
            results = api.arch2infos_dict[index][str(metric.schedule or metric.epochs)]
            answer = results.get_metrics(official, set_, iepoch=metric.epochs - 1)
            assert table.query(row, metric) == pytest.approx(answer["accuracy"], abs=5.1e-6)
        costs = api.get_cost_info(index, "cifar10-valid", "200")
        seconds = Metric("cifar10", None, 200, quantity="train_seconds")
        assert table.query(row, seconds) == pytest.approx(costs["T-train@total"], rel=1e-12)
        latency = Metric("cifar10", None, None, quantity="latency_seconds")
        assert table.query(row, latency) == pytest.approx(costs["latency"], rel=1e-12)


def test_validation_and_test_are_two_columns_of_one_run(built: Path, tmp_path: Path) -> None:
    """They differ, and each run's pair is that of one seed in the file as torch reads it."""
    table, content = make(built, tmp_path / "pth.arrow"), torch_reads(built)
    for index, entry in content["arch2infos"].items():
        row = table.base_space.parse(names_of("nasbench201")[index])
        for run, seed in enumerate((777, 888, 999)):
            training = entry["full"]["all_results"].get(("cifar100", seed))
            pair = [table.query_all(Metric("cifar100", split, 200, run), row) for split in ("valid", "test")]
            if training is None:
                assert np.isnan(pair).all()
            else:
                assert pair == [
                    round(training["eval_acc1es"][key], 5) for key in ("x-valid@199", "x-test@199")
                ]
                assert pair[0] != pair[1]


def test_the_older_version_has_the_short_schedule_on_one_training_set(tmp_path: Path) -> None:
    """As in v1_0, whose ``less`` supports cifar10-valid alone: the other columns are not there."""
    (index, entry), *_ = entries("nasbench201", [11])
    short = entry["12"]
    short["all_results"] = {
        key: value for key, value in short["all_results"].items() if key[0] == "cifar10-valid"
    }
    build_pth(tmp_path / "v1_0", {index: entry})
    table = make(tmp_path / "v1_0", tmp_path / "v1.arrow")
    assert table.epochs("cifar10", "valid") == [12, 200]
    assert table.epochs("cifar100", "valid") == table.epochs("cifar10", "test") == [200]
    with pytest.raises(InputError, match="epochs '12'"):
        table.values(Metric("cifar100", "valid", 12))


# -- what is damaged, foreign or hostile ------------------------------------------------------


@pytest.mark.parametrize("archive", [False, True])
@pytest.mark.parametrize(
    "content",
    [
        {"model_state": {"weight": torch.zeros(3)}, "epoch": 7},
        {"epoch": 7, "accuracy": [0.5]},
        torch.zeros(2),
        [1, 2, 3],
    ],
    ids=["checkpoint", "numbers", "tensor", "list"],
)
def test_a_file_of_another_project_is_not_ours(tmp_path: Path, content: Any, archive: bool) -> None:
    path = tmp_path / "model.pth"
    torch.save(content, path, _use_new_zipfile_serialization=archive)
    refused(path, "no format that benchkit reads")


def test_weights_among_the_results_are_refused(tmp_path: Path) -> None:
    """As in the archive of whole networks; there is nothing of them to import."""
    (index, entry), *_ = entries("nasbench201", [11])
    entry["12"]["all_results"]["cifar10", 111]["net_state_dict"] = {"w": torch.zeros(3)}
    for archive in (False, True):
        path = tmp_path / f"{archive}.pth"
        build_pth(path, {index: entry}, archive)
        refused(path, r"torch\._utils\._rebuild_tensor_v2, which is not plain data|it holds tensors")


def test_a_file_that_was_cut_is_refused(built: Path, tmp_path: Path) -> None:
    whole = built.read_bytes()
    for kept in (len(whole) // 2, len(whole) - 30_000):
        (tmp_path / "cut.pth").write_bytes(whole[:kept])
        refused(tmp_path / "cut.pth", r"truncated|damaged")
    for kept, says in ((0, "is empty"), (20, "no format|truncated")):
        (tmp_path / "cut.pth").write_bytes(whole[:kept])
        refused(tmp_path / "cut.pth", says)


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    """The archive's own checksum of the data is wrong."""
    build_pth(tmp_path / "z.pth", dict(entries("nasbench201", [11])), archive=True)
    data = bytearray((tmp_path / "z.pth").read_bytes())
    at = data.index(b"train_acc1es") + 4000
    data[at] ^= 1
    (tmp_path / "z.pth").write_bytes(data)
    refused(tmp_path / "z.pth", r"damaged|values|unknown|layout|there is no")


@pytest.mark.parametrize("missing", ["arch2infos", "meta_archs", "evaluated_indexes"])
def test_a_missing_part_is_named(tmp_path: Path, missing: str) -> None:
    content = {
        "meta_archs": names_of("nasbench201"),
        "arch2infos": {index: for_pth(entry) for index, entry in entries("nasbench201", [11])},
        "evaluated_indexes": [11],
    }
    del content[missing]
    torch.save(content, tmp_path / "part.pth", _use_new_zipfile_serialization=False)
    refused(tmp_path / "part.pth", missing)


@pytest.mark.parametrize("archive", [False, True])
def test_a_file_that_runs_code_is_refused_and_does_not_run(tmp_path: Path, archive: bool) -> None:
    marker, path = tmp_path / "ran", tmp_path / "evil.pth"
    (index, entry), *_ = entries("nasbench201", [11])
    entry["200"]["extra"] = Hostile(marker)
    build_pth(path, {index: entry}, archive)
    torch.load(path, weights_only=False)  # the payload works
    assert marker.exists()
    marker.unlink()
    refused(path, r"system, which is not plain data: refused, and nothing of it was run")
    assert not marker.exists()


def test_code_in_the_header_of_the_old_container_does_not_run(tmp_path: Path) -> None:
    """The three small pickles before the data are pickles too."""
    marker, path = tmp_path / "ran", tmp_path / "evil.pth"
    build_pth(path, dict(entries("nasbench201", [11])))
    data = path.read_bytes()
    magic = data[: data.index(b".") + 1]
    hostile = pickle.dumps(Hostile(marker), 2)
    path.write_bytes(magic + hostile + data[len(magic) :])
    refused(path, "system, which is not plain data: refused")
    assert not marker.exists()


# -- a study ----------------------------------------------------------------------------------


def test_bohb_climbs_the_curves_of_an_imported_file(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCHKIT_HOME", str(tmp_path / "home"))
    make(built, imported_path("v1"))
    study = {
        "name": "imported",
        "table": "v1",
        "datasets": ["cifar10"],
        "search": {"split": "valid", "epochs": 200, "score": "mean", "fidelities": "curve"},
        "report": {"epochs": 200, "valid": "mean", "test": "mean"},
        "budget": {"simulated_seconds": 12_000},
        "seeds": 1,
        "strategies": ["random-search", "bohb"],
    }
    out = run_study(parse_spec(study, "the test's study"), tmp_path / "out")
    traces, table = out.read_traces(), open_table("v1")
    asked = set(traces[traces["strategy"] == "bohb"]["fidelity"])
    assert max(asked) <= 200
    assert len(asked - {12, 200}) >= 2
    board = out.read_leaderboard()
    assert set(board["strategy"]) == {"random-search", "bohb"}
    assert (board["test"] <= table.optimum(Metric("cifar10", "test", 200)).value).all()
