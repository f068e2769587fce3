"""Studies on a Dask cluster of real processes, which die, are of another kind, or are not there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import benchkit.studies.cluster as cluster_module
from benchkit.base.errors import InputError
from benchkit.reports.api import run_study
from benchkit.reports.api import run_study as run
from benchkit.studies.cluster import cancelled, on_cluster
from benchkit.studies.spec import StudySpec, parse_spec
from benchkit.studies.store import StudyDirectory
from tests.dask_cluster import SECONDS, Cluster, cluster_in, wait_until

pytest.importorskip("distributed")

Small = Callable[..., StudySpec]
Cli = Callable[..., tuple[int, str, str]]

SOURCE = '''
import os, time
from pathlib import Path
from benchkit.base.errors import InputError
from benchkit.strategies.random_search import RandomSearch
from benchkit.studies.cluster import cancelled

class Held(RandomSearch):
    """Random search that stops for ever in a process that is told to, and leaves a sign."""
    def propose(self):
        if "HOLD" in os.environ:
            Path(os.environ["HOLD"]).touch()
            time.sleep(10**6)
        return super().propose()

class Deadly(RandomSearch):
    def propose(self):
        os._exit(1)

def double(number):
    if number == 1:
        raise InputError("one cannot be used")
    if number == 2:
        raise ArithmeticError("a bug")
    return 2 * number

def wait(sign, end):
    Path(sign).touch()
    while end and not cancelled():
        time.sleep(0.02)
    Path(sign + "-ended").touch()
'''


@pytest.fixture
def folder(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the cluster runs, and finds strategies of the test's own."""
    path = tmp_path / "cluster"
    path.mkdir()
    (path / "dask_strategies.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(path)
    monkeypatch.setenv("PYTHONPATH", str(path))
    return path


@pytest.fixture
def cluster(folder: Path) -> Iterator[Cluster]:
    with cluster_in(folder) as started:
        yield started


@pytest.fixture
def held(small: Small) -> StudySpec:
    """Twelve trials."""
    strategies = [{"name": "dask_strategies:Held", "label": "held"}, "local-search", "bohb"]
    return small(strategies=strategies)


# -- workers that die -------------------------------------------------------------------------


def test_a_worker_that_dies_costs_nothing_but_time(cluster: Cluster, held: StudySpec, tmp_path: Path) -> None:
    sign = tmp_path / "sign"
    lost, other = cluster.worker(HOLD=str(sign)), cluster.worker()
    cluster.wait_for(2)
    seen: list[tuple[int, int]] = []

    def kill_one(done: int, total: int) -> None:
        seen.append((done, total))
        if done == 1:
            wait_until(sign.exists)  # one of its trials has begun, and cannot end
            lost.send_signal(signal.SIGKILL)

    there = run(held, tmp_path / "dask", 1, "dask", cluster.address, progress=kill_one)
    here = run(held, tmp_path / "loky", 1)
    assert lost.wait(timeout=SECONDS) == -signal.SIGKILL
    assert other.poll() is None
    assert seen == [(done, 12) for done in range(13)]  # each trial once

    traces = there.read_traces()
    assert not traces.duplicated(["strategy", "dataset", "seed", "step"]).any()
    assert traces.groupby(["strategy", "dataset", "seed"], observed=True).ngroups == 12
    pd.testing.assert_frame_equal(traces, here.read_traces())
    assert there.read_manifest()["traces"] == here.read_manifest()["traces"]


@pytest.mark.slow
def test_workers_that_come_while_it_runs_are_used(cluster: Cluster, held: StudySpec, tmp_path: Path) -> None:
    """There is none when it starts; the first that comes hangs; the one that comes last does the work."""
    sign = tmp_path / "sign"
    finished: list[StudyDirectory] = []
    study = threading.Thread(
        target=lambda: finished.append(run(held, tmp_path / "out", 1, "dask", cluster.address))
    )
    study.start()
    try:
        first = cluster.worker(HOLD=str(sign))
        wait_until(sign.exists)
        cluster.worker()
        wait_until(lambda: len(list((tmp_path / "out").rglob("*.arrow"))) >= 5)
        first.kill()
    finally:
        study.join(SECONDS)
    assert finished[0].complete


def test_a_trial_that_ends_every_worker_is_named(folder: Path, small: Small, tmp_path: Path) -> None:
    spec = small(strategies=[{"name": "dask_strategies:Deadly", "label": "deadly"}], datasets=["d"], seeds=1)
    with cluster_in(folder, DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="0") as cluster:
        cluster.worker()
        with pytest.raises(InputError, match=r"1 Dask workers died .* while they ran deadly on d, seed 0:"):
            run(spec, tmp_path / "out", 1, "dask", cluster.address)


@pytest.mark.slow
def test_a_scheduler_that_dies_leaves_what_was_finished(
    cluster: Cluster, held: StudySpec, tmp_path: Path
) -> None:
    cluster.worker(HOLD=str(tmp_path / "sign"))
    cluster.worker()

    def end(done: int, _: int) -> None:
        if done == 2:
            cluster.end()

    out = tmp_path / "out"
    with pytest.raises(InputError, match=r"lost the Dask scheduler at tcp://127\.0\.0\.1:"):
        run(held, out, 1, "dask", cluster.address, progress=end)
    assert len(list(out.rglob("*.arrow"))) >= 2
    assert run(held, out).complete


# -- Ctrl-C -----------------------------------------------------------------------------------


def test_an_interrupted_study_keeps_what_it_has(cluster: Cluster, held: StudySpec, tmp_path: Path) -> None:
    cluster.worker(HOLD=str(tmp_path / "sign"))
    cluster.worker()
    study, out = tmp_path / "study.yaml", tmp_path / "out"
    study.write_text(held.to_yaml())
    command = [sys.executable, "-m", "benchkit", "leaderboard", "run", str(study), "--out", str(out)]
    process = subprocess.Popen(
        [*command, "--backend", "dask", "--scheduler", cluster.address],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        wait_until(lambda: len(list(out.rglob("*.arrow"))) >= 3 or process.poll() is not None)
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=SECONDS)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 130, said
    lines = [line for line in said.splitlines() if not line.startswith("trials: ")]
    assert lines == ["benchkit: interrupted: what was finished is kept"]
    kept = len(list(out.rglob("*.arrow")))
    assert 3 <= kept < 12
    seen: list[int] = []
    run(held, out, progress=lambda done, _: seen.append(done))
    assert seen[0] == kept


def test_a_call_that_is_cancelled_can_see_it(cluster: Cluster, tmp_path: Path) -> None:
    import dask_strategies  # type: ignore[import-not-found]

    cluster.worker()
    calls = [(str(tmp_path / "a"), False), (str(tmp_path / "b"), True)]
    results = on_cluster(dask_strategies.wait, calls, ["a", "b"], cluster.address)
    next(results)
    wait_until((tmp_path / "b").exists)
    time.sleep(0.2)
    assert not (tmp_path / "b-ended").exists()
    results.close()
    wait_until((tmp_path / "b-ended").exists)
    assert not cancelled()  # nothing runs here


# -- machines that cannot serve ---------------------------------------------------------------


def test_a_worker_with_another_release_is_refused(cluster: Cluster, held: StudySpec, tmp_path: Path) -> None:
    older = tmp_path / "older" / "numpy-0.0.1.dist-info"
    older.mkdir(parents=True)
    (older / "METADATA").write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 0.0.1\n")
    cluster.worker(PYTHONPATH=f"{older.parent}{os.pathsep}{os.environ['PYTHONPATH']}")
    with pytest.raises(InputError, match=r"has numpy 0\.0\.1 in place of .*: install the same") as caught:
        run(held, tmp_path / "out", 1, "dask", cluster.address)
    assert str(caught.value).count("in place of") == 1


def test_a_worker_with_threads_is_refused(cluster: Cluster, held: StudySpec, tmp_path: Path) -> None:
    cluster.worker(threads=2)
    with pytest.raises(InputError, match=r"has 2 threads, .* start workers with --nthreads 1"):
        run(held, tmp_path / "out", 1, "dask", cluster.address)


def test_what_the_cluster_cannot_import_is_one_line(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "only_here.py").write_text("def double(x):\n    return 2 * x\n")
    monkeypatch.syspath_prepend(tmp_path / "only")
    import only_here  # type: ignore[import-not-found]

    cluster.worker()
    with pytest.raises(InputError, match=r"cannot read a call: .*only_here.*; install the same") as caught:
        list(on_cluster(only_here.double, [(1,)], ["a call"], cluster.address))
    assert "\n" not in str(caught.value)


def test_errors_of_calls_say_where(cluster: Cluster) -> None:
    import dask_strategies

    double = dask_strategies.double
    cluster.worker()
    assert sorted(on_cluster(double, [(3,), (4,)], ["three", "four"], cluster.address)) == [6, 8]
    with pytest.raises(InputError, match=r"one cannot be used \(on the Dask worker on .+\)"):
        list(on_cluster(double, [(1,), (3,)], ["one", "three"], cluster.address))
    with pytest.raises(ArithmeticError, match="a bug"):
        list(on_cluster(double, [(2,)], ["two"], cluster.address))


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("tcp://127.0.0.1:1", "no Dask scheduler answers at tcp://127.0.0.1:1: "),
        ("nonsense://x", "unknown address scheme 'nonsense'"),
        ("127.0.0.1", "missing port number"),
        ("tcp://127.0.0.1:port", "no Dask scheduler answers at tcp://127.0.0.1:port: "),
    ],
)
def test_a_wrong_address_is_one_line(
    cli: Cli, held: StudySpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, says: str
) -> None:
    monkeypatch.setattr(cluster_module, "_SECONDS", 1)
    (tmp_path / "study.yaml").write_text(held.to_yaml().replace("dask_strategies:Held", "random-search"))
    words = ("leaderboard", "run", tmp_path / "study.yaml", "--out", tmp_path / "out")
    code, _, said = cli(*words, "--backend", "dask", "--scheduler", address)
    assert code == 2
    (line,) = [line for line in said.splitlines() if not line.startswith("trials: ")]
    assert line.startswith("benchkit: error: ")
    assert says in line


