"""The plan of the house: which room may know which, and what must not be loaded."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import benchkit

PACKAGE = Path(benchkit.__file__).parent
LOWER = {"base", "spaces", "strategies", "data", "searching"}
ROOMS = {
    "base": {"base"},
    "spaces": {"spaces", "base"},
    "strategies": {"strategies", "spaces", "base"},
    "analysis": {"analysis", "base"},
    "data": {"data", "spaces", "base"},
    "searching": LOWER,
    "training": LOWER | {"training", "analysis"},
    "studies": LOWER | {"training", "analysis", "studies"},
    "reports": LOWER | {"training", "analysis", "studies", "reports"},
    "cli": LOWER | {"training", "analysis", "studies", "reports", "cli"},
}
"""Every room, and which rooms it may import (see docs/design.md)."""
HEAVY = ("torch", "pandas", "scipy.stats", "matplotlib", "seaborn", "optuna", "sklearn")


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield node.module or ""


def test_there_are_ten_rooms() -> None:
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders == set(ROOMS)
    assert len(ROOMS) == 10


@pytest.mark.parametrize("room", ROOMS)
def test_arrows_run_one_way(room: str) -> None:
    files = list((PACKAGE / room).rglob("*.py"))
    assert files
    for path in files:
        for name in imported(path):
            parts = name.split(".")
            if parts[0] == "benchkit":
                assert len(parts) > 1, f"{path} imports the whole package"
                assert parts[1] in ROOMS[room], f"{path} imports {name}"


def test_no_two_files_need_each_other() -> None:
    """Not even inside functions, and not over a third file; imports for types alone count, too."""
    root = PACKAGE.parent
    files = {
        ".".join(path.relative_to(root).with_suffix("").parts): path
        for path in PACKAGE.rglob("*.py")
        if path.name != "__init__.py"
    }
    needs = {name: {other for other in imported(path) if other in files} for name, path in files.items()}
    assert sum(map(len, needs.values())) > len(files)
    TopologicalSorter(needs).prepare()  # a CycleError names the circle


def loaded_after(code: str) -> set[str]:
    script = f"{code}\nimport sys; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        "import benchkit",
        "import benchkit; benchkit.space_names(); benchkit.strategy_names(); benchkit.table_names()",
        "import benchkit.cli.app",
        "import benchkit; t = benchkit.open_table('nasbench201'); t.optimum(next(iter(t.metrics)))",
    ],
)
def test_light_things_load_nothing_heavy(code: str) -> None:
    assert not loaded_after(code) & set(HEAVY)


@pytest.mark.parametrize("strategy", [n for n in benchkit.strategy_names() if n != "bananas"])
def test_searches_without_a_network_do_not_load_torch(strategy: str) -> None:
    code = (
        "import numpy as np, benchkit\n"
        f"kind = benchkit.get_strategy({strategy!r})\n"
        "options = {'fidelities': (12, 200)} if kind.multi_fidelity else {}\n"
        "kind(benchkit.get_space('nasbench201'), np.random.default_rng(0), **options).ask()"
    )
    assert "torch" not in loaded_after(code)


def test_root_links_lead_to_the_rooms() -> None:
    root = PACKAGE.parent
    if not (root / "pyproject.toml").is_file():
        pytest.skip("not a checkout")
    for room in ("spaces", "strategies", "analysis"):
        assert (root / room).is_symlink()
        assert (root / room).resolve() == PACKAGE / room


def test_no_file_drifts_past_400_lines() -> None:
    for path in PACKAGE.rglob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 400, path
