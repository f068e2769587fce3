"""Reads the official files of NAS-Bench-201: ``NAS-Bench-201-v1_0-e61699.pth`` and ``-v1_1-096897.pth``.

Dong and Yang, "NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search", ICLR 2020.
Each is what ``torch.save`` made of ``meta_archs``, ``arch2infos`` {index: {"full": 200 epochs, "less": 12}}
and ``evaluated_indexes``: a pickle of plain numbers, in torch's container of its time (several pickles in a
row) or of today (a zip archive with a ``data.pkl``). Layout: ``nas_201_api/api_201.py`` of the package
nas-bench-201, and PyTorch's serialisation format; `nats_columns` says what becomes of an entry.

Deviations and choices
----------------------
- The pickle is not read by ``torch.load(weights_only=True)``: that builds all of it, 28 GB for version 1.1 by
  its users' reports. The results have no tensors, so the pickle inside is read by `stream_entries`, which
  allows less than torch does and keeps one architecture in memory. The tests check that torch, with an
  explicit list of allowed names, reads the same figures from the same bytes. A file that does have tensors
  (network weights) is refused.
- Version 1.0 has fewer runs than 1.1, and both have fewer than NATS-Bench: it is the same benchmark, so the
  folder of NATS-Bench is the better source where it can be had.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from benchkit.base.errors import InputError
from benchkit.base.files import MEGABYTE, file_sha256
from benchkit.base.pickles.reader import first_texts, load_pickles
from benchkit.base.zip_file import opened_zip
from benchkit.data.tables.formats.base import Found, Imported, Report
from benchkit.data.tables.formats.nats import OFFICIAL_KEYS, bytes_needed, make_table, read_monolith
from benchkit.spaces.nasbench201.encoding import NASBench201

_LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # torch's magic number 0x1950a86a20f9469cfc6c, pickled
_LEGACY_HEADER = 3  # pickles before the data: magic number, version of the format, sizes of integers
_ZIP = b"PK\x03\x04"
_DATA = "data.pkl"
_LOOK = 4096
_LARGEST = 16_000 * MEGABYTE  # version 1.1 has 4.7 GB
_MEMBERS = 1000  # torch writes the pickle, two numbers of versions and a file a tensor: of results, none

_BYTES_AN_ARCHITECTURE = 140_000  # in version 1.0, the smaller
# measured on one core with the files of benchmarks/build_nats.py
_SECONDS_A_BYTE = 0.07e-6


class NASBench201Reader:
    """Reads either version; see the module."""

    name = "NAS-Bench-201 .pth"

    def recognise(self, path: Path) -> Found | None:
        """Return what the first bytes of the pickle say; None for anything else that torch saved."""
        if not path.is_file():
            return None
        with path.open("rb") as file:
            start = file.read(512)
        if not start.startswith((_LEGACY, _ZIP)):
            return None
        if start.startswith(_ZIP) and not zipfile.is_zipfile(path):
            if _DATA.encode() in start:
                raise InputError(f"{path} is truncated: it starts as a file of torch.save, and has no end")
            return None
        with _opened(path) as pickled:
            texts = first_texts(pickled.read(_LOOK)) if pickled is not None else []
        if not set(OFFICIAL_KEYS) & set(texts):
            return None
        size = path.stat().st_size
        space = NASBench201()
        count = min(space.size, -(-size // _BYTES_AN_ARCHITECTURE))
        return Found(
            title=f"NAS-Bench-201, one file of {size / 1e6:,.0f} MB saved by torch",
            table="nasbench201-v1",
            memory_bytes=bytes_needed(space, count),
            seconds=size * _SECONDS_A_BYTE,
            advice="NATS-Bench's topology folder (-simple) has the same benchmark with more runs",
        )

    def read(self, path: Path, name: str, report: Report, verify: bool = False) -> Imported:
        """Read everything, one architecture at a time; there is nothing that `verify` could add."""
        with _opened(path) as file:
            if file is None:
                raise InputError(f"{path} is not a file that torch saved")
            columns = read_monolith(file, path, report)
        if columns.space.name != "nasbench201":
            raise InputError(f"{path} is of {columns.space.name}, not of nasbench201")
        digests = {path.name: file_sha256(path)}
        source = "D-X-Y/NAS-Bench-201; Dong and Yang (2020)"
        return make_table(columns, name, "NAS-Bench-201", source, digests)


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes] | None]:
    """Open the pickle of the data, in either container; None where there is none."""
    with path.open("rb") as file:
        if file.peek(len(_LEGACY)).startswith(_LEGACY):
            load_pickles(file, _LEGACY_HEADER, str(path))
            yield file
            return
    if not zipfile.is_zipfile(path):
        yield None
        return
    with opened_zip(path, "file", _LARGEST, _MEMBERS, _LARGEST) as archive:
        names = [name for name in archive.namelist() if name.split("/")[1:] == [_DATA]]
        if len(names) != 1:
            yield None
            return
        with archive.open(names[0]) as member:
            yield member
