"""Sample efficiency of a finished study, from its traces.

Deviations and choices
----------------------
- Traces of studies hold queries and simulated seconds. Real seconds (of the method itself: the table answers
  at once) are kept beside them, since a trace is the same bit for bit each time its trial runs, and a clock
  is not. They are those of the machine that ran the study, with what else it did.
- The default axis is what the study limited. Budgets are a quarter, a half and all of it; against the other
  axis, of the cost at which the first trial of each data set ends; where another one has no evaluation by
  then, as against real seconds, areas and regrets at budgets have no meaning and are left out.
- Against real seconds each strategy is followed to its own end: they differ by orders of magnitude, and where
  random search ends, after a millisecond, is no horizon for the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchkit.base.errors import InputError, shown, unknown
from benchkit.base.measure import Measure
from benchkit.studies.spec import StudySpec
from benchkit.studies.store import StudyDirectory
from benchkit.studies.wording import reported, study_measure

if TYPE_CHECKING:
    import pandas as pd

TARGETS = (1.0, 0.5, 0.2)
"""Target regrets, in percent points, where none are named and the study is of percentages.

In a study of another quantity it is the median final regret: of the baseline, else of all trials.
"""

SHARES = (0.25, 0.5, 1.0)
"""Of what is known of a data set, where no budgets are named."""

_AXES = {"queries": "queries", "seconds": "seconds", "real-seconds": "real_seconds"}
_ALL = "all trials"


@dataclass(frozen=True, eq=False)
class StudyTraces:
    """The traces of one study, and what they are read against.

    Attributes
    ----------
    spec : the study.
    manifest : its manifest.
    traces : a row per evaluation, see `benchkit.analysis.statistics.frames`.
    axis : ``queries``, ``seconds`` (simulated) or ``real_seconds``, a column of `traces`.
    limit : Largest amount that the study allowed; None where it limited the other one.
    """

    spec: StudySpec
    manifest: Mapping[str, Any]
    traces: pd.DataFrame
    axis: str
    limit: float | None

    @property
    def budgets(self) -> dict[str, float] | None:
        """The budget of each data set; None where the study limited the other axis."""
        return None if self.limit is None else dict.fromkeys(self.spec.datasets, self.limit)

    @property
    def split(self) -> str:
        """The split that regret is measured on; empty where the quantity has none."""
        return reported(self.spec)

    @property
    def measure(self) -> Measure:
        """What regret is of."""
        return study_measure(self.manifest)


@dataclass(frozen=True, eq=False)
class StudyEfficiency:
    """The sample efficiency of a study.

    Attributes
    ----------
    of : Source that it was taken from.
    efficiency : see `benchkit.analysis.statistics.efficiency.sample_efficiency`; empty where no budget fits
        all trials.
    reaching : see `benchkit.analysis.statistics.reaching.reaching`; the column ``target_is`` says
        ``baseline`` where the target is the baseline's median final regret.
    baseline : the strategy that speed-ups are over; None where the study does not have it.
    """

    of: StudyTraces
    efficiency: pd.DataFrame
    reaching: pd.DataFrame
    baseline: str | None


def read_study_traces(out: Path | str, axis: str | None = None) -> StudyTraces:
    """Return the traces of a finished study.

    Parameters
    ----------
    out : its directory.
    axis : ``queries``, ``seconds`` or ``real-seconds``; by default what the study limited.

    Raises
    ------
    InputError : no finished study of queries, or an axis that it does not have.
    """
    directory = StudyDirectory(out)
    directory.spec()  # a folder without a study says so, before one that has not finished
    return study_traces(directory, directory.read_manifest(), axis)


def study_traces(
    directory: StudyDirectory, manifest: Mapping[str, Any], axis: str | None = None
) -> StudyTraces:
    """Return the traces of a study by its manifest, see `read_study_traces`."""
    spec = directory.spec()
    limited = "queries" if spec.budget.queries is not None else "seconds"
    wanted = axis or limited
    if wanted not in _AXES:
        raise unknown("axis", wanted, _AXES)
    traces = directory.read_traces()
    column = _AXES[wanted]
    if column == "real_seconds":
        traces[column] = directory.read_real_seconds()
    if traces[column].isna().any():
        why = {
            "seconds": f"table {spec.table} has no training seconds: its traces have queries only",
            "real_seconds": "some of its trials were finished by a release that kept no real seconds",
        }
        raise InputError(f"{directory.path}: {why[column]}")
    limit = spec.budget.queries if limited == "queries" else spec.budget.simulated_seconds
    return StudyTraces(spec, manifest, traces, column, limit if wanted == limited else None)


def study_efficiency(
    out: Path | str,
    axis: str | None = None,
    targets: Sequence[float | str] | None = None,
    baseline: str = "random-search",
    budgets: Sequence[float] | None = None,
) -> StudyEfficiency:
    """Return the sample efficiency of a finished study.

    Parameters
    ----------
    out, axis : see `read_study_traces`.
    targets : regrets in the unit of the study's quantity, percent points as a rule; ``"baseline"`` is the
        median final regret of the baseline on each data set. By default `TARGETS`, and the baseline's where
        the study has it.
    baseline : the strategy that speed-ups are over.
    budgets : in the unit of the axis; see the module for the default.

    Raises
    ------
    InputError : see `read_study_traces`; a target or budget that does not fit, or a target that needs a
        baseline which the study does not have.
    """
    import pandas as pd

    from benchkit.analysis.statistics.efficiency import (
        EFFICIENCY_COLUMNS,
        common_ends,
        common_starts,
        sample_efficiency,
    )
    from benchkit.analysis.statistics.reaching import reaching

    study = read_study_traces(out, axis)
    labels = list(dict.fromkeys(study.traces["strategy"]))
    known = baseline in labels
    if targets is None:
        own = list(TARGETS) if study.measure.is_percent else []
        targets = [*own, "baseline"] if known else own or [_ALL]
    if not known and (baseline != "random-search" or "baseline" in targets):
        raise InputError(
            f"study {study.spec.name} has no strategy {shown(baseline)}; it has {', '.join(labels)}"
        )
    try:
        ends = study.budgets or common_ends(study.traces, study.axis)
        shares = list(SHARES)
        if not budgets:
            starts = common_starts(study.traces, study.axis)
            shares = [share for share in SHARES if all(share * ends[each] >= starts[each] for each in ends)]
        of_dataset = {
            dataset: tuple(budgets or [share * end for share in shares]) for dataset, end in ends.items()
        }
        for dataset, end in ends.items():
            beyond = [budget for budget in of_dataset[dataset] if budget > end * (1 + 1e-9)]
            if beyond:
                raise InputError(
                    f"a budget of {beyond[0]:g} {study.axis.replace('_', ' ')} is more than the {end:g} "
                    f"up to which every trial on {dataset} is known"
                )
        aims = {dataset: _targets(study, dataset, targets, baseline) for dataset in ends}
        efficiency = pd.DataFrame(columns=list(EFFICIENCY_COLUMNS))
        if all(of_dataset.values()):
            efficiency = sample_efficiency(study.traces, study.axis, of_dataset)
        reached = reaching(
            study.traces,
            aims,
            study.axis,
            study.budgets,
            baseline,
            own_ends=study.axis == "real_seconds",
        )
    except ValueError as error:  # InputError among them
        raise InputError(str(error)) from error
    place = reached.groupby(["dataset", "strategy"], sort=False).cumcount()  # of the target, among all
    said = [target if isinstance(target, str) else "" for target in targets]
    reached.insert(2, "target_is", [said[number] for number in place])
    return StudyEfficiency(study, efficiency, reached, baseline if known else None)


def _targets(study: StudyTraces, dataset: str, targets: Sequence[float | str], baseline: str) -> list[float]:
    """Return the target regrets on one data set, the word for the baseline's replaced."""
    found = []
    for target in targets:
        if isinstance(target, str):
            here = study.traces[study.traces["dataset"] == dataset]
            here = here if target == _ALL else here[here["strategy"] == baseline]
            last = here.sort_values("step").groupby(["strategy", "seed"])["regret"].last()
            target = float(np.quantile(last, 0.5, method="inverted_cdf"))  # a regret that one trial had
        found.append(target)
    return found
