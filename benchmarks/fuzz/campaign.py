"""A campaign: how many inputs each door gets, and what became of them."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np

from benchkit.base.errors import unknown
from benchmarks.fuzz.doors import DOORS
from benchmarks.fuzz.server import Outcome, in_child, one_thread, read_one, warm_up

__all__ = ["BAD", "generator", "run_campaign", "shares"]

BAD = ("foreign", "signal", "slow", "untidy")
"""Verdicts that no input may have."""


def shares(n: int, names: list[str]) -> dict[str, int]:
    """Return how many inputs each door gets, by its share, at least one each."""
    for name in names:
        if name not in DOORS:
            raise unknown("door", name, DOORS)
    doors = [DOORS[name] for name in names or DOORS]
    whole = sum(door.share for door in doors)
    return {door.name: max(1, round(n * door.share / whole)) for door in doors}


def run_campaign(
    folder: Path, counts: dict[str, int], seed: int, keep: Path | None = None
) -> dict[str, list[Outcome]]:
    """Read all inputs, and return the outcomes by door.

    Parameters
    ----------
    folder : empty folder for the inputs.
    counts : number of inputs of each door.
    seed : seed of the campaign; input k of a door depends on it, on the door's name and on k alone.
    keep : folder that the inputs with a bad verdict are written to; None keeps none.
    """
    results: dict[str, list[Outcome]] = {}
    with one_thread():
        warm_up()
        for name, count in counts.items():
            door = DOORS[name]
            seeds = folder / "seeds" / name.replace(" ", "-")
            seeds.mkdir(parents=True)
            in_child(lambda door=door, seeds=seeds: door.prepare(seeds))  # type: ignore[misc]
            results[name] = []
            for number in range(count):
                outcome = read_one(door, seeds, folder / "input", generator(seed, name, number))
                if keep is not None and outcome.verdict in BAD:
                    target = keep / f"{name.replace(' ', '-')}-{number}"
                    shutil.rmtree(target, ignore_errors=True)
                    target.mkdir(parents=True)
                    door.damage(seeds, target, generator(seed, name, number))
                results[name].append(outcome)
            if sys.stderr.isatty():
                print(f"{name}: {count} inputs", file=sys.stderr)
    return results


def generator(seed: int, name: str, number: int) -> np.random.Generator:
    """Return the randomness of one input of a door."""
    return np.random.default_rng([seed, number, *name.encode()])
