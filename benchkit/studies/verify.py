"""Run a study's trials again and compare their traces with those that were kept."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchkit.base.errors import InputError
from benchkit.base.limits import check_number
from benchkit.base.processes import Progress
from benchkit.data.tables.catalogue import open_table
from benchkit.searching.trace import Trace
from benchkit.studies.plan import make_plan
from benchkit.studies.runner import run_trials
from benchkit.studies.store import StudyDirectory
from benchkit.studies.trial import Trial

__all__ = ["Verification", "verify"]


@dataclass(frozen=True, slots=True)
class Verification:
    """What a verification found.

    Attributes
    ----------
    checked, total : trials run again, and trials of the study.
    different : the first trial, in the study's order, whose trace differs; None when all agree. In a study of
        supernets the name of a search.
    difference : where its trace first differs, and by how much.
    """

    checked: int
    total: int
    different: Trial | str | None = None
    difference: str = ""


def verify(
    out: Path, sample: int | None = None, jobs: int = 1, seed: int = 0, progress: Progress | None = None
) -> Verification:
    """Run the trials of a finished study again.

    A trial agrees when the trace run again, the one in ``traces.parquet`` and the manifest's hash agree. Of a
    study whose ``traces.parquet`` was taken away, to keep it small, the hash alone is compared.

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
        check_number("sample", sample, "--sample")
        rng = np.random.default_rng(seed)
        picked = np.sort(rng.choice(len(trials), size=min(sample, len(trials)), replace=False))
        chosen = [trials[index] for index in picked]
    kept = directory.read_kept(table.base_space) if directory.traces.is_file() else None
    different: dict[Trial, str] = {}
    with closing(run_trials(spec, chosen, table.path, table.sha256, jobs, "loky", None)) as results:
        for done, result in enumerate(results, start=1):
            known = manifest["traces"][result.trial.name]
            if kept is None:
                if result.digest != known:
                    different[result.trial] = f"another hash, and no {directory.traces.name} to say where"
            elif (trace := kept.get(result.trial)) is None:
                different[result.trial] = f"{directory.traces.name} has no row of it"
            elif not result.digest == known == trace.digest():
                different[result.trial] = _first_difference(trace, result.trace)
            if progress:
                progress(done, len(chosen))
    first = next((trial for trial in chosen if trial in different), None)
    return Verification(len(chosen), len(trials), first, different[first] if first is not None else "")


def _first_difference(kept: Trace, again: Trace) -> str:
    """Say in which evaluation, and by how much, a kept trace differs from the one run again."""
    n = min(len(kept), len(again))
    other = (kept.batch[:n] != again.batch[:n]).any(axis=1)
    apart: dict[str, npt.NDArray[np.float64]] = {}
    for name, unit in (
        ("scores", "points"),
        ("fidelity", "epochs"),
        ("queries", "queries"),
        ("seconds", "s"),
    ):
        before, after = (np.asarray(getattr(trace, name)[:n], dtype=np.float64) for trace in (kept, again))
        same = (before == after) | (np.isnan(before) & np.isnan(after))
        apart[f"{{:.3g}} {unit}"] = np.where(same, 0.0, np.nan_to_num(np.abs(before - after), nan=np.inf))
    rows = np.flatnonzero(other | (np.array(list(apart.values())) > 0).any(axis=0))
    if len(rows):
        row = int(rows[0])
        if other[row]:
            return f"evaluation {row} is another architecture"
        found = [form.format(values[row]) for form, values in apart.items() if values[row] > 0]
        return f"evaluation {row} is apart by {', '.join(found)}"
    if len(kept) != len(again):
        return f"{len(again)} evaluations instead of {len(kept)}"
    return "the kept trace equals this one: the manifest's hash is of another trace"
