"""Reading NAS-Bench-101's official files.

Two kinds of input, named in each test: *real* is the thirty modules of the benchmark in shared/data (all
three repeats at 108 epochs), written as records in the official layout; *built* is made in that layout by
benchmarks/build_tfrecord.py, which shares no code with the reader, from the embedded table or by hand.
"""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import benchkit
import benchkit.data.tables.formats.nasbench101 as reader_module
from benchkit.base.errors import InputError
from benchkit.data.tables import Metric, Table, open_table
from benchkit.data.tables.catalogue import imported_path
from benchkit.data.tables.formats import import_official
from benchkit.data.tables.formats.nasbench101 import NASBench101Reader
from benchkit.data.tables.formats.nasbench101_record import parse_record
from benchkit.data.tables.formats.tfrecord import frame, read_records
from benchkit.reports.api import run_study
from benchkit.spaces.nasbench101.encoding import NASBench101
from benchkit.studies.spec import parse_spec
from benchmarks.build_tfrecord import build, encode_metrics, encode_record, enumerate_space

OFFICIAL = Path(benchkit.__file__).resolve().parents[2] / "shared" / "data" / "official" / "nb101_dummy.pkl"
SPLITS = {"train": "train", "valid": "validation", "test": "test"}
POINTS = {54: "halfway", 108: "final"}
START = (0.0, 0.0, 0.1, 0.1, 0.1)
CHAIN = "010001000", "input,conv3x3-bn-relu,output"
CHAIN_ROW = NASBench101().parse("010/001/000 conv3x3")


class _ArraysOnly(pickle.Unpickler):
    """Builds numpy arrays, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        allowed = {
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): np.dtype,
            ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
        }
        if (module, name) not in allowed:
            raise pickle.UnpicklingError(f"{module}.{name} must not be in this file")
        return allowed[module, name]


@pytest.fixture(scope="module")
def modules() -> dict[str, Any]:
    """hash -> (graph and parameters, {108: three repeats})."""
    if not OFFICIAL.is_file():
        pytest.skip("the official sample is not beside the checkout")
    with OFFICIAL.open("rb") as file:
        loaded: dict[str, Any] = _ArraysOnly(file).load()
    return loaded


@pytest.fixture(scope="module")
def real_file(modules: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("nb101") / "real.tfrecord"
    with path.open("wb") as file:
        for digits, (fixed, computed) in modules.items():
            for repeat in computed[108]:
                points = [
                    (epochs, *(repeat[f"{name}_{what}"] for what in ("training_time", *accuracies())))
                    for epochs, name in POINTS.items()
                ]
                matrix = "".join(map(str, fixed["module_adjacency"].ravel().tolist()))
                metrics = encode_metrics([START, *points], int(fixed["trainable_parameters"]))
                file.write(
                    encode_record([digits, 108, matrix, ",".join(fixed["module_operations"]), metrics])
                )
    return path


@pytest.fixture(scope="module")
def built_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,500 cells of the embedded sample, four lengths of training, three repeats."""
    path = tmp_path_factory.mktemp("nb101") / "built.tfrecord"
    assert build(path, 1500, (4, 12, 36, 108), 3) == 18_000
    return path


def accuracies() -> list[str]:
    return [f"{name}_accuracy" for name in SPLITS.values()]


def make(
    path: Path, name: str = "nasbench101", verify: bool = False, report: Callable[..., None] | None = None
) -> Table:
    target = path.with_suffix(".arrow")
    import_official(NASBench101Reader(), path, target, name, report or (lambda done, total: None), verify)
    return Table(target)


def fields(epochs: int = 108, valid: float = 0.9, seconds: float = 100.0, parameters: int = 300) -> list[Any]:
    """One training of the chain."""
    half, end = (epochs / 2, seconds / 2, 0.5, 0.5, 0.5), (epochs, seconds, 1.0, valid, valid - 0.01)
    digits = NASBench101().canonical(CHAIN_ROW[None])[0].decode()
    return [digits, epochs, *CHAIN, encode_metrics([START, half, end], parameters)]


def write(path: Path, *records: Sequence[Any]) -> Path:
    path.write_bytes(b"".join(encode_record(record) for record in records))
    return path


# -- the real modules -------------------------------------------------------------------------


