"""Reads the official files of NATS-Bench: a folder of a file for each architecture, or one file of them all.

Dong, Liu, Musial and Gabrys, "NATS-Bench: Benchmarking NAS Algorithms for Architecture Topology and Size",
TPAMI 2021. ``NATS-tss-v1_0-3ffb9-simple/`` and ``NATS-sss-v1_0-50262-simple/`` hold ``meta.pickle.pbz2`` (all
names, in the order of the official index) and ``000000.pickle.pbz2`` and so on; a single file such as
``NATS-tss-v1_0-3ffb9.pickle.pbz2`` holds everything: ``meta_archs``, ``arch2infos`` {index: entry} and
``evaluated_indexes``. All are pickles compressed by bzip2; `nats_columns` says what becomes of an entry.
Layout: D-X-Y/NATS-Bench, ``nats_bench/api_topology.py`` and ``api_size.py``.

Either way one architecture at a time is in memory beside the table's columns. All curves are kept, in
float32: of the topology space (12 and 200 epochs; eight pairs of training and evaluation sets have a
200-epoch curve, of three runs and their mean) they are 27.4 kB an architecture, 428 MB in all; of the size
space (1, 12 and 90 epochs, thirteen pairs) 12.3 kB and 404 MB.

Deviations and choices
----------------------
- A folder that has some of the architectures makes a table of those (a restricted space); a folder without
  its ``meta`` file is refused, since nothing then tells that an index belongs to a name.
- ``evaluated_indexes`` must name exactly the architectures of a monolithic file.
- A folder's SHA-256 is that of the list that ``sha256sum`` prints for its files, in the order of their names.
"""

from __future__ import annotations

import hashlib
import re
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from benchkit.base.compressed import UNPACKING, opened, unpack
from benchkit.base.errors import InputError, shown
from benchkit.base.files import MEGABYTE, file_sha256, read_bytes
from benchkit.base.pickles.reader import first_texts, load_pickle, stream_entries
from benchkit.data.tables.formats.base import Found, Imported, Report
from benchkit.data.tables.formats.nats_columns import LONGEST_NAME, ResultColumns
from benchkit.data.tables.write import TableSource
from benchkit.spaces import ProductSpace
from benchkit.spaces.nasbench201.encoding import NASBench201
from benchkit.spaces.natsbench_size.encoding import NATSBenchSize

OFFICIAL_KEYS = ("meta_archs", "arch2infos", "evaluated_indexes")
"""Keys of the dictionary of a monolithic file, and of ``meta``."""

_META = "meta.pickle.pbz2"
_FILE = re.compile(r"0*(\d+)\.pickle\.pbz2")
_MAGIC = b"BZh"
_LARGEST = 16_000 * MEGABYTE  # the topology space in one file has 1.3 GB
_LARGEST_UNPACKED = 40_000 * MEGABYTE  # and 5 GB unpacked
_LARGEST_ENTRY = 2 * MEGABYTE  # a file of a folder has 85 kB
_LARGEST_ENTRY_UNPACKED = 8 * MEGABYTE  # an architecture has 326 kB unpacked, the list of names 1.4 MB
_LOOK = 4096  # bytes of a pickle that are looked at to recognise it
_PROGRESS = 64  # architectures between two reports

# measured: the columns, and what sorting and writing them, the lists of names and the kept texts add
_BYTES_AN_ARCHITECTURE = {"nasbench201": 28_500, "natsbench-size": 12_500}
_BYTES_BESIDES = 80_000_000
# measured on one core with the files of benchmarks/build_nats.py
_SECONDS_A_COMPRESSED_BYTE = 0.4e-6
_COMPRESSED_BYTES = {"nasbench201": 84_000, "natsbench-size": 34_500}

_TITLES = {
    "nasbench201": ("NATS-Bench, topology space", "natsbench-topology"),
    "natsbench-size": ("NATS-Bench, size space", "natsbench-size"),
}


