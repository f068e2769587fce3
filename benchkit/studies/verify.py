"""Run a study's trials again and compare their traces with those that were kept."""

from __future__ import annotations

import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchkit.base.errors import InputError
from benchkit.base.limits import check_number
from benchkit.base.processes import Progress
from benchkit.studies.runner import spread
from benchkit.studies.store import StudyDirectory
from benchkit.studies.trial import Trial
from benchkit.studies.work import work_of


@dataclass(frozen=True, slots=True)
class Verification:
    """The result of a verification.

    Attributes
    ----------
    checked, total : Trials run again, and trials of the study.
    different : First trial, in the study's order, whose trace differs; None when all agree.
    difference : Place where its trace first differs, and the size of that.
    """

    checked: int
    total: int
    different: Trial | None = None
    difference: str = ""


def verify(
    out: Path, sample: int | None = None, jobs: int = 1, seed: int = 0, progress: Progress | None = None
) -> Verification:
    """Run the trials of a finished study again.

    A trial agrees when the trace run again, the one in ``traces.parquet`` and the manifest's hash agree. Of a
    study whose ``traces.parquet`` was taken away, to keep it small, the hash alone is compared.

    Parameters
    ----------
    sample : Number of trials to run, drawn with `seed`; all by default.
    jobs : Number of processes; the traces must not depend on it.

    Raises
    ------
    InputError : no finished study there, or its table is not the one that it ran on.
    """
    directory = StudyDirectory(out)
    spec = directory.load()
    manifest = directory.read_manifest()
    work = work_of(directory, spec, manifest.get("device", "auto"))
    work.check(manifest, "the study ran", ": open the same table to verify")
    trials, known = work.trials, manifest["traces"]
    missing = [trial for trial in trials if trial.name not in known]
    if missing:
        raise InputError(f"{directory.manifest} has no trace hash of {missing[0]}: it is not this study's")
    chosen = list(trials)
    if sample is not None:
        check_number("sample", sample, "--sample")
        rng = np.random.default_rng(seed)
        picked = np.sort(rng.choice(len(trials), size=min(sample, len(trials)), replace=False))
        chosen = [trials[index] for index in picked]
    different: dict[Trial, str] = {}
    with tempfile.TemporaryDirectory() as scratch:
        function, calls = work.calls_again(chosen, Path(scratch))
        with closing(spread(function, calls, jobs, work.batch_size)) as results:
            for done, result in enumerate(results, start=1):
                again = work.again(result)
                said = work.difference(again, known[again.trial.name])
                if said:
                    different[again.trial] = said
                if progress:
                    progress(done, len(chosen))
    first = next((trial for trial in chosen if trial in different), None)
    return Verification(len(chosen), len(trials), first, different[first] if first is not None else "")
