"""Reading what searches recorded after each epoch, from folders made by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchkit.base.errors import InputError
from benchkit.reports.figures.search_story import read_stories
from benchkit.spaces import get_space
from benchkit.studies.spec import load_preset, parse_spec
from benchkit.training.settings import SearchSettings

SPACE = get_space("nasbench201-3")
CELLS = [SPACE.format(row) for row in SPACE.sample(np.random.default_rng(0), 3)]
DATA = {"name": "digits", "sha256": "d" * 64, "limit": None}


def write(folder: Path, seed: int = 0, data: dict[str, Any] | None = None, **findings: Any) -> Path:
    """Keep a search of three epochs, 4 batches of 20 images each, as `run_search` does."""
    folder.mkdir(parents=True)
    settings = SearchSettings("darts", SPACE.name, "digits", seed=seed, epochs=3, batch_size=20)
    found = {"architectures": CELLS, "entropies": [1.0, 0.9, 0.8], **findings}
    (folder / "search.json").write_text(json.dumps(settings.describe()))
    (folder / "result.json").write_text(json.dumps({"findings": found}))
    (folder / "manifest.json").write_text(json.dumps({"data": DATA if data is None else data}))
    (folder / "training.csv").write_text(
        "epoch,seconds,images_per_second\n1,0.517,154.7\n2,0.333,240.2\n3,0.4,200.1\n"
    )
    return folder


def write_study(folder: Path, labels: tuple[str, ...], seeds: int = 2) -> Path:
    spec = parse_spec(
        {
            "name": folder.name,
            "table": SPACE.name,
            "datasets": ["digits"],
            "searches": {
                "data": "digits",
                "seeds": seeds,
                "strategies": [
                    {"name": "sivdnas", "label": label, "options": {"variant": label[0].lower()}}
                    for label in labels
                ],
            },
        },
        folder.name,
    )
    folder.mkdir()
    (folder / "study.yaml").write_text(spec.to_yaml())
    return folder


def test_a_story_has_rows_entropies_and_updates(tmp_path: Path) -> None:
    (story,), notes = read_stories([write(tmp_path / "a")])
    assert [SPACE.format(row) for row in story.batch] == CELLS
    assert story.entropies == [1.0, 0.9, 0.8]
    assert story.updates == 4  # about 80 images an epoch, though times are rounded
    assert (story.method, story.settings.seed, notes) == ("darts", 0, [])


def test_without_entropies_there_are_none(tmp_path: Path) -> None:
    folder = write(tmp_path / "a")
    result = json.loads((folder / "result.json").read_text())
    del result["findings"]["entropies"]
    (folder / "result.json").write_text(json.dumps(result))
    (story,), _ = read_stories([folder])
    assert np.isnan(story.entropies).all()


def test_most_probable_rows_are_taken_when_asked_for(tmp_path: Path) -> None:
    drawn = write(tmp_path / "drawn", most_probable=CELLS[::-1])
    fixed = write(tmp_path / "fixed", seed=1)
    stories, _ = read_stories([drawn, fixed], most_probable=True)
    assert [SPACE.format(row) for row in stories[0].batch] == CELLS[::-1]
    assert [SPACE.format(row) for row in stories[1].batch] == CELLS


def test_several_studies_of_the_same_images_keep_their_labels(tmp_path: Path) -> None:
    first = write_study(tmp_path / "first", ("SI-VDNAS", "H-VDNAS"))
    second = write_study(tmp_path / "second", ("V-VDNAS",), seeds=3)
    for study, names in ((first, ("SI-VDNAS-0", "H-VDNAS-0", "H-VDNAS-1")), (second, ("V-VDNAS-2",))):
        for name in names:
            write(study / "searches" / name, seed=int(name[-1]))
    stories, notes = read_stories([first, second])
    assert [(story.method, story.settings.seed) for story in stories] == [
        ("SI-VDNAS", 0),
        ("H-VDNAS", 0),
        ("H-VDNAS", 1),
        ("V-VDNAS", 2),
    ]
    assert notes == [
        f"{first}: 3 of 4 searches have finished",
        f"{second}: 1 of 3 searches have finished",
    ]


def test_an_unfinished_folder_beside_a_finished_one_adds_nothing_but_a_note(tmp_path: Path) -> None:
    empty = write_study(tmp_path / "empty", ("V-VDNAS",))
    stories, notes = read_stories([empty, write(tmp_path / "a")])
    assert [story.method for story in stories] == ["darts"]
    assert notes == [f"{empty}: 0 of 2 searches have finished"]


def test_searches_of_other_images_are_not_drawn_together(tmp_path: Path) -> None:
    ours = write(tmp_path / "ours")
    theirs = write(tmp_path / "theirs", seed=1, data={**DATA, "limit": 500})
    with pytest.raises(InputError, match=r"saw different images \(limit\)"):
        read_stories([ours, theirs])


def test_folders_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    other = tmp_path / "other"
    other.mkdir()
    (other / "study.yaml").write_text(load_preset("quick").to_yaml())
    half = tmp_path / "half"
    half.mkdir()
    (half / "study.yaml").write_text("name: quick\ntable: nasbench201\n")
    damaged = write(tmp_path / "damaged")
    (damaged / "result.json").write_text("{")
    short = write(tmp_path / "short", entropies=[1.0])
    untimed = write(tmp_path / "untimed")
    (untimed / "training.csv").write_text("epoch,loss\n1,0.5\n")
    strange = write(tmp_path / "strange", architectures=["|none~0|"])
    cases = [
        ([], "name the folder of a search"),
        ([tmp_path / "nothing"], "holds no finished search"),
        ([other], "has no searches of supernets"),
        ([half], "study.yaml: datasets: Field required"),
        ([damaged], "result.json is not JSON"),
        ([short], "has 3 architectures, but 1 entropies"),
        ([untimed], "training.csv is damaged|cannot be read as the epochs of a search"),
        ([strange], "none~0"),
    ]
    for folders, said in cases:
        with pytest.raises(InputError, match=said):
            read_stories(folders)
