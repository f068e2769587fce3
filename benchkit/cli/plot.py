"""``benchkit plot``: figures of studies that are finished, and of single architectures.

The commands are made from the readers of `benchkit.reports.figures`. A reader's parameters are a command's
arguments and options; each command has two more, the figure's name and its formats.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

import typer

from benchkit.cli.output import progress_bar, words_or_none
from benchkit.cli.table_correlate import numbers
from benchkit.reports.figures import FIGURES, draw_figure
from benchkit.reports.figures.plot import Plot

_OUT = Annotated[
    Path,
    typer.Option(help="The figure: .pdf, .png, .svg or .pgf; without suffix PDF and PNG. Data go beside it."),
]
_FORMATS = Annotated[
    str | None, typer.Option("--format", help="pdf, png, svg, pgf; several with commas.", show_default=False)
]
_PROGRESS = "on_progress"
_LISTS: dict[Any, Callable[[str, Any], Any]] = {
    Sequence[str] | None: lambda _, text: words_or_none(text),
    Sequence[float]: lambda option, text: numbers(text, option, float),
}
"""Types of parameters that are lists with commas on the command line, and how these are read."""


def _command(kind: str, reader: Callable[..., Plot]) -> Callable[..., None]:
    """Return the command that draws a kind of figure."""
    hints = get_type_hints(reader, include_extras=True)
    lists: dict[str, Callable[[str, Any], Any]] = {}
    arguments: list[Parameter] = []
    options: list[Parameter] = []
    for name, parameter in signature(reader).parameters.items():
        if name == _PROGRESS:
            continue
        given, *about = get_args(hints[name])
        default = parameter.default
        if given in _LISTS:
            lists[name] = _LISTS[given]
            given = str | None if default is None else str
            default = default and ",".join(f"{each:g}" for each in default)
        is_argument = isinstance(about[0], typer.models.ArgumentInfo)
        (arguments if is_argument else options).append(
            Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[given, about[0]])
        )
    out = Parameter("out", Parameter.KEYWORD_ONLY, annotation=_OUT)
    formats = Parameter("formats", Parameter.KEYWORD_ONLY, default=None, annotation=_FORMATS)
    has_progress = _PROGRESS in hints

    def command(**given: Any) -> None:
        from benchkit.reports.figure_files import formats_of

        out = given.pop("out")
        given["formats"] = formats_of(out, given["formats"])
        given |= {name: read(f"--{name}", given[name]) for name, read in lists.items()}
        if has_progress:
            with progress_bar("pairs of columns") as update:
                drawn = draw_figure(kind, out=out, **given, on_progress=update)
        else:
            drawn = draw_figure(kind, out=out, **given)
        for note in drawn.notes:
            typer.echo(f"note: {note}", err=True)
        for path in drawn.paths:
            typer.echo(str(path))

    parameters = [*arguments, out, *options, formats]
    command.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    command.__doc__ = str(reader.__doc__).partition("\n")[0]
    return command


app = typer.Typer(help="Draw figures of finished studies, and of cells.", no_args_is_help=True)
for _kind, _reader in FIGURES.items():
    app.command(_kind)(_command(_kind, _reader))
