"""``benchkit table correlate``: how far a table's columns agree."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from benchkit.cli.output import JSON_OPTION, show_json, show_rows, width

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["correlate_command", "numbers"]


def correlate_command(
    table: str = typer.Argument(help="Table, by name or path."),
    columns: str | None = typer.Option(
        None, help="DATASET/SPLIT/EPOCHS[/RUN] with commas; every mean accuracy by default."
    ),
    measure: str = typer.Option(
        "kendall_tau", help="kendall_tau, pearson, spearman, weighted_tau; several with commas."
    ),
    fraction: str = typer.Option("1", help="Within this share of the row's best; several with commas."),
    k: str = typer.Option("", help="Also precision, regret and best rank of the first k; with commas."),
    n: int | None = typer.Option(None, help="Of so many architectures, drawn with --seed; all by default."),
    seed: int = typer.Option(0, help="Of the sample of architectures."),
    resamples: int = typer.Option(1_000, help="Bootstrap samples for the intervals."),
    out: Path | None = typer.Option(None, help="The matrix as a CSV file."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Print rank correlations between columns of a table: fidelities, data sets, splits or runs."""
    from benchkit.comparing.columns import columns_of_table, matrix_of
    from benchkit.files import write_text
    from benchkit.frame_files import as_records

    wanted = None if columns is None else _words(columns)
    found = columns_of_table(table, wanted, n, seed)
    fractions = numbers(fraction, "--fraction", float)
    matrix = matrix_of(found, _words(measure), fractions, numbers(k, "--k", int), resamples)
    if out is not None:
        write_text(out, matrix.to_csv(index=False, float_format="%.10g", lineterminator="\n"))
    if as_json:
        return show_json({**found.about, "resamples": resamples, "matrix": as_records(matrix)})
    _show(matrix, found.about)
    return None


def numbers(text: str, option: str, kind: type[Any]) -> list[Any]:
    """Return the numbers of a list with commas.

    Raises
    ------
    InputError : something else stands there.
    """
    from benchkit.spaces import InputError

    try:
        return [kind(part) for part in _words(text)]
    except ValueError as error:
        raise InputError(f"{option} takes numbers with commas, got {text!r}") from error


def _words(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _show(matrix: pd.DataFrame, about: dict[str, Any]) -> None:
    once = set()
    for (measure, _), rows in matrix.groupby(["measure", "fraction"], sort=False):
        share = float(rows["fraction"].iloc[0])
        shown = []
        for row in rows.to_dict(orient="records"):
            pair = (row["row"], row["column"])
            symmetric = share == 1 and row["k"] != row["k"]
            if symmetric and (measure, *pair[::-1]) in once:
                continue
            once.add((measure, *pair))
            which = "" if row["k"] != row["k"] else f"{row['k']:.0f}"
            names = [str(row["row"]), str(row["column"])]
            if names[0] == names[1]:
                names[1] = "(run against run)"
            ceiling = "" if row["ceiling"] != row["ceiling"] else f"{row['ceiling']:.3f}"
            shown.append(
                [
                    *names,
                    *([which] if which else []),
                    f"{row['n']:,.0f}",
                    f"{row['value']:.3f}",
                    f"[{row['low']:.3f}, {row['high']:.3f}]",
                    ceiling,
                ]
            )
        at_k = ["k"] if rows["k"].notna().all() else []
        header = ["truth", "against", *at_k, "n", "value", "", "ceiling"]
        within = "" if share == 1 else f", within the best {100 * share:g} % of the truth"
        show_rows(header, shown, title=f"{measure}{within}")
        typer.echo()
    table = about["table"]
    words = (
        "Intervals: 95 %, bootstrap over architectures. Ceiling: run against run of the truth. "
        f"Table {table['name']}, sha256 {table['sha256'][:12]}, {about['n']:,} architectures."
    )
    typer.echo(textwrap.fill(words, width()))
