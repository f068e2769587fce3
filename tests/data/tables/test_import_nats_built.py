"""Files in the layouts of NATS-Bench with more architectures than the real samples have.

All inputs are built in the official layout by benchmarks/build_nats.py: of the embedded table's figures, or
(for memory) of copies of the real entries.
"""

from __future__ import annotations

import io
import pickle
import re
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import benchkit
from benchkit.data.tables import Metric, Table, open_table
from benchkit.data.tables.catalogue import imported_path
from benchkit.data.tables.formats import import_official, recognise
from benchkit.data.tables.formats.nats import bytes_needed, read_monolith
from benchkit.data.tables.formats.nats_columns import ResultColumns
from benchkit.data.tables.formats.nats_training import CLASSES, cell_parameters
from benchkit.reports.api import run_study
from benchkit.spaces import get_space
from benchkit.studies.spec import parse_spec
from benchmarks.build_nats import build_monolith, entries, like, names_of

SIZES = (
    Path(benchkit.__file__).resolve().parents[2]
    / "shared"
    / "data"
    / "official"
    / "NATS-sss-v1_0-50262-simple"
)


def make(path: Path, target: Path) -> Table:
    reader, _ = recognise(path)
    import_official(reader, path, target, target.stem, lambda done, total: None)
    return Table(target)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built of the embedded table: one file of 30 topologies, most of them with two runs only."""
    path = tmp_path_factory.mktemp("built") / "tss.pickle.pbz2"
    build_monolith(path, "nasbench201", dict(entries("nasbench201", range(340, 370))))
    return path


def test_entries_of_a_file_come_in_any_order_and_with_missing_runs(built: Path, tmp_path: Path) -> None:
    """Every figure that went in comes out, in the table's own order; a missing run is a gap."""
    table, embedded = make(built, tmp_path / "built.arrow"), open_table("nasbench201")
    assert len(table) == 30
    assert (np.diff(table.base_space.index(np.array(table.rows))) > 0).all()
    gaps = 0
    for metric in (metric for metric in embedded.metrics if metric in table):
        expected = embedded.values(metric)[embedded.locate(table.rows)]
        # a mean of figures that were rounded before
        tolerance = 1.01e-5 if metric.run is None else 1e-9
        assert table.values(metric) == pytest.approx(expected, abs=tolerance, nan_ok=True), metric
        gaps += int(np.isnan(expected).sum())
    assert gaps > 30
    assert np.isnan(table.values(Metric("cifar10", "valid", 100, 2, schedule=200))).any()
    assert any("lack at least one of the 3 runs" in text for text in table.metadata["warnings"])


def test_the_size_and_the_time_are_announced(built: Path) -> None:
    """Both within a factor of what it takes; and under a gigabyte for the official sizes."""
    _, found = recognise(built)
    assert found.table == "natsbench-topology"
    said = re.fullmatch(r"NATS-Bench, topology space: one file of about (\d+) architectures", found.title)
    assert said is not None
    assert 20 < int(said[1]) < 40  # from the size of the file alone; there are 30
    assert 0.1 < found.seconds < 10
    assert found.memory_bytes < 100e6
    for space, size in (("nasbench201", 15_625), ("natsbench-size", 32_768)):
        assert bytes_needed(get_space(space), size) < 1e9  # type: ignore[arg-type]


def test_memory_does_not_grow_with_the_objects_of_a_file() -> None:
    """30 more architectures need a small part of the 1 MB each that they are."""
    if not SIZES.is_dir():
        pytest.skip("the official samples are not beside the checkout")
    peaks = []
    for count in (20, 50):
        some = dict(like(SIZES, range(count)))
        written = pickle.dumps(
            {"meta_archs": names_of("natsbench-size"), "arch2infos": some, "evaluated_indexes": set(some)}, 4
        )
        del some
        tracemalloc.start()
        read_monolith(io.BytesIO(written), Path("built"), lambda done, total: None)
        peaks.append(tracemalloc.get_traced_memory()[1] / 1e6)
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 5  # MB


# -- parameters that disagree -----------------------------------------------------------------


def test_parameters_by_the_formula_are_the_embedded_ones() -> None:
    """The formula holds for all 15,625 cells and three data sets."""
    table = open_table("nasbench201")
    for dataset, classes in CLASSES.items():
        recorded = table.values(Metric(dataset, None, None, quantity="parameters"))
        assert np.array_equal(cell_parameters(table.rows, classes), recorded)


@pytest.mark.parametrize(
    ("params", "kept"),
    [((0.5, 0.129306, 0.5), 129_306), ((0.129306, 0.5, 0.7), 129_306), ((0.5, 0.6, 0.7), 600_000)],
    ids=["a run fits", "the first fits", "none fits: seed 888"],
)
def test_runs_that_disagree_on_parameters_are_settled_and_counted(params: Any, kept: int) -> None:
    """The count that fits architecture 0's operations, else that of seed 888, with its FLOPs."""
    (_, entry), *_ = entries("nasbench201", [0])
    for seed, millions in zip((777, 888, 999), params, strict=True):
        entry["200"]["all_results"]["cifar10-valid", seed] |= {"params": millions, "flop": 100 * millions}
    columns = ResultColumns(get_space("nasbench201"))  # type: ignore[arg-type]
    columns.add(entry)
    assert any(text.startswith("cifar10: 1 architectures have runs with") for text in columns.warnings())
    _, metrics, _ = columns.finish()
    assert metrics[Metric("cifar10", None, None, quantity="parameters")].values.tolist() == [kept]
    assert metrics[Metric("cifar10", None, None, quantity="flops")].values == pytest.approx([100 * kept])


def test_bohb_climbs_the_curves_of_an_imported_file(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its cheap queries are epochs of the 200-epoch schedule, at their share of its seconds."""
    monkeypatch.setenv("BENCHKIT_HOME", str(tmp_path / "home"))
    make(built, imported_path("tss"))
    study = {
        "name": "imported",
        "table": "tss",
        "datasets": ["cifar10"],
        "search": {"split": "valid", "epochs": 200, "score": "mean", "fidelities": "curve"},
        "report": {"epochs": 200, "valid": "mean", "test": "mean"},
        "budget": {"queries": 12},
        "seeds": 1,
        "strategies": ["bohb"],
    }
    out = run_study(parse_spec(study, "the test's study"), tmp_path / "out")
    traces, table = out.read_traces(), open_table("tss")
    bohb = traces[traces["strategy"] == "bohb"]
    asked = sorted(set(bohb["fidelity"]))
    assert asked[-1] == 200
    assert len(set(asked) - {12, 200}) >= 2
    for fidelity, score in zip(bohb["fidelity"], bohb["score"], strict=True):
        assert score in table.values(Metric("cifar10", "valid", int(fidelity), schedule=200))
    board = out.read_leaderboard()
    assert (board["test"] <= table.optimum(Metric("cifar10", "test", 200)).value).all()
