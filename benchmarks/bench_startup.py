"""Start-up: importing the package, and the command line's help, as whole processes.

Beside them: importing numpy and pyarrow alone, and the help of a bare Typer application. Each figure is
the median of several processes, the two sides in turn.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

_PROCESSES = 15
_BARE = """
import typer
app = typer.Typer(help="A bare application.")
@app.command()
def one(name: str = typer.Option("x", help="A name.")) -> None:
    "Do one thing."
@app.command()
def two() -> None:
    "Do another."
app()
"""


def paired(first: list[str], second: list[str]) -> tuple[float, float]:
    """Return the median milliseconds of both commands, run in turn."""
    seconds: list[list[float]] = [[], []]
    for _ in range(_PROCESSES + 1):
        for command, kept in zip((first, second), seconds, strict=True):
            start = perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            kept.append((perf_counter() - start) * 1e3)
    return median(seconds[0][1:]), median(seconds[1][1:])  # the first pair warms the caches


def run() -> list[dict[str, str]]:
    """Time both start-ups."""
    python = [sys.executable, "-c"]
    ours, floor = paired([*python, "import benchkit"], [*python, "import numpy, pyarrow"])
    use = "import benchkit; benchkit.open_table; benchkit.TableEvaluator; benchkit.get_strategy"
    used, floor_again = paired([*python, use], [*python, "import numpy, pyarrow"])
    with tempfile.TemporaryDirectory() as folder:
        bare = Path(folder) / "bare.py"
        bare.write_text(_BARE, encoding="utf-8")
        help_ours, help_bare = paired(
            [sys.executable, "-m", "benchkit", "--help"], [sys.executable, str(bare), "--help"]
        )
    return [
        {
            "what": "import benchkit",
            "measured": f"{ours:.0f} ms beside {floor:.0f} ms",
            "limit": "1.3x numpy and pyarrow",
            "ratio": f"{ours / floor:.2f}x",
        },
        {
            "what": "import benchkit and everything a table search uses",
            "measured": f"{used:.0f} ms beside {floor_again:.0f} ms",
            "limit": "1.3x numpy and pyarrow",
            "ratio": f"{used / floor_again:.2f}x",
        },
        {
            "what": "benchkit --help",
            "measured": f"{help_ours:.0f} ms beside {help_bare:.0f} ms",
            "limit": "2x a bare Typer application",
            "ratio": f"{help_ours / help_bare:.2f}x",
        },
    ]
