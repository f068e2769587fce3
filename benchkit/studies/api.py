"""Studies from Python: load one, run it, read its results."""

from __future__ import annotations

from pathlib import Path

from benchkit.studies.runner import run
from benchkit.studies.spec import StudySpec, load_preset, load_spec
from benchkit.studies.store import StudyDirectory

__all__ = ["load_study", "run_study"]


def load_study(name: str | Path) -> StudySpec:
    """Return a preset by its name, or the study in a YAML file.

    Raises
    ------
    InputError : no such preset or file, or not a study.
    """
    if isinstance(name, Path) or name.endswith((".yaml", ".yml")):
        return load_spec(Path(name))
    return load_preset(name)


def run_study(study: StudySpec | str | Path, out: Path | str, jobs: int = 1) -> StudyDirectory:
    """Run a study, or what is missing of it; return its directory.

    Parameters
    ----------
    study : a specification, a preset's name, or a YAML file.
    out : the directory of the results; the same study there is resumed.
    jobs : processes; -1 for all cores.
    """
    spec = study if isinstance(study, StudySpec) else load_study(study)
    return run(spec, Path(out), jobs)
