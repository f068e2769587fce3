"""Studies from Python: load one, run it, read its results."""

from __future__ import annotations

from pathlib import Path

from benchkit.base.errors import unknown
from benchkit.studies.runner import run
from benchkit.studies.spec import StudySpec, load_preset, load_spec, preset_names
from benchkit.studies.store import StudyDirectory
from benchkit.studies.supernet_spec import (
    SupernetStudySpec,
    is_supernet_study,
    load_supernet_preset,
    load_supernet_study,
    supernet_preset_names,
)

__all__ = ["load_study", "run_study"]


def load_study(name: str | Path) -> StudySpec | SupernetStudySpec:
    """Return a preset by its name, or the study in a YAML file.

    Raises
    ------
    InputError : no such preset or file, or not a study.
    """
    if isinstance(name, Path) or name.endswith((".yaml", ".yml")):
        path = Path(name)
        return load_supernet_study(path) if is_supernet_study(path) else load_spec(path)
    training = supernet_preset_names()
    if name in training:
        return load_supernet_preset(name)
    if name not in preset_names():
        raise unknown("preset", name, sorted([*preset_names(), *training]))
    return load_preset(name)


def run_study(
    study: StudySpec | SupernetStudySpec | str | Path, out: Path | str, jobs: int = 1
) -> StudyDirectory | Path:
    """Run a study, or what is missing of it; return its directory, of supernet searches the folder's path.

    Parameters
    ----------
    study : a specification, a preset's name, or a YAML file.
    out : the folder of the results; the same study there is resumed.
    jobs : processes; -1 for all cores.
    """
    spec = load_study(study) if isinstance(study, str | Path) else study
    if isinstance(spec, StudySpec):
        return run(spec, Path(out), jobs)
    from benchkit.studies.supernet_study import run_supernet_study

    return run_supernet_study(spec, Path(out), jobs)
