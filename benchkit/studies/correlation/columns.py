"""Columns of figures about the same architectures: of a table, or of studies of rank correlation.

What a column of a table is called says `benchkit.studies.correlation.table_columns`, what supernets predict
`benchkit.studies.correlation.study_columns`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchkit.base.errors import InputError
from benchkit.studies.correlation.study_columns import columns_of_studies
from benchkit.studies.correlation.table_columns import Columns, Values, columns_of_table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["columns_of", "describe_columns", "matrix_of"]

_SEED = 0


def columns_of(
    sources: Sequence[str], wanted: Sequence[str] | None = None, sample: int | None = None, seed: int = 0
) -> Columns:
    """Return columns of one table, or of studies of rank correlation.

    Parameters
    ----------
    sources : a table's name or path; or folders of finished studies of ``benchkit correlate``.
    wanted, sample, seed : see `columns_of_table` and `columns_of_studies`.

    Raises
    ------
    InputError : a table beside other things, a sample of a study, or what those two refuse.
    """
    folders = [Path(source) for source in sources if Path(source).is_dir()]
    if folders and len(folders) == len(sources):
        if sample is not None:
            raise InputError("--n is for tables; a study has the architectures that it has")
        return columns_of_studies(folders, wanted)
    if len(sources) != 1:
        raise InputError(f"give one table, or folders of studies alone; got {', '.join(sources)}")
    return columns_of_table(sources[0], wanted, sample, seed)


def describe_columns(columns: Columns) -> dict[str, Any]:
    """Return what a matrix is of, for whoever reads it: `Columns.about`, units and directions; JSON-ready."""
    lower = [name for name in columns.values if name in columns.lower]
    return {**columns.about, "units": columns.units, "lower_is_better": lower}


def matrix_of(
    columns: Columns,
    measures: Sequence[str] = ("kendall_tau",),
    fractions: Sequence[float] = (1.0,),
    ks: Sequence[int] = (),
    resamples: int = 1_000,
    on_progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Return the correlation matrix, its intervals drawn from a fixed seed.

    A column of which lower values are better is turned round: 1 says that both columns call the same
    architectures better, and the best of a loss are those of the lowest.

    Parameters
    ----------
    measures, fractions, ks, resamples, on_progress : see `correlation_matrix`.

    Raises
    ------
    InputError : an unknown measure, or a number out of range.
    """
    from benchkit.analysis.statistics.correlation_matrix import correlation_matrix

    signs = {name: -1.0 if name in columns.lower else 1.0 for name in columns.values}
    values: Mapping[str, Values] = {name: signs[name] * each for name, each in columns.values.items()}
    runs: Mapping[str, Values] = {name: signs[name] * each for name, each in columns.runs.items()}
    rng = np.random.default_rng(_SEED)
    try:
        return correlation_matrix(
            values, runs, rng, measures, fractions, ks, resamples=resamples, on_progress=on_progress
        )
    except ValueError as error:
        raise InputError(str(error)) from error
