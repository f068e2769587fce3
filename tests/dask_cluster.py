"""For tests: a Dask cluster of real processes, a scheduler and workers that may be killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["Cluster", "cluster_in", "wait_until"]

SECONDS = 600
"""After so many a process is taken to hang, on the busiest machine."""


class Cluster:
    """A scheduler at a port that the system chose, without workers at first.

    Parameters
    ----------
    folder : where its processes run; they can import what lies there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []
        self.address = ""

    def begin(self, **environment: str) -> None:
        """Start the scheduler, with these environment variables."""
        file = self.folder / "scheduler.json"
        words = ("--port", "0", "--scheduler-file", str(file))
        scheduler = self._start("dask_scheduler", *words, **environment)
        # the file is there before all of it is
        wait_until(lambda: (file.is_file() and file.read_text()[-1:] == "}") or scheduler.poll() is not None)
        self.address = str(json.loads(file.read_text())["address"])

    def worker(self, threads: int = 1, **environment: str) -> subprocess.Popen[bytes]:
        """Start a worker, with these environment variables."""
        words = ("--nworkers", "1", "--nthreads", str(threads), "--no-nanny", "--local-directory", ".")
        return self._start("dask_worker", *words, self.address, **environment)

    def wait_for(self, workers: int) -> None:
        """Wait until the scheduler has so many workers."""
        from distributed import Client

        connect: Any = Client
        with connect(self.address, timeout=f"{SECONDS}s", set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=SECONDS)

    def _start(self, program: str, *words: str, **environment: str) -> subprocess.Popen[bytes]:
        command = [
            sys.executable,
            "-m",
            f"distributed.cli.{program}",
            "--host",
            "127.0.0.1",
            "--no-dashboard",
        ]
        process = subprocess.Popen(
            [*command, *words],
            cwd=self.folder,
            env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.processes.append(process)
        return process

    def end(self) -> None:
        """End every process, and see it gone."""
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait(SECONDS)


@contextmanager
def cluster_in(folder: Path, **environment: str) -> Iterator[Cluster]:
    """Yield a cluster whose processes end with the block; the variables are its scheduler's."""
    cluster = Cluster(folder)
    try:
        cluster.begin(**environment)
        yield cluster
    finally:
        cluster.end()


def wait_until(true: Callable[[], bool]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)
