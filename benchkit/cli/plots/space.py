"""``benchkit plot space``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchkit.cli.plots.options import Dataset, Formats, Out, Split, Venue, tell

__all__ = ["command"]


def command(
    table: Annotated[str, typer.Argument(help="Table, by name or path.")],
    out: Out,
    cost: Annotated[
        str,
        typer.Option(help="What x is: params, flops, latency, train-seconds, energy; or a column's word."),
    ] = "params",
    dataset: Dataset = None,
    split: Split = "valid",
    epochs: Annotated[
        int | None, typer.Option(help="Training schedule of what y is; the longest by default.")
    ] = None,
    quantity: Annotated[
        str | None, typer.Option(help="What y is: accuracy by default, or another of the table.")
    ] = None,
    study: Annotated[
        Path | None, typer.Option(help="Folder of a finished study on the table: draw its searches.")
    ] = None,
    strategy: Annotated[
        list[str] | None, typer.Option(help="Only these of the study; may be repeated.")
    ] = None,
    seed: Annotated[
        list[int] | None, typer.Option(help="Seeds of these searches; may be repeated.  [default: 0]")
    ] = None,
    pareto: Annotated[bool, typer.Option("--pareto/--no-pareto", help="Draw the Pareto front.")] = True,
    venue: Venue = "neurips",
    formats: Formats = None,
) -> None:
    """Draw a whole table, accuracy or another quantity against cost: Pareto front, and ways of searches."""
    from benchkit.base.errors import InputError
    from benchkit.reports.figure_files import formats_of
    from benchkit.reports.plots.space import SpacePlot, plot_space

    if study is None and seed:
        raise InputError("--seed names searches of a study: give its folder with --study")
    shown = SpacePlot(
        cost=cost,
        dataset=dataset,
        split=split,
        epochs=epochs,
        pareto=pareto,
        study=study,
        strategies=strategy or (),
        seeds=seed or (0,),
        venue=venue,
        formats=formats_of(out, formats),
        quantity=quantity,
    )
    tell(plot_space(table, out, shown))
