"""Studies from Python: run one, with its tables and figures."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from benchkit.base.processes import Progress
from benchkit.studies.runner import run
from benchkit.studies.spec import AnyStudySpec, load_study
from benchkit.studies.store import StudyDirectory

_WRITERS = {"table": ("report", "write_report"), "supernet": ("supernet_report", "write_tables")}


def run_study(
    study: AnyStudySpec | str | Path,
    out: Path | str,
    jobs: int = 1,
    backend: str = "loky",
    scheduler: str | None = None,
    progress: Progress | None = None,
    device: str = "auto",
) -> StudyDirectory:
    """Run a study, or what is missing of it, with its tables and figures; return its folder.

    Parameters
    ----------
    study : Specification, name of a preset, or YAML file.
    out : Folder of the results; the same study there is resumed.
    jobs, backend, scheduler, progress, device : see `benchkit.studies.runner.run`.
    """
    spec = load_study(study) if isinstance(study, str | Path) else study
    return run(spec, Path(out), jobs, backend, scheduler, progress, _write, device)


def _write(directory: StudyDirectory, manifest: dict[str, Any]) -> None:
    """Write the tables and figures of a study by what judges its architectures."""
    module, name = _WRITERS[directory.load().evaluator]
    getattr(import_module(f"benchkit.reports.{module}"), name)(directory, manifest)