class NATSReader:
    """Reads a folder or a monolithic file; see the module."""

    name = "NATS-Bench"

    def recognise(self, path: Path) -> Found | None:
        """Return what the ``meta`` file and one architecture say, or the first bytes of a monolithic file."""
        return _recognise_folder(path) if path.is_dir() else _recognise_file(path)

    def read(self, path: Path, name: str, report: Report, verify: bool = False) -> Imported:
        """Read everything, one architecture at a time; there is nothing that `verify` could add."""
        if path.is_dir():
            columns, digests = _read_folder(path, report)
        else:
            with opened(path, "file", _LARGEST, _LARGEST_UNPACKED) as file:
                columns = read_monolith(file, path, report)
            digests = {path.name: file_sha256(path)}
        title = _TITLES[columns.space.name][0]
        return make_table(columns, name, title, "D-X-Y/NATS-Bench; Dong et al. (2021)", digests)


def space_of(architecture: Any) -> ProductSpace:
    """Return the space of an official architecture string; raise InputError where it is of neither."""
    if isinstance(architecture, str) and len(architecture) <= LONGEST_NAME:
        for space in (NASBench201(), NATSBenchSize()):
            try:
                space.parse(architecture)
            except InputError:
                continue
            return space
    raise InputError(f"{shown(architecture)} is an architecture of neither space of NATS-Bench")


def bytes_needed(space: ProductSpace, architectures: int) -> int:
    """Return the peak memory of reading so many architectures, by measurement."""
    return _BYTES_BESIDES + architectures * _BYTES_AN_ARCHITECTURE[space.name]


def make_table(
    columns: ResultColumns, name: str, benchmark: str, source: str, digests: dict[str, str]
) -> Imported:
    """Return the table of what was collected."""
    count, size = len(columns), columns.space.size
    about = TableSource(
        name=name,
        space=columns.space.name,
        title=f"{benchmark}, {count:,} of {size:,} architectures, three data sets, every run and epoch",
        source=source,
        licence="MIT (D-X-Y)",
        source_sha256=digests,
        warnings=tuple(columns.warnings()),
        cost="train_seconds of the whole schedule (the recorded seconds of an epoch times its epochs; on "
        "CIFAR-10 those of the 25,000-image half); evaluation is not included",
    )
    return Imported(about, *columns.finish())


# -- a folder ---------------------------------------------------------------------------------


def _files(folder: Path) -> dict[int, Path]:
    """Return index -> file, in ascending order."""
    found = {int(match[1]): path for path in folder.iterdir() if (match := _FILE.fullmatch(path.name))}
    return dict(sorted(found.items()))


def _decompress(path: Path, digest: Any = None) -> bytes:
    raw = read_bytes(path, "file", _LARGEST_ENTRY)
    if digest is not None:
        digest.update(f"{hashlib.sha256(raw).hexdigest()}  {path.name}\n".encode(errors="surrogateescape"))
    if not raw:
        raise InputError(f"{path} is empty")
    if not raw.startswith(_MAGIC):
        raise InputError(f"{path} is not compressed by bzip2, as its name says")
    try:
        return unpack(raw, _LARGEST_ENTRY_UNPACKED)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except UNPACKING as error:
        raise InputError(f"{path} is truncated or damaged: {error}") from error


def _names(meta: Any, where: Path) -> list[Any]:
    if not isinstance(meta, dict) or not isinstance(meta.get("meta_archs"), list) or not meta["meta_archs"]:
        raise InputError(f"{where} does not list the architectures ('meta_archs')")
    names: list[Any] = meta["meta_archs"]
    if not all(type(name) is str and len(name) <= LONGEST_NAME for name in names):
        raise InputError(f"{where} has architectures that are no texts ('meta_archs')")
    return names


def _meta(folder: Path) -> tuple[ProductSpace, list[Any]]:
    path = folder / _META
    names = _names(load_pickle(_decompress(path), str(path)), path)
    return space_of(names[0]), names


def _recognise_folder(folder: Path) -> Found | None:
    files = _files(folder)
    if not (folder / _META).exists():
        if not files:
            return None
        raise InputError(
            f"{folder} has files of {len(files):,} architectures, but no {_META}, which says what they are: "
            f"copy it from the official folder"
        )
    space, names = _meta(folder)
    if not files:
        raise InputError(f"{folder} has {_META}, but no architecture (000000.pickle.pbz2, ...)")
    first = next(iter(files.values()))
    for _ in range(2):  # the first time, everything is cold
        start = time.perf_counter()
        ResultColumns(space).add(load_pickle(_decompress(first), str(first)))
    return Found(
        title=f"{_TITLES[space.name][0]}: a folder of {len(files):,} of {len(names):,} architectures",
        table=_TITLES[space.name][1],
        memory_bytes=bytes_needed(space, len(files)),
        seconds=(time.perf_counter() - start) * len(files),
    )


