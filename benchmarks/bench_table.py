"""Tables: opening one, a query, a batch. Beside a query: reading one element of a numpy array."""

from __future__ import annotations

import json
import subprocess
import sys
from statistics import median
from timeit import repeat

import numpy as np

from benchkit.data.tables import Metric, open_table

_PROCESSES = 9
_PEER_US = 1300  # nats_bench's simulate_train_eval, a call (FIELD: about 1.3 ms)
_OPEN = """
import json, time, sys, resource
import numpy, pyarrow, benchkit
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20
before, start = resident(), time.perf_counter()
table = benchkit.open_table("nasbench201")
cell = "|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|+|skip_connect~0|none~1|nor_conv_1x1~2|"
table.query(cell, benchkit.Metric("cifar10", "valid", 200))
print(json.dumps([(time.perf_counter() - start) * 1e3, resident() - before]))
"""


def run() -> list[dict[str, str]]:
    """Time opening in fresh processes, and queries in this one."""
    opened = []
    for _ in range(_PROCESSES + 1):
        done = subprocess.run([sys.executable, "-c", _OPEN], check=True, capture_output=True, text=True)
        opened.append(json.loads(done.stdout))
    milliseconds, megabytes = (median(values) for values in zip(*opened[1:], strict=True))

    table = open_table("nasbench201")
    metric = Metric("cifar10", "valid", 200)
    every = np.array(table.rows)
    row, column = every[7_000], table.values(metric)
    single = min(repeat(lambda: table.query(row, metric), number=20_000, repeat=5)) / 20_000 * 1e6
    floor = min(repeat(lambda: float(column[7_000]), number=20_000, repeat=5)) / 20_000 * 1e6
    batch = min(repeat(lambda: table.query(every, metric), number=100, repeat=5)) / 100 * 1e3
    gather = np.random.default_rng(0).permutation(len(every))
    batch_floor = min(repeat(lambda: column[gather], number=100, repeat=5)) / 100 * 1e3
    return [
        {
            "what": "open nasbench201 and answer the first query",
            "measured": f"{milliseconds:.1f} ms",
            "limit": "20 ms",
            "ratio": f"{milliseconds / 20:.2f} of the limit",
        },
        {
            "what": "memory of that, beyond numpy and pyarrow",
            "measured": f"{megabytes:.1f} MB",
            "limit": "30 MB",
            "ratio": f"{megabytes / 30:.2f} of the limit",
        },
        {
            "what": "one query",
            "measured": f"{single:.1f} us beside {floor:.2f} us",
            "limit": "10 us",
            "ratio": f"{single / floor:.0f}x an array element; {_PEER_US / single:.0f}x faster than the peer",
        },
        {
            "what": "a batch of 15,625 queries",
            "measured": f"{batch:.2f} ms beside {batch_floor:.2f} ms",
            "limit": "2 ms",
            "ratio": f"{batch / batch_floor:.1f}x a bare gather",
        },
    ]
