"""Correlation matrix of columns of figures about the same architectures.

The columns are a table's (`benchkit.studies.correlation.table_columns` says their names), or those of studies
of rank correlation (`benchkit.studies.correlation.study_columns`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchkit.base.errors import InputError
from benchkit.studies.correlation.study_columns import columns_of_studies
from benchkit.studies.correlation.table_columns import Columns, Values, columns_of_table

if TYPE_CHECKING:
    import pandas as pd

_SEED = 0


def columns_of(
    sources: Sequence[str], wanted: Sequence[str] | None = None, sample: int | None = None, seed: int = 0
) -> Columns:
    """Return columns of one table, or of studies of rank correlation.

    Parameters
    ----------
    sources : Name or path of a table; or folders of finished studies of ``benchkit correlate``.
    wanted, sample, seed : Choice of columns and architectures, see `columns_of_table`.

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
    measures, fractions, ks, resamples, on_progress : Arguments of `correlation_matrix`.

    Raises
    ------
    InputError : an unknown measure, or a number out of range.
    """
    from benchkit.analysis.statistics.correlation_matrix import correlation_matrix

    signs = {
        name: 1.0 if quantity.higher_is_better else -1.0 for name, quantity in columns.quantities.items()
    }
    values: Mapping[str, Values] = {name: signs[name] * each for name, each in columns.values.items()}
    runs: Mapping[str, Values] = {name: signs[name] * each for name, each in columns.runs.items()}
    rng = np.random.default_rng(_SEED)
    try:
        return correlation_matrix(
            values, runs, rng, measures, fractions, ks, resamples=resamples, on_progress=on_progress
        )
    except ValueError as error:
        raise InputError(str(error)) from error
