"""``benchkit table``: measured results."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from benchkit.cli.output import JSON_OPTION, progress_bar, show_facts, show_json, show_rows
from benchkit.cli.table_build import build_command
from benchkit.cli.table_correlate import correlate_command

if TYPE_CHECKING:
    from benchkit.data.tables import Metric, Table
    from benchkit.spaces.base import Architecture

app = typer.Typer(help="Tables of measured results.", no_args_is_help=True)
app.command("build")(build_command)
app.command("correlate")(correlate_command)


@app.command("list")
def list_tables(as_json: bool = JSON_OPTION) -> None:
    """List the tables: embedded and imported."""
    from benchkit.base.errors import InputError
    from benchkit.data.tables import open_table, table_names

    facts: list[dict[str, Any]] = []
    damaged: list[str] = []
    for name in table_names():
        try:
            table = open_table(name)
        except InputError as error:  # the others are still worth listing
            damaged.append(str(error))
            continue
        facts.append(
            {
                "name": name,
                "space": table.base_space.name,
                "entries": len(table),
                "complete": table.complete,
                "datasets": table.datasets,
                "title": table.metadata["title"],
                "sha256": table.sha256,
            }
        )
    if as_json:
        show_json(facts)
    else:
        rows = [[f["name"], f["space"], f"{f['entries']:,}", f["title"]] for f in facts]
        show_rows(["table", "space", "entries", "title"], rows)
    if damaged:
        raise InputError("; ".join(damaged))


@app.command("info")
def info(name: str = typer.Argument(metavar="TABLE", help="Table."), as_json: bool = JSON_OPTION) -> None:
    """Show a table: source, licence, warnings, columns with units, gaps and optima, SHA-256."""
    from benchkit.data.tables import open_table
    from benchkit.data.tables.info import table_info

    facts = table_info(open_table(name))
    if as_json:
        return show_json(facts)
    columns = facts.pop("columns")
    facts["source_sha256"] = [f"{file} {digest}" for file, digest in facts["source_sha256"].items()]
    show_facts(facts)
    typer.echo()
    rows = [
        [
            c["column"] + (f" (epochs {c['curve'][0]}..{c['curve'][-1]})" if c["curve"] else ""),
            c["unit"],
            f"{c['n']:,}",
            f"{c['missing']:,}",
            f"{c['optimum']:.10g}",
            c["optimum_architecture"]
            + (f" (and {c['optimum_shared_by'] - 1} more)" if c["optimum_shared_by"] > 1 else ""),
        ]
        for c in columns
    ]
    show_rows(["column", "unit", "n", "missing", "optimum", "optimal architecture"], rows)
    notes = [f"{c['column']}: {c['note']}" for c in columns if c["note"]]
    typer.echo("\n" + "\n".join(notes) if notes else "")
    return None


@app.command("query")
def query(
    name: str = typer.Argument(metavar="TABLE", help="Table."),
    architecture: str = typer.Argument(metavar="ARCH", help="Architecture in the space's own notation."),
    dataset: str = typer.Option(..., help="Data set."),
    split: str | None = typer.Option(None, help="train, valid or test; accuracy needs it."),
    epochs: int | None = typer.Option(None, help="Epochs trained; accuracy needs it."),
    run: int | None = typer.Option(None, help="One independent run; the mean over the runs if left out."),
    schedule: int | None = typer.Option(None, help="Length of the whole training, for an epoch inside it."),
    quantity: str = typer.Option("accuracy", help="accuracy, loss, ...; or params, flops, latency, ..."),
    variant: str = typer.Option("", help="Part of a column's name behind '@'."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Look up one figure; accuracy is in percent, a cost (params, latency, ...) in the unit of limits."""
    from benchkit.data.tables import Metric, open_table
    from benchkit.data.tables.costs import COST_NAMES

    table = open_table(name)
    metric = Metric(dataset, split, epochs, run, quantity, variant, schedule)
    if quantity in COST_NAMES and metric not in table:
        return _query_cost(table, architecture, metric, as_json)
    row = table.base_space.parse(architecture)
    value, unit = table.query(row, metric), table.quantity(metric).unit
    if as_json:
        return show_json(_answer(table, row, str(metric), value, unit))
    reduction = "mean over runs" if run is None else f"run {run}"
    if metric not in table.metrics:  # computed here
        there = sum(not math.isnan(table.query_all(each, row)) for each in table.runs(metric))
        reduction = f"mean over {there} run{'s' if there != 1 else ''}"
    typer.echo(f"{value:g} {unit}  ({metric}, {reduction}; table {table.name} {table.sha256[:12]})")
    return None


