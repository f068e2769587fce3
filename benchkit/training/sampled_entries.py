"""Looks up the samples of a learned sampler in tables: the best of K, as in VAENAS's Table 4.

"VAENAS: Sampling Matters in Neural Architecture Search", section 5.3, row "weight-sharing": the sampler was
trained beside a supernet, on inherited accuracies alone, and the table says what its samples are worth.

Deviations and choices
----------------------
- Of a table that holds a part of its space, samples that it does not hold are drawn again: K counts members.
- The best of K is the one with the best validation accuracy, at the longest training; its test accuracy is
  given beside it where the table has one. A figure is the mean over runs; where a table has one run alone
  (nasbench101-sample has one repeat), that run, and ``run`` says so.
- In a table without accuracies it is the best by what the table ranks by instead, in that quantity's unit and
  direction; each entry then names its ``quantity`` and ``unit``.
- Beside it stands what random search finds among the same members: the expected best of K distinct ones,
  each as likely as any other, which is exact (`benchkit.analysis.figures.sample_curve.expected_best`).
- One draw of 300, of which the first K are looked at: the cells of a row are not independent.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from benchkit.data.tables.catalogue import open_table, table_names
from benchkit.data.tables.end_columns import end_columns, longest, scored_by
from benchkit.data.tables.metric import Metric
from benchkit.data.tables.table import Table
from benchkit.spaces import Space
from benchkit.spaces.base import Batch
from benchkit.strategies.weight_sharing import WeightSharingStrategy

COUNTS = (10, 50, 100, 300)
"""K of Table 4."""


def sampled_entries(strategy: WeightSharingStrategy) -> list[dict[str, Any]] | None:
    """Return the best of K samples in every table of the strategy's space.

    Returns
    -------
    None where the strategy has learned no sampler or there is no such table. Else for each table ``name``,
    ``sha256``, the number of ``samples`` (300, or fewer where the sampler finds no more members),
    ``distinct`` ones, and ``best``, see `best_of_first`.
    """
    found = []
    for name in table_names():
        table = open_table(name)
        if table.base_space.name != strategy.space.name:
            continue
        rows = strategy.learned_samples(max(COUNTS), table.space.is_valid)
        if rows is None:
            return None
        about = {"name": table.name, "sha256": table.sha256, "samples": len(rows)}
        distinct = _distinct(table.base_space, rows)
        found.append({**about, "distinct": distinct, "best": best_of_first(table, rows)})
    return found or None


def best_of_first(table: Table, rows: Batch) -> list[dict[str, Any]]:
    """Return, for each data set and each K, what the best of the first K rows is worth.

    Parameters
    ----------
    rows : int8[n, d], members of the table; a K above n has no entry.

    Returns
    -------
    ``dataset``, ``epochs``, ``run`` (None is the mean), ``k``, ``valid`` and ``test`` (percent; None without
    that split), and ``random_valid``, the expected best of K random members
    (of all where there are no more).
    """
    from benchkit.analysis.figures.sample_curve import expected_best

    best: list[dict[str, Any]] = []
    quantity = scored_by(table) or "accuracy"
    columns = end_columns(table, quantity=quantity)
    for dataset in dict.fromkeys(metric.dataset for metric in columns):
        mine = {split: _of(columns, dataset, split) for split in ("valid", "test")}
        measured = longest(mine["valid"])
        counts = [k for k in COUNTS if k <= len(rows)]
        if measured is None or not counts:
            continue
        final = longest(mine["test"])
        unit, higher = table.quantity(measured)
        sign = 1.0 if higher else -1.0
        valid = np.asarray(table.query(rows, measured))
        members = table.values(measured)
        members = members[~np.isnan(members)]
        chance = sign * expected_best(sign * members, np.minimum(counts, len(members)))
        for k, random in zip(counts, chance, strict=True):
            row = int(np.argmax(sign * valid[:k]))
            test = None if final is None else float(table.query(rows[row], final))
            about = {"dataset": dataset, "epochs": measured.epochs, "run": measured.run, "k": k}
            about |= {} if quantity == "accuracy" else {"quantity": quantity, "unit": unit}
            best.append({**about, "valid": float(valid[row]), "test": test, "random_valid": float(random)})
    return best


def _of(columns: Iterable[Metric], dataset: str, split: str) -> list[Metric]:
    return [metric for metric in columns if (metric.dataset, metric.split) == (dataset, split)]


def _distinct(space: Space, rows: Batch) -> int:
    return len(np.unique(space.key(rows)))
