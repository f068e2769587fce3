"""Reading NATS-Bench's official folders: figure by figure against the files, the extracts, and the package.

All inputs are *real*: the official folders in shared/data, three architectures of each space (one test builds
one file of their entries). Built inputs: test_import_nats_built, test_import_nats_damage.
"""

from __future__ import annotations

import bz2
import subprocess
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import benchkit
from benchkit.base.pickles.reader import load_pickle
from benchkit.data.tables import Metric, Table, open_table
from benchkit.data.tables.catalogue import imported_path
from benchkit.data.tables.formats import import_official, recognise
from benchkit.reports.api import run_study
from benchkit.studies.spec import parse_spec
from benchmarks.build_nats import build_monolith

OFFICIAL = Path(benchkit.__file__).resolve().parents[2] / "shared" / "data" / "official"
FOLDERS = {"nasbench201": "NATS-tss-v1_0-3ffb9-simple", "natsbench-size": "NATS-sss-v1_0-50262-simple"}
INDICES = (0, 11, 284)
SEED_OF_RUN = {0: 777, 1: 888, 2: 999, 3: 111}
# (data set, split, variant) -> official training set and evaluation set
OFFICIAL_NAMES = {
    ("cifar10", "train", ""): ("cifar10-valid", "train"),
    ("cifar10", "valid", ""): ("cifar10-valid", "x-valid"),
    ("cifar10", "test", "trained-on-half"): ("cifar10-valid", "ori-test"),
    ("cifar10", "train", "trained-on-all"): ("cifar10", "train"),
    ("cifar10", "test", ""): ("cifar10", "ori-test"),
    ("cifar100", "train", ""): ("cifar100", "train"),
    ("cifar100", "valid", ""): ("cifar100", "x-valid"),
    ("cifar100", "test", ""): ("cifar100", "x-test"),
    ("cifar100", "test", "both-halves"): ("cifar100", "ori-test"),
    ("imagenet16-120", "train", ""): ("ImageNet16-120", "train"),
    ("imagenet16-120", "valid", ""): ("ImageNet16-120", "x-valid"),
    ("imagenet16-120", "test", ""): ("ImageNet16-120", "x-test"),
    ("imagenet16-120", "test", "both-halves"): ("ImageNet16-120", "ori-test"),
}


def real(space: str) -> Path:
    folder = OFFICIAL / FOLDERS[space]
    if not folder.is_dir():
        pytest.skip("the official samples are not beside the checkout")
    return folder


def make(path: Path, target: Path, name: str = "imported") -> Table:
    reader, _ = recognise(path)
    import_official(reader, path, target, name, lambda done, total: None)
    return Table(target)


@pytest.fixture(scope="module", params=FOLDERS)
def imported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Table:
    """Real: the table of each official folder."""
    return make(real(request.param), tmp_path_factory.mktemp("nats") / f"{request.param}.arrow")


@pytest.fixture(scope="module")
def topology(tmp_path_factory: pytest.TempPathFactory) -> Table:
    """Real: the table of the topology folder."""
    return make(real("nasbench201"), tmp_path_factory.mktemp("tss") / "tss.arrow")


@pytest.fixture(scope="module")
def pickled(imported: Table) -> dict[int, Any]:
    """The same files, read without the reader: row of the table -> entry."""
    folder = real(imported.base_space.name)
    found = {}
    for index in INDICES:
        entry = load_pickle(bz2.decompress((folder / f"{index:06d}.pickle.pbz2").read_bytes()), "real")
        name = next(iter(entry.values()))["arch_str"]
        found[int(imported.locate(imported.base_space.parse(name))[0])] = entry
    return found


# -- the real files, figure by figure ---------------------------------------------------------


