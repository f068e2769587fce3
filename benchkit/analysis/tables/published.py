"""A table of methods as papers print it: mean and standard deviation a cell, what was published beside it.

| quantity | function |
| --- | --- |
| mean and standard deviation over seeds, with the published figures | `published_table` |
| the same as LaTeX (booktabs) and as Markdown | `to_latex`, `to_markdown` |

The standard deviation divides by n - 1; of one seed there is none. Both blocks of a comparison, and figures
of methods that were only published, are rows of one table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from benchkit.analysis.tables.latex import bold_best, escape, latex_table

PUBLISHED = "published alone"
"""Block of the methods that the frame of trials does not have."""
_SPLITS = ("valid", "test")
_PUBLISHED = ", published"  # ends a column's name
_PLUS_MINUS = r"\,$\pm$\,"

Figures = tuple[str, str, float | None, float | None, float | None, float | None]
"""Strategy, data set, valid, its standard deviation, test, its standard deviation; in percent, or None."""


def published_table(trials: pd.DataFrame, published: Iterable[Figures] = ()) -> pd.DataFrame:
    """Return a row for every block, strategy and data set.

    Parameters
    ----------
    trials : block, strategy, dataset, seed, valid, test (percent; NaN where unknown).
    published : figures of the same methods, or of others.

    Returns
    -------
    block, strategy, dataset, n, valid, valid_sd, test, test_sd, and the same four after ``published_``;
    blocks, strategies and data sets in order of first appearance.

    Raises
    ------
    ValueError : no trials.
    """
    if len(trials) == 0:
        raise ValueError("a table needs trials")
    rows: list[dict[str, Any]] = []
    keys = ["block", "strategy", "dataset"]
    for key, group in trials.groupby(keys, sort=False):
        row: dict[str, Any] = {**dict(zip(keys, key, strict=True)), "n": len(group)}
        for split in _SPLITS:
            values = group[split].to_numpy(dtype=np.float64)
            row[split] = float(values.mean())
            row[f"{split}_sd"] = float(values.std(ddof=1)) if len(values) > 1 else np.nan
        rows.append(row)
    index = {(row["strategy"], row["dataset"]): row for row in rows}
    for strategy, dataset, *figures in published:
        row = index.get((strategy, dataset), {"block": PUBLISHED, "strategy": strategy, "dataset": dataset})
        for name, value in zip(("valid", "valid_sd", "test", "test_sd"), figures, strict=True):
            row[f"published_{name}"] = np.nan if value is None else value
        if row["block"] == PUBLISHED:
            rows.append({"n": 0, **row})
    columns = [
        "n",
        *(f"{mark}{split}{sd}" for mark in ("", "published_") for split in _SPLITS for sd in ("", "_sd")),
    ]
    return pd.DataFrame(rows).reindex(columns=[*keys, *columns]).astype({"n": np.int64})


def layout(table: pd.DataFrame, plus_minus: str = " ± ") -> tuple[list[str], dict[str, list[list[str]]]]:
    """Return the heading, and by block the rows of cells: strategy, n, then each data set's valid and test.

    Where any figure was published, each is followed by the published one.
    """
    datasets = list(dict.fromkeys(table["dataset"]))
    marks = (
        ["", "published_"]
        if table[[f"published_{split}" for split in _SPLITS]].notna().any(axis=None)
        else [""]
    )
    names = [f"{dataset} {split}" for dataset in datasets for split in _SPLITS]
    header = [
        "strategy",
        "n",
        *(f"{name}{_PUBLISHED if mark else ''}" for name in names for mark in marks),
    ]
    blocks: dict[str, list[list[str]]] = {}
    for (block, strategy), rows in table.groupby(["block", "strategy"], sort=False):
        by_dataset: dict[str, Any] = {row["dataset"]: row for row in rows.to_dict(orient="records")}
        cells = [str(strategy), str(max(int(row["n"]) for row in by_dataset.values()) or "")]
        for dataset in datasets:
            for split in _SPLITS:
                for mark in marks:
                    cells.append(_cell(by_dataset.get(dataset, {}), f"{mark}{split}", plus_minus))
        blocks.setdefault(str(block), []).append(cells)
    return header, blocks


def _cell(row: dict[str, Any], name: str, plus_minus: str) -> str:
    mean, spread = row.get(name, np.nan), row.get(f"{name}_sd", np.nan)
    if np.isnan(mean):
        return ""
    return f"{mean:.2f}" + ("" if np.isnan(spread) else f"{plus_minus}{spread:.2f}")


def to_markdown(table: pd.DataFrame, title: str, source: str = "") -> str:
    """Return the table as Markdown, a heading row, then the blocks under each other."""
    header, blocks = layout(table)
    lines = [f"**{title}** Accuracy in %, mean ± standard deviation over n seeds.{_source(source)}", ""]
    lines += [markdown_row(header), markdown_row(["---"] * len(header))]
    for block, rows in blocks.items():
        lines += [markdown_row([f"*{block}*"] + [""] * (len(header) - 1)), *map(markdown_row, rows)]
    return "\n".join(lines) + "\n"


def _source(source: str) -> str:
    return f" Published: {source}." if source else ""


def markdown_row(cells: Sequence[str]) -> str:
    """Return one row of a Markdown table."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _with_best(header: list[str], rows: list[list[str]]) -> list[list[str]]:
    """Return a block's rows with the best measured mean of each column in bold."""
    columns = [list(column) for column in zip(*rows, strict=True)]
    for name, cells in zip(header[2:], columns[2:], strict=True):
        if not name.endswith(_PUBLISHED):
            parts = [cell.partition(_PLUS_MINUS) for cell in cells]
            bold = bold_best([mean for mean, _, _ in parts], [float(mean or "nan") for mean, _, _ in parts])
            cells[:] = [mean + sign + spread for mean, (_, sign, spread) in zip(bold, parts, strict=True)]
    return [list(row) for row in zip(*columns, strict=True)]


def to_latex(
    table: pd.DataFrame, title: str, source: str = "", measured: str = "", remarks: Sequence[str] = ()
) -> str:
    """Return the table as LaTeX; the preamble needs the package ``booktabs``.

    Parameters
    ----------
    title : Title, plain text as all that follows.
    source : Origin of the published figures.
    measured : Origin of the measured figures.
    remarks : Comments above the table, which LaTeX does not print.

    The best measured mean of a block and column is bold, and so is every other that prints the same; a block
    of one method has no best.
    """
    header, blocks = layout(table, plus_minus=_PLUS_MINUS)
    caption = f"{escape(title)}. Accuracy in \\%, mean and standard deviation over $n$ seeds."
    if any(len(rows) > 1 for block, rows in blocks.items() if block != PUBLISHED):
        caption += " Best of a block in bold."
    caption += f" Measured: {escape(measured)}." if measured else ""
    marked = {
        block: _with_best(header, rows) if block != PUBLISHED and len(rows) > 1 else rows
        for block, rows in blocks.items()
    }
    return latex_table(
        [escape(name) for name in header],
        {block: [[escape(cells[0]), *cells[1:]] for cells in rows] for block, rows in marked.items()},
        caption + escape(_source(source)),
        remarks=remarks,
        gap=3,
    )
