"""Describes a table for ``table info``: provenance, columns with units, gaps and optima, identity."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from benchkit.data.tables.table import METADATA_KEY, Table


def table_info(table: Table) -> dict[str, Any]:
    """Return JSON-ready facts about a table.

    For each column: its metric, unit, number of entries and of missing ones, and the optimum by the metric's
    own direction with the first architecture that has it and the number that share it. ``computed_means`` are
    those over runs that can be asked for without being stored.
    """
    columns = []
    # a curve is one column, shown by its last point
    for name, metric in {name: metric for metric, (name, _) in table.metrics.items()}.items():
        values = table.values(metric)
        best = table.optimum(metric)
        field = table.schema.field(name)
        about = json.loads(field.metadata[METADATA_KEY])
        columns.append(
            {
                "column": name,
                **metric.to_json(),
                "curve": about.get("epochs", []),
                "unit": table.quantity(metric).unit,
                "n": int((~np.isnan(values)).sum()),
                "missing": int(np.isnan(values).sum()),
                "optimum": best.value,
                "optimum_is": "highest" if table.quantity(metric).higher_is_better else "lowest",
                "optimum_architecture": table.base_space.format(table.rows[best.row]),
                "optimum_shared_by": best.ties,
                "note": about.get("note", ""),
            }
        )
    return {
        "name": table.name,
        "title": table.metadata["title"],
        "space": table.base_space.name,
        "entries": len(table),
        "space_size": table.base_space.size,
        "complete": table.complete,
        "source": table.metadata["source"],
        "licence": table.metadata["licence"],
        "source_sha256": table.metadata["source_sha256"],
        "sha256": table.sha256,
        "bytes": table.path.stat().st_size,
        "warnings": table.metadata["warnings"],
        "simulated_seconds": table.metadata.get("cost") or "none: the table has no training seconds",
        "static_columns": table.static,
        "ignored_columns": table.metadata.get("ignored_columns", []),  # of the file that was imported
        "computed_means": [str(metric) for metric in table.available if metric not in table.metrics],
        "columns": columns,
    }
