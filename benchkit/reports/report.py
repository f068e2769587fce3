"""From the traces of a study to its leaderboard, its LaTeX table and its figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from benchkit.base.errors import InputError
from benchkit.base.files import write_text
from benchkit.reports.finished import write_leaderboard_figures
from benchkit.studies.store import StudyDirectory
from benchkit.studies.wording import numbers_of, study_measure


def leaderboard_of(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the leaderboard of a study's trials."""
    from benchkit.analysis.tables.leaderboard import leaderboard

    return leaderboard(trials)


def latex_of(directory: StudyDirectory, manifest: Mapping[str, Any]) -> str:
    """Return the leaderboard of a finished study as LaTeX, with the tests that underline and its origin.

    Parameters
    ----------
    manifest : Manifest of the study.
    """
    from benchkit.analysis.statistics.near_best import near_best
    from benchkit.analysis.tables.latex import leaderboard_latex

    spec = directory.spec()
    measure = study_measure(manifest)
    return leaderboard_latex(
        directory.read_leaderboard(),
        near=near_best(directory.read_trials(), measure=measure),
        source=numbers_of(spec, manifest["table"], manifest.get("studied")),
        measure=measure,
        remarks=[
            f"study {spec.name}, SHA-256 {manifest.get('study_sha256', 'unknown')}, "
            f"benchkit {manifest.get('benchkit', 'unknown')}",
            f"table {manifest['table']['name']}, SHA-256 {manifest['table']['sha256']}",
        ],
    )


def write_report(directory: StudyDirectory, manifest: Mapping[str, Any]) -> None:
    """Write ``leaderboard.csv``, ``leaderboard.tex`` and ``figures/``.

    A study with ``best_of_k`` has that table too, see `write_best_of_k`.
    """
    trials = directory.read_trials()
    board = leaderboard_of(trials)
    write_text(directory.leaderboard, board.to_csv(index=False, float_format="%.10g"))
    write_text(directory.latex, latex_of(directory, manifest))
    with _writing(directory.figures):
        write_leaderboard_figures(directory, manifest)
        if directory.spec().best_of_k is not None:
            from benchkit.data.tables.catalogue import open_table
            from benchkit.reports.best_of_k import write_best_of_k

            table = open_table(directory.spec().table)
            write_best_of_k(directory, table, study_measure(manifest))


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Say in one line why figures cannot be written; each is written whole or not at all."""
    try:
        folder.mkdir(exist_ok=True)
        yield
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error.strerror or error}") from error
