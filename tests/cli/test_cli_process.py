"""The program as a process: signals, pipes and exit codes as the operating system sees them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from benchkit.studies.spec import StudySpec
from benchkit.studies.store import StudyDirectory

SOURCE = '''
import os, time
from pathlib import Path
from benchkit.strategies.random_search import RandomSearch

class Held(RandomSearch):
    """Random search that stops for ever once three trials are finished, where it is told to look for them."""
    def propose(self):
        while "HOLD" in os.environ and len(list(Path(os.environ["HOLD"]).glob("trials/*/*.arrow"))) >= 3:
            time.sleep(0.1)
        return super().propose()
'''
PATIENCE = 600.0
"""Seconds after which a process is taken to hang, on the busiest machine."""


@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_is_one_line_and_nothing_is_lost(
    small: Callable[..., StudySpec], home: Path, tmp_path: Path, jobs: int
) -> None:
    (tmp_path / "held_strategies.py").write_text(SOURCE)
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    spec = small(strategies=[{"name": "held_strategies:Held", "label": "held"}], datasets=["d"], seeds=25)
    (tmp_path / "s.yaml").write_text(spec.to_yaml())
    out = tmp_path / "out"
    words = [sys.executable, "-m", "benchkit", "leaderboard", "run", str(tmp_path / "s.yaml")]
    words += ["--out", str(out), "--jobs", str(jobs), "--json"]
    environment = {**os.environ, "BENCHKIT_HOME": str(home), "PYTHONPATH": path}
    process = subprocess.Popen(
        words,
        env={**environment, "HOLD": str(out)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # a test run started in the background of a script inherits an ignored Ctrl-C
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        while len(list(out.glob("trials/*/*.arrow"))) < 3 and process.poll() is None:
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to every process of the command
        text, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 130, err
    assert text == ""
    lines = [line for line in err.splitlines() if not line.startswith("trials: ")]
    assert lines == ["benchkit: interrupted: what was finished is kept"]

    assert 3 <= len(list(out.glob("trials/*/*.arrow"))) < 25
    assert not list(out.rglob("*.tmp"))
    finished = subprocess.run(
        words, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    assert len(json.loads(finished.stdout)["leaderboard"]) == 1
    assert len(StudyDirectory(out).read_manifest()["traces"]) == 25


def test_a_real_process_says_one_line_and_no_traceback(tmp_path: Path) -> None:
    words = [
        sys.executable,
        "-m",
        "benchkit",
        "leaderboard",
        "run",
        "none.yaml",
        "--out",
        str(tmp_path / "out"),
    ]
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "benchkit: error: cannot read study none.yaml: No such file or directory\n"


def test_a_full_disk_behind_stdout_is_one_line() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "benchkit", "space", "list", "--json"],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode != 0
    assert "Traceback" not in done.stderr


def test_a_reader_that_goes_away_is_no_error() -> None:
    done = subprocess.run(
        f"{sys.executable} -m benchkit table info nasbench201 --json | head -c 10",
        shell=True, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (len(done.stdout), done.stderr) == (10, "")
