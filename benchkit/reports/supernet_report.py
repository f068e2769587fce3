"""The table of a study of supernet searches: what the architectures found are worth, by the study's table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchkit.base.errors import InputError
from benchkit.base.files import write_text
from benchkit.base.frames import read_frame
from benchkit.data.tables.catalogue import open_table
from benchkit.data.tables.table import Table
from benchkit.studies.store import StudyDirectory
from benchkit.studies.supernet_spec import SupernetStudySpec, folder_name
from benchkit.studies.wording import describe_table, table_text
from benchkit.training.kept_search import read_result
from benchkit.training.table_entry import table_entry

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["QUERIES", "SEARCHES", "read_table", "table_rows", "write_tables"]

_FIGURES = ("valid", "valid_sd", "test", "test_sd")
_COLUMNS: dict[str, type] = {
    **{"block": str, "strategy": str, "dataset": str, "n": float},
    **dict.fromkeys((*_FIGURES, *(f"published_{name}" for name in _FIGURES)), float),
}
SEARCHES, QUERIES = "weight sharing", "queries"
"""Names of the two blocks."""


def table_rows(spec: SupernetStudySpec, out: Path) -> pd.DataFrame:
    """Return a row for every trial and data set: block, strategy, dataset, seed, valid, test (percent).

    The accuracies of weight sharing are those of the architecture found, trained alone, as the table has
    them: the mean over its runs after the longest schedule.

    Raises
    ------
    InputError : a search has not finished, or the table has no such data set.
    """
    import pandas as pd

    table = open_table(spec.table)
    rows = []
    for strategy in spec.searches.strategies:
        for seed in range(spec.searches.seeds):
            for dataset, valid, test in _found(
                table, out / "searches" / folder_name(strategy.label, seed), spec
            ):
                rows.append((SEARCHES, strategy.label, dataset, seed, valid, test))
    frame = pd.DataFrame(rows, columns=["block", "strategy", "dataset", "seed", "valid", "test"])
    if spec.queries is None:
        return frame
    trials = StudyDirectory(out / "queries").read_trials()
    trials = trials[trials["dataset"].isin(spec.datasets)].assign(block=QUERIES)
    return pd.concat([frame, trials[list(frame.columns)]], ignore_index=True)


def _found(table: Table, folder: Path, spec: SupernetStudySpec) -> list[tuple[str, float, float]]:
    """Return data set, validation and test accuracy of what one search found."""
    path = folder / "result.json"
    if not path.is_file():
        raise InputError(f"{folder} has no result: the study has not finished; run it again to resume")
    row = np.asarray(read_result(folder, "row")["row"], dtype=np.int8)
    entry: dict[str, Any] = table_entry(table.base_space, table.base_space.validate(row)[0]) or {}
    if "accuracy" not in entry:
        raise InputError(f"table {table.name} does not say what {folder.name} found: {entry.get('missing')}")
    accuracy = {(each["dataset"], each["split"]): each["accuracy"] for each in entry["accuracy"]}
    missing = [name for name in spec.datasets if (name, "valid") not in accuracy]
    if missing:
        raise InputError(f"table {table.name} has no validation accuracy of {missing[0]}")
    return [
        (name, accuracy[name, "valid"], accuracy.get((name, "test"), float("nan"))) for name in spec.datasets
    ]


def write_tables(spec: SupernetStudySpec, out: Path) -> None:
    """Write ``table.csv``, ``table.tex`` and ``table.md``."""
    from benchkit.analysis.tables.published import published_table, to_latex, to_markdown

    published = [
        (label, dataset, *(figures.valid or (None, None)), *(figures.test or (None, None)))
        for label, by_dataset in spec.published.items()
        for dataset, figures in by_dataset.items()
        if dataset in spec.datasets
    ]
    table = published_table(table_rows(spec, out), published)
    write_text(out / "table.csv", table.to_csv(index=False, float_format="%.10g"))
    title = spec.title or spec.name
    about = describe_table(open_table(spec.table))
    searches = spec.searches
    measured = (
        f"{table_text(about)}; supernets on {searches.data}, preset {searches.preset}, {searches.seeds} seeds"
    )
    remarks = [f"study {spec.name}", f"table {about['name']}, SHA-256 {about['sha256']}"]
    write_text(out / "table.tex", to_latex(table, title, spec.source, measured, remarks))
    write_text(out / "table.md", to_markdown(table, title, spec.source))


def read_table(out: Path) -> pd.DataFrame:
    """Return ``table.csv``.

    Raises
    ------
    InputError : the study has not finished.
    """
    path = out / "table.csv"
    if not path.is_file():
        raise InputError(f"{out} has no {path.name}: its study has not finished; run it again to resume")
    return read_frame(path, _COLUMNS)
