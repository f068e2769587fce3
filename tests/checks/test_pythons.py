"""Pythons are those that answer, wherever they lie; lower bounds are all there; the version has one place."""

from __future__ import annotations

import os
import re
import sys
import tomllib
from pathlib import Path

import pytest

import benchkit
from checks.lowest import lower_bounds
from checks.pythons import ask, find_pythons, supported

CHECKOUT = Path(benchkit.__file__).parents[1]
PYPROJECT = CHECKOUT / "pyproject.toml"
OWN = f"{sys.version_info[0]}.{sys.version_info[1]}"

pytestmark = pytest.mark.skipif(
    not PYPROJECT.is_file() or os.name != "posix", reason="not a checkout, or no sh"
)


def program(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_a_shim_that_fails_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shims, system, managed = tmp_path / "shims", tmp_path / "bin", tmp_path / "pyenv"
    monkeypatch.setenv("PATH", os.pathsep.join([str(shims), str(tmp_path / "none"), str(system)]))
    monkeypatch.setenv("PYENV_ROOT", str(managed))
    program(shims / "python9.1", "echo 'pyenv: python9.1: command not found' >&2; exit 127")
    program(managed / "versions" / "9.1.4" / "bin" / "python", "echo benchkit 9 1 4 /there")
    program(shims / "python9.2", "echo Python 9.2")  # says what nobody asked for
    program(system / "python9.2", "echo benchkit 9 2 0 /system")
    program(system / "python9.3", "echo benchkit 9 2 0 /another")  # is not what it is called
    program(system / "python9.4", "echo 'No module named ensurepip' >&2; exit 1")
    assert find_pythons(["9.1", "9.2", "9.3", "9.4", "9.5", OWN]) == {
        OWN: (".".join(map(str, sys.version_info[:3])), Path(sys.executable)),
        "9.1": ("9.1.4", Path("/there")),
        "9.2": ("9.2.0", Path("/system")),
    }


def test_a_real_python_answers_and_another_file_does_not(tmp_path: Path) -> None:
    answer = ask(sys.executable)
    assert answer is not None
    assert answer[0] == OWN
    (tmp_path / "text").write_text("no program")
    assert ask(tmp_path / "text") is None
    assert ask(tmp_path / "none") is None


def test_the_releases_are_those_that_the_package_is_for() -> None:
    assert supported(PYPROJECT) == ["3.11", "3.12", "3.13"]


def test_everything_required_has_a_lower_bound() -> None:
    text = PYPROJECT.read_text(encoding="utf-8")
    required = tomllib.loads(text)["project"]["dependencies"]
    names = {re.split(r"[\[>=]", line)[0] for line in required}
    assert len(names) == len(required) > 15
    assert names <= set(lower_bounds(text))


def test_the_version_stands_in_one_place() -> None:
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    assert "version" not in project
    assert "version" in project["dynamic"]
    files = [path for path in (CHECKOUT / "benchkit").rglob("*.py") if path.is_file()]
    holding = [path for path in files if f'"{benchkit.__version__}"' in path.read_text(encoding="utf-8")]
    assert holding == [CHECKOUT / "benchkit" / "base" / "version.py"]
    asking = [path for path in files if 'version("benchkit")' in path.read_text(encoding="utf-8")]
    assert asking == []  # what is installed may be another release than what runs
