"""The manifest: what a reader needs to run a study again and get the same traces, bit for bit."""

from __future__ import annotations

import hashlib
import json
import platform
import re
from importlib import metadata
from typing import Any

from benchkit.base.measure import ACCURACY
from benchkit.base.version import __version__
from benchkit.data.tables.table import Table
from benchkit.studies.plan import Plan
from benchkit.studies.spec import StudySpec
from benchkit.studies.wording import describe_table

__all__ = ["make_manifest", "to_json", "versions"]

_NAME = re.compile(r"[A-Za-z0-9._-]+")


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


def versions() -> dict[str, Any]:
    """Return the versions of this package and of what it stands on."""
    return {
        "benchkit": __version__,
        "python": platform.python_version(),
        "platform": {
            "system": platform.system(),
            "machine": platform.machine(),
            "libc": " ".join(platform.libc_ver()),
        },
        "dependencies": _dependencies(),
    }


def to_json(manifest: dict[str, Any]) -> str:
    """Return the manifest as text, ready to be kept."""
    return json.dumps(manifest, indent=1, sort_keys=False) + "\n"


def _dependencies() -> dict[str, str]:
    """Return the version of each direct dependency, or that it is not installed: few studies need all."""
    versions = {}
    for requirement in metadata.requires("benchkit") or []:
        match = _NAME.match(requirement)
        if match is None or "extra ==" in requirement:
            continue
        try:
            versions[match[0]] = metadata.version(match[0])
        except metadata.PackageNotFoundError:
            versions[match[0]] = "not installed"
    return dict(sorted(versions.items()))
