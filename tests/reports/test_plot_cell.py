"""``benchkit plot cell``: a figure of an architecture, named or found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchkit.training.search import SearchSettings, run_search
from tests.spaces.genotypes import DARTS_V1

Cli = Callable[..., tuple[int, str, str]]
CELL = "|nor_conv_3x3~0|+|none~0|avg_pool_3x3~1|"


def test_an_architecture_is_drawn_as_pdf_and_png_the_same_every_time(cli: Cli, tmp_path: Path) -> None:
    words = ("plot", "cell", DARTS_V1, "--space", "darts")
    code, printed, _ = cli(*words, "--out", tmp_path / "a.png", "--format", "pdf,png")
    assert code == 0
    assert [Path(line).name for line in printed.splitlines()] == ["a.pdf", "a.png"]
    assert (tmp_path / "a.pdf").read_bytes()[:4] == b"%PDF"
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"
    cli("plot", "cell", DARTS_V1, "--space", "darts", "--out", tmp_path / "new" / "b")
    for kind in ("pdf", "png"):
        first, second = tmp_path / f"a.{kind}", tmp_path / "new" / f"b.{kind}"
        assert first.read_bytes() == second.read_bytes()


def test_what_a_search_found_is_drawn(cli: Cli, tmp_path: Path) -> None:
    settings = SearchSettings(
        *("rsps", "nasbench201-3", "digits"),
        epochs=1,
        batch_size=15,
        limit=60,
        images=15,
        scoring_batch=15,
        queries=2,
    )
    architecture = run_search(settings, tmp_path / "out", "cpu")["architecture"]
    found = cli("plot", "cell", "--from", tmp_path / "out", "--out", tmp_path / "found", "--venue", "icml")
    assert found[0] == 0
    cli(
        *("plot", "cell", architecture, "--space", "nasbench201-3"),
        *("--out", tmp_path / "named", "--venue", "icml"),
    )
    assert (tmp_path / "found.png").read_bytes() == (tmp_path / "named.png").read_bytes()


def test_mistakes_are_one_line(cli: Cli, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "x")
    cases = {
        "give an architecture and --space": ("plot", "cell", CELL, *out),
        "leave those out": ("plot", "cell", CELL, "--from", tmp_path, *out),
        "holds no finished search": ("plot", "cell", "--from", tmp_path, *out),
        "unknown space": ("plot", "cell", CELL, "--space", "nb201", *out),
        "must read": ("plot", "cell", CELL[1:], "--space", "nasbench201-3", *out),
        "has no cells to draw": ("plot", "cell", "00000000", "--space", "nasbench-macro", *out),
        "unknown venue 'nature'": (
            *("plot", "cell", CELL, "--space", "nasbench201-3"),
            *("--venue", "nature", *out),
        ),
    }
    for says, words in cases.items():
        code, _, error = cli(*words)
        assert code == 2
        assert says in error
        assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())
    blocked = tmp_path / "file"
    blocked.touch()
    code, _, error = cli(
        *("plot", "cell", CELL, "--space", "nasbench201-3"),
        *("--out", blocked / "x"),
    )
    assert code == 2
    assert "cannot write" in error
