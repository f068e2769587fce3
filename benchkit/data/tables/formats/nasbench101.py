"""Reads the official files of NAS-Bench-101: ``nasbench_only108.tfrecord`` and ``nasbench_full.tfrecord``.

Ying et al., "NAS-Bench-101: Towards Reproducible Neural Architecture Search", ICML 2019; layout as in
google-research/nasbench, ``nasbench/api.py`` and ``nasbench/lib/model_metrics.proto``. Each record is one
training (see ``nasbench101_record``).

The table has, for each length E in the file, train, validation and test accuracy and training seconds at the
end and halfway (``epochs=E/2, schedule=E``), of each repeat and of their mean, and the parameters.

Deviations and choices
----------------------
- Repeats of a cell are separate records without a number: run r is the r-th in the order of the file. A
  fourth repeat is an error (no official file has one; two files were joined); fewer than three are
  counted in the table's warnings, and the mean is over those there are.
- Fractions become percent, rounded to five decimals, for the runs; their means are kept in float64, as
  the mean of the runs that the table gives.
- A failed repeat (about 10 % although the cell's other repeats train well; google-research/nasbench
  issue 21) stays a run, and in the mean; the table's warnings count them.
- The file is not trusted: the hash of a seeded sample of cells is recomputed from the graph, of
  all with ``verify``; records of one hash with differently written graphs are always recomputed.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from itertools import islice
from pathlib import Path

import numpy as np

from benchkit.base.errors import InputError
from benchkit.data.tables.formats.base import Found, Imported, Report
from benchkit.data.tables.formats.nasbench101_record import Record, parse_record
from benchkit.data.tables.formats.nasbench101_runs import REPEATS, OnDemand, Runs
from benchkit.data.tables.formats.tfrecord import is_tfrecord, read_records
from benchkit.data.tables.metric import Metric
from benchkit.data.tables.write import Column, TableSource
from benchkit.spaces.base import Batch
from benchkit.spaces.nasbench101.encoding import NASBench101

_SPACE = NASBench101()

_BATCH = 8192  # records, or cells, at a time
_LOOK = 1000  # records that are read to recognise a file
_SAMPLE = 2000  # cells whose hash is recomputed

# measured on one core with the files of benchmarks/bench_import101.py, and writing included
_SECONDS_A_RECORD = 11e-6
_SECONDS_A_CELL = 40e-6
_BYTES_A_CELL = 400
_BYTES_A_BUDGET = 330


class NASBench101Reader:
    """Reads either file; see the module."""

    name = "NAS-Bench-101 TFRecord"

    def recognise(self, path: Path) -> Found | None:
        """Return what the first records say; None where the first is of another project."""
        if not is_tfrecord(path):
            return None
        number, length, budgets = 0, 0, set()
        with closing(read_records(path)) as records:
            for number, offset, data in islice(records, _LOOK):
                try:
                    record = parse_record(data)
                except InputError as error:
                    if number == 1:
                        return None
                    raise _at(path, number, offset, error) from error
                length = offset + len(data)
                budgets.add(record.epochs)
        count = max(1, round(path.stat().st_size * number / length))
        entries = min(_SPACE.size, -(-count // (REPEATS * len(budgets))))
        return Found(
            title=f"NAS-Bench-101, about {count:,} trainings for {_listed(budgets)} epochs",
            table="nasbench101",
            memory_bytes=entries * (_BYTES_A_CELL + _BYTES_A_BUDGET * len(budgets)),
            seconds=count * _SECONDS_A_RECORD + entries * _SECONDS_A_CELL,
        )

    def read(self, path: Path, name: str, report: Report, verify: bool = False) -> Imported:
        """Read the whole file in one pass, one record at a time."""
        digest = hashlib.sha256()
        size = path.stat().st_size
        cells = _Cells()
        runs: dict[int, Runs] = {}
        number = 0
        for number, offset, data in read_records(path, digest.update):
            try:
                record = parse_record(data)
                cell = cells.add(record, number)
                if record.epochs not in runs:
                    runs[record.epochs] = Runs(record.epochs)
                runs[record.epochs].add(cell, number, record.figures)
            except InputError as error:
                raise _at(path, number, offset, error) from error
            if number % _BATCH == 0:
                _flush(path, cells, runs)
                report(number, max(number, round(size * number / (offset + len(data)))))
        _flush(path, cells, runs)
        report(number, number)
        batch = cells.batch()
        checked = _check_hashes(path, cells, verify)
        lengths = tuple(sorted(runs))
        source = TableSource(
            name=name,
            space="nasbench101",
            title=f"NAS-Bench-101, {len(batch):,} of {_SPACE.size:,} cells, CIFAR-10, {REPEATS} repeats, "
            f"{_listed(lengths)} epochs",
            source="google-research/nasbench; Ying et al. (2019)",
            licence="Apache-2.0 (google-research/nasbench)",
            source_sha256={path.name: digest.hexdigest()},
            warnings=tuple(_warnings(cells, runs)),
            cost="train_seconds of each length of training, mean over the repeats; no validation time",
            extra={"records": number, "hashes_recomputed": checked},
        )
        makers: dict[Metric, Callable[[], Column]] = {}
        for epochs in lengths:
            makers.update(runs[epochs].columns())
        parameters = np.array(cells.parameters, dtype=np.float64)
        makers[Metric("cifar10", None, None, quantity="parameters")] = lambda: Column(parameters, "trainable")
        return Imported(source, batch, OnDemand(makers))


def _flush(path: Path, cells: _Cells, runs: Mapping[int, Runs]) -> None:
    try:
        for each in runs.values():
            each.flush(len(cells.first))
    except InputError as error:
        raise InputError(f"{path}, {error}") from error


def _warnings(cells: _Cells, runs: Mapping[int, Runs]) -> Iterator[str]:
    n, differ = len(cells.first), len(cells.parameters_differ)
    if n < _SPACE.size:
        yield f"covers {n:,} of the {_SPACE.size:,} cells"
    for epochs in sorted(runs):
        yield from runs[epochs].warnings()
    if differ:
        yield f"{differ:,} cells have records with different parameter counts; the first is kept"


class _Cells:
    """The distinct cells, in the order in which the file first names them."""

    def __init__(self) -> None:
        self.index: dict[bytes, int] = {}
        self.first = array("q")  # number of a cell's first record
        self.texts = array("q")  # Python's hash of the graph as that record writes it
        self.parameters = array("q")
        self.parameters_differ: set[int] = set()
        self._rows = bytearray()

    def add(self, record: Record, number: int) -> int:
        """Return the position of the record's cell."""
        text = hash((record.adjacency, record.operations))
        cell = self.index.setdefault(record.module_hash, len(self.first))
        if cell == len(self.first):
            self._rows += record.row()
            self.first.append(number)
            self.texts.append(text)
            self.parameters.append(record.parameters)
        elif text != self.texts[cell]:  # isomorphic, or a mistake
            wrong = _first_wrong(np.frombuffer(record.row(), dtype=np.int8)[None], [record.module_hash])
            if wrong is not None:
                raise InputError(wrong[1])
        if record.parameters != self.parameters[cell]:
            self.parameters_differ.add(cell)
        return cell

    def batch(self) -> Batch:
        """Return int8[n, 26]."""
        return np.frombuffer(self._rows, dtype=np.int8).reshape(-1, _SPACE.length)


