"""Downloads official files of tables, and checks them against their published SHA-256."""

from __future__ import annotations

from pathlib import Path

from benchkit.base.download import retrieve
from benchkit.base.errors import InputError, unknown
from benchkit.base.files import MEGABYTE
from benchkit.base.home import home
from benchkit.data.tables.catalogue import embedded_names
from benchkit.data.tables.sources import DIRECT, ELSEWHERE

_LARGEST = 4_000 * MEGABYTE  # the full file of NAS-Bench-101 has 1.95 GB


def fetch(name: str) -> Path:
    """Return the official file of that name, downloaded into the user's cache unless it is there already.

    Raises
    ------
    InputError : unknown name, a file without a direct address (it says where to get it), or a failed download
        (see `retrieve`).
    """
    if name in embedded_names():
        raise InputError(f"table {name} is in the package: there is nothing to fetch")
    if name in ELSEWHERE:
        raise InputError(f"{name} has no direct address: get {ELSEWHERE[name]} with benchkit table import")
    if name not in DIRECT:
        raise unknown("file", name, [*DIRECT, *ELSEWHERE], "table fetch")

    download = DIRECT[name]
    known = f"sha256:{download.sha256}"
    return retrieve(download.url, known, home("downloads"), _LARGEST, "benchkit table import")
