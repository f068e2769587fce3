"""Processes that are kept from one call to the next."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

import pytest

from benchkit.base.processes import in_processes


def pid(_: int) -> int:
    return os.getpid()


def test_processes_are_kept_between_calls() -> None:
    before = set(in_processes(pid, [(n,) for n in range(8)], 2, backend="loky", batch_size=1))
    after = set(in_processes(pid, [(n,) for n in range(8)], 2, backend="loky", batch_size=1))
    assert os.getpid() not in before | after
    assert len(before | after) <= 2


def test_processes_import_from_where_the_parent_does_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    list(in_processes(pid, [(n,) for n in range(4)], 2, backend="loky"))
    (tmp_path / "come_later.py").write_text("def double(number):\n    return 2 * number\n")
    monkeypatch.syspath_prepend(tmp_path)
    double = importlib.import_module("come_later").double
    assert sorted(in_processes(double, [(n,) for n in range(4)], 2, backend="loky")) == [0, 2, 4, 6]


def place(_: int) -> tuple[str, str | None]:
    return os.getcwd(), os.environ.get("BENCHKIT_HOME")


def test_processes_are_where_the_parent_is_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    list(in_processes(place, [(n,) for n in range(4)], 2, backend="loky"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCHKIT_HOME", "elsewhere")
    found = set(in_processes(place, [(n,) for n in range(4)], 2, backend="loky"))
    assert found == {(str(tmp_path.resolve()), "elsewhere")}