def test_real_modules_keep_every_figure(real_file: Path, modules: dict[str, Any]) -> None:
    """Real: every repeat, split, point and time against the source, in percent to five decimals."""
    table = make(real_file, verify=True)
    space = NASBench101()
    assert len(table) == 30
    assert table.metadata["hashes_recomputed"] == 30
    for digits, (fixed, computed) in modules.items():
        row = space.encode(fixed["module_adjacency"], fixed["module_operations"])
        assert space.canonical(row[None])[0].decode() == digits
        assert (
            table.query(row, Metric("cifar10", None, None, quantity="parameters"))
            == (fixed["trainable_parameters"])
        )
        for epochs, point in POINTS.items():
            seconds = Metric("cifar10", None, epochs, quantity="train_seconds", schedule=108)
            times = [repeat[f"{point}_training_time"] for repeat in computed[108]]
            for run, time in enumerate(times):
                assert table.query(row, replace(seconds, run=run)) == time
            assert table.query(row, seconds) == pytest.approx(sum(times) / 3, rel=1e-14)
            for split, name in SPLITS.items():
                metric = Metric("cifar10", split, epochs, schedule=108)
                percent = [round(100 * repeat[f"{point}_{name}_accuracy"], 5) for repeat in computed[108]]
                got = [table.query(row, replace(metric, run=run)) for run in range(3)]
                assert got == percent
                assert table.query(row, metric) == pytest.approx(sum(percent) / 3, rel=1e-14)


def test_validation_and_test_are_two_columns_of_one_run(real_file: Path, modules: dict[str, Any]) -> None:
    """Real: they differ, and run r's pair is that of one repeat of the source."""
    table = make(real_file)
    columns = {split: table.values(Metric("cifar10", split, 108, 0)) for split in ("valid", "test")}
    assert (columns["valid"] != columns["test"]).mean() > 0.9
    for run in range(3):
        pairs = {
            tuple(round(100 * repeat[f"final_{name}_accuracy"], 5) for name in ("validation", "test"))
            for _, computed in modules.values()
            for repeat in [computed[108][run]]
        }
        read = [table.values(Metric("cifar10", split, 108, run)).tolist() for split in ("valid", "test")]
        assert set(zip(*read, strict=True)) == pairs


def test_keys_are_those_of_nasbench_pytorch(real_file: Path) -> None:
    """Real: an independent implementation of the official hash finds the same keys."""
    model_spec = pytest.importorskip("nasbench_pytorch.model.model_spec")
    graph_util = pytest.importorskip("nasbench_pytorch.model.graph_util")
    names = ["conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3"]
    for _, _, data in list(read_records(real_file))[::9]:
        record = parse_record(data)
        v = round(len(record.adjacency) ** 0.5)
        matrix = np.array([int(bit) for bit in record.adjacency]).reshape(v, v)
        spec = model_spec.ModelSpec(matrix, record.operations.split(","))
        labels = [-1, *(names.index(op) for op in spec.ops[1:-1]), -2]
        assert graph_util.hash_module(spec.matrix.numpy(), labels) == record.module_hash.hex()


# -- built files ------------------------------------------------------------------------------


def test_a_malformed_record_is_placed(tmp_path: Path) -> None:
    """Built: the number and the byte offset of a record with a missing field; no table is written."""
    record = fields()
    del record[1]
    offset = len(encode_record(fields()))
    with pytest.raises(InputError, match=rf"record 2 \(byte {offset}\): field epochs is missing"):
        make(write(tmp_path / "x.tfrecord", fields(), record))
    assert not (tmp_path / "x.arrow").exists()


def test_figures_out_of_range_are_refused(tmp_path: Path) -> None:
    """Built: percent where a fraction belongs, and a time that is none."""
    with pytest.raises(InputError, match=r"record 2: validation_accuracy is 92.5, not a fraction"):
        make(write(tmp_path / "x.tfrecord", fields(), fields(valid=92.5)))
    with pytest.raises(InputError, match=r"record 1: training_time is nan, not a time"):
        make(write(tmp_path / "x.tfrecord", fields(seconds=float("nan"))))


def test_built_file_keeps_the_embedded_figures(built_file: Path) -> None:
    """Built from the embedded table: cells, parameters, and the first repeat's validation accuracy."""
    seen: list[tuple[int, int]] = []
    table = make(built_file, report=lambda done, total: seen.append((done, total)))
    sample = open_table("nasbench101-sample")
    entry = sample.locate(table.rows)
    assert sorted(entry.tolist()) == list(range(1500))
    parameters = Metric("cifar10", None, None, quantity="parameters")
    assert (table.values(parameters) == sample.values(parameters)[entry]).all()
    valid = Metric("cifar10", "valid", 108, 0)
    np.testing.assert_allclose(table.values(valid), sample.values(valid)[entry], atol=1e-5)
    assert seen[-1] == (18_000, 18_000)
    assert all(done <= total for done, total in seen)


