"""``benchkit latency``: measure the operators of a network once, and add them up for an architecture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from benchkit.cli.output import JSON_OPTION, assignments, progress_bar, show_facts, show_json, show_rows

if TYPE_CHECKING:
    from benchkit.data.latency import LatencyLookup

app = typer.Typer(help="Latency look-up tables: measured once, kept with a hash.", no_args_is_help=True)


@app.command("measure")
def measure(
    space: str = typer.Option(..., help="Space of chains or of NAS-Bench-201 cells."),
    out: Path = typer.Option(..., help="JSON file to write."),
    device: str = typer.Option("auto", help="auto, cpu, cuda or cuda:N."),
    batch: int = typer.Option(16, help="Images at once."),
    repeats: int = typer.Option(30, help="Rounds that measure everything once; medians count."),
    warmup: int = typer.Option(5, help="Rounds before those that count."),
    image_size: int | None = typer.Option(None, help="Pixels a side; else 224 (ImageNet chains) or 32."),
    classes: int | None = typer.Option(
        None, help="Classes of the classifier; else 1000 (ImageNet chains) or 10."
    ),
    size: list[str] = typer.Option([], help="NAME=VALUE of the network, such as divisor=2."),
    check: int = typer.Option(20, help="Whole networks to measure beside the sums; 0 for none."),
    seed: int = typer.Option(0, help="Draws those networks."),
    threads: int = typer.Option(1, help="Threads of torch on the CPU."),
    replace: bool = typer.Option(False, "--replace", help="Take the place of a file that is there."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Measure every choice of every position, and check the sums against whole networks."""
    from benchkit.base.errors import InputError
    from benchkit.base.files import is_special
    from benchkit.spaces import get_space

    get_space(space)  # an unknown name costs no import of torch
    if out.exists() and not is_special(out) and not replace:
        raise InputError(f"there is a file at {out} already: choose another, or give --replace")
    from benchkit.analysis.statistics.latency_check import check_sums
    from benchkit.data.latency.measure import LatencySettings, measure_latency

    settings = LatencySettings(
        space=space,
        image_size=image_size,
        classes=classes,
        batch=batch,
        size=assignments(size, "--size"),
        warmup=warmup,
        repeats=repeats,
        check=check,
        seed=seed,
        threads=threads,
    )
    with progress_bar("rounds of measurements") as update:
        lookup = measure_latency(settings, check_sums, device, update)
    lookup.write(out)
    if as_json:
        return show_json({"path": str(out), **lookup.document()})
    show_facts(_facts(lookup))
    typer.echo(f"\nlook-up table: {out}")
    return None


@app.command("show")
def show(
    file: Path = typer.Argument(help="Latency look-up table."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Show a look-up table: conditions, check, and the milliseconds of every choice."""
    from benchkit.data.latency import read_latency

    lookup = read_latency(file)
    if as_json:
        return show_json(lookup.document())
    show_facts(_facts(lookup))
    typer.echo()
    most = max(len(layer.ms) for layer in lookup.layers)
    rows = [[part.name, f"{part.ms:.4g}", *[""] * (most - 1)] for part in lookup.fixed]
    for number, layer in enumerate(lookup.layers):
        cells = [f"{ms:.4g}" for ms in layer.ms]
        rows.append([f"position {number}", *cells, *[""] * (most - len(cells))])
    show_rows(["ms", *map(str, range(most))], rows)
    return None


@app.command("predict")
def predict(
    file: Path = typer.Argument(help="Latency look-up table."),
    architecture: str = typer.Argument(metavar="ARCH", help="In the space's notation."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Add up the latency of an architecture."""
    from benchkit.data.latency import read_latency
    from benchkit.spaces import get_space

    lookup = read_latency(file)
    space = get_space(lookup.space)
    lookup.check_space(space)
    row = space.parse(architecture)
    found = {
        "space": lookup.space,
        "architecture": space.format(row),
        "latency_ms": float(lookup.predict(row[None])[0]),
        "batch": lookup.conditions.batch,
        "device_name": lookup.conditions.device_name,
        "sha256": lookup.sha256,
    }
    if as_json:
        return show_json(found)
    return show_facts({**found, "latency_ms": f"{found['latency_ms']:.4g}"})


def _facts(lookup: LatencyLookup) -> dict[str, Any]:
    about = lookup.conditions
    size = ", ".join(f"{name} {value}" for name, value in about.size.items())
    threads = f", {about.threads} thread{'s' if about.threads > 1 else ''}" if about.device == "cpu" else ""
    return {
        "space": lookup.space,
        "device": f"{about.device_name} ({about.device}{threads}), torch {about.torch}",
        "images": f"{about.batch} at once, {about.image_size} x {about.image_size} pixels, "
        f"{about.image_channels} channels, {about.classes} classes",
        "network": size or "-",
        "repetitions": f"{about.repeats} after {about.warmup}, {about.clock} clock",
        "fixed parts": f"{lookup.fixed_ms:.4g} ms",
        "fastest": f"{lookup.fastest_ms:.4g} ms",
        "check": _check(lookup),
        "sha256": lookup.sha256,
    }


def _check(lookup: LatencyLookup) -> list[str]:
    from benchkit.analysis.statistics.resolution import figure_text

    check = lookup.check
    if check is None:
        return ["none"]
    figures = {
        "Kendall tau": (check.kendall_tau, ""),
        "Pearson": (check.pearson, ""),
        "mean absolute error": (check.absolute_error_ms, " ms"),
        "mean relative error": (check.relative_error_percent, " %"),
    }
    lines = [f"{len(check.architectures)} whole networks, seed {check.seed}; 95 % intervals over them"]
    for name, (figure, unit) in figures.items():
        shown, _, interval = figure_text(figure.value, figure.low, figure.high, ".3g").partition(" ")
        lines.append(f"{name} {shown}{unit if figure.value is not None else ''} {interval}".rstrip())
    return lines
