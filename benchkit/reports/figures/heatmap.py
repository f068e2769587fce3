"""Draws rank correlations of a table's columns, or of the supernets of studies, as a matrix."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from benchkit.base.errors import InputError
from benchkit.reports.figures.plot import Plot, Venue, refusing


def heatmap(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="TABLE|DIR...",
            help="Table; folders of finished benchkit correlate; or one that table correlate --out wrote.",
        ),
    ],
    columns: Annotated[
        Sequence[str] | None,
        typer.Option(
            help="DATASET/SPLIT/EPOCHS or DATASET/SPLIT/EPOCHS/RUN; TRAINING or TRAINING/EPOCH of a folder."
        ),
    ] = None,
    measure: Annotated[
        str, typer.Option(help="kendall_tau, pearson, spearman or weighted_tau.")
    ] = "kendall_tau",
    fraction: Annotated[float, typer.Option(help="Within this share of the row's best.")] = 1.0,
    n: Annotated[
        int | None, typer.Option(help="Of so many architectures, drawn with --seed; all by default.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the sample of architectures.")] = 0,
    resamples: Annotated[int, typer.Option(help="Bootstrap samples for the intervals.")] = 1_000,
    venue: Venue = "neurips",
    on_progress: Callable[[int, int], None] | None = None,
) -> Plot:
    """Draw rank correlations between columns of a table, or supernets of studies, as a matrix.

    A matrix that ``benchkit table correlate --out`` has written is drawn as it stands.

    Raises
    ------
    InputError : see `columns_of` and `matrix_of`; columns or a sample for a matrix that is kept; a measure or
        fraction that it lacks; an unknown venue.
    """
    from benchkit.analysis.figures.heatmap import draw_heatmap, heatmap_info
    from benchkit.studies.correlation.columns import columns_of, matrix_of
    from benchkit.studies.correlation.kept import holds_matrix, read_matrix

    notes: tuple[str, ...] = ()
    if len(sources) == 1 and holds_matrix(Path(sources[0])):
        if columns is not None or n is not None:
            raise InputError(f"{sources[0]} holds a matrix that is finished: leave out --columns and --n")
        matrix, about = read_matrix(Path(sources[0]))
    else:
        found = columns_of(sources, columns, n, seed)
        matrix = matrix_of(found, [measure], [fraction], resamples=resamples, on_progress=on_progress)
        about, notes = found.describe(), found.notes
    lower = about.get("lower_is_better", [])
    names = {name: f"{name} (lower is better)" for name in lower}
    marked = matrix.assign(row=matrix["row"].replace(names), column=matrix["column"].replace(names))
    with refusing():
        figure = draw_heatmap(heatmap_info(marked, measure, fraction), venue)
    table = about["table"]
    if lower:
        notes = (f"lower is better in {', '.join(lower)}: turned round, so that 1 is agreement", *notes)
    notes = (f"table {table['name']}, sha256 {table['sha256']}, {about['n']:,} architectures", *notes)
    return Plot(figure, {"": matrix}, notes)
