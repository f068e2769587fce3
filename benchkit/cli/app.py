"""The application: its groups of commands, and how every error leaves the program."""

from __future__ import annotations

import io
import os
import sys

import typer

from benchkit.base.errors import InputError, shown
from benchkit.cli import data, fading, latency, leaderboard, plot, space, strategy, table
from benchkit.cli.checked import check_commands
from benchkit.cli.correlate import correlate_command
from benchkit.cli.error_line import error_line
from benchkit.cli.evaluate import evaluate_command
from benchkit.cli.report import report_command
from benchkit.cli.samples import samples_command
from benchkit.cli.search import search_command
from benchkit.cli.train import train_command

_INTERRUPTED = 130
_NO_MEMORY = "DefaultCPUAllocator: "
"""What torch says where the machine refuses memory."""

app = typer.Typer(
    name="benchkit",
    help="Reproducible neural-architecture-search leaderboards on tables of real results.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(leaderboard.app, name="leaderboard")
app.add_typer(table.app, name="table")
app.command("search")(search_command)
app.command("train")(train_command)
app.command("evaluate")(evaluate_command)
app.command("samples")(samples_command)
app.command("correlate")(correlate_command)
app.add_typer(fading.app, name="fading")
app.add_typer(plot.app, name="plot")
app.command("report")(report_command)
app.add_typer(latency.app, name="latency")
app.add_typer(data.app, name="data")
app.add_typer(space.app, name="space")
app.add_typer(strategy.app, name="strategy")
check_commands(app)


def _version(wanted: bool) -> None:
    if wanted:
        from benchkit.base.version import __version__

        typer.echo(f"benchkit {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version."
    ),
) -> None:
    """Hold the options of the program itself."""


def main() -> None:
    """Run the command line: exit code 0 done, 1 a check failed, 2 bad input, 130 interrupted."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # where there is no sign for a character, its number stands
            stream.reconfigure(errors="backslashreplace")
    try:
        code = app(standalone_mode=False)
        if code == _INTERRUPTED:  # typer turns Ctrl-C into an exit code, and says nothing
            raise KeyboardInterrupt
    except InputError as error:
        _fail(str(error), 2)
    except (typer.Abort, KeyboardInterrupt):
        _fail("interrupted: what was finished is kept", _INTERRUPTED)
    except BrokenPipeError:  # the reader of our output went away
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:  # where no command knew better, such as a full disk behind stdout
        _fail(str(error), 2)
    except UnicodeEncodeError as error:  # of a file's name that was found in a folder
        _fail(f"a name is not UTF-8 text: {shown(error.object)}; rename it", 2)
    except MemoryError as error:
        _fail(f"there is not enough memory for this: {error or 'use smaller numbers'}", 2)
    except Exception as error:
        if hasattr(error, "format_message") and hasattr(error, "exit_code"):  # a usage error
            _fail(error.format_message(), int(error.exit_code))
        if isinstance(error, RuntimeError) and _NO_MEMORY in str(error):  # torch has no class for it
            _fail(f"there is not enough memory for this: {str(error).partition(_NO_MEMORY)[2]}", 2)
        if isinstance(error, ValueError) and "null byte" in str(
            error
        ):  # only a caller in Python can give one
            _fail("a path holds a zero byte", 2)
        raise
    sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str, code: int) -> None:
    line = error_line(message, sys.argv[1:])
    if line:  # empty where the help was printed because nothing was asked
        typer.echo(f"benchkit: {line}" if code == _INTERRUPTED else f"benchkit: error: {line}", err=True)
    sys.exit(code)