def test_every_accuracy_of_the_files_is_in_the_table(imported: Table, pickled: dict[int, Any]) -> None:
    """Real: each run, split and epoch, to five decimals, and nothing that is not in the files."""
    runs = {seed: run for run, seed in SEED_OF_RUN.items()}
    names = {official: ours for ours, official in OFFICIAL_NAMES.items()}
    expected: dict[tuple[Metric, int], float] = {}
    for row, entry in pickled.items():
        for record in entry.values():
            for (official, seed), result in record["all_results"].items():
                accuracies = {f"train@{e}": value for e, value in result["train_acc1es"].items()}
                for key, value in {**accuracies, **result["eval_acc1es"]}.items():
                    set_, _, epoch = key.partition("@")
                    dataset, split, variant = names[official, set_]
                    metric = Metric(
                        dataset, split, int(epoch) + 1, runs[seed], "accuracy", variant, result["epochs"]
                    )
                    expected[metric, row] = round(value, 5)
    stored = {
        (metric, row): value
        for metric in imported.metrics
        if metric.quantity == "accuracy" and metric.run is not None
        for row, value in enumerate(imported.values(metric).tolist())
        if not np.isnan(value)
    }
    assert stored == expected
    # each entry, by hand: schedule by schedule, runs x (sets with a curve x epochs + sets with an end alone)
    topology = (2 * 3 + 2 + 4 + 4) * 12 + 3 * (2 * 200 + 1 + 2 * 200 + 2 * (2 * 200 + 2))
    size = 13 * 1 + 3 * 13 * 12 + 13 * 90
    assert len(stored) == 3 * {"nasbench201": topology, "natsbench-size": size}[imported.base_space.name]


def test_means_are_over_the_runs_there_are(imported: Table) -> None:
    """Real: every mean column is that of its runs, up to the rounding of both."""
    means = [m for m in imported.metrics if m.run is None and m.quantity in ("accuracy", "train_seconds")]
    for metric in means:
        runs = np.array([imported.values(run) for run in imported.runs(metric)])
        assert len(runs) in (1, 2, 3)
        assert imported.values(metric) == pytest.approx(np.nanmean(runs, axis=0), abs=1.01e-5)


def test_seconds_latency_and_counts_are_the_files_own(imported: Table, pickled: dict[int, Any]) -> None:
    """Real: seconds of the whole schedule, of the half for cifar10; millions as counts."""
    for row, entry in pickled.items():
        for record in entry.values():
            for (official, seed), result in record["all_results"].items():
                dataset = official.removesuffix("-valid").lower()
                run = {seed: run for run, seed in SEED_OF_RUN.items()}[seed]
                variant = "trained-on-all" if official == "cifar10" else ""
                seconds = Metric(dataset, None, result["epochs"], run, "train_seconds", variant)
                one = result["train_times"][0]
                assert set(result["train_times"].values()) == {one}
                assert imported.values(seconds)[row] == pytest.approx(one * result["epochs"], rel=1e-12)
                if official == "cifar10" or record is not list(entry.values())[-1]:
                    continue
                for quantity, value in (
                    ("latency_seconds", result["latency"][0]),
                    ("parameters", round(result["params"] * 1e6)),
                    ("flops", round(result["flop"] * 1e6)),
                ):
                    metric = Metric(dataset, None, None, quantity=quantity)
                    assert imported.values(metric)[row] == pytest.approx(value, rel=1e-15)


def test_validation_and_test_are_two_columns_of_one_run(imported: Table, pickled: dict[int, Any]) -> None:
    """Real: they differ, and each run's pair is that of one seed in the file."""
    longest = max(int(schedule) for schedule in next(iter(pickled.values())))
    for dataset, official in (("cifar100", "cifar100"), ("imagenet16-120", "ImageNet16-120")):
        for run in range(3):
            pair = [Metric(dataset, split, longest, run) for split in ("valid", "test")]
            if pair[0] not in imported:
                assert run > 0  # the size space has one run of 90 epochs
                continue
            valid, test = (imported.values(metric) for metric in pair)
            assert (valid != test).all()
            for row, entry in pickled.items():
                evaluated = list(entry.values())[-1]["all_results"][official, SEED_OF_RUN[run]]["eval_acc1es"]
                assert valid[row] == round(evaluated[f"x-valid@{longest - 1}"], 5)
                assert test[row] == round(evaluated[f"x-test@{longest - 1}"], 5)


