"""``benchkit latency``: measure, show, predict, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchkit.data.latency import read_latency
from tests.lookups import flat_lookup

Cli = Callable[..., tuple[int, str, str]]
pytestmark = pytest.mark.usefixtures("one_thread")


def measure_words(out: Path, *more: object) -> list[object]:
    return [
        *("latency", "measure", "--space", "nasbench-macro", "--out", out, "--device", "cpu", "--batch", 1),
        *("--repeats", 2, "--warmup", 0, "--check", 3, "--image-size", 8),
        *("--size", "channels=4", "--size", "features=8", *more),
    ]


def test_measure_writes_what_show_and_predict_read(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "latency.json"
    code, out, err = cli(*measure_words(path))
    assert code == 0, err
    lookup = read_latency(path)
    assert lookup.sha256 in out
    assert lookup.conditions.clock == "thread"
    assert lookup.check is not None
    assert len(lookup.check.architectures) == 3
    assert "3 whole networks" in out
    code, out, _ = cli("latency", "show", path)
    assert code == 0
    assert "position 7" in out
    code, out, _ = cli("latency", "show", path, "--json")
    assert json.loads(out) == lookup.document()
    before = path.read_bytes()
    code, _, err = cli(*measure_words(path))
    assert code == 2
    assert "choose another, or give --replace" in err
    assert path.read_bytes() == before
    code, out, _ = cli(*measure_words(path, "--replace", "--check", 0, "--json"))
    assert code == 0
    assert json.loads(out)["check"] is None


def test_predict_adds_up(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "flat.json"
    flat_lookup("nasbench-macro").write(path)
    code, out, _ = cli("latency", "predict", path, "12000002", "--json")
    assert code == 0
    found: dict[str, Any] = json.loads(out)
    assert found["latency_ms"] == 1 + 1 + 2 + 2
    code, out, _ = cli("latency", "predict", path, "12000002")
    assert "latency ms" in out
    assert code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("measure", "--space", "nasbench", "--out", "x.json"), "unknown space 'nasbench'"),
        (("measure", "--space", "natsbench-size", "--out", "x.json"), "natsbench-size has no network"),
        (("measure", "--space", "nasbench201", "--out", "x.json", "--batch", "0"), "batch must be"),
        (
            ("measure", "--space", "nasbench201", "--out", "x.json", "--size", "width=1"),
            "unknown size 'width'",
        ),
        (("measure", "--space", "nasbench201", "--out", "x.json", "--device", "gpu"), "none of auto, cpu"),
        (("show", "none.json"), "cannot read latency file none.json"),
        (("predict", "flat.json", "123"), "a nasbench-macro architecture is 8 digits"),
        (("predict", "edited.json", "12000002"), "was changed after it was measured"),
    ],
)
def test_bad_input_ends_with_one_line(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    flat_lookup("nasbench-macro").write(Path("flat.json"))
    Path("edited.json").write_text(Path("flat.json").read_text().replace('"batch": 16', '"batch": 32'))
    code, _, err = cli("latency", *words)
    assert code == 2
    assert message in err
    assert len(err.splitlines()) == 1
    assert not Path("x.json").exists()
