"""``benchkit table correlate``: how far a table's columns, and supernets, agree."""

from __future__ import annotations

import textwrap
from collections.abc import Hashable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from benchkit.base.errors import shown
from benchkit.base.limits import check_number
from benchkit.cli.output import (
    JSON_OPTION,
    progress_bar,
    show_json,
    show_rows,
    width,
    words_of,
    words_or_none,
)

if TYPE_CHECKING:
    import pandas as pd


def correlate_command(
    sources: list[str] = typer.Argument(
        metavar="TABLE|DIR...", help="Table, by name or path; or folders of finished benchkit correlate."
    ),
    columns: str | None = typer.Option(
        None,
        help="DATASET/SPLIT/EPOCHS, then /QUANTITY, /RUN; TRAINING or TRAINING/EPOCH of a folder.",
    ),
    every: bool = typer.Option(False, "--all", help="Every mean and last checkpoint (the default)."),
    measure: str = typer.Option(
        "kendall_tau", help="kendall_tau, pearson, spearman, weighted_tau; several with commas."
    ),
    fraction: str = typer.Option("1", help="Within this share of the row's best; several with commas."),
    k: str = typer.Option("", help="Also precision, regret and best rank of the first k; with commas."),
    n: int | None = typer.Option(None, help="Number of architectures, drawn with --seed; all by default."),
    seed: int = typer.Option(0, help="Seed of the sample of architectures."),
    resamples: int = typer.Option(1_000, help="Bootstrap samples for the intervals."),
    out: Path | None = typer.Option(None, help="Folder for matrix.csv and matrix.json."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Print rank correlations of a table's columns (fidelities, data sets, quantities), and of supernets."""
    from benchkit.base.errors import InputError
    from benchkit.base.frames import as_records
    from benchkit.studies.correlation.columns import columns_of, matrix_of
    from benchkit.studies.correlation.kept import write_matrix

    if every and columns is not None:
        raise InputError("--all and --columns exclude each other")
    found = columns_of(sources, words_or_none(columns), n, seed)
    fractions, ks = numbers(fraction, "--fraction", float), numbers(k, "--k", int)
    with progress_bar("pairs of columns") as update:
        matrix = matrix_of(found, words_of(measure), fractions, ks, resamples, update)
    about = {**found.describe(), "resamples": resamples, "level": 0.95}
    if out is not None:
        write_matrix(out, matrix, about)
    for note in found.notes:
        typer.echo(f"note: {note}", err=True)
    if as_json:
        return show_json({**about, "matrix": as_records(matrix)})
    _show(matrix, about)
    return None


def numbers(text: str, option: str, kind: type[Any]) -> list[Any]:
    """Return the numbers of a list with commas.

    Raises
    ------
    InputError : something else stands there, or a number that is out of the option's range.
    """
    from benchkit.base.errors import InputError

    try:
        found = [kind(part) for part in words_of(text)]
    except ValueError as error:
        raise InputError(f"{option} takes numbers with commas, got {shown(text)}") from error
    for number in found:
        check_number(option.removeprefix("--"), number, option)
    return found


def _show(matrix: pd.DataFrame, about: dict[str, Any]) -> None:
    for (measure, fraction), rows in matrix.groupby(["measure", "fraction"], sort=False):
        share = float(str(fraction))
        at_k = bool(rows["k"].notna().all())
        both_ways = share < 1 or at_k
        noisy = set(rows["row"][rows["ceiling"].notna() | (rows["row"] == rows["column"])])
        once: set[frozenset[str]] = set()
        shown = []
        for row in rows.to_dict(orient="records"):
            pair = (str(row["row"]), str(row["column"]))
            if not both_ways:  # the two say the same, but for the ceiling: show the one that has it
                if frozenset(pair) in once or (pair[0] not in noisy and pair[1] in noisy):
                    continue
                once.add(frozenset(pair))
            shown.append(
                [
                    pair[0],
                    "(run against run)" if pair[0] == pair[1] else pair[1],
                    *([f"{row['k']:.0f}"] if at_k else []),
                    f"{row['n']:,}",
                    *_figures(row, ceiling=pair[0] == pair[1] and not at_k),
                    _ceiling(row["ceiling"], pair[0] in noisy),
                ]
            )
        header = ["truth", "against", *(["k"] if at_k else []), "n", "value", "", "ceiling"]
        unit = _unit_of_regret(about, set(rows["row"])) if measure == "regret" else ""
        within = "" if share == 1 else f", within the best {100 * share:g} % of the truth"
        show_rows(header, shown, title=f"{measure}{unit}{within}")
        typer.echo()
    if about["lower_is_better"]:
        said = (
            f"Lower is better in {', '.join(about['lower_is_better'])}: turned round, so that 1 means that "
            "both columns call the same architectures better."
        )
        typer.echo(textwrap.fill(said, width()))
    table = about["table"]
    words = (
        f"Intervals: 95 %, bootstrap over architectures ({about['resamples']:,} samples). Ceiling: run "
        f"against run of the truth, not resolvable where it may be 0. Table {table['name']}, sha256 "
        f"{table['sha256'][:12]}, {about['n']:,} architectures."
    )
    typer.echo(textwrap.fill(words, width()))


def _unit_of_regret(about: dict[str, Any], rows: set[Any]) -> str:
    """Return what stands behind the word regret: the truths' one unit, or that each has its own."""
    units = {about["units"].get(row, "") for row in rows}
    if len(units) > 1:
        return " (in the unit of the truth)"
    unit = units.pop()
    return " (percent points)" if unit == "%" else f" ({unit})" if unit else ""


def _figures(row: dict[Hashable, Any], ceiling: bool) -> tuple[str, str]:
    """Return a value, and its interval, or in words why there is none."""
    from benchkit.analysis.statistics.resolution import UNRESOLVED, ceiling_text, figure_text

    text = (ceiling_text if ceiling else figure_text)(row["value"], row["low"], row["high"], ".3f")
    if text.startswith(UNRESOLVED):
        return UNRESOLVED, text.removeprefix(UNRESOLVED).strip()
    value, _, interval = text.partition(" ")
    return value, interval.strip("()")


def _ceiling(value: float, known: bool) -> str:
    from benchkit.analysis.statistics.resolution import UNRESOLVED

    if value == value:
        return f"{value:.3f}"
    return UNRESOLVED if known else ""