def _first_wrong(rows: Batch, hashes: list[bytes]) -> tuple[int, str] | None:
    """Return the first row that is no cell or has another hash, and what is wrong; None if all are right."""
    valid = _SPACE.is_valid(rows)
    if not valid.all():
        first = int(np.argmin(valid))
        return first, f"its graph is no cell of NAS-Bench-101: {_SPACE.why_invalid(rows[first])}"
    for i, (found, stated) in enumerate(zip(_SPACE.canonical(rows).tolist(), hashes, strict=True)):
        if found.decode() != stated.hex():
            return i, f"its module_hash is {stated.hex()}, but the hash of its graph is {found.decode()}"
    return None


def _check_hashes(path: Path, cells: _Cells, verify: bool) -> int:
    """Recompute the hashes of all cells, or of a sample; return their number, or raise InputError."""
    hashes, batch = list(cells.index), cells.batch()
    chosen = np.arange(len(hashes))
    if not verify and len(hashes) > _SAMPLE:
        chosen = np.sort(np.random.default_rng(0).choice(len(hashes), _SAMPLE, replace=False))
    for start in range(0, len(chosen), _BATCH):
        some = chosen[start : start + _BATCH]
        wrong = _first_wrong(batch[some], [hashes[cell] for cell in some.tolist()])
        if wrong is not None:
            record = cells.first[int(some[wrong[0]])]
            raise InputError(f"{path}, record {record}: {wrong[1]}")
    return len(chosen)


def _at(path: Path, number: int, offset: int, error: InputError) -> InputError:
    return InputError(f"{path}, record {number} (byte {offset}): {error}")


def _listed(epochs: Iterable[int]) -> str:
    return "/".join(map(str, sorted(epochs)))
