"""The README promises nothing that does not work."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import benchkit
from benchkit.strategies import weight_sharing_names
from benchkit.studies.spec import preset_names

README = Path(benchkit.__file__).parents[1] / "README.md"
pytestmark = pytest.mark.skipif(not README.is_file(), reason="not a checkout")


def text() -> str:
    return README.read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text(), flags=re.DOTALL)


def test_the_python_example_runs() -> None:
    done = subprocess.run(
        [sys.executable, "-c", blocks("python")[0]], capture_output=True, text=True, check=True
    )
    cell, accuracy = done.stdout.split()
    assert benchkit.get_space("nasbench201").parse(cell) is not None
    assert 90 < float(accuracy) < 94.4


def test_every_strategy_table_and_preset_is_named() -> None:
    for name in (
        *benchkit.strategy_names(),
        *weight_sharing_names(),
        *benchkit.space_names(),
        *preset_names(),
    ):
        assert f"`{name}`" in text(), name


def test_links_and_pictures_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", text()):
        if "://" not in target:
            assert (README.parent / target).exists(), target


def test_the_example_of_a_strategy_works() -> None:
    example = blocks("python")[1]
    code = f"""
import numpy as np, benchkit
from benchkit.strategies import Ask, SearchStrategy
from benchkit.searching import Budget, search
{example}
table = benchkit.open_table("nasbench201")
a, b = np.random.default_rng(0).spawn(2)
greedy = Greedy(table.space, a)
trace = search(greedy, benchkit.TableEvaluator(table, "cifar10", "valid", 200, "mean", b), Budget(queries=30))
print(len(trace))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["30"]
