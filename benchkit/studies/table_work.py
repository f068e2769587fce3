"""The work of a study on a table: its trials ask the table, and leave traces."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from benchkit.base.environment import versions
from benchkit.base.errors import InputError
from benchkit.base.measure import ACCURACY
from benchkit.data.tables.catalogue import open_table
from benchkit.data.tables.table import Table
from benchkit.searching.trace import Trace
from benchkit.studies.plan import Plan, make_plan
from benchkit.studies.spec import StudySpec
from benchkit.studies.store import StudyDirectory
from benchkit.studies.trial import Trial, TrialResult, run_trial
from benchkit.studies.wording import after_epochs, budget_text, describe_table, reported
from benchkit.studies.work import Again, Calls, StudyWork

if TYPE_CHECKING:
    import pandas as pd


class TableWork(StudyWork):
    """Trials that ask a table and leave traces."""

    spec: StudySpec

    @cached_property
    def table(self) -> Table:
        """Table of the study."""
        return open_table(self.spec.table)

    @cached_property
    def _plan(self) -> Plan:
        return make_plan(self.spec, self.table)

    @cached_property
    def _parts(self) -> StudyDirectory:
        return StudyDirectory(self.directory.path, self.table.sha256)

    @property
    def trials(self) -> Sequence[Trial]:
        return self._plan.trials

    def finished(self) -> set[Trial]:
        return set(self._parts.finished(self.trials))

    def calls(self, trials: Sequence[Trial], cluster: bool) -> Calls:
        where = (self.table.path.resolve(), self.table.sha256)
        return partial(run_trial, self.spec), [(trial, *where) for trial in trials]

    def keep(self, result: TrialResult) -> None:
        self._parts.keep(result, self.table.base_space.arity)

    def assemble(self) -> dict[str, Any]:
        digests = self._parts.assemble(self.trials, self.table.base_space)
        about, plan = versions(), self._plan
        return {
            "benchkit": about.pop("benchkit"),
            "study": self.spec.name,
            "study_sha256": hashlib.sha256(self.spec.to_yaml().encode()).hexdigest(),
            "table": describe_table(self.table),
            "seeds": list(range(self.spec.seeds)),
            "not_applicable": plan.not_applicable,
            "remarks": plan.remarks,
            **({"constraint": plan.constraint} if plan.constraint else {}),
            **({"studied": plan.studied} if plan.studied else {}),
            **({"measure": plan.measure._asdict()} if plan.measure != ACCURACY else {}),
            **about,
            "traces": digests,
        }

    def check(self, manifest: dict[str, Any], begins: str, remedy: str) -> None:
        recorded, ours = manifest["table"]["sha256"], self.table.sha256
        if recorded != ours:
            raise InputError(
                f"{begins} on {self.spec.table} with SHA-256 {recorded[:12]}..., this one has "
                f"{ours[:12]}...{remedy}"
            )

    def calls_again(self, trials: Sequence[Trial], scratch: Path) -> Calls:
        return self.calls(trials, cluster=False)

    def again(self, result: TrialResult) -> Again:
        return Again(result.trial, result.digest, result)

    @cached_property
    def _kept(self) -> dict[Trial, Trace] | None:
        if not self.directory.traces.is_file():
            return None
        return self.directory.read_kept(self.table.base_space)

    def difference(self, again: Again, known: str) -> str:
        traces = self.directory.traces.name
        if self._kept is None:
            return "" if again.digest == known else f"another hash, and no {traces} to say where"
        kept = self._kept.get(again.trial)
        if kept is None:
            return f"{traces} has no row of it"
        return "" if again.digest == known == kept.digest() else _first_difference(kept, again.result.trace)

    def read_trials(self) -> pd.DataFrame:
        return self.directory.read_trials()

    def measured(self) -> str:
        spec = self.spec
        report, quantity = spec.report, spec.search.quantity.replace("_", " ")
        run = report.valid if report.valid is not None else report.test
        what = f"{reported(spec)} {quantity}".strip()
        limit = "" if spec.constraint is None else f", {spec.constraint.cost} at most {spec.constraint.max:g}"
        return (
            f"{budget_text(spec)}{after_epochs(spec.search.epochs, 'at')}{limit}, regret in {what} "
            f"({'mean' if run == 'mean' else f'run {run}'}){after_epochs(report.epochs, 'at')}"
        )


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
