"""``benchkit data``: what it prints, how it fails, and what it does not load."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from benchkit.cli import main
from benchkit.data.images import fetch as fetching
from tests.data.images import layouts
from tests.data.images.layouts import as_archive, as_folder, make_loaded, picture_folder


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BENCHKIT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


class Terminal:
    """``terminal("data", "list")`` -> exit code, stdout, stderr."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.monkeypatch = monkeypatch
        self.capsys = capsys

    def __call__(self, *arguments: object) -> tuple[int, str, str]:
        self.monkeypatch.setattr(sys, "argv", ["benchkit", *map(str, arguments)])
        with pytest.raises(SystemExit) as done:
            main()
        captured = self.capsys.readouterr()
        return int(done.value.code or 0), captured.out, captured.err


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(monkeypatch, capsys)


def test_list_info_import(terminal: Terminal, tmp_path: Path) -> None:
    archive = as_archive(layouts.cifar10_pickles(make_loaded()), tmp_path / "x.tar.gz")
    code, out, _ = terminal("data", "import", archive, "--as", "tiny")
    assert (code, out.split(", kept")[0]) == (0, "tiny: 40 training and 20 test images in 10 classes")
    code, out, _ = terminal("data", "list", "--json")
    facts = {each["name"]: each for each in json.loads(out)}
    assert list(facts) == ["digits", "tiny"]
    assert facts["tiny"]["size"] == [32, 32, 3]
    code, out, _ = terminal("data", "list")
    assert code == 0
    assert "not imported: cifar10, cifar100" in out
    code, out, _ = terminal("data", "info", "tiny", "--image-size", 16, "--limit", 20, "--json")
    info = json.loads(out)
    assert info["identity"] == {
        "name": "tiny",
        "sha256": facts["tiny"]["sha256"],
        "limit": 20,
        "limit_seed": 0,
        "image_size": 16,
    }
    assert (info["train"], info["size"], info["train_per_class"]) == (20, [16, 16, 3], "2 to 2")
    code, out, _ = terminal("data", "info", "digits")
    assert code == 0
    assert "CC BY 4.0" in out


def test_a_streamed_folder(terminal: Terminal, tmp_path: Path) -> None:
    path = picture_folder(tmp_path / "in", [(8, 9), (7, 8)] * 10)
    code, out, _ = terminal("data", "import", path, "--as", "mine", "--stream")
    assert (code, out) == (0, f"mine: 10 training and 10 test images in 2 classes, left at {path}\n")
    code, out, _ = terminal("data", "info", "mine", "--limit", 6, "--image-size", 8, "--json")
    info = json.loads(out)
    assert (info["kind"], info["train"], info["size"]) == ("streamed", 6, None)
    assert (info["identity"]["limit"], info["identity"]["image_size"]) == (6, 8)


def test_errors_are_one_line(terminal: Terminal, tmp_path: Path, home: Path) -> None:
    whole = as_archive(layouts.cifar10_pickles(make_loaded()), tmp_path / "x.tar.gz")
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(whole.read_bytes()[:20_000])
    empty = tmp_path / "empty"
    empty.mkdir()
    wrong = as_archive({"README": b"hello"}, tmp_path / "wrong.tar.gz")
    hundred = layouts.cifar10_binary(make_loaded(n=100, classes=100))
    classes = as_folder(hundred, tmp_path / "classes")
    tries = {
        ("import", empty): "no images found",
        ("import", cut): "truncated",
        ("import", wrong): "none of the forms",
        ("import", whole): "this is not cifar10",
        ("import", whole, "--as", "X"): "lower-case",
        ("import", whole, "--as", "x", "--image-size", 8): "for folders of images",
        ("import", classes, "--as", "x"): "there are 10 classes",
        ("import", tmp_path / "none"): "no file or folder",
        ("info", "cifar10"): "not imported yet",
        ("info", "digist"): "did you mean 'digits'?",
        ("info", "digits", "--image-size", 3): "does not divide 8",
        ("info", "digits", "--limit", 5000): "more than the 1,437 training images",
        ("fetch", "imagenet16-120"): "has no direct address: get train_data_batch_1",
        ("fetch", "digits"): "embedded",
        ("fetch", "cifar11"): "did you mean",
    }
    for arguments, message in tries.items():
        code, out, err = terminal("data", *arguments)
        assert (code, out) == (2, ""), arguments
        assert err.startswith("benchkit: error: "), arguments
        assert err.count("\n") == 1, arguments
        assert message in err, arguments
    assert not home.exists()


def test_a_folder_that_cannot_be_read(terminal: Terminal, tmp_path: Path) -> None:
    import os

    path = as_folder(layouts.cifar10_pickles(make_loaded()), tmp_path / "in")
    path.chmod(0)
    try:
        if os.access(path, os.R_OK):
            pytest.skip("this user may read everything")
        code, _, err = terminal("data", "import", path)
    finally:
        path.chmod(0o755)
    assert code == 2
    assert "cannot read" in err


def test_fetch_checks_imports_and_explains(
    terminal: Terminal, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pooch is replaced: nothing comes from the network."""
    import pooch

    asked = []

    def retrieve(url: str, known_hash: str, fname: str, path: Path, downloader: object) -> str:
        asked.append((url, known_hash))
        path.mkdir(parents=True, exist_ok=True)
        as_archive(layouts.cifar10_pickles(make_loaded()), path / fname)
        return str(path / fname)

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    code, _, err = terminal("data", "fetch", "cifar10")
    assert asked == [
        (
            "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
            "md5:c58f30108f718f92721af3b95e74349a",
        )
    ]
    assert code == 2  # what was "downloaded" is a tiny one
    assert "this is not cifar10" in err
    assert not (home / "images").exists()

    def refuse(error: Exception) -> None:
        def failing(**_: object) -> str:
            raise error

        monkeypatch.setattr(pooch, "retrieve", failing)

    refuse(requests.ConnectionError("no network"))
    assert "cannot download https://www.cs.toronto.edu" in terminal("data", "fetch", "cifar100")[2]
    refuse(ValueError("hash"))
    assert "does not have the published MD5" in terminal("data", "fetch", "fashion-mnist")[2]


def test_every_download_has_a_checksum() -> None:
    for download in fetching.DIRECT.values():
        for md5 in download.files.values():
            assert len(bytes.fromhex(md5)) == 16


def test_the_command_line_stays_light(tmp_path: Path) -> None:
    script = (
        "import sys; sys.argv = ['benchkit', 'data', *{!r}]\n"
        "from benchkit.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "heavy = {{'torch', 'sklearn', 'PIL', 'pandas', 'matplotlib'}} & set(sys.modules)\n"
        "print(sorted(heavy), file=sys.stderr)"
    )
    for arguments in (["--help"], ["list"], ["import", str(tmp_path)]):
        done = subprocess.run(
            [sys.executable, "-c", script.format(arguments)], capture_output=True, text=True, check=True
        )
        assert done.stderr.splitlines()[-1] == "[]", arguments
