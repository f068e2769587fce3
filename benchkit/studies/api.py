"""Loads a study by the name of a preset or from its file."""

from __future__ import annotations

from pathlib import Path

from benchkit.base.errors import unknown
from benchkit.studies.spec import StudySpec, load_preset, load_spec, preset_names
from benchkit.studies.supernet_spec import (
    SupernetStudySpec,
    is_supernet_study,
    load_supernet_preset,
    load_supernet_study,
    supernet_preset_names,
)

__all__ = ["load_study"]


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
