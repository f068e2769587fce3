"""The page as text: its structure, what it escapes, and that it needs nothing but itself."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

import benchkit.reports.page
from benchkit.base.errors import InputError
from benchkit.reports.page import write_report_page
from benchkit.studies.store import StudyDirectory

Run = Callable[..., tuple[int, str, str]]
VOID = {"meta", "link", "input", "br", "img"}
HOSTILE = "</script><script>window.hacked=1</script>"


class Page(HTMLParser):
    """Every element with its attributes, its place and its text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[int] = []
        self.elements: list[tuple[str, dict[str, str | None], list[int]]] = []
        self.texts: dict[int, str] = {}
        self.feed(text)
        assert not self.open, [self.elements[place][0] for place in self.open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs), list(self.open)))
        if tag not in VOID:
            self.open.append(len(self.elements) - 1)

    def handle_endtag(self, tag: str) -> None:
        assert self.elements[self.open.pop()][0] == tag

    def handle_data(self, data: str) -> None:
        for place in self.open:
            self.texts[place] = self.texts.get(place, "") + data

    def all(self, tag: str) -> list[tuple[dict[str, str | None], str]]:
        return [
            (attributes, self.texts.get(place, ""))
            for place, (name, attributes, _) in enumerate(self.elements)
            if name == tag
        ]


def test_the_script_is_vegas_as_it_was_bundled() -> None:
    vl_convert = pytest.importorskip("vl_convert", reason="vl-convert-python is not installed (extra dev)")
    file = Path(benchkit.reports.page.__file__).parent / "assets" / "vega.js"
    assert file.read_text(encoding="utf-8") == vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    assert f"Vega {vl_convert.get_vega_version()}," in file.with_suffix(".txt").read_text(encoding="utf-8")


@pytest.fixture
def page(done: StudyDirectory, correlation: Path, fading: Path, supernets: Path, tmp_path: Path) -> Page:
    write_report_page([done.path, supernets, correlation, fading], tmp_path / "report.html")
    return Page((tmp_path / "report.html").read_text())


