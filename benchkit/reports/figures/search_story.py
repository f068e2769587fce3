"""What finished searches would have returned after each of their epochs, read from their folders.

Differentiable methods record the architecture that they derive after every epoch
(`benchkit.strategies.derived`). `benchkit.reports.figures.searches` looks these up in a table and draws them.

Deviations and choices
----------------------
- In a study a method has the study's label. Else it is a strategy with the hyperparameters that it was given;
  where its searches differ in other settings, but for the seed, those that differ stand in its name, too.
- Of a study that has not finished, the searches that have are taken, and a note says how many are missing.
- SI-VDNAS derives a structure drawn from its posterior, and records the most probable one beside it. Taken is
  the drawn one, or the most probable one when asked for.
- Weight updates are counted in ``training.csv``: images per second times seconds are the images of an epoch,
  and one update takes a batch of them. This needs no image data, and the rounding of both is far below one
  batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchkit.base.errors import InputError
from benchkit.base.frames import read_frame
from benchkit.base.shapes import check_shape
from benchkit.spaces import get_space
from benchkit.spaces.base import Batch
from benchkit.studies.store import StudyDirectory
from benchkit.training.kept_search import TRAINING, read_manifest, read_result, settings_of
from benchkit.training.settings import SearchSettings

_FINDINGS = {"architectures?": [str], "most_probable?": [str], "entropies?": [float]}


@dataclass(frozen=True, eq=False)
class Story:
    """One finished search.

    Attributes
    ----------
    folder : Folder of the search.
    settings : Settings of the search.
    method : Name of its method in figures; the same for all seeds.
    updates : Number of weight updates an epoch.
    batch : int8[epochs, d], the architecture derived after each epoch.
    entropies : Entropies of what it was derived from, as shares of the largest; NaN where not recorded.
    data : Identity of the images that it saw.
    """

    folder: Path
    settings: SearchSettings
    method: str
    updates: int
    batch: Batch
    entropies: list[float]
    data: dict[str, Any]


def read_stories(folders: Sequence[Path], most_probable: bool = False) -> tuple[list[Story], list[str]]:
    """Return the searches in some folders, in the order given, and notes on what is left out.

    Parameters
    ----------
    folders : Folders of finished searches; of a study of supernet searches all finished ones are taken, but
        for those of methods that record no architectures.
    most_probable : take the most probable architectures of methods that draw those which they derive.

    Raises
    ------
    InputError : no finished search in a folder, a search that records no architectures, files that cannot be
        read, one search twice, or searches of different spaces or data.
    """
    stories: list[Story] = []
    notes = []
    for folder in folders:
        inside = _searches_of(folder)
        if inside is None:
            read = [(folder, _story(folder, "", most_probable))]
        else:
            done = [(each, label) for each, label in inside if (each / "result.json").is_file()]
            if len(done) < len(inside):
                notes.append(f"{folder}: {len(done)} of {len(inside)} searches have finished")
            read = [(each, _story(each, label, most_probable)) for each, label in done]
        silent = sorted({str(settings_of(each).strategy) for each, story in read if story is None})
        stories += [story for _, story in read if story is not None]
        if read and all(story is None for _, story in read):
            raise InputError(
                f"{folder}: {', '.join(silent)} records no architecture after each epoch; methods that "
                f"derive one from parameters do, such as darts"
            )
        notes += [f"{folder}: {name} records no architectures and is left out" for name in silent]
    unique = list({story.folder.resolve(): story for story in stories}.values())
    if not unique:
        raise InputError("there is no finished search to draw" if folders else "name the folder of a search")
    for story in unique[1:]:
        _check_alike(story, unique[0])
    named = _named(unique)
    seen: dict[tuple[str, int], Path] = {}
    for story in named:
        key = (story.method, story.settings.seed)
        if key in seen:
            raise InputError(f"{seen[key]} and {story.folder} are the same search: leave one out")
        seen[key] = story.folder
    return named, notes


def _searches_of(folder: Path) -> list[tuple[Path, str]] | None:
    """Return the searches of a study with their labels, in its order; None where the folder is no study's."""
    if not (folder / "study.yaml").is_file():
        return None
    labels = StudyDirectory(folder).load().search_labels()
    if not labels:
        raise InputError(f"the study in {folder} has no searches of supernets")
    return [(folder / "searches" / name, label) for name, label in labels.items()]


def _story(folder: Path, label: str, most_probable: bool) -> Story | None:
    """Return one search, its method the study's label or empty; None where it records no architectures."""
    settings = settings_of(folder)
    findings = check_shape(
        read_result(folder, "findings").get("findings") or {}, _FINDINGS, f"result of {folder}"
    )
    names = findings.get("architectures")
    if not names:
        return None
    entropies = [float(value) for value in findings.get("entropies", [np.nan] * len(names))]
    if most_probable and "most_probable" in findings:
        names = findings["most_probable"]
    data = read_manifest(folder, "data")["data"]
    space = get_space(settings.space)
    batch = np.stack([space.parse(name) for name in names])
    if len(batch) != len(entropies):
        raise InputError(f"{folder} has {len(batch)} architectures, but {len(entropies)} entropies")
    return Story(folder, settings, label, _updates(folder, settings), batch, entropies, data)


def _updates(folder: Path, settings: SearchSettings) -> int:
    """Return the weight updates of an epoch."""
    path = folder / "training.csv"
    history = read_frame(path, TRAINING, "epochs of a search")
    try:
        images = float((history["seconds"] * history["images_per_second"]).median())
        return max(1, round(images / settings.resolve().recipe.batch_size))
    except (ValueError, OverflowError) as error:
        raise InputError(f"{path} cannot be read as the epochs of a search: {error}") from error


def _check_alike(story: Story, first: Story) -> None:
    if story.settings.space != first.settings.space:
        raise InputError(
            f"{first.folder} searched {first.settings.space}, {story.folder} {story.settings.space}: give "
            f"searches of one space"
        )
    if story.data != first.data:
        differ = [key for key in {**first.data, **story.data} if first.data.get(key) != story.data.get(key)]
        raise InputError(
            f"{first.folder} and {story.folder} saw different images ({', '.join(differ)}): give searches "
            f"on the same"
        )


def _named(stories: list[Story]) -> list[Story]:
    """Return the searches with names where a label is missing: hyperparameters, settings that differ."""
    given = [_text(story.settings.options) for story in stories]
    kinds = [(story.settings.strategy, text) for story, text in zip(stories, given, strict=True)]
    named = []
    for story, kind in zip(stories, kinds, strict=True):
        if story.method:
            named.append(story)
            continue
        rivals = [_other(each) for each, its in zip(stories, kinds, strict=True) if its == kind]
        own = _other(story)
        differing = {key: own[key] for key in own if any(each.get(key) != own[key] for each in rivals)}
        words = ", ".join(part for part in (kind[1], _text(differing)) if part)
        named.append(replace(story, method=f"{kind[0]} ({words})" if words else kind[0]))
    return named


def _other(story: Story) -> dict[str, Any]:
    """Return the settings of a search that neither its strategy, its hyperparameters nor its seed are."""
    settings = story.settings.describe()
    return {key: value for key, value in settings.items() if key not in ("strategy", "options", "seed")}


def _text(settings: dict[str, Any]) -> str:
    return ", ".join(f"{key} {settings[key]}" for key in sorted(settings))
