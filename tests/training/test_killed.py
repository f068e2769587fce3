"""A search that is killed (SIGKILL) at any moment of its writing is gone on with, to the same end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import benchkit

ROOT = Path(benchkit.__file__).parents[1]

# Every write is a rename in the end. The process that this runs is killed just before the k-th or just after
# it, each time in a fork of its own, so that torch is loaded once.
KILLED = """
import os, signal, sys
from pathlib import Path
import torch
from benchkit.training.search import SearchSettings, run_search

torch.set_num_threads(1)
settings = SearchSettings("spos", "nasbench201-3", "digits", epochs=2, limit=150, queries=8, images=30)
out, rename = Path(sys.argv[1]), os.replace

def killing_at(number, after):
    seen = 0
    def replace(*names):
        nonlocal seen
        seen += 1
        if seen == number and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        rename(*names)
        if seen == number:
            os.kill(os.getpid(), signal.SIGKILL)
    return replace

for number in (1, 2, 3, 5, 8):  # search.json; tensors and facts of epoch 1; those of epoch 2; results
    for after in (False, True):
        child = os.fork()
        if not child:
            os.replace = killing_at(number, after)
            run_search(settings, out / f"{number}-{after}", "cpu")
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(number, after, os.WTERMSIG(status) == signal.SIGKILL, flush=True)
        child = os.fork()
        if not child:
            run_search(settings, out / f"{number}-{after}", "cpu")
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status:
            sys.exit(f"not gone on with: {number} {after}")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
def test_a_search_killed_at_any_write_is_gone_on_with(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:-1] == [
        f"{n} {after} True" for n in (1, 2, 3, 5, 8) for after in (False, True)
    ]
    folders = sorted(tmp_path.iterdir())
    assert len(folders) == 10
    weights = {(out / "checkpoints" / "epoch-0002.safetensors").read_bytes() for out in folders}
    traces = {json.loads((out / "manifest.json").read_text())["trace"] for out in folders}
    assert len(weights) == len(traces) == 1
