"""The table of a study of supernet searches: what the architectures found are worth, by the study's table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from benchkit.base.errors import InputError
from benchkit.base.files import write_text
from benchkit.base.frames import read_frame
from benchkit.studies.spec import SupernetStudySpec
from benchkit.studies.store import StudyDirectory
from benchkit.studies.wording import table_text

if TYPE_CHECKING:
    import pandas as pd

_FIGURES = ("valid", "valid_sd", "test", "test_sd")
_COLUMNS: dict[str, type] = {
    **{"block": str, "strategy": str, "dataset": str, "n": float},
    **dict.fromkeys((*_FIGURES, *(f"published_{name}" for name in _FIGURES)), float),
}


def write_tables(directory: StudyDirectory, manifest: Mapping[str, Any]) -> None:
    """Write ``table.csv``, ``table.tex`` and ``table.md``.

    Parameters
    ----------
    manifest : Manifest of the study.
    """
    from benchkit.analysis.tables.published import published_table, to_latex, to_markdown
    from benchkit.studies.supernet_work import found_trials

    spec = supernet_spec(directory)
    published = [
        (label, dataset, *(figures.valid or (None, None)), *(figures.test or (None, None)))
        for label, by_dataset in spec.published.items()
        for dataset, figures in by_dataset.items()
        if dataset in spec.datasets
    ]
    table = published_table(found_trials(spec, directory), published)
    write_text(directory.table, table.to_csv(index=False, float_format="%.10g"))
    title = spec.title or spec.name
    about = manifest["table"]
    searches = spec.searches
    measured = (
        f"{table_text(about)}; supernets on {searches.data}, preset {searches.preset}, {searches.seeds} seeds"
    )
    remarks = [f"study {spec.name}", f"table {about['name']}, SHA-256 {about['sha256']}"]
    write_text(directory.table.with_suffix(".tex"), to_latex(table, title, spec.source, measured, remarks))
    write_text(directory.table.with_suffix(".md"), to_markdown(table, title, spec.source))


def supernet_spec(directory: StudyDirectory) -> SupernetStudySpec:
    """Return the study of supernet searches that is kept in a folder; raise `InputError` for another one."""
    spec = directory.load()
    if not isinstance(spec, SupernetStudySpec):
        raise InputError(f"the study in {directory.path} has no searches of supernets")
    return spec


def read_table(directory: StudyDirectory) -> pd.DataFrame:
    """Return ``table.csv``.

    Raises
    ------
    InputError : the study has not finished.
    """
    if not directory.table.is_file():
        raise InputError(
            f"{directory.path} has no {directory.table.name}: its study has not finished; "
            "run it again to resume"
        )
    return read_frame(directory.table, _COLUMNS)
