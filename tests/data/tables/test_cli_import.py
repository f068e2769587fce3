"""``table import`` of official files and ``table fetch``, as a user calls them.

The NATS folders are real official files; the TFRecord is built in the official layout from an embedded
table; the served file of ``fetch`` is that TFRecord under a made-up address.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import benchkit
from benchkit.data.tables import Metric, open_table
from benchkit.data.tables import fetch as fetching
from benchkit.data.tables.sources import DIRECT, ELSEWHERE, Download
from benchmarks.build_tfrecord import build

Cli = Callable[..., tuple[int, str, str]]
OFFICIAL = Path(benchkit.__file__).resolve().parents[2] / "shared" / "data" / "official"
needs_official = pytest.mark.skipif(
    not OFFICIAL.is_dir(), reason="the official sample is not beside the checkout"
)


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A NAS-Bench-101 file of 40 cells, under a name that says nothing."""
    path = tmp_path_factory.mktemp("records") / "download"
    build(path, cells=40, budgets=(108,), repeats=3)
    return path


def test_import_says_what_it_found_and_what_it_costs(cli: Cli, home: Path, records: Path) -> None:
    code, out, err = cli("table", "import", records)
    assert code == 0
    assert "NAS-Bench-101" in err.splitlines()[0]
    assert "MB of memory" in err.splitlines()[1]
    assert out.startswith("table nasbench101: 40 architectures of nasbench101, kept at ")
    table = open_table("nasbench101")
    assert len(table) == 40
    assert Metric("cifar10", "test", 108) in table


def test_another_table_is_replaced_only_when_asked(cli: Cli, home: Path, records: Path) -> None:
    assert cli("table", "import", records)[0] == 0
    code, _, err = cli("table", "import", records)
    assert code == 2
    assert "there is a table at" in err
    assert cli("table", "import", records, "--replace")[0] == 0


def test_a_halfway_figure_and_seconds_can_be_queried(cli: Cli, home: Path, records: Path) -> None:
    assert cli("table", "import", records)[0] == 0
    table = open_table("nasbench101")
    cell = table.space.format(table.rows[0])
    asked = ("table", "query", "nasbench101", cell, "--dataset", "cifar10", "--epochs", 54)
    code, _, err = cli(*asked, "--split", "valid")
    assert code == 2
    assert "54 lies inside the schedule of 108: name that too" in err
    code, out, _ = cli(*asked, "--split", "valid", "--schedule", 108, "--json")
    assert code == 0
    halfway = table.query(table.rows[0], Metric("cifar10", "valid", 54, schedule=108))
    assert json.loads(out)["value"] == halfway
    seconds = ("--quantity", "train_seconds", "--schedule", 108, "--json")
    assert json.loads(cli(*asked, *seconds)[1])["unit"] == "s"


def test_import_prints_one_json_document(cli: Cli, home: Path, records: Path) -> None:
    code, out, _ = cli("table", "import", records, "--as", "mine", "--json")
    facts = json.loads(out)
    assert code == 0
    assert (facts["name"], facts["entries"]) == ("mine", 40)
    assert facts["sha256"] == open_table("mine").sha256