def test_built_file_has_every_length_point_and_mean(built_file: Path) -> None:
    """Built: 4 lengths x 2 points x (3 splits and seconds) x (3 runs and mean), and the parameters."""
    table = make(built_file)
    assert len(table.metrics) == 4 * 2 * 4 * 4 + 1
    assert table.epochs("cifar10", "valid") == [4, 12, 36, 108]
    assert table.epochs("cifar10", "test", schedule=108) == [54, 108]
    assert table.metadata["warnings"] == ["covers 1,500 of the 423,624 cells"]
    for metric in table.metrics:
        if metric.quantity != "parameters" and metric.run is None:
            runs = np.array([table.values(replace(metric, run=run)) for run in range(3)])
            np.testing.assert_allclose(table.values(metric), runs.mean(axis=0), rtol=1e-15)


def test_recognised_by_content(built_file: Path, real_file: Path, tmp_path: Path) -> None:
    """Built and real: both lengths of file, under any name; other files are not taken."""
    reader = NASBench101Reader()
    full, only108 = reader.recognise(built_file), reader.recognise(real_file)
    assert full is not None
    assert only108 is not None
    assert "4/12/36/108 epochs" in full.title
    assert "90 trainings for 108 epochs" in only108.title
    assert only108.table == "nasbench101"
    assert full.memory_bytes > only108.memory_bytes > 0
    for name, content in {
        "text": b"hello, this is not a record",
        "short": b"x",
        "images": frame(b"\x0a\x9e\x01\x0a\x13 a tf.train.Example"),
        "json": encode_record([1, 2, 3]),
    }.items():
        (tmp_path / name).write_bytes(content)
        assert reader.recognise(tmp_path / name) is None
    assert reader.recognise(tmp_path) is None
    with pytest.raises(InputError, match=r"record 1.*not a NAS-Bench-101 record"):
        make(tmp_path / "images")