def _read_folder(folder: Path, report: Report) -> tuple[ResultColumns, dict[str, str]]:
    digest = hashlib.sha256()
    space, names = _meta(folder)
    files = _files(folder)
    columns = ResultColumns(space)
    for done, (index, path) in enumerate(files.items()):
        if done % _PROGRESS == 0:
            report(done, len(files))
        if index >= len(names):
            raise InputError(f"{path}: {_META} lists {len(names):,} architectures, none with this number")
        entry = load_pickle(_decompress(path, digest), str(path))
        try:
            columns.add(entry, index, names[index])
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
    report(len(files), len(files))
    _decompress(folder / _META, digest)
    return columns, {f"{folder.name}/ (list of {len(files) + 1:,} files)": digest.hexdigest()}


# -- one file ---------------------------------------------------------------------------------


def _recognise_file(path: Path) -> Found | None:
    with path.open("rb") as raw:
        if raw.read(len(_MAGIC)) != _MAGIC:
            return None
    try:
        with opened(path, "file", _LARGEST, _LARGEST_UNPACKED) as file:
            start = file.read(_LOOK)
    except UNPACKING as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        return None
    texts = first_texts(start)
    if "arch_index" in texts:
        raise InputError(f"{path} has the results of one architecture: give the folder that it lies in")
    if not set(OFFICIAL_KEYS) & set(texts):
        return None
    space: ProductSpace | None = None
    for text in texts:
        with suppress(InputError):
            space = space_of(text)
            break
    if space is None:
        return None
    size = path.stat().st_size
    count = min(space.size, -(-size // _COMPRESSED_BYTES[space.name]))
    return Found(
        title=f"{_TITLES[space.name][0]}: one file of about {count:,} architectures",
        table=_TITLES[space.name][1],
        memory_bytes=bytes_needed(space, count),
        seconds=size * _SECONDS_A_COMPRESSED_BYTE,
    )


def read_monolith(file: IO[bytes], path: Path, report: Report) -> ResultColumns:
    """Read the dictionary of all architectures from an open pickle, one architecture at a time.

    Raises InputError as `stream_entries` and `ResultColumns.add`, and where the file's lists contradict its
    results.
    """
    columns: ResultColumns | None = None
    named: dict[Any, Any] = {}

    def take(index: Any, entry: Any) -> None:
        nonlocal columns
        if type(index) is not int or index < 0:
            raise InputError(f"'arch2infos' has the key {shown(index)}, which is no number")
        if columns is None:
            record = next(iter(entry.values())) if isinstance(entry, dict) and entry else None
            columns = ResultColumns(space_of(record.get("arch_str") if isinstance(record, dict) else None))
        try:
            columns.add(entry, index)
        except InputError as error:
            raise InputError(f"architecture {index}: {error}") from error
        if len(named) % _PROGRESS == 0:
            report(len(named), columns.space.size)
        named[index] = next(iter(entry.values()))["arch_str"]

    found = stream_entries(file, "arch2infos", take, str(path))
    if columns is None:
        raise InputError(f"{path} has no results of architectures ('arch2infos' is empty)")
    names = _names(found, path)
    for index, name in named.items():
        if index >= len(names) or names[index] != name:
            raise InputError(f"{path}: architecture {index} is {shown(name)}, which 'meta_archs' contradicts")
    evaluated = found.get("evaluated_indexes")
    if not isinstance(evaluated, set | list | tuple) or not all(type(each) is int for each in evaluated):
        raise InputError(f"{path}: 'evaluated_indexes' is no list of numbers")
    if set(evaluated) != set(named):
        raise InputError(
            f"{path}: 'evaluated_indexes' does not name the {len(named):,} architectures there are"
        )
    report(len(named), len(named))
    return columns
