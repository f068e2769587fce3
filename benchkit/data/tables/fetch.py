"""Download an official file that has a direct address, and check it against its published SHA-256."""

from __future__ import annotations

from pathlib import Path

from benchkit.base.download import retrieve
from benchkit.base.errors import InputError, clipped, unknown
from benchkit.base.files import MEGABYTE
from benchkit.data.tables.catalogue import cache_directory, embedded_names
from benchkit.data.tables.sources import DIRECT, ELSEWHERE

__all__ = ["fetch"]

_LARGEST = 4_000 * MEGABYTE  # the full file of NAS-Bench-101 has 1.95 GB


def fetch(name: str) -> Path:
    """Return the official file of that name, downloaded into the user's cache unless it is there already.

    Raises
    ------
    InputError : unknown name; a file without a direct address (it says where to get it); no network; a
        file with another SHA-256 than the published one.
    """
    if name in embedded_names():
        raise InputError(f"table {name} is in the package: there is nothing to fetch")
    if name in ELSEWHERE:
        raise InputError(f"{name} has no direct address: get {ELSEWHERE[name]} with benchkit table import")
    if name not in DIRECT:
        raise unknown("file", name, [*DIRECT, *ELSEWHERE], "table fetch")

    download = DIRECT[name]
    try:
        return retrieve(
            download.url,
            f"sha256:{download.sha256}",
            download.url.rsplit("/", 1)[-1],
            cache_directory().parent / "downloads",
            _LARGEST,
        )
    except InputError:
        raise
    except ValueError as error:  # pooch's word for a wrong hash; it has removed the file
        raise InputError(
            f"{download.url} does not have the published SHA-256 {download.sha256[:12]}...: try again, or "
            f"get it another way and use benchkit table import"
        ) from error
    except OSError as error:  # those of requests, too
        raise InputError(f"cannot download {download.url}: {clipped(str(error))}") from error
