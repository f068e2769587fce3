"""Reads each input in a child that is forked from a warm process, with limits of memory and time.

The warm process imports the product with everything that it loads later, and computes nothing, so that it has
no threads that a fork would lose.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchkit.base.errors import InputError
from benchmarks.fuzz.door import Door

__all__ = ["GIGABYTE", "Outcome", "in_child", "read_one", "warm_up"]

GIGABYTE = 10**9
_ROOM = 3 * GIGABYTE  # address space that a child may add: more than it may use, so that excess is seen
_CPU_SECONDS = 60
_LONGEST_LINE = 1000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one input.

    Attributes
    ----------
    verdict : ``read``, ``refused``, ``foreign`` (another exception than `InputError`), ``signal``, ``slow``
        (more than a minute of processor time, or two by the clock) or ``untidy`` (a refusal of several lines
        or over 1,000 characters).
    past_header : whether the input got past the header of its format.
    gigabytes : memory that reading it took beyond that of the warm process.
    detail : message of the refusal, or the end of the traceback.
    """

    verdict: str
    past_header: bool
    gigabytes: float
    detail: str


def warm_up() -> None:
    """Import what the doors load later, so that a child finds it in memory."""
    import importlib

    for name in (
        *("pandas", "pyarrow.parquet", "scipy.stats", "matplotlib.figure", "seaborn"),
        *("torch", "safetensors.torch", "optuna", "PIL.Image", "pydantic", "yaml", "jinja2"),
        *(
            "benchkit.cli.app",
            "benchkit.studies.runner",
            "benchkit.studies.verify",
            "benchkit.training.search",
        ),
        *("benchkit.training.evaluate", "benchkit.data.tables.csv_import", "benchkit.data.images.importing"),
    ):
        importlib.import_module(name)


def in_child(work: Callable[[], None]) -> None:
    """Run something in a child and wait for it; an exception there ends this process, too."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    if os.waitpid(pid, 0)[1]:
        raise SystemExit("fuzz: the valid inputs could not be made")


def read_one(door: Door, seeds: Path, folder: Path, rng: np.random.Generator) -> Outcome:
    """Damage an input and read it, in a child; `folder` is made, and removed afterwards."""
    folder.mkdir(parents=True)
    door.damage(seeds, folder, rng)
    receive, send = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(receive)
        _child(door, folder, send)  # does not return
    os.close(send)
    with os.fdopen(receive, "rb") as pipe:
        said = pipe.read()
    _, status, usage = os.wait4(pid, 0)
    shutil.rmtree(folder, ignore_errors=True)
    lines = said.decode().splitlines()
    begun = json.loads(lines[0]) if lines else {"kilobytes": 0}
    found = json.loads(lines[1]) if len(lines) > 1 else {}
    past = json.loads(lines[2]) if len(lines) > 2 else False
    gigabytes = max(0.0, (usage.ru_maxrss - begun["kilobytes"]) * 1024 / GIGABYTE)
    verdict, detail = found.get("verdict", "signal"), found.get("detail", "")
    if not found and os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        verdict = "slow" if number in (signal.SIGXCPU, signal.SIGALRM) else "signal"
        detail = signal.Signals(number).name
    return Outcome(verdict, bool(past), gigabytes, detail)


def _child(door: Door, folder: Path, send: int) -> None:
    """Read the input and tell the parent, in three lines: memory at the start, verdict, past the header."""
    kilobytes = _resident_kilobytes()
    os.write(send, json.dumps({"kilobytes": kilobytes}).encode() + b"\n")
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + _ROOM, size + _ROOM))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS + 5))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.alarm(2 * _CPU_SECONDS)  # one that waits for ever takes no processor time
    os.chdir(folder)
    os.environ["BENCHKIT_HOME"] = str(folder / "home")
    silence = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(silence, stream)
    verdict, detail = "read", ""
    try:
        door.read(folder)
    except InputError as error:
        text = str(error)
        verdict, detail = "refused", text[:300]
        if "\n" in text or len(text) > _LONGEST_LINE:
            verdict = "untidy"
    except BaseException as error:
        where = traceback.extract_tb(error.__traceback__)
        ours = [frame for frame in where if "benchkit" in frame.filename] or list(where)
        place = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "?"
        verdict, detail = "foreign", f"{type(error).__name__} at {place}: {str(error)[:200]}"
    with suppress(BaseException):
        os.write(send, json.dumps({"verdict": verdict, "detail": detail}).encode() + b"\n")
        past = False
        with suppress(Exception):
            past = door.past_header(folder)
        os.write(send, json.dumps(bool(past)).encode() + b"\n")
    os._exit(0)


def _resident_kilobytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 1024


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep the libraries of this process and of its children from starting threads."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "ARROW_IO_THREADS")
    for name in names:
        os.environ[name] = "1"
    import pyarrow as pa

    pa.set_cpu_count(1)
    yield
