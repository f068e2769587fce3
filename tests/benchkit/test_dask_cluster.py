"""A study on a Dask cluster of real processes, one of which dies while it runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from benchkit.spaces import InputError
from benchkit.studies.manifest import versions
from benchkit.studies.runner import check_versions, run
from benchkit.studies.spec import StudySpec, load_preset

pytest.importorskip("distributed")

WORKER = ("-m", "distributed.cli.dask_worker", "--nworkers", "1", "--nthreads", "1", "--no-nanny")


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler and two worker processes on this machine: the address, and the workers."""
    file = tmp_path / "scheduler.json"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def start(*words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, *words, "--host", "127.0.0.1", "--no-dashboard"],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    processes = [start("-m", "distributed.cli.dask_scheduler", "--port", "0", "--scheduler-file", str(file))]
    try:
        deadline = time.monotonic() + 60
        while not file.is_file():
            assert time.monotonic() < deadline, "the scheduler did not start"
            assert processes[0].poll() is None, "the scheduler ended"
            time.sleep(0.05)
        address = json.loads(file.read_text())["address"]
        processes += [start(*WORKER, address) for _ in range(2)]
        yield address, processes[1:]
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait(timeout=30)


@pytest.fixture(scope="module")
def spec() -> StudySpec:
    names = ["random-search", "regularized-evolution", "tpe"]
    return load_preset("quick").replaced(names, ["cifar10", "cifar100"], seeds=5, queries=40)


def both_work(address: str) -> None:
    from distributed import Client

    with Client(address, timeout="30s") as client:
        client.wait_for_workers(2, timeout=60)


def test_a_worker_that_dies_costs_nothing_but_time(
    cluster: tuple[str, list[subprocess.Popen[bytes]]], spec: StudySpec, tmp_path: Path
) -> None:
    address, workers = cluster
    both_work(address)
    killed: list[int] = []

    def kill_one(done: int, total: int) -> None:
        if done >= 2 and not killed:
            assert done < total
            workers[0].send_signal(signal.SIGKILL)
            killed.append(done)

    here = run(spec, tmp_path / "loky", 2)
    there = run(spec, tmp_path / "dask", 1, "dask", address, progress=kill_one)
    assert killed
    assert workers[0].wait(timeout=30) == -signal.SIGKILL
    assert workers[1].poll() is None

    traces = there.read_traces()
    assert not traces.duplicated(["strategy", "dataset", "seed", "step"]).any()
    trials = traces.groupby(["strategy", "dataset", "seed"]).ngroups
    assert trials == 3 * 2 * 5
    pd.testing.assert_frame_equal(traces, here.read_traces())
    assert there.read_manifest()["traces"] == here.read_manifest()["traces"]


def test_workers_with_other_releases_are_refused() -> None:
    mine = versions()
    check_versions(mine, {})
    check_versions(mine, {"tcp://a:1": mine})
    older = {**mine, "dependencies": {**mine["dependencies"], "numpy": "1.0"}}
    with pytest.raises(InputError, match=r"tcp://b:2 has numpy 1\.0 in place of .*install the same"):
        check_versions(mine, {"tcp://a:1": mine, "tcp://b:2": older})
    with pytest.raises(InputError, match="benchkit 0 in place of"):
        check_versions(mine, {"tcp://b:2": {**mine, "benchkit": "0"}})
