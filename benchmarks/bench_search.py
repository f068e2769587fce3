"""Searches: 500 seeds x 300 queries of one strategy, the whole command; and the memory of ``quick``.

The floor is the same number of queries answered one at a time by a bare `Table.query`, without any search.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from time import perf_counter, sleep

import numpy as np

from benchkit.data.tables import Metric, open_table

_SEEDS, _QUERIES, _LIMIT = 500, 300, 10.0
_STRATEGIES = ("random-search", "regularized-evolution", "local-search")


def run() -> list[dict[str, str]]:
    """Time the three strategies, then watch the memory of every process of ``quick``."""
    table = open_table("nasbench201")
    metric = Metric("cifar10", "valid", 200)
    rows = table.space.sample(np.random.default_rng(0), 30_000)
    start = perf_counter()
    for row in rows:
        table.query(row, metric)
    floor = (perf_counter() - start) / len(rows) * _SEEDS * _QUERIES
    lines = []
    study = ("leaderboard", "run", "--preset", "quick")
    for strategy in _STRATEGIES:
        options = ("--datasets", "cifar10", "--strategies", strategy, "--seeds", str(_SEEDS))
        seconds, _ = command(*study, *options, "--queries", str(_QUERIES))
        lines.append(
            {
                "what": f"{strategy}: {_SEEDS} seeds x {_QUERIES} queries",
                "measured": f"{seconds:.1f} s beside {floor:.1f} s",
                "limit": f"{_LIMIT:.0f} s",
                "ratio": f"{seconds / floor:.1f}x bare queries on one core",
            }
        )
    seconds, megabytes = command(*study)
    lines.append(
        {
            "what": "preset quick",
            "measured": f"{seconds:.0f} s",
            "limit": "180 s",
            "ratio": f"{seconds / 180:.2f} of the limit",
        }
    )
    lines.append(
        {
            "what": "peak memory of quick, the largest process",
            "measured": f"{megabytes:.0f} MB",
            "limit": "600 MB",
            "ratio": f"{megabytes / 600:.2f} of the limit",
        }
    )
    return lines


def command(*arguments: str) -> tuple[float, float]:
    """Run benchkit in a new folder; return its seconds and the peak MB of its largest process."""
    with tempfile.TemporaryDirectory() as folder:
        start = perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "benchkit", *arguments, "--out", f"{folder}/out"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        peak = [0.0]
        watcher = threading.Thread(target=_watch, args=(process, peak), daemon=True)
        watcher.start()
        if process.wait():
            raise RuntimeError(f"benchkit {' '.join(arguments)} failed")
        return perf_counter() - start, peak[0]


def _watch(process: subprocess.Popen[bytes], peak: list[float]) -> None:
    """Keep the highest peak among the processes of the command's session."""
    while process.poll() is None:
        for status in Path("/proc").glob("[0-9]*/status"):
            try:
                if os.getsid(int(status.parent.name)) == process.pid:
                    fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
                    peak[0] = max(peak[0], int(fields.get("VmHWM", "0 kB").split()[0]) / 1024)
            except (OSError, ProcessLookupError):
                continue
        sleep(0.2)
