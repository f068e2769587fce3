"""What a study, its budget and its table are called where their numbers are shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchkit.studies.spec import StudySpec
from benchkit.tables.table import Table

__all__ = ["budget_text", "describe_table", "numbers_of", "table_text"]


def numbers_of(spec: StudySpec, table: Mapping[str, Any]) -> str:
    """Return in one sentence, without its full stop, whose numbers a table of a study shows.

    Parameters
    ----------
    table : name, sha256 and entries, as in the manifest.
    """
    split = {"valid": "validation", "test": "test"}[spec.search.split]
    return (
        f"{table_text(table)}; {spec.seeds} seeds, budget {budget_text(spec)}, search on {split} accuracy "
        f"after {spec.search.epochs} epochs"
    )


def budget_text(spec: StudySpec) -> str:
    """Return what a trial may spend."""
    if spec.budget.queries is None:
        return f"{spec.budget.simulated_seconds:,g} simulated seconds"
    return f"{spec.budget.queries:,g} queries"


def table_text(table: Mapping[str, Any]) -> str:
    """Return which table it is: its name, its entries and the first digits of its SHA-256."""
    return f"Table {table['name']} ({table['entries']:,} architectures, SHA-256 {table['sha256'][:12]})"


def describe_table(table: Table) -> dict[str, Any]:
    """Return which table it is."""
    return {
        "name": table.name,
        "sha256": table.sha256,
        "entries": len(table),
        "licence": table.metadata["licence"],
        "source_sha256": table.metadata["source_sha256"],
        "warnings": table.metadata["warnings"],
    }
