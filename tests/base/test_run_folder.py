"""Folders of runs: whom they take in, what is kept in them, and in which order it is finished."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchkit.base.environment import environment
from benchkit.base.errors import InputError
from benchkit.base.json_text import read_json
from benchkit.base.run_folder import RunFolder, claim


def test_a_folder_is_taken_in_by_the_same_settings_alone(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "out", "search")
    run.claim({"seed": 0})
    run.claim({"seed": 0})
    assert read_json(tmp_path / "out" / "search.json") == {"seed": 0}
    with pytest.raises(InputError, match=r"holds another search \(see .*search.json\); choose another --out"):
        run.claim({"seed": 1})
    with pytest.raises(InputError, match="is not empty and holds no training; choose another --out"):
        RunFolder(tmp_path / "out", "training").claim({"seed": 0})


def test_what_a_killed_process_left_is_no_content(tmp_path: Path) -> None:
    (tmp_path / ".search.json.12-ab.tmp").write_text("{")
    RunFolder(tmp_path, "search").claim({"seed": 0})
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is not empty"):
        RunFolder(tmp_path / "file", "search").claim({"seed": 0})


def test_a_kind_may_say_itself_in_what_its_settings_differ(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    claim(path, "seeds: 2", "study", lambda: pytest.fail("nothing is kept there yet"))
    claim(path, "seeds: 2 # the same", "study", lambda: "")
    assert path.read_text() == "seeds: 2"
    with pytest.raises(InputError, match=r"holds another study \(seeds 2, not 3\)"):
        claim(path, "seeds: 3", "study", lambda: "seeds 2, not 3")


def test_parts_and_numbers_and_the_result_last(tmp_path: Path) -> None:
    run = RunFolder(tmp_path, "search")
    assert "one" not in run.parts
    run.parts.keep("one", {"x": np.arange(3)})
    assert "one" in run.parts
    assert run.parts.get("one")["x"].tolist() == [0, 1, 2]
    run.write_frames({"numbers": pd.DataFrame({"x": [0.1]})})
    assert (tmp_path / "numbers.csv").read_text() == "x\n0.1\n"
    with pytest.raises(TypeError):
        run.finish({"python": "3"}, {"x": object()})
    assert run.manifest.is_file()
    assert not run.finished
    run.finish({"python": "3"}, {"x": 1})
    assert run.finished
    run.parts.discard()
    assert "one" not in run.parts
    with pytest.raises(InputError, match="delete it to train again"):
        run.parts.get("one")


def test_the_environment_names_what_is_not_installed() -> None:
    found = environment("numpy", "no-such-package", vectors="AVX2")
    assert found["dependencies"] == {"numpy": np.__version__, "no-such-package": "not installed"}
    assert list(found) == ["python", "platform", "dependencies"]
    assert found["platform"]["vectors"] == "AVX2"
