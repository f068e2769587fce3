"""Names a study, its budget and its table where their numbers are shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchkit.base.measure import ACCURACY, Measure
from benchkit.data.tables.table import Table
from benchkit.studies.spec import StudySpec


def numbers_of(spec: StudySpec, table: Mapping[str, Any], studied: Mapping[str, int] | None = None) -> str:
    """Return in one sentence, without its full stop, whose numbers a table of a study shows.

    Parameters
    ----------
    table : Name, SHA-256 and number of entries, as in the manifest.
    studied : Number of studied entries of the data sets that have gaps, as there.
    """
    see = spec.search
    what = " ".join(part for part in (_SPLITS[see.split], see.quantity.replace("_", " ")) if part)
    return (
        f"{table_text(table)}; {spec.seeds} seeds, budget {budget_text(spec)}, search on {what}"
        f"{after_epochs(see.epochs)}{studied_text(studied or {}, table)}"
    )


_SPLITS = {"valid": "validation", "test": "test", None: ""}


def after_epochs(epochs: int | None, word: str = "after") -> str:
    """Return `` after 12 epochs``; empty for what has none."""
    return "" if epochs is None else f" {word} {epochs} epochs"


def studied_text(studied: Mapping[str, int], table: Mapping[str, Any]) -> str:
    """Return which data sets are studied on part of a table, to go on with a sentence; empty for none."""
    return "".join(
        f"; {dataset} on the {n:,} of {table['entries']:,} entries that have it"
        for dataset, n in studied.items()
    )


def study_measure(manifest: Mapping[str, Any]) -> Measure:
    """Return what the numbers of a study are of, by its manifest."""
    return Measure(**manifest["measure"]) if "measure" in manifest else ACCURACY


def reported(spec: StudySpec) -> str:
    """Return the split that regret is measured on, in words; empty where there is none."""
    if spec.search.split is None:
        return ""
    return "validation" if spec.report.valid is not None else "test"


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
