"""Files written whole: links are followed, and what is no regular file stays what it is."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from benchkit.base import InputError
from benchkit.base.files import check_regular, read_bytes, replacing, write_text


def test_a_link_is_followed_and_stays(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    target = tmp_path / "far" / "target.txt"
    target.write_text("old")
    for name, leads_to in [
        ("link", target),
        ("link2", tmp_path / "link"),
        ("dangling", tmp_path / "far" / "new"),
    ]:
        (tmp_path / name).symlink_to(leads_to)
        write_text(tmp_path / name, f"by {name}")
        assert (tmp_path / name).is_symlink()
        assert (tmp_path / name).read_text() == f"by {name}"
    assert target.read_text() == "by link2"
    assert sorted(os.listdir(tmp_path / "far")) == ["new", "target.txt"]


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    heard: list[str] = []
    reader = threading.Thread(target=lambda: heard.append((tmp_path / "pipe").read_text()))
    reader.start()
    write_text(tmp_path / "pipe", "hello")
    reader.join(timeout=600)
    assert heard == ["hello"]
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_device_stays_a_device(tmp_path: Path) -> None:
    write_text(Path("/dev/null"), "nothing")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    (tmp_path / "null").symlink_to("/dev/null")
    write_text(tmp_path / "null", "nothing")
    assert stat.S_ISCHR(os.stat(tmp_path / "null").st_mode)
    if Path("/dev/full").exists():
        with pytest.raises(InputError, match="No space left"):
            write_text(Path("/dev/full"), "nothing")


def fail_halfway(path: Path) -> None:
    with replacing(path) as temporary:
        temporary.write_text("half")
        raise KeyError


def test_a_folder_and_a_failure_leave_everything_as_it_was(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot write"):
        write_text(tmp_path, "text")
    (tmp_path / "kept").write_text("old")
    with pytest.raises(KeyError):
        fail_halfway(tmp_path / "kept")
    assert os.listdir(tmp_path) == ["kept"]
    assert (tmp_path / "kept").read_text() == "old"
    with pytest.raises(InputError, match="cannot write"):
        write_text(tmp_path / "kept" / "below", "text")


def test_only_regular_files_of_their_size_are_read(tmp_path: Path) -> None:
    (tmp_path / "five").write_bytes(b"12345")
    assert read_bytes(tmp_path / "five", "file", 5) == b"12345"
    for path, says in [
        (tmp_path / "five", "at most"),
        (tmp_path, "Is a directory"),
        (Path("/dev/zero"), "no regular file"),
        (tmp_path / "none", "No such file"),
        (tmp_path / "a\0b", "null"),
    ]:
        with pytest.raises(InputError, match=says):
            check_regular(path, "file", 4)
