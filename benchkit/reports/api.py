"""Studies from Python: run one, with its tables and figures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchkit.base.processes import Progress
from benchkit.reports.report import write_report
from benchkit.studies.api import load_study
from benchkit.studies.runner import run
from benchkit.studies.spec import StudySpec
from benchkit.studies.store import StudyDirectory
from benchkit.studies.supernet_spec import SupernetStudySpec

__all__ = ["run_study"]


def run_study(
    study: StudySpec | SupernetStudySpec | str | Path,
    out: Path | str,
    jobs: int = 1,
    backend: str = "loky",
    scheduler: str | None = None,
    progress: Progress | None = None,
    device: str = "auto",
    query_progress: Callable[[], Any] | None = None,
) -> StudyDirectory | Path:
    """Run a study, or what is missing of it; return its directory, of supernet searches the folder's path.

    Parameters
    ----------
    study : Specification, name of a preset, or YAML file.
    out : Folder of the results; the same study there is resumed.
    jobs, backend, scheduler, progress : see `benchkit.studies.runner.run`.
    device, query_progress : see `benchkit.studies.supernet_study.run_supernet_study`.
    """
    spec = load_study(study) if isinstance(study, str | Path) else study
    if isinstance(spec, StudySpec):
        return run(spec, Path(out), jobs, backend, scheduler, progress, write_report)
    from benchkit.reports.supernet_report import write_tables
    from benchkit.studies.supernet_study import run_supernet_study

    return run_supernet_study(
        spec,
        Path(out),
        jobs,
        device,
        progress,
        query_progress,
        backend,
        scheduler,
        write_report,
        write_tables,
    )