def test_structure(page: Page) -> None:
    assert [attributes for attributes, _ in page.all("html")] == [{"lang": "en"}]
    for tag in ("h1", "main", "header", "footer", "nav", "title"):
        assert len(page.all(tag)) == 1, tag
    assert [text for _, text in page.all("h2")] == [
        "small", "Tiny supernets", "spos on nasbench201, digits", "nasbench201-3, digits",
    ]  # fmt: skip
    ids = [attributes["id"] for _, attributes, _ in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes, _ in page.elements:
        for name in ("aria-labelledby", "for"):
            assert attributes.get(name) is None or attributes[name] in ids
        link = attributes.get("href") or ""
        assert not link.startswith("#") or link[1:] in ids


def test_everything_can_be_reached_and_read(page: Page) -> None:
    fields = {attributes["for"] for attributes, _ in page.all("label")}
    assert fields == {attributes["id"] for attributes, _ in page.all("select")}
    headings = [
        place
        for place, (tag, attrs, _) in enumerate(page.elements)
        if tag == "th" and attrs["scope"] == "col"
    ]
    assert headings
    buttons = {around[-1] for tag, _, around in page.elements if tag == "button"}
    assert buttons == set(headings)
    assert all(page.elements[place][1]["aria-sort"] in ("none", "ascending") for place in headings)
    assert len(page.all("caption")) == len(page.all("table"))
    assert all(text.strip() for _, text in page.all("caption"))
    assert len(page.all("figcaption")) == len(page.all("figure")) == 1 + 2 + 6
    assert all(attributes["tabindex"] == "0" for attributes, _ in page.all("pre"))


def test_it_asks_no_network_and_runs_its_own_scripts_only(page: Page) -> None:
    for _, attributes, _ in page.elements:
        assert "src" not in attributes
        assert (attributes.get("href") or "#").startswith(("#", "data:"))
        assert not [name for name in attributes if name.startswith("on")]
    policy = next(
        a["content"] for a, _ in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    scripts = [text for attributes, text in page.all("script") if attributes["type"] == "module"]
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts]
    assert re.findall(r"'sha256-([^']+)'", policy) == digests
    assert "unsafe-eval" not in policy


def test_provenance(page: Page) -> None:
    codes = [text for _, text in page.all("code")]
    assert "benchkit leaderboard verify done" in codes
    assert "benchkit report done supernets correlation fading --out report.html" in codes
    terms = dict(zip((t for _, t in page.all("dt")), (t for _, t in page.all("dd")), strict=True))
    assert terms["SHA-256 of the table"] == "f2" * 32
    assert terms["libraries"] == "numpy 2.4.6"
    assert any("strategies:" in text for _, text in page.all("pre"))


def test_what_a_study_says_is_text(hostile: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    write_report_page([hostile], out)
    text = out.read_text()
    assert "<script>window" not in text
    page = Page(text)
    assert page.all("title")[0][1].startswith(HOSTILE)
    assert page.all("h1")[0][1] == HOSTILE
    assert not page.all("b")
    data = next(text for attributes, text in page.all("script") if attributes["type"] == "application/json")
    labels = [series["label"] for view in json.loads(data)[0]["views"] for series in view["series"]]
    assert HOSTILE in labels
    notes = [text for _, text in page.all("li")]
    assert f"{HOSTILE}: <b>& \"quoted\" 'too'" in notes


def test_the_same_folders_give_the_same_bytes(
    done: StudyDirectory, correlation: Path, tmp_path: Path
) -> None:
    pages = []
    for name in ("one", "two"):
        out = tmp_path / name / "report.html"
        write_report_page([done.path, correlation], out)
        pages.append(out.read_bytes())
    assert pages[0] == pages[1]
    assert str(tmp_path).encode() not in pages[0]


def test_from_the_command_line(cli: Run, done: StudyDirectory, fading: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "page.html"
    code, shown, said = cli("report", done.path, fading, "--out", out, "--title", "Both")
    assert (code, shown.strip()) == (0, str(out)), said
    assert said.splitlines() == ["Leaderboard: small", "Posterior fading: nasbench201-3, digits"]
    assert Page(out.read_text()).all("h1")[0][1] == "Both"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: None, "there is no folder"),
        (lambda folder: folder.mkdir(), "holds no study that a report can show"),
        (lambda folder: _file(folder / "study.yaml", "name: [unfinished"), "is not YAML"),
        (lambda folder: _file(folder / "correlation.json", "{}"), "is not finished"),
        (lambda folder: _file(folder / "fading.json", "{}"), "is not finished"),
    ],
)
def test_other_folders_are_refused_in_a_line(
    make: Callable[[Path], object], message: str, cli: Run, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    make(folder)
    code, shown, said = cli("report", folder, "--out", tmp_path / "report.html")
    assert (code, shown) == (2, "")
    assert message in said
    assert said.count("\n") == 1
    assert not (tmp_path / "report.html").exists()


def test_damaged_studies_are_refused_in_a_line(
    cli: Run, done: StudyDirectory, correlation: Path, fading: Path, tmp_path: Path
) -> None:
    done.manifest.unlink()
    (correlation / "correlation.json").write_text("{")
    (fading / "floor.csv").write_text("start,other\nshared,1\n")
    for folder, message in (
        (done.path, "has not finished"),
        (correlation, "correlation.json is not JSON"),
        (fading, "is damaged"),
    ):
        code, _, said = cli("report", folder, "--out", tmp_path / "report.html")
        assert code == 2
        assert message in said
        assert said.count("\n") == 1


def test_one_folder_twice_and_no_place_to_write(done: StudyDirectory, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="given twice"):
        write_report_page([done.path, done.path], tmp_path / "report.html")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        write_report_page([done.path], tmp_path / "file" / "report.html")


def _file(path: Path, text: str) -> None:
    path.parent.mkdir()
    path.write_text(text)