@needs_official
@pytest.mark.parametrize("folder", ["NATS-tss-v1_0-3ffb9-simple", "NATS-sss-v1_0-50262-simple"])
def test_official_folders_are_known_by_their_content(
    cli: Cli, home: Path, folder: str, tmp_path: Path
) -> None:
    (tmp_path / "renamed").symlink_to(OFFICIAL / folder)
    code, _, err = cli("table", "import", tmp_path / "renamed", "--as", "three")
    assert code == 0, err
    assert len(open_table("three")) == 3
    code, out, _ = cli("table", "info", "three")
    assert code == 0
    assert "licence" in out


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"arch,val\nx,1\n", "is of no format that benchkit reads"),
        (b"\x80\x04K\x01.", "is of no format that benchkit reads"),
    ],
)
def test_what_is_not_official_is_refused(
    cli: Cli, home: Path, tmp_path: Path, content: bytes, says: str
) -> None:
    path = tmp_path / "NAS-Bench-201-v1_1-096897.pth"
    path.write_bytes(content)
    code, out, err = cli("table", "import", path)
    assert (code, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1
    assert not home.exists()


def test_nothing_there_and_names_that_are_taken(cli: Cli, home: Path, tmp_path: Path, records: Path) -> None:
    assert "no file or folder at" in cli("table", "import", tmp_path / "nowhere")[2]
    code, _, err = cli("table", "import", records, "--as", "nasbench201")
    assert code == 2
    assert "is an embedded table" in err
    code, _, err = cli("table", "import", records, "--as", "No Good")
    assert code == 2
    assert "must be lower-case" in err


def test_a_csv_file_needs_its_columns_and_its_name(cli: Cli, home: Path, tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    path.write_text("a,val\nx,1\n")
    assert "--columns" in cli("table", "import", path)[2]
    assert "needs --columns" in cli("table", "import", path, "--space", "nasbench201")[2]
    (tmp_path / "c.yaml").write_text("metrics: [{column: val, dataset: d, split: valid, epochs: 1}]\n")
    assert "needs --as" in cli("table", "import", path, "--columns", tmp_path / "c.yaml")[2]


def test_a_full_disk_leaves_nothing(
    cli: Cli, home: Path, records: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("benchkit.base.files.os.replace", full)
    code, _, err = cli("table", "import", records)
    assert code == 2
    assert "No space left on device" in err.splitlines()[-1]
    assert list((home / "tables").iterdir()) == []


# -- fetch ------------------------------------------------------------------------------------


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def served(records: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The file at an address of this machine, under the name ``nasbench101``; yields its hash."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(records.parent)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    digest = hashlib.sha256(records.read_bytes()).hexdigest()
    url = f"http://127.0.0.1:{server.server_port}/{records.name}"
    monkeypatch.setitem(DIRECT, "nasbench101", Download(url, digest, "small"))
    yield digest
    server.shutdown()
    server.server_close()


def test_fetch_downloads_checks_and_imports(cli: Cli, home: Path, served: str) -> None:
    code, out, err = cli("table", "fetch", "nasbench101")
    assert code == 0, err
    assert "40 architectures" in out
    assert open_table("nasbench101").metadata["source_sha256"].popitem()[1] == served


def test_fetch_refuses_another_file(
    cli: Cli, home: Path, served: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Download(DIRECT["nasbench101"].url, "0" * 64, "small")
    monkeypatch.setitem(DIRECT, "nasbench101", other)
    code, out, err = cli("table", "fetch", "nasbench101")
    assert (code, out) == (2, "")
    assert "does not have the published SHA-256" in err.splitlines()[-1]
    assert not (home / "tables" / "nasbench101.arrow").exists()


def test_fetch_ends_where_the_server_sends_too_much(
    cli: Cli, home: Path, served: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "_LARGEST", 1000)
    code, out, err = cli("table", "fetch", "nasbench101")
    assert (code, out) == (2, "")
    assert "sends more than 0.0 MB: another file" in err.splitlines()[-1]
    assert list((home / "downloads").iterdir()) == []


def test_fetch_does_not_wait_for_a_pipe_in_the_place_of_the_file(cli: Cli, home: Path, served: str) -> None:
    (home / "downloads").mkdir(parents=True)
    os.mkfifo(home / "downloads" / DIRECT["nasbench101"].url.rsplit("/", 1)[-1])
    code, _, err = cli("table", "fetch", "nasbench101")
    assert code == 2
    assert "no regular file" in err.splitlines()[-1]


def test_fetch_without_a_network(cli: Cli, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = Download("http://127.0.0.1:9/file", "0" * 64, "small")
    monkeypatch.setitem(fetching.DIRECT, "nasbench101", closed)
    code, _, err = cli("table", "fetch", "nasbench101")
    assert code == 2
    assert "cannot download http://127.0.0.1:9/file" in err.splitlines()[-1]


@pytest.mark.parametrize("name", ELSEWHERE)
def test_fetch_says_where_the_others_are(cli: Cli, home: Path, name: str) -> None:
    code, _, err = cli("table", "fetch", name)
    assert code == 2
    assert "has no direct address: get" in err


def test_fetch_of_an_unknown_name(cli: Cli, home: Path) -> None:
    code, _, err = cli("table", "fetch", "nasbench102")
    assert code == 2
    assert "unknown file 'nasbench102'" in err
    assert "did you mean 'nasbench101'" in err


def test_published_hashes_are_whole() -> None:
    for download in DIRECT.values():
        assert len(download.sha256) == 64
        assert download.url.startswith("https://")
