"""The latency look-up table: sums of parts, its hash, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchkit.base.errors import InputError
from benchkit.data.latency import LatencyLookup, read_latency
from benchkit.spaces import get_space

CONDITIONS = {
    "device": "cpu",
    "device_name": "a processor",
    "torch": "2.0",
    "threads": 1,
    "batch": 16,
    "image_size": 32,
    "image_channels": 3,
    "classes": 10,
    "size": {"channels": 32},
    "warmup": 1,
    "repeats": 3,
    "calls": 1,
    "clock": "thread",
}


def content(**changes: Any) -> dict[str, Any]:
    """A table of nasbench-macro: 3 ms fixed; choice c of layer l takes c (l + 1) ms."""
    layers = [
        {"ms": [0.0, float(layer + 1), 2.0 * (layer + 1)], "iqr_ms": [0.0, 0.1, 0.1]} for layer in range(8)
    ]
    fixed = [{"name": "stem", "ms": 1.0, "iqr_ms": 0.0}, {"name": "head", "ms": 2.0, "iqr_ms": 0.0}]
    return {
        "space": "nasbench-macro",
        "conditions": CONDITIONS,
        "fixed": fixed,
        "layers": layers,
        **changes,
    }


def test_a_prediction_is_the_sum_of_its_parts() -> None:
    lookup = LatencyLookup(**content())
    space = get_space("nasbench-macro")
    rows = np.array([space.parse(text) for text in ("00000000", "10000002", "22222222")])
    # 3; 3 + 1 + 2 * 8; 3 + 2 * (1 + ... + 8)
    assert lookup.predict(rows).tolist() == [3.0, 20.0, 75.0]
    assert (lookup.fixed_ms, lookup.fastest_ms) == (3.0, 3.0)


def test_a_file_comes_back_as_it_was_written(tmp_path: Path) -> None:
    lookup = LatencyLookup(**content())
    lookup.write(tmp_path / "a.json")
    again = read_latency(tmp_path / "a.json")
    assert again.document() == lookup.document()
    assert again.sha256 == lookup.sha256 == lookup.document()["sha256"]


def test_the_hash_does_not_depend_on_the_layout_of_the_file(tmp_path: Path) -> None:
    document = LatencyLookup(**content()).document()
    path = tmp_path / "a.json"
    path.write_text(json.dumps(dict(reversed(document.items())), indent=7))
    assert read_latency(path).sha256 == document["sha256"]


@pytest.mark.parametrize(
    "place",
    [
        ("layers", 3, "ms", 1),
        ("fixed", 0, "ms"),
        ("conditions", "batch"),
        ("conditions", "size", "channels"),
    ],
)
def test_an_edited_file_is_refused(tmp_path: Path, place: tuple[Any, ...]) -> None:
    document = LatencyLookup(**content()).document()
    inner: Any = document
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] += 1
    path = tmp_path / "edited.json"
    path.write_text(json.dumps(document))
    with pytest.raises(InputError, match=r"edited.json was changed after it was measured: .* measure it"):
        read_latency(path)


def test_every_figure_counts_for_the_hash() -> None:
    slower = content()
    slower["layers"][7]["ms"][2] += 1e-6
    assert LatencyLookup(**slower).sha256 != LatencyLookup(**content()).sha256


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "is no latency look-up table"),
        ('{"space": "nasbench-macro"}', "is no latency look-up table"),
        ('{"space": "nasbench-macro", "sha256": "0"}', "conditions: Field required"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_latency(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read latency file .*none.json"):
        read_latency(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "benchkit latency 0"}, "of format 'benchkit latency 0'"),
        ({"layers": []}, "every layer needs"),
        ({"layers": [{"ms": [1.0, 2.0], "iqr_ms": [0.0]}]}, "every layer needs"),
        ({"layers": [{"ms": [-1.0], "iqr_ms": [0.0]}]}, "layers.0.ms.0: .* greater than or equal to 0"),
        ({"layers": [{"ms": [float("nan")], "iqr_ms": [0.0]}]}, "layers.0.ms.0: .* finite"),
        ({"speed": 1}, "speed: Extra inputs"),
        ({"\n": 1}, r"^no latency look-up table: \\n: Extra inputs"),
        ({"conditions": {**CONDITIONS, "batch": "16"}}, "conditions.batch: .* valid integer"),
    ],
)
def test_wrong_content_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        LatencyLookup(**content(**changes))


def test_a_table_speaks_of_its_own_space_alone() -> None:
    lookup = LatencyLookup(**content())
    lookup.check_space(get_space("nasbench-macro"))
    with pytest.raises(InputError, match="is of space nasbench-macro, not of nasbench201"):
        lookup.check_space(get_space("nasbench201"))
    short = LatencyLookup(**content(layers=content()["layers"][:7]))
    with pytest.raises(InputError, match="does not have the choices of space nasbench-macro"):
        short.check_space(get_space("nasbench-macro"))