def test_damage_leaves_nothing_behind(built_file: Path, tmp_path: Path) -> None:
    """Built: a flipped byte or a cut, early or late, is found and no table is written."""
    whole = built_file.read_bytes()
    path = tmp_path / "bad.tfrecord"
    for at in (500, len(whole) // 2, len(whole) - 3):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(InputError, match=r"is damaged: record \d+ \(byte \d+\)"):
            make(path)
        path.write_bytes(whole[:at])
        with pytest.raises(InputError, match=r"is truncated: it ends at byte"):
            make(path)
    assert [file.name for file in tmp_path.iterdir()] == ["bad.tfrecord"]
    path.write_bytes(whole[:450])  # inside the second record
    with pytest.raises(InputError, match="truncated"):
        NASBench101Reader().recognise(path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_no_permission(built_file: Path, tmp_path: Path) -> None:
    """Built: a file that may not be read."""
    path = tmp_path / "secret.tfrecord"
    path.write_bytes(built_file.read_bytes()[:1000])
    path.chmod(0)
    with pytest.raises(InputError, match="cannot read"):
        make(path)


# -- repeats, hashes, means -------------------------------------------------------------------


def test_a_failed_repeat_is_kept_and_counted(tmp_path: Path) -> None:
    """Built: one repeat at 10 % beside two at 90 % stays a run, counts in the mean, and is warned of."""
    repeats = [fields(valid=0.9), fields(valid=0.1, seconds=101.0), fields(valid=0.9, seconds=102.0)]
    table = make(write(tmp_path / "x.tfrecord", *repeats))
    assert table.query(CHAIN_ROW, Metric("cifar10", "valid", 108, 1)) == 10.0
    assert table.query(CHAIN_ROW, Metric("cifar10", "valid", 108)) == pytest.approx(190 / 3, rel=1e-14)
    assert any("108 epochs: 1 failed repeats" in warning for warning in table.metadata["warnings"])


def test_missing_repeats_are_gaps_and_counted(tmp_path: Path) -> None:
    """Built: two repeats at 108 epochs, one at 36; the third run has no column, the mean is over what is."""
    path = write(tmp_path / "x.tfrecord", fields(), fields(seconds=120.0), fields(epochs=36))
    table = make(path)
    assert Metric("cifar10", "valid", 108, 1) in table
    assert Metric("cifar10", "valid", 108, 2) not in table
    assert Metric("cifar10", "valid", 36, 1) not in table
    assert table.query(CHAIN_ROW, Metric("cifar10", None, 108, quantity="train_seconds")) == 110.0
    fewer = [warning for warning in table.metadata["warnings"] if "fewer than 3 repeats" in warning]
    assert [warning.split(":")[0] for warning in fewer] == ["36 epochs", "108 epochs"]


def test_copies_and_joined_files(tmp_path: Path) -> None:
    """Built: a copied record is warned of; a fourth repeat is refused."""
    three = [fields(), fields(), fields(seconds=99.0)]
    table = make(write(tmp_path / "copy.tfrecord", *three))
    assert any("1 pairs of repeats" in warning for warning in table.metadata["warnings"])
    with pytest.raises(InputError, match=r"record 4 .*repeat 4 of its cell at 108 epochs.*joined"):
        make(write(tmp_path / "four.tfrecord", *three, fields(seconds=98.0)))


def test_other_anomalies_are_counted(tmp_path: Path) -> None:
    """Built: two parameter counts of one cell."""
    table = make(write(tmp_path / "x.tfrecord", fields(), fields(seconds=99.0, parameters=301)))
    assert table.query(CHAIN_ROW, Metric("cifar10", None, None, quantity="parameters")) == 300
    assert any("1 cells have records with different parameter" in w for w in table.metadata["warnings"])


def test_one_hash_may_be_written_as_isomorphic_graphs_only(tmp_path: Path) -> None:
    """Built: two parallel branches in either order are one cell; another graph under the hash is refused."""
    space = NASBench101()
    orders = ("conv3x3,maxpool3x3", "maxpool3x3,conv3x3")
    rows = np.array([space.parse(f"0110/0001/0001/0000 {ops}") for ops in orders])
    digits = space.canonical(rows)[0].decode()
    metrics = fields()[4]
    written = ["conv3x3-bn-relu,maxpool3x3", "maxpool3x3,conv3x3-bn-relu"]
    records = [[digits, 108, "0110000100010000", f"input,{ops},output", metrics] for ops in written]
    table = make(write(tmp_path / "x.tfrecord", *records))
    assert len(table) == 1
    assert (table.locate(rows) == 0).all()
    with pytest.raises(InputError, match=rf"record 3 .*module_hash is {digits}, but the hash of its graph"):
        make(write(tmp_path / "y.tfrecord", *records, [digits, 108, *CHAIN, metrics]))


def test_hashes_are_recomputed(built_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Built: of a sample, or of all with verify; a graph that is not the hash's is found."""
    assert make(built_file).metadata["hashes_recomputed"] == 1500
    monkeypatch.setattr(reader_module, "_SAMPLE", 1)
    records = [json.loads(data) for _, _, data in read_records(built_file)][::12][:20]
    records[7][3], wrong = "input," + ",".join(["maxpool3x3"] * (records[7][3].count(",") - 1)) + ",output", 8
    path = write(tmp_path / "x.tfrecord", *records)
    assert make(path).metadata["hashes_recomputed"] == 1
    with pytest.raises(InputError, match=rf"record {wrong}: its module_hash is {records[7][0]}, but"):
        make(path, verify=True)


def test_a_graph_outside_the_space_is_refused(tmp_path: Path) -> None:
    """Built: no path from input to output."""
    record = [*fields()[:2], "010000000", *fields()[3:]]
    with pytest.raises(InputError, match=r"record 1: its graph is no cell of NAS-Bench-101: no path"):
        make(write(tmp_path / "x.tfrecord", record))


def test_enumeration_has_the_published_size() -> None:
    """Ying et al. (2019), section 2.2: 423,624 cells."""
    rows = enumerate_space()
    assert len(rows) == 423_624
    some = rows[::1000]
    assert NASBench101().is_valid(some).all()
    assert len(np.unique(NASBench101().canonical(some))) == len(some)


# -- studies ----------------------------------------------------------------------------------


@pytest.mark.parametrize("score", ["run", "mean"])
@pytest.mark.parametrize("kind", ["real_file", "built_file"])
def test_a_study_runs_on_the_imported_table(
    kind: str, score: str, home: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Real and built: search on validation, report test; each score is a figure of the table."""
    path: Path = request.getfixturevalue(kind)
    import_official(NASBench101Reader(), path, imported_path("nasbench101"), "nasbench101", lambda d, n: None)
    study = {
        "name": "imported",
        "table": "nasbench101",
        "datasets": ["cifar10"],
        "search": {"split": "valid", "epochs": 108, "score": score},
        "report": {"epochs": 108, "valid": "mean", "test": "mean"},
        "budget": {"queries": 25},
        "seeds": 2,
        "strategies": [
            "random-search",
            {"name": "regularized-evolution", "options": {"population": 10, "sample": 3}},
        ],
    }
    out = run_study(parse_spec(study, "test"), tmp_path / "out")
    traces, table = out.read_traces(), open_table("nasbench101")
    assert len(traces) == 2 * 2 * 25
    valid = Metric("cifar10", "valid", 108)
    columns = table.runs(valid) if score == "run" else [valid]
    known = np.concatenate([table.values(column) for column in columns])
    assert np.isin(traces["score"].to_numpy(), known).all()
    board = out.read_leaderboard()
    assert set(board["strategy"]) == {"random-search", "regularized-evolution"}
    best = table.optimum(Metric("cifar10", "test", 108)).value
    assert (board["test"] <= best).all()
    assert (
        board["seconds"] > 25 * table.values(Metric("cifar10", None, 108, quantity="train_seconds")).min()
    ).all()