def test_a_worker_is_not_a_scheduler(cluster: Cluster) -> None:
    import distributed

    cluster.worker()
    cluster.wait_for(1)
    connect: Any = distributed.Client
    with connect(cluster.address, set_as_default=False) as client:
        (address,) = client.scheduler_info()["workers"]
    with pytest.raises(InputError, match=f"no Dask scheduler answers at {address}, but a Worker"):
        list(on_cluster(abs, [(3,)], ["three"], address))


def test_without_dask_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"pip install 'benchkit\[dask\]'"):
        list(on_cluster(abs, [(3,)], ["three"], "tcp://127.0.0.1:1"))


# -- supernets --------------------------------------------------------------------------------

SUPERNETS: dict[str, Any] = {
    "name": "tiny",
    "table": "nasbench201",
    "datasets": ["cifar10"],
    "searches": {
        "data": "digits",
        "seeds": 2,
        "settings": {
            "epochs": 12,
            "limit": 200,
            "size": {"channels": 4, "cells": 1},
            "queries": 5,
            "images": 50,
        },
        "strategies": ["spos"],
    },
    "queries": {"preset": "nb201-12k", "seeds": 2, "strategies": ["random-search"]},
}


@pytest.mark.slow
def test_a_search_goes_on_where_the_worker_that_died_left_it(cluster: Cluster, tmp_path: Path) -> None:
    spec = parse_spec(SUPERNETS, "study")
    first = cluster.worker()
    started: list[str] = []

    def replace() -> None:
        searches = tmp_path / "dask" / "searches"
        wait_until(lambda: any(searches.glob("*/checkpoints/epoch-0002.json")))
        first.kill()
        started.extend(path.parents[1].name for path in searches.glob("*/checkpoints/epoch-0002.json"))
        started.extend(path.parent.name for path in searches.glob("*/result.json"))
        cluster.worker()

    thread = threading.Thread(target=replace)
    thread.start()
    try:
        there = run_study(
            spec, tmp_path / "dask", device="cpu", backend="dask", scheduler=cluster.address
        ).path
    finally:
        thread.join(60)
    assert started == ["spos-0"] or started == ["spos-1"]  # under way, and not finished
    here = run_study(spec, tmp_path / "here", device="cpu").path
    for name in ("manifest.json", "table.csv", "queries/manifest.json"):
        assert (there / name).read_text() == (here / name).read_text()


@pytest.mark.slow
def test_a_folder_that_is_not_shared_is_refused(cluster: Cluster, tmp_path: Path) -> None:
    from benchkit.studies.supernet_work import _search_there, searches_of

    cluster.worker()
    settings = next(iter(searches_of(parse_spec(SUPERNETS, "study")).values()))
    call = (settings, tmp_path / "elsewhere" / "searches" / "spos-0", "cpu")
    with pytest.raises(InputError, match=r"elsewhere is not on this machine: .*\(on the Dask worker on"):
        list(on_cluster(_search_there, [call], ["spos-0"], cluster.address))