def test_the_figures_are_those_of_the_embedded_table(topology: Table) -> None:
    """Real against the independent extracts: every column that both have, to the extracts' decimals."""
    embedded = open_table("nasbench201")
    decimals = {"train_seconds": 5.1e-4, "latency_seconds": 5.1e-8}
    both = [metric for metric in topology.metrics if metric in embedded]
    assert len([metric for metric in both if metric.quantity == "accuracy"]) == 3 * (2 + 2 + 3)
    for metric in both:
        values = embedded.query(np.array(topology.rows), metric)
        assert topology.values(metric) == pytest.approx(values, abs=decimals.get(metric.quantity, 0)), metric
    seeds = [topology.values(Metric("cifar10", "valid", 200, run)) for run in range(3)]
    extract = [embedded.query(np.array(topology.rows), Metric("cifar10", "valid", 200, r)) for r in range(3)]
    assert np.array_equal(np.sort(seeds, axis=0), np.sort(extract, axis=0))


@pytest.mark.filterwarnings("ignore:numpy.core:DeprecationWarning")
def test_the_official_package_answers_the_same(imported: Table) -> None:
    """Real: `nats_bench` on the same files, for each set, seed, schedule and some epochs."""
    nats_bench = pytest.importorskip("nats_bench")
    space = imported.base_space
    kind = {"nasbench201": "topology", "natsbench-size": "size"}[space.name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        api = nats_bench.create(str(real(space.name)), kind, fast_mode=True, verbose=False)
    checked, keys = 0, ("12", "200") if kind == "topology" else ("01", "12", "90")
    for row, index in zip(imported.rows, imported.static_values("arch_index").tolist(), strict=True):
        assert api.query_index_by_arch(space.format(row)) == index
        results = {key: api.query_meta_info_by_index(index, key) for key in keys}
        for metric in imported.metrics:
            if metric.quantity != "accuracy" or metric.epochs not in (1, 7, 12, 90, 199, 200):
                continue
            schedule = metric.schedule or metric.epochs
            training_set, set_ = OFFICIAL_NAMES[metric.dataset, metric.split, metric.variant]
            of = False if metric.run is None else SEED_OF_RUN[metric.run]
            answer = results[f"{schedule:02d}"].get_metrics(
                training_set, set_, iepoch=metric.epochs - 1, is_random=of
            )
            assert imported.query(row, metric) == pytest.approx(answer["accuracy"], abs=5.1e-6)
            checked += 1
        for dataset, official in (("cifar10", "cifar10-valid"), ("cifar100", "cifar100")):
            schedule = max(imported.epochs(dataset, "valid"))
            costs = api.get_cost_info(index, official, str(schedule))
            for quantity, value in (
                ("latency_seconds", costs["latency"]),
                ("parameters", costs["params"] * 1e6),
                ("flops", costs["flops"] * 1e6),
            ):
                metric = Metric(dataset, None, None, quantity=quantity)
                assert imported.query(row, metric) == pytest.approx(value, rel=1e-12)
            seconds = Metric(dataset, None, schedule, quantity="train_seconds")
            assert imported.query(row, seconds) == pytest.approx(costs["T-train@total"], rel=1e-12)
    assert checked > 3 * 150


def test_curves_are_fidelities_where_the_benchmark_has_them(topology: Table) -> None:
    """Real: CIFAR-10 is validated after each of 200 epochs, the others at the end, and the table says so."""
    assert topology.epochs("cifar10", "valid", schedule=200) == list(range(1, 201))
    assert topology.epochs("cifar100", "valid", schedule=200) == [200]
    assert topology.epochs("cifar100", "valid", schedule=12) == list(range(1, 13))
    assert topology.epochs("cifar10", "valid") == [12, 200]
    said = [
        warning for warning in topology.metadata["warnings"] if "inside the 200-epoch schedule" in warning
    ]
    assert [warning.split(":")[0] for warning in said] == ["cifar100", "imagenet16-120"]


def test_a_part_of_the_space_makes_a_restricted_space_that_says_where_it_is_from(topology: Table) -> None:
    """Real: three of 15,625 cells."""
    assert len(topology) == 3
    assert not topology.space.complete
    assert sorted(topology.static_values("arch_index").tolist()) == list(INDICES)
    assert "3 of 15,625" in topology.metadata["title"]
    assert "covers 3 of the 15,625 architectures" in topology.metadata["warnings"]
    assert topology.metadata["licence"] == "MIT (D-X-Y)"
    notes = {
        field.name: field.metadata[b"benchkit"].decode()
        for field in topology.schema
        if field.metadata is not None
    }
    assert "seed 999" in notes["cifar10.valid.200ep.run2.accuracy"]
    assert "seed 111" in notes["cifar100.valid.12ep.run3.accuracy"]


def test_a_folders_digest_is_that_of_sha256sum(topology: Table) -> None:
    """Real: anybody can check the provenance with two commands."""
    folder = real("nasbench201")
    listed = subprocess.run(
        "sha256sum * | sha256sum", shell=True, cwd=folder, capture_output=True, text=True, check=True
    )
    assert [*topology.metadata["source_sha256"].values()] == [listed.stdout.split()[0]]


@pytest.mark.parametrize("space", FOLDERS)
def test_one_file_of_everything_gives_the_columns_of_the_folder(space: str, tmp_path: Path) -> None:
    """Built of the real entries: the same table, column by column."""
    folder = real(space)
    some = {
        int(file.name[:6]): load_pickle(bz2.decompress(file.read_bytes()), "real")
        for file in folder.glob("0*")
    }
    build_monolith(tmp_path / "anything", space, dict(sorted(some.items())))
    one, many = make(tmp_path / "anything", tmp_path / "one.arrow"), make(folder, tmp_path / "many.arrow")
    assert list(one.metrics) == list(many.metrics)
    assert np.array_equal(one.rows, many.rows)
    for metric in one.metrics:
        assert np.array_equal(one.raw(metric), many.raw(metric), equal_nan=True)
    assert list(one.metadata["source_sha256"]) == ["anything"]


# -- studies ----------------------------------------------------------------------------------


def spec(table: str, dataset: str, epochs: int, **search: Any) -> Any:
    study = {
        "name": "imported",
        "table": table,
        "datasets": [dataset],
        "search": {"split": "valid", "epochs": epochs, "score": "mean", **search},
        "report": {"epochs": epochs, "valid": "mean", "test": "mean"},
        "budget": {"queries": 12},
        "seeds": 1,
        "strategies": ["random-search", "bohb"],
    }
    return parse_spec(study, "the test's study")


@pytest.mark.parametrize(
    ("space", "dataset", "epochs", "search"),
    [
        ("nasbench201", "cifar10", 200, {"fidelities": "curve"}),
        ("nasbench201", "imagenet16-120", 200, {"score": "run"}),
        ("natsbench-size", "cifar100", 90, {"fidelities": "curve"}),
        ("natsbench-size", "cifar10", 12, {"score": "run"}),
    ],
)
def test_a_study_runs_on_the_real_folders(
    space: str, dataset: str, epochs: int, search: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real: three architectures of each space; the best is found, and its test accuracy reported."""
    monkeypatch.setenv("BENCHKIT_HOME", str(tmp_path / "home"))
    make(real(space), imported_path("folder"), "folder")
    out = run_study(spec("folder", dataset, epochs, **search), tmp_path / "out")
    table, board = open_table("folder"), out.read_leaderboard()
    assert set(board["strategy"]) == {"random-search", "bohb"}
    reported = replace(Metric(dataset, "test", epochs), run=None)
    assert (
        board["test"].between(table.values(reported).min() - 1e-9, table.values(reported).max() + 1e-9).all()
    )
