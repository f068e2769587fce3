"""What every test stands on: nothing of the user who runs them, and no clock.

The environment is made before anything of benchkit, matplotlib or torch is imported: it holds for imports,
for fixtures of any scope and for every process that a test starts. Processes of pytest-xdist inherit it.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.toys"]  # the small table and its studies, for the tests of every room

# Beginnings of names: what says where things lie, how to look, or that this process is one of many.
FOREIGN = (
    *("BENCHKIT_", "XDG_", "MPL", "DASK_", "JOBLIB_", "LOKY_", "TORCH", "PYTORCH_", "NCCL_", "GLOO_"),
    *("LC_", "LANG", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "CLICOLOR", "PY_COLORS", "TTY_", "TERM"),
    *("OMP_", "MKL_", "OPENBLAS_", "KMP_", "GOMP_", "SOURCE_DATE_EPOCH", "TZ", "HYPOTHESIS_", "TEXMF"),
    *("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_RANK", "MASTER_", "TYPER_", "_TYPER_"),
    *("PYTHONWARNINGS", "PYTHONOPTIMIZE", "PYTHONUTF8", "PYTHONIOENCODING", "PYTHONHASHSEED"),
)


def remove(folder: Path, owner: int) -> None:
    """Remove what `isolate` made, but not where a forked child ends."""
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)


def isolate() -> None:
    """Give this process and its children a home of their own, empty but for what the tests leave there."""
    folder = Path(tempfile.mkdtemp(prefix="benchkit-tests-"))
    atexit.register(remove, folder, os.getpid())
    for name in [name for name in os.environ if name.startswith(FOREIGN)]:
        del os.environ[name]
    home = folder / "home"
    for place in (home, folder / "matplotlib", folder / "hypothesis"):
        place.mkdir()
    os.environ |= {
        "HOME": str(home),
        "USERPROFILE": str(home),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_DATA_HOME": str(home / ".local" / "share"),
        "BENCHKIT_HOME": str(folder / "benchkit"),
        "MPLCONFIGDIR": str(folder / "matplotlib"),  # its fonts are listed once, for all processes
        "HYPOTHESIS_STORAGE_DIRECTORY": str(folder / "hypothesis"),
        "TORCHINDUCTOR_CACHE_DIR": str(folder / "inductor"),  # the user's may hold half a file
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "OMP_NUM_THREADS": "1",  # the tests have a process a core; threads on top of them only wait
    }


if "PYTEST_XDIST_WORKER" not in os.environ:
    isolate()
else:
    for size in (
        "COLUMNS",
        "LINES",
    ):  # readline hands them to child processes
        os.environ.pop(size, None)

# No time limit and no judgement of speed: a busy machine is no failure. No file of examples: a run depends on
# no other. What fails is printed so that it can be run again.
settings.register_profile(
    "benchkit", deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None, print_blob=True
)
settings.load_profile("benchkit")


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Networks this small gain nothing from threads, and lose much to waiting where cores are busy."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
