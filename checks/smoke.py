"""Use the installed package as a stranger would: outside the checkout, from its own files alone.

``PYTHON checks/smoke.py`` with the Python of a clean environment.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

WHERE = "import benchkit; from importlib.metadata import version; print(benchkit.__file__)"
WHERE += "; assert benchkit.__version__ == version('benchkit')"
STUDY = """
name: tiny
table: nasbench201
datasets: [cifar10]
search: {split: valid, epochs: 200, score: mean}
report: {epochs: 200}
budget: {queries: 20}
seeds: 3
strategies: [random-search, regularized-evolution, local-search, tpe]
"""


def main() -> None:
    """Run the main commands; any failure ends the program with its exit code."""
    with tempfile.TemporaryDirectory() as folder:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("BENCHKIT_", "PYTHON"))
        }
        environment = {**kept, "BENCHKIT_HOME": str(Path(folder) / "home")}

        def call(*arguments: str) -> str:
            done = subprocess.run(
                [sys.executable, "-P", *arguments],
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                sys.exit(f"{done.stdout}{done.stderr}\nbenchkit {' '.join(arguments)} failed")
            return done.stdout

        home = Path(call("-c", WHERE).strip())
        if not home.is_relative_to(sys.prefix):
            sys.exit(f"the smoke run used {home}, not the package in {sys.prefix}")
        for group in ("table", "space", "strategy"):
            call("-m", "benchkit", group, "list")
        (Path(folder) / "tiny.yaml").write_text(STUDY, encoding="utf-8")
        call("-m", "benchkit", "leaderboard", "run", "tiny.yaml", "--out", "out")
        call("-m", "benchkit", "leaderboard", "verify", "out", "--jobs", "1")
        call("-m", "benchkit", "report", "out", "--out", "report.html")  # its assets are in the package
        shown = json.loads(call("-m", "benchkit", "leaderboard", "show", "out", "--format", "json"))
    print(f"{len(shown['leaderboard'])} rows, verified, reported")


if __name__ == "__main__":
    main()
