"""Tables, under the name by which earlier releases had them: see `benchkit.data.tables`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import benchkit.data.tables

if TYPE_CHECKING:
    from benchkit.data.tables import Metric, Table, open_table, table_names

__all__ = ["Metric", "Table", "open_table", "table_names"]


def __getattr__(name: str) -> Any:
    return getattr(benchkit.data.tables, name)
