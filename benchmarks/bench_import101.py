"""Importing NAS-Bench-101 at its official size, and querying what comes of it.

The official file has 1,270,872 records (108 epochs) or 5,083,488 (all four lengths). Files of that size
are built in the official layout (`build_tfrecord`) in a temporary folder: 0.5 GB and 2 GB. Each step
runs in a process of its own (a child of a large process would inherit its peak), whose peak resident
memory includes Python and its libraries.

``BENCHKIT_BENCH_CELLS=20000`` builds smaller files; times are then held against the limit in proportion.
``BENCHKIT_BENCH_BUDGETS=108`` leaves out the file of all lengths.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.build_tfrecord import OFFICIAL_CELLS

_LIMITS = {"108": ((108,), 180.0), "all": ((4, 12, 36, 108), 540.0)}  # lengths, seconds for the whole space
_REPEATS = 3
_LIMIT_BYTES = 1e9
_OPEN_MS = _BATCH_MS = 50.0
_SINGLE_US = 100.0

_IMPORT = """
import json, resource, sys, time
from pathlib import Path
from benchkit.data.tables.formats import import_official, recognise
start = time.perf_counter()
reader, found = recognise(Path(sys.argv[1]))
import_official(reader, Path(sys.argv[1]), Path(sys.argv[2]), "nasbench101", lambda done, total: None)
seconds = time.perf_counter() - start
scale = 1 if sys.platform == "darwin" else 1024
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale
print(json.dumps({"seconds": seconds, "bytes": peak, "found": [found.seconds, found.memory_bytes]}))
"""

_QUERY = """
import json, sys, time
import numpy as np
from benchkit.spaces.nasbench101.encoding import NASBench101
from benchkit.data.tables import Metric, Table
NASBench101().canonical(NASBench101().sample(np.random.default_rng(0), 1))  # libraries are loaded
import pyarrow
space, metric = NASBench101(), Metric("cifar10", "valid", 108)
rows = np.array(Table(sys.argv[1]).rows)
chosen = rows[np.random.default_rng(1).integers(len(rows), size=500)]
cells = [(matrix.tolist(), ops) for matrix, ops in map(space.decode, chosen)]

def best(call, repeats):
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)

opening = best(lambda: Table(sys.argv[1]).query(space.encode(*cells[0]), metric), 3)
table = Table(sys.argv[1])
single = best(lambda: [table.query(space.encode(*cell), metric) for cell in cells], 5) / len(cells)
order = np.random.default_rng(0).permutation(len(rows))
answers = table.query(rows[order], metric)
assert (answers == table.values(metric)[order]).all()
shuffled = rows[order]
batch = best(lambda: table.query(shuffled, metric), 3)
print(json.dumps({"opening": opening, "single": single, "batch": batch, "n": len(rows)}))
"""


def _call(script: str, *arguments: Path) -> dict[str, float]:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    done = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE)
    answer: dict[str, float] = json.loads(done.stdout)
    return answer


def _row(what: str, measured: float, limit: float, unit: str) -> dict[str, str]:
    return {
        "what": what,
        "measured": f"{measured:.4g} {unit}",
        "limit": f"{limit:.4g} {unit}",
        "ratio": f"{measured / limit:.2f} of the limit",
    }


def run() -> list[dict[str, str]]:
    """Build, import and query; a file at a time, so that the disk holds only one."""
    cells = int(os.environ.get("BENCHKIT_BENCH_CELLS", OFFICIAL_CELLS))
    wanted = os.environ.get("BENCHKIT_BENCH_BUDGETS", "108,all").split(",")
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        path, target = Path(folder) / "nasbench.tfrecord", Path(folder) / "nasbench101.arrow"
        for name in wanted:
            budgets, seconds = _LIMITS[name]
            command = [sys.executable, "-m", "benchmarks.build_tfrecord", str(path), "--cells", str(cells)]
            subprocess.run([*command, "--budgets", *map(str, budgets)], check=True, stdout=subprocess.DEVNULL)
            records = cells * len(budgets) * _REPEATS
            what = f"NAS-Bench-101 import, {records:,} records ({path.stat().st_size / 1e9:.2f} GB)"
            got = _call(_IMPORT, path, target)
            lines.append(_row(what, got["seconds"], seconds * cells / OFFICIAL_CELLS, "s"))
            lines.append(_row("  its peak memory", got["bytes"] / 1e6, _LIMIT_BYTES / 1e6, "MB"))
            path.unlink()
        asked = _call(_QUERY, target)
    lines.append(_row("NAS-Bench-101, open and first query", asked["opening"] * 1e3, _OPEN_MS, "ms"))
    everything = f"NAS-Bench-101, query of all {int(asked['n']):,} cells in random order"
    lines.append(_row(everything, asked["batch"] * 1e3, _BATCH_MS, "ms"))
    one = "NAS-Bench-101, one query by matrix and operations, mean over 500 cells"
    lines.append(_row(one, asked["single"] * 1e6, _SINGLE_US, "us"))
    return lines


if __name__ == "__main__":
    for line in run():
        sys.stdout.write("  ".join(line.values()) + "\n")
