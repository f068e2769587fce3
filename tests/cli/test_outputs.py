"""What commands write takes the place of regular files alone: links lead on, devices and pipes stay."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from matplotlib.figure import Figure

import benchkit
from benchkit.base import InputError
from benchkit.base.files import check_name, write_text
from benchkit.data.images.folder import list_folder
from benchkit.reports.figure_files import write_figure
from benchkit.studies.spec import StudySpec
from benchkit.studies.store import StudyDirectory

Cli = Callable[..., tuple[int, str, str]]

WRITERS = re.compile(
    r"os\.(replace|rename|link|symlink)\(|(path|file|target)\.rename\(|shutil\.(move|copy\w*)\(|"
    r"\.open\(\"[awx]|[^.\w]open\([^)]*\"[awx]b?\"|\.write_bytes\(|\.write_text\("
)
MAY = {
    "base/files.py",  # follows links, and writes to devices
    "analysis/figures/pgf.py",  # a file in a temporary folder
    "studies/building/run_journal.py",  # adds to a file, and so follows links
}


def drawing() -> Figure:
    figure = Figure(figsize=(1, 1))
    figure.text(0.1, 0.5, "x")
    return figure


def test_nothing_else_writes_to_a_place_that_a_user_named() -> None:
    root = Path(benchkit.__file__).parent
    searched = 0
    for path in sorted(root.rglob("*.py")):
        if str(path.relative_to(root)) in MAY:
            continue
        searched += 1
        for line in path.read_text().splitlines():
            if WRITERS.search(line):
                assert "temporary" in line, f"{path}: {line.strip()} does not write through `replacing`"
    assert searched > 300


@pytest.mark.parametrize("extension", ["pdf", "png", "svg"])
def test_a_figure_is_written_through_a_link(tmp_path: Path, extension: str) -> None:
    (tmp_path / "far").mkdir()
    target = tmp_path / "far" / "kept"
    target.write_text("old")
    link = tmp_path / f"figure.{extension}"
    link.symlink_to(target)
    assert write_figure(drawing(), link, (extension,)) == [link]
    assert link.is_symlink()
    assert len(target.read_bytes()) > 100
    assert os.listdir(tmp_path / "far") == ["kept"]
    assert sorted(os.listdir(tmp_path)) == ["far", f"figure.{extension}"]


def test_a_figure_leaves_a_device_behind_a_link_a_device(tmp_path: Path) -> None:
    (tmp_path / "figure.png").symlink_to("/dev/null")
    write_figure(drawing(), tmp_path / "figure.png", ("png",))
    assert (tmp_path / "figure.png").is_symlink()
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    node = tmp_path / "node.svg"
    try:
        os.mknod(node, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("devices are made by root alone")
    write_figure(drawing(), node, ("svg",))
    assert stat.S_ISCHR(node.stat().st_mode)


def test_a_device_is_no_name_of_several_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for place in (Path("/dev/null"), tmp_path / "pipe"):
        with pytest.raises(InputError, match="is no regular file: name a figure by its format"):
            write_figure(drawing(), place)
    assert os.listdir(tmp_path) == ["pipe"]


def test_a_link_in_the_place_of_a_temporary_file_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / f".out.txt.{os.getpid()}.tmp").symlink_to(victim)
    write_text(tmp_path / "out.txt", "text")
    assert victim.read_text() == "mine"
    assert (tmp_path / "out.txt").read_text() == "text"


@pytest.mark.parametrize("name", ["x" * 251 + ".txt", "ü" * 125 + ".txt", "中" * 83 + ".txt"])
def test_a_name_as_long_as_names_can_be_is_written(tmp_path: Path, name: str) -> None:
    write_text(tmp_path / name, "text")
    assert os.listdir(tmp_path) == [name]


def test_bytes_that_are_no_text_are_written_as_numbers(tmp_path: Path) -> None:
    write_text(tmp_path / "page", "name \udcff")
    assert (tmp_path / "page").read_text() == "name \\udcff"


def test_tables_of_a_comparison_need_a_folder(cli: Cli, done: StudyDirectory, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    words = ("leaderboard", "compare", done.path, "--out")
    for place in (tmp_path / "file", "/dev/null"):
        code, _, err = cli(*words, place)
        assert (code, err.count("\n")) == (2, 1)
        assert "cannot write" in err
    assert (tmp_path / "file").read_text() == "kept"
    (tmp_path / "far").mkdir()
    (tmp_path / "link").symlink_to("far")
    assert cli(*words, tmp_path / "link")[0] == 0
    assert (tmp_path / "far" / "pairs.csv").is_file()
    assert (tmp_path / "link").is_symlink()


def test_a_study_is_run_into_a_folder_behind_a_link(
    cli: Cli, small: Callable[..., StudySpec], tmp_path: Path
) -> None:
    (tmp_path / "s.yaml").write_text(small(strategies=["tpe"], datasets=["d"], seeds=1).to_yaml())
    (tmp_path / "link").symlink_to("new")  # it leads to nothing yet
    assert cli("leaderboard", "run", tmp_path / "s.yaml", "--out", tmp_path / "link", "--jobs", 1)[0] == 0
    assert (tmp_path / "new" / "manifest.json").is_file()
    assert (tmp_path / "link").is_symlink()


@pytest.mark.usefixtures("toy")
def test_an_import_writes_through_a_link_in_the_cache(cli: Cli, home: Path, tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("a,b,v\nx,p,50\nx,q,60\ny,p,70\ny,q,80\n")
    (tmp_path / "c.yaml").write_text(
        "choices: {a: [x, y], b: [p, q]}\nmetrics: [{column: v, dataset: d, split: valid, epochs: 1}]\n"
    )
    words = ("table", "import", tmp_path / "r.csv", "--columns", tmp_path / "c.yaml", "--as", "mine")
    (tmp_path / "disk").mkdir()
    link = home / "tables" / "mine.arrow"
    link.symlink_to(tmp_path / "disk" / "big.arrow")
    assert cli(*words)[0] == 0
    assert link.is_symlink()
    first = (tmp_path / "disk" / "big.arrow").read_bytes()
    assert first[:6] == b"ARROW1"
    code, _, err = cli(*words)
    assert (code, "--replace" in err) == (2, True)
    link.unlink()
    link.symlink_to("/dev/null")
    for more in ((), ("--replace",)):
        code, _, err = cli(*words, *more)
        assert (code, "a table is a regular file" in err) == (2, True)


# -- names that are no text -------------------------------------------------------------------


def test_a_class_or_picture_whose_name_is_no_text_is_refused(tmp_path: Path) -> None:
    for part in ("train", "test"):
        (tmp_path / part / "cats").mkdir(parents=True)
        (tmp_path / part / "cats" / "a.png").write_bytes(b"")
    assert list_folder(tmp_path).class_names == ("cats",)
    raw = os.fsencode(tmp_path)
    os.rename(raw + b"/train/cats/a.png", raw + b"/train/cats/\xff.png")
    with pytest.raises(InputError, match=r"a picture in .* is not UTF-8 text: b'.xff.png'; rename it"):
        list_folder(tmp_path)
    os.rename(raw + b"/train/cats/\xff.png", raw + b"/train/cats/a.png")
    os.rename(raw + b"/train/cats", raw + b"/train/c\xe9ts")
    with pytest.raises(InputError, match=r"a class in .* is not UTF-8 text: b'c.xe9ts'; rename it"):
        list_folder(tmp_path)


@pytest.mark.parametrize("name", ["\udcff", "a\ud800b", "\udfff" * 5000])
def test_a_name_that_is_no_text_is_quoted_in_part(name: str) -> None:
    with pytest.raises(InputError, match="OUT is not UTF-8 text") as caught:
        check_name(name, "OUT")
    assert len(str(caught.value)) < 300
    assert str(caught.value).isprintable()


@pytest.mark.usefixtures("toy")
def test_a_table_in_the_cache_whose_name_is_no_text_does_not_stop_the_list(cli: Cli, home: Path) -> None:
    source = os.fsencode(home / "tables" / "toy.arrow")
    os.link(source, os.fsencode(home / "tables") + b"/b\xff.arrow")
    code, out, err = cli("table", "info", "toys")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "did you mean 'toy'" in err
    assert err[:-1].isprintable()
