"""The tests see nothing of the user who runs them: no cache, no home, no environment."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import benchkit
from benchkit.data.images.catalogue import image_set_names
from benchkit.data.tables.catalogue import embedded_names

CHECKOUT = Path(benchkit.__file__).parents[1]
SEEN = """
import os, benchkit, matplotlib
from pathlib import Path
from benchkit.data.images.catalogue import image_set_names
print(benchkit.table_names(), image_set_names(), matplotlib.rcParams["font.size"], end=" ")
print(Path.home(), os.environ["LC_ALL"])
"""


def test_there_is_nothing_but_what_is_embedded() -> None:
    assert benchkit.table_names() == embedded_names()
    assert image_set_names() == ["digits"]
    done = subprocess.run([sys.executable, "-c", SEEN], capture_output=True, text=True, check=True)
    assert done.stdout.split("] ")[-1].split() == ["10.0", str(Path.home()), "C.UTF-8"]
    assert "mine" not in done.stdout
    assert Path.home().parent.name.startswith("benchkit-tests-")
    assert "COLUMNS" not in os.environ


def test_no_test_of_a_property_has_a_clock() -> None:
    profile = settings.default
    assert profile is not None
    assert profile.deadline is None
    assert HealthCheck.too_slow in profile.suppress_health_check
    assert profile.database is None


@pytest.mark.skipif(not (CHECKOUT / "tests" / "conftest.py").is_file(), reason="not a checkout")
@pytest.mark.parametrize("kind", ["cache", "variable"])
def test_nor_is_there_for_a_user_who_has_imported_tables(tmp_path: Path, kind: str) -> None:
    """The first test of this file, run by somebody with tables, images and settings of their own."""
    home = tmp_path / "home"
    cache = home / ".cache" / "benchkit" if kind == "cache" else tmp_path / "moved"
    (cache / "tables").mkdir(parents=True)
    for name in ("nasbench101", "natsbench-size", "mine"):
        shutil.copy(
            CHECKOUT / "benchkit" / "data" / "tables" / "embedded" / "nasbench-macro.arrow",
            cache / "tables" / f"{name}.arrow",
        )
    (cache / "images").mkdir()
    (cache / "images" / "cifar10.npz").write_bytes(b"mine")
    (home / ".config" / "matplotlib").mkdir(parents=True)
    (home / ".config" / "matplotlib" / "matplotlibrc").write_text("font.size: 31\n")
    environment = {
        **{
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("BENCHKIT_", "PYTEST_", "MPL"))
        },
        **{
            "HOME": str(home),
            "XDG_CACHE_HOME": str(home / ".cache"),
            "XDG_CONFIG_HOME": str(home / ".config"),
        },
        **{"COLUMNS": "20", "LC_ALL": "POSIX", "OMP_NUM_THREADS": "7", "BENCHKIT_ANYTHING": "1"},
        **({"BENCHKIT_HOME": str(cache)} if kind == "variable" else {}),
    }
    seen = subprocess.run(
        [sys.executable, "-c", SEEN], env=environment, capture_output=True, text=True, check=True
    )
    assert "'mine'" in seen.stdout  # without isolation, all of it counts
    assert " 31.0 " in seen.stdout
    name = test_there_is_nothing_but_what_is_embedded.__name__
    words = ["-m", "pytest", "-q", "-W", "ignore", "-p", "no:cacheprovider", f"{__file__}::{name}"]
    done = subprocess.run(
        [sys.executable, *words], env=environment, capture_output=True, text=True, cwd=CHECKOUT
    )
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout
