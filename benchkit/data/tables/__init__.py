"""Holds tables of real results: their format, where they are found, and how they are made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchkit.data.tables.metric import Metric

if TYPE_CHECKING:
    from benchkit.data.tables.catalogue import open_table, table_names
    from benchkit.data.tables.table import Table

__all__ = ["Metric", "Table", "open_table", "table_names"]


def __getattr__(name: str) -> Any:
    # pyarrow is loaded when a table is first opened, not when metrics are written down
    if name in ("open_table", "table_names"):
        from benchkit.data.tables import catalogue

        return getattr(catalogue, name)
    if name == "Table":
        from benchkit.data.tables.table import Table

        return Table
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
