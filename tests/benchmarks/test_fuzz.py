"""The campaign of malformed inputs: a seeded share of it, and that it sees what it looks for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import benchkit

ROOT = Path(benchkit.__file__).parents[1]

PLANTED = """
import os, signal, sys
import numpy as np
from pathlib import Path
from benchkit.base.errors import InputError
from benchmarks.fuzz import server
from benchmarks.fuzz.door import Door

class Planted(Door):
    name = "planted"
    def prepare(self, folder): (folder / "seed").write_text("x")
    def damage(self, seeds, folder, rng): (folder / "input").write_bytes((seeds / "seed").read_bytes())
    def past_header(self, folder): return (folder / "input").read_text() == "x"
    def read(self, folder):
        match sys.argv[2]:
            case "read": (folder / "input").read_text()
            case "refused": raise InputError("one line")
            case "foreign": {}["missing"]
            case "leaves": sys.exit(3)
            case "signal": os.kill(os.getpid(), signal.SIGSEGV)
            case "memory": bytearray(b"1") * 1_500_000_000
            case "slow": signal.raise_signal(signal.SIGXCPU)
            case "untidy": raise InputError("two" + chr(10) + "lines")

root = Path(sys.argv[1])
(root / "seeds").mkdir()
server.in_child(lambda: Planted().prepare(root / "seeds"))
outcome = server.read_one(Planted(), root / "seeds", root / "input", np.random.default_rng(0))
print(outcome.verdict, outcome.past_header, outcome.gigabytes > 1, (root / "input").exists())
"""


def call(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("fault", "verdict", "past", "over"),
    [
        ("read", "read", True, False),
        ("refused", "refused", True, False),
        ("foreign", "foreign", True, False),
        ("leaves", "foreign", True, False),
        ("signal", "signal", False, False),
        ("memory", "read", True, True),
        ("slow", "slow", False, False),
        ("untidy", "untidy", True, False),
    ],
)
def test_a_planted_fault_is_seen(fault: str, verdict: str, past: bool, over: bool, tmp_path: Path) -> None:
    done = call("-c", PLANTED, str(tmp_path), fault)
    assert done.stdout.split() == [verdict, str(past), str(over), "False"], done.stderr


def test_a_seeded_share_of_the_campaign_finds_nothing() -> None:
    done = call("-m", "benchmarks.fuzz", "--n", "300", "--seed", "15")
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def test_an_input_depends_on_seed_door_and_number_alone(tmp_path: Path) -> None:
    from benchmarks.fuzz.campaign import generator
    from benchmarks.fuzz.doors import DOORS

    door = DOORS["csv"]
    (tmp_path / "seeds").mkdir()
    door.prepare(tmp_path / "seeds")
    made = []
    for place, number in (("a", 5), ("b", 6), ("c", 5)):
        (tmp_path / place).mkdir()
        door.damage(tmp_path / "seeds", tmp_path / place, generator(3, "csv", number))
        made.append((tmp_path / place / "results.csv").read_bytes())
    assert made[0] == made[2] != made[1]
