"""Damaged, foreign and hostile files in the layouts of NATS-Bench: each is one line, and no table.

All inputs are built in the official layout by benchmarks/build_nats.py, and then changed.
"""

from __future__ import annotations

import bz2
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchkit.base.errors import InputError
from benchkit.base.pickles.reader import load_pickle
from benchkit.data.tables.formats import recognise
from benchmarks.build_nats import build_folder, build_monolith, entries, names_of
from tests.hostile import Hostile, refused


@pytest.fixture(scope="module")
def folder_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("once")
    build_folder(path, "nasbench201", entries("nasbench201", [0, 5]))
    return path


@pytest.fixture
def folder(folder_once: Path, tmp_path: Path) -> Path:
    """A folder of architectures 0 and 5."""
    return Path(shutil.copytree(folder_once, tmp_path / "folder"))


def rewrite(path: Path, change: Callable[[Any], Any]) -> None:
    content = load_pickle(bz2.decompress(path.read_bytes()), "it")
    changed = change(content)
    path.write_bytes(bz2.compress(pickle.dumps(content if changed is None else changed, 4)))


def change_result(change: Callable[[dict[str, Any]], Any]) -> Callable[[Any], Any]:
    def changed(entry: Any) -> None:
        change(entry["200"]["all_results"]["cifar100", 777])

    return changed


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda entry: entry["12"].pop("all_results") and None, "there is no 'all_results'"),
        (lambda entry: entry["12"].pop("arch_str") and None, "there is no 'arch_str'"),
        (change_result(lambda r: r.pop("eval_acc1es")), "cifar100, seed 777: there is no 'eval_acc1es'"),
        (change_result(lambda r: r.pop("flop")), "there is no 'flop'"),
        (
            change_result(lambda r: r["eval_acc1es"].pop("x-valid@199")),
            "'x-valid' of the last epoch is missing",
        ),
        (
            change_result(lambda r: r["eval_acc1es"].update({"y@1": 1.0}) or 1),
            "sets or epochs that there should",
        ),
        (
            change_result(lambda r: r["train_acc1es"].update({5: 101.0}) or 1),
            "'train' has values that are no perc",
        ),
        (change_result(lambda r: r["train_times"].pop(7)), "'train_times' has 199 epochs, not 200"),
        (change_result(lambda r: r.update(epochs="200") or 1), "'epochs' is '200'"),
        (change_result(lambda r: r.update(train_acc1es=7) or 1), "'train' is no dictionary"),
        (lambda entry: entry["12"]["all_results"].update({("svhn", 1): {}}), "unknown training set 'svhn'"),
        (lambda entry: [1, 2], "there are no results"),
        (lambda entry: {}, "there are no results"),
        (lambda entry: entry["200"].update(arch_index=6), "results of architecture .* of several"),
    ],
)
def test_an_entry_with_a_wrong_part_is_named(folder: Path, change: Callable[[Any], Any], says: str) -> None:
    """The file and the part; no table is written."""
    rewrite(folder / "000005.pickle.pbz2", change)
    refused(folder, rf"000005\.pickle\.pbz2: .*{says}")


def test_an_entry_under_another_number_is_refused(folder: Path) -> None:
    """A file that was renamed, and one that the list of names does not reach."""
    os.rename(folder / "000005.pickle.pbz2", folder / "000007.pickle.pbz2")
    refused(folder, "000007.*these are results of architecture 5")
    os.rename(folder / "000007.pickle.pbz2", folder / "015625.pickle.pbz2")
    refused(folder, "015625.* lists 15,625 architectures, none with this number")


@pytest.mark.parametrize("kept", [0, 3, 400, -20])
def test_a_file_of_a_folder_that_was_cut_is_named(folder: Path, kept: int) -> None:
    """Empty, its magic number alone, and cut in two places."""
    path = folder / "000005.pickle.pbz2"
    path.write_bytes(path.read_bytes()[:kept])
    refused(folder, r"000005\.pickle\.pbz2 is (empty|truncated or damaged)")


