"""The records of spaces: what the registry finds, and what it leaves alone."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import benchkit.spaces
from benchkit.base.errors import InputError
from benchkit.spaces import get_space, record_of, records, space_names
from benchkit.spaces.categorical import CategoricalSpace
from benchkit.spaces.sizes import network_size

ROOM = Path(benchkit.spaces.__file__).parent


@pytest.mark.parametrize("name", space_names())
def test_a_listed_space_stands_in_its_record(name: str) -> None:
    record = record_of(name)
    assert name in record.spaces or name in record.usual
    assert get_space(name).name == name


def test_every_folder_of_a_space_is_listed() -> None:
    folders = {path.parent.name for path in ROOM.glob("*/encoding.py")}
    assert {record.folder for record in records().values()} == {f"benchkit.spaces.{name}" for name in folders}


def test_records_load_no_torch() -> None:
    code = "import sys; from benchkit.spaces import records; records(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["False"]


def test_a_space_without_networks_says_which_have_some() -> None:
    for space in (get_space("natsbench-size"), CategoricalSpace("mine", {"op": ["a", "b"]})):
        with pytest.raises(InputError, match=f"space {space.name} has no network; .*nasbench101, .*branches"):
            network_size(space)


def test_the_engine_knows_none_of_the_spaces_that_it_serves() -> None:
    folders = {f"benchkit.spaces.{path.parent.name}" for path in ROOM.glob("*/encoding.py")}
    for path in (ROOM / "engine").glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        named = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not {name for name in named if name.rpartition(".")[0] in folders or name in folders}, path
