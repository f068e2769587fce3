"""Finds tables: those embedded in the package, and those imported into the user's own folder."""

from __future__ import annotations

from pathlib import Path

from benchkit.base.errors import InputError, shown, unknown
from benchkit.base.home import check_entry, home, is_entry
from benchkit.data.tables.sources import DIRECT, ELSEWHERE
from benchkit.data.tables.table import Table

_EMBEDDED = Path(__file__).resolve().parent / "embedded"
_SUFFIX = ".arrow"


def _tables(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted(folder.glob(f"[!.]*{_SUFFIX}"))}


def embedded_names() -> list[str]:
    """Return the names of the tables in the package."""
    return list(_tables(_EMBEDDED))


def table_names() -> list[str]:
    """Return the names of all tables: the embedded ones, then the imported ones."""
    return [*_tables(_EMBEDDED), *_tables(home("tables"))]


def table_path(name: str) -> Path:
    """Return the file of a table; where there is none, raise an InputError that lists those there are."""
    embedded = _EMBEDDED / f"{name}{_SUFFIX}"
    if is_entry(name) and embedded.is_file():
        return embedded
    imported = _tables(home("tables"))
    if name not in imported:
        if name in DIRECT or name in ELSEWHERE:
            way = f"benchkit table fetch {name}, or " if name in DIRECT else ""
            raise InputError(f"table {name} is not imported yet: {way}benchkit table import PATH --as {name}")
        raise unknown("table", name, table_names())
    return imported[name]


def imported_path(name: str) -> Path:
    """Return the path of an imported table; raise InputError for a malformed or an embedded table's name."""
    check_entry(name, "table")
    if name in _tables(_EMBEDDED):
        raise InputError(f"{shown(name)} is an embedded table; choose another name with --as")
    return home("tables") / f"{name}{_SUFFIX}"


def open_table(name: str | Path) -> Table:
    """Open a table by name, or by the path of its file (a `Path`, or a string that ends in .arrow).

    Raises InputError where there is no such table, or its file cannot be read.
    """
    if not isinstance(name, str | Path):
        raise InputError(f"a table is opened by its name or its path, not by {shown(name)}")
    if isinstance(name, Path) or name.endswith(_SUFFIX):
        return Table(name)
    return Table(table_path(name))
