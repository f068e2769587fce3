"""Two processes on the CPU train as one does."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import benchkit
from benchkit.base.errors import InputError
from benchkit.training.distributed import Processes, is_first, joined, launched
from tests.training.two_processes import make, result

ROOT = Path(benchkit.__file__).parents[1]
Results = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which two processes left their results."""
    out = tmp_path_factory.mktemp("two")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "TORCHELASTIC_RUN_ID": "test",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
    }
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.training.two_processes", str(out)],
            env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        for process in running:
            _, said = process.communicate(timeout=600)
            assert process.returncode == 0, said
    finally:
        for process in running:  # where one fails, the other waits for it
            process.kill()
            process.communicate()
    return out


def of(folder: Path, kind: str, which: str, rank: int) -> Results:
    return load_file(folder / f"{kind}-{which}-{rank}.safetensors")


def same(first: Results, second: Results) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("kind", ["plain", "spos", "darts"])
def test_both_processes_end_with_the_same_weights_and_scores(both: Path, kind: str) -> None:
    assert same(of(both, kind, "whole", 0), of(both, kind, "whole", 1))


@pytest.mark.parametrize("kind", ["plain", "spos", "darts"])
def test_a_resumed_training_of_two_ends_as_one_that_was_never_stopped(both: Path, kind: str) -> None:
    for rank in range(2):
        assert same(of(both, kind, "whole", rank), of(both, kind, "again", rank))


def test_two_processes_end_as_one_with_the_whole_batch(both: Path) -> None:
    """Without batch statistics nothing but the order of sums differs."""
    alone = make("plain")
    alone.fit()
    expected, found = result(alone), of(both, "plain", "whole", 0)
    assert not same(expected, found)  # else nothing was divided
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-4, atol=1e-5, msg=name)


def test_with_batch_statistics_each_process_sees_its_own_share(both: Path) -> None:
    alone = make("spos")
    alone.fit()
    expected, found = result(alone), of(both, "spos", "whole", 0)
    torch.testing.assert_close(found["losses"], expected["losses"], rtol=0.05, atol=0)
    assert not torch.equal(found["losses"], expected["losses"])


def test_only_the_first_process_writes_and_the_number_is_kept(both: Path) -> None:
    folder = both / "plain"
    assert sorted(path.name for path in folder.iterdir()) == [
        f"epoch-000{epoch}.{suffix}" for epoch in (1, 2) for suffix in ("json", "safetensors")
    ]
    assert json.loads((folder / "epoch-0002.json").read_text())["processes"] == 2
    with pytest.raises(InputError, match="another processes: 2, not 1"):
        make("plain").resume(folder / "epoch-0002.json")


@pytest.mark.skipif(sys.platform != "linux", reason="threads are listed under /proc")
def test_those_that_part_leave_no_thread_behind(both: Path) -> None:
    """A thread of the group that outlives the interpreter can end the process with SIGABRT."""
    for rank in range(2):
        threads = json.loads((both / f"threads-{rank}.json").read_text())
        assert not [name for name in threads if "gloo" in name]


def test_alone_nothing_is_reduced() -> None:
    gradient = torch.ones(3)
    assert Processes().mean([None, gradient]) == [None, gradient]
    assert not launched()
    assert is_first()


def test_a_device_for_several_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "test")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match=r"device cuda:1 cannot serve several processes"), joined("cuda:1"):
        pass


def test_a_batch_that_does_not_divide_is_refused() -> None:
    with pytest.raises(InputError, match="batch size 30 does not divide among 4 processes"):
        make("plain", Processes(0, 4))
    with pytest.raises(InputError, match="100 validation images do not divide among 101 processes"):
        make("plain", Processes(0, 101))


@pytest.mark.slow
def test_a_search_under_torchrun(tmp_path: Path) -> None:
    out = tmp_path / "out"
    search = "search spos --space nasbench201-3 --data digits --epochs 2 --limit 200 --device cpu"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += ["-m", "benchkit", *search.split(), "--out", str(out)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("architecture") == 1  # of the first process alone
    result = json.loads((out / "result.json").read_text())
    manifest = json.loads((out / "manifest.json").read_text())
    assert (result["queries"], manifest["processes"]) == (125, 2)
