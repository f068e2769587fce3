"""The manifest: what a reader needs to run a study again and get the same traces, bit for bit."""

from __future__ import annotations

import hashlib
from typing import Any

from benchkit.base.environment import versions
from benchkit.base.measure import ACCURACY
from benchkit.data.tables.table import Table
from benchkit.studies.plan import Plan
from benchkit.studies.spec import StudySpec
from benchkit.studies.wording import describe_table

__all__ = ["make_manifest"]


def make_manifest(spec: StudySpec, table: Table, digests: dict[str, str], plan: Plan) -> dict[str, Any]:
    """Return the manifest of a finished study.

    Parameters
    ----------
    digests : trace hash of each trial, by the trial's name.
    plan : what was run, and what was not and why.
    """
    about = versions()
    return {
        "benchkit": about.pop("benchkit"),
        "study": spec.name,
        "study_sha256": hashlib.sha256(spec.to_yaml().encode()).hexdigest(),
        "table": describe_table(table),
        "seeds": list(range(spec.seeds)),
        "not_applicable": plan.not_applicable,
        "remarks": plan.remarks,
        **({"constraint": plan.constraint} if plan.constraint else {}),
        **({"studied": plan.studied} if plan.studied else {}),
        **({"measure": plan.measure._asdict()} if plan.measure != ACCURACY else {}),
        **about,
        "traces": digests,
    }
