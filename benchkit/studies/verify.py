"""Run a study's trials again and compare their traces with those that were kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchkit.searching.trace import Trace
from benchkit.spaces import InputError
from benchkit.studies.plan import make_plan
from benchkit.studies.runner import Progress, run_trials
from benchkit.studies.store import StudyDirectory
from benchkit.studies.trial import Trial
from benchkit.tables.catalogue import open_table

__all__ = ["Verification", "verify"]


@dataclass(frozen=True, slots=True)
class Verification:
    """What a verification found.

    Attributes
    ----------
    checked, total : trials run again, and trials of the study.
    different : the first trial, in the study's order, whose trace differs; None when all agree.
    difference : where its trace first differs, and by how much.
    """

    checked: int
    total: int
    different: Trial | None = None
    difference: str = ""


def verify(
    out: Path, sample: int | None = None, jobs: int = 1, seed: int = 0, progress: Progress | None = None
) -> Verification:
    """Run the trials of a finished study again.

    Parameters
    ----------
    sample : how many trials to run, drawn with `seed`; all by default.
    jobs : processes; the traces must not depend on it.

    Raises
    ------
    InputError : no finished study there, or its table is not the one that it ran on.
    """
    directory = StudyDirectory(out)
    spec = directory.spec()
    manifest = directory.read_manifest()
    table = open_table(spec.table)
    recorded = manifest["table"]["sha256"]
    if table.sha256 != recorded:
        raise InputError(
            f"the study ran on {spec.table} with SHA-256 {recorded[:12]}..., this one has "
            f"{table.sha256[:12]}...: open the same table to verify"
        )
    trials = make_plan(spec, table).trials
    missing = [trial for trial in trials if trial.name not in manifest["traces"]]
    if missing:
        raise InputError(f"{directory.manifest} has no trace hash of {missing[0]}: it is not this study's")
    chosen = trials
    if sample is not None:
        if sample < 1:
            raise InputError(f"--sample must be at least 1, got {sample}")
        rng = np.random.default_rng(seed)
        picked = np.sort(rng.choice(len(trials), size=min(sample, len(trials)), replace=False))
        chosen = [trials[index] for index in picked]
    different: dict[Trial, Trace] = {}
    for done, result in enumerate(
        run_trials(spec, chosen, table.path, table.sha256, jobs, "loky", None), start=1
    ):
        if result.digest != manifest["traces"][result.trial.name]:
            different[result.trial] = result.trace
        if progress:
            progress(done, len(chosen))
    for trial in chosen:
        if trial in different:
            kept = directory.read_trace(trial, table.base_space)
            found = _first_difference(kept, different[trial])
            return Verification(len(chosen), len(trials), trial, found)
    return Verification(len(chosen), len(trials))


def _first_difference(kept: Trace, again: Trace) -> str:
    n = min(len(kept), len(again))
    architecture = (kept.batch[:n] != again.batch[:n]).any(axis=1)
    scores = np.abs(kept.scores[:n] - again.scores[:n])
    numbers = (kept.scores[:n] != again.scores[:n]) | (kept.fidelity[:n] != again.fidelity[:n])
    rows = np.flatnonzero(architecture | numbers)
    if len(rows):
        row = int(rows[0])
        if architecture[row]:
            return f"evaluation {row} is another architecture"
        return f"evaluation {row} has another score, by {scores[row]:.3g} points"
    if len(kept) != len(again):
        return f"{len(again)} evaluations instead of {len(kept)}"
    return "the kept trace equals this one: the manifest's hash is of another trace"