def _query_cost(table: Table, architecture: str, wanted: Metric, as_json: bool) -> None:
    """Look up what a user calls params, latency and so on, by the column that says so."""
    from benchkit.base.errors import InputError
    from benchkit.data.tables import Metric
    from benchkit.data.tables.costs import find_cost

    cost = wanted.quantity
    if wanted != Metric(wanted.dataset, None, wanted.epochs, quantity=cost):
        raise InputError(
            f"--quantity {cost} finds a column by --dataset and --epochs alone: leave the other options out, "
            f"or give the column's own quantity (benchkit table info {table.name})"
        )
    column = find_cost(table, cost, wanted.dataset, wanted.epochs)
    row = table.base_space.parse(architecture)
    value = float(column.values[table.locate(row)[0]])
    if value != value:
        present = sum(column.values == column.values)
        raise InputError(
            f"table {table.name} has no {column.source} for {table.base_space.format(row)} "
            f"({present:,} of {len(table):,} entries have it)"
        )
    if as_json:
        return show_json(_answer(table, row, column.source, value, column.unit))
    typer.echo(f"{value:g} {column.unit}  ({column.source}; table {table.name} {table.sha256[:12]})")
    return None


def _answer(table: Table, row: Architecture, metric: str, value: float, unit: str) -> dict[str, Any]:
    architecture = table.base_space.format(row)
    about = {"table": table.name, "sha256": table.sha256, "architecture": architecture}
    return {**about, "metric": metric, "value": value, "unit": unit}


@app.command("import")
def import_table(
    path: Path = typer.Argument(metavar="PATH", help="An official file or folder, or a CSV file of results."),
    name: str | None = typer.Option(None, "--as", help="Name of the new table."),
    columns: Path | None = typer.Option(
        None, help="For CSV: YAML file that maps columns to metrics (README)."
    ),
    space: str | None = typer.Option(None, help="For CSV: space; left out where the YAML file has choices."),
    verify: bool = typer.Option(
        False, "--verify", help="Recompute everything that can be, not only a sample."
    ),
    replace: bool = typer.Option(False, "--replace", help="Take the place of a table of that name."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Make a table, once, of an official benchmark file or of your own results; studies use it by name."""
    if columns is None and space is None:
        return _import_official(path, name, verify, replace, as_json)
    from benchkit.base.errors import InputError
    from benchkit.data.tables.catalogue import imported_path
    from benchkit.data.tables.csv_import import import_csv, load_mapping

    if columns is None:
        raise InputError("a CSV file needs --columns FILE.yaml, which says what its columns are")
    if name is None:
        raise InputError("a CSV file needs --as NAME")
    target = _free(imported_path(name), replace)
    notes = import_csv(path, load_mapping(columns), target, name, space)
    for note in notes:
        typer.echo(f"{path}: {note}", err=True)
    return _imported(name, target, as_json, {"notes": list(notes)})


def _free(target: Path, replace: bool) -> Path:
    """Return `target` if it may be written: studies verify against the table that they ran on."""
    from benchkit.base.errors import InputError
    from benchkit.base.files import is_special

    if is_special(target):
        raise InputError(f"a table is a regular file, and {target} is none")
    if target.exists() and not replace:
        raise InputError(f"there is a table at {target} already: choose another --as, or give --replace")
    return target


def _import_official(path: Path, name: str | None, verify: bool, replace: bool, as_json: bool) -> None:
    from benchkit.data.tables.catalogue import imported_path
    from benchkit.data.tables.formats import import_official, recognise

    reader, found = recognise(path)
    name = name or found.table
    target = _free(imported_path(name), replace)
    typer.echo(f"{path}: {found.title}", err=True)
    typer.echo(
        f"needs about {found.memory_bytes / 1e6:,.0f} MB of memory and {_duration(found.seconds)}", err=True
    )
    if found.advice:
        typer.echo(found.advice, err=True)
    with progress_bar("records") as update:
        import_official(reader, path, target, name, update, verify)
    _imported(name, target, as_json)


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def _imported(name: str, target: Path, as_json: bool, more: dict[str, Any] | None = None) -> None:
    from benchkit.data.tables import open_table

    table = open_table(name)
    if as_json:
        facts = {"name": name, "path": str(target), "entries": len(table), "sha256": table.sha256}
        return show_json({**facts, **(more or {})})
    typer.echo(f"table {name}: {len(table):,} architectures of {table.base_space.name}, kept at {target}")
    return None


@app.command("fetch")
def fetch_table(
    name: str = typer.Argument(help="nasbench101 or nasbench101-full; others: where to get them."),
    replace: bool = typer.Option(False, "--replace", help="Take the place of a table of that name."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Download an official file, check its published SHA-256, and import it."""
    from benchkit.data.tables.catalogue import imported_path
    from benchkit.data.tables.fetch import fetch
    from benchkit.data.tables.sources import DIRECT

    if name in DIRECT:
        _free(imported_path(name), replace)
        typer.echo(f"{DIRECT[name].url} ({DIRECT[name].size})", err=True)
    _import_official(fetch(name), name, False, replace, as_json)
