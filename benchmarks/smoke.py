"""Use the built wheel as a stranger would: outside the checkout, from its own files alone.

``python benchmarks/smoke.py FOLDER`` where FOLDER is an unpacked wheel.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path


def main(wheel: Path) -> None:
    """Run the main commands; any failure ends the program with its exit code."""
    environment = {**os.environ, "PYTHONPATH": str(wheel), "PYTHONSAFEPATH": "1"}
    with tempfile.TemporaryDirectory() as folder:

        def call(*arguments: str) -> str:
            command = [sys.executable, *arguments]
            return subprocess.run(
                command, cwd=folder, env=environment, check=True, text=True, stdout=subprocess.PIPE
            ).stdout

        home = call("-c", "import benchkit; print(benchkit.__file__)").strip()
        if not Path(home).is_relative_to(wheel):
            sys.exit(f"the smoke run used {home}, not the wheel")
        for group in ("table", "space", "strategy"):
            call("-m", "benchkit", group, "list")
        study = ("--preset", "quick", "--strategies", "random-search,regularized-evolution")
        call("-m", "benchkit", "leaderboard", "run", *study, "--seeds", "2", "--out", "out")
        call("-m", "benchkit", "leaderboard", "verify", "out", "--jobs", "1")
        call("-m", "benchkit", "report", "out", "--out", "report.html")  # its assets are in the wheel
        shown = json.loads(call("-m", "benchkit", "leaderboard", "show", "out", "--format", "json"))
    print(f"smoke run of the wheel: {len(shown['leaderboard'])} rows, verified")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