def test_a_cut_or_empty_file_of_everything_is_refused(tmp_path: Path) -> None:
    build_monolith(tmp_path / "whole", "nasbench201", dict(entries("nasbench201", range(8))))
    whole = (tmp_path / "whole").read_bytes()
    for part, says in ((whole[: len(whole) // 2], "truncated"), (b"", "is empty"), (whole[:20], "no format")):
        (tmp_path / "cut").write_bytes(part)
        refused(tmp_path / "cut", says)
    (tmp_path / "cut").write_bytes(whole[:-9000] + b"\0" * 50 + whole[-8950:])
    refused(tmp_path / "cut", "damaged|truncated")


def test_a_folder_without_meta_or_without_architectures_is_refused(folder: Path, tmp_path: Path) -> None:
    """And an empty folder, which is nobody's."""
    shutil.copytree(folder, tmp_path / "only", ignore=shutil.ignore_patterns("0*"))
    refused(tmp_path / "only", "but no architecture")
    (folder / "meta.pickle.pbz2").unlink()
    refused(folder, "has files of 2 architectures, but no meta.pickle.pbz2")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "no format that benchkit reads")


def test_meta_of_something_else_is_refused(folder: Path) -> None:
    rewrite(folder / "meta.pickle.pbz2", lambda meta: {"archs": []})
    refused(folder, "does not list the architectures")
    rewrite(folder / "meta.pickle.pbz2", lambda meta: {"meta_archs": ["10110"]})
    refused(folder, "'10110' is an architecture of neither space")


def test_one_architectures_file_alone_is_explained(folder: Path) -> None:
    refused(folder / "000005.pickle.pbz2", "results of one architecture: give the folder")


@pytest.mark.parametrize("content", [{"a": 1}, [1, 2], "meta_archs"])
def test_a_pickle_of_another_project_is_not_ours(tmp_path: Path, content: Any) -> None:
    (tmp_path / "other.pbz2").write_bytes(bz2.compress(pickle.dumps(content, 4)))
    refused(tmp_path / "other.pbz2", "no format that benchkit reads|'arch2infos'")


def test_lists_that_contradict_the_results_are_refused(tmp_path: Path) -> None:
    """An index that is evaluated but not there, and a name at another index."""
    some = dict(entries("nasbench201", [0, 5]))
    names = names_of("nasbench201")
    whole = {"meta_archs": names, "arch2infos": some, "evaluated_indexes": {0, 5, 9}}
    path = tmp_path / "whole"
    path.write_bytes(bz2.compress(pickle.dumps(whole, 4)))
    refused(path, "'evaluated_indexes' does not name the 2 architectures")
    whole |= {"meta_archs": names[::-1], "evaluated_indexes": [0, 5]}
    path.write_bytes(bz2.compress(pickle.dumps(whole, 4)))
    refused(path, "'meta_archs' contradicts")
    whole |= {"meta_archs": names, "arch2infos": {0: some[0], 5: some[0]}}
    path.write_bytes(bz2.compress(pickle.dumps(whole, 4)))
    refused(path, "architecture 5: these are results of architecture 0|earlier one")
    whole |= {"arch2infos": {}, "evaluated_indexes": []}
    path.write_bytes(bz2.compress(pickle.dumps(whole, 4)))
    refused(path, "'arch2infos' is empty")


def test_a_file_that_runs_code_is_refused_and_does_not_run(folder: Path, tmp_path: Path) -> None:
    """In an architecture's file, in meta, and in a file of everything."""
    marker = tmp_path / "ran"
    (_, entry), *_ = entries("nasbench201", [5])
    entry["12"]["extra"] = Hostile(marker)
    hostile = pickle.dumps(entry, 4)
    pickle.loads(hostile)  # the payload works
    assert marker.exists()
    marker.unlink()
    (folder / "000005.pickle.pbz2").write_bytes(bz2.compress(hostile))
    refused(folder, r"000005.*system, which is not plain data: refused")
    build_monolith(tmp_path / "whole", "nasbench201", {5: entry})
    refused(tmp_path / "whole", "system, which is not plain data: refused")
    (folder / "meta.pickle.pbz2").write_bytes(bz2.compress(pickle.dumps({"meta_archs": Hostile(marker)}, 4)))
    refused(folder, r"meta.*system, which is not plain data: refused")
    assert not marker.exists()


def test_no_read_permission_is_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's own words (simulated, since the superuser may read everything)."""

    def forbidden(self: Path, *_: object) -> bytes:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", forbidden)
    with pytest.raises(InputError, match=r"cannot read .*: Permission denied"):
        recognise(folder)
