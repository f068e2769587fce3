"""The page in headless Chromium, opened from ``file://``: sorted, filtered, pointed at, with no request.

Skipped where there is no Chromium (Debian's package ``chromium``) or no playwright.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchkit.reports.page import write_report_page
from benchkit.studies.store import StudyDirectory

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra dev)")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium")

_PATIENCE = 180_000
"""Milliseconds: on a machine with much else to do a browser is slow, which is no failure."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    options = ["--no-sandbox"] if root else []  # Chromium's sandbox refuses root
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=options, timeout=_PATIENCE)
        yield started
        started.close()


class Opened:
    """A page in the browser, and what it said and asked for."""

    def __init__(self, browser: Any, path: Path, width: int = 1280, scheme: str = "light") -> None:
        self.context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.page = self.context.new_page()
        self.page.set_default_timeout(_PATIENCE)
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("html[data-ready]", state="attached")

    def texts(self, selector: str) -> list[str]:
        return [text.strip() for text in self.page.locator(selector).all_inner_texts()]

    def numbers(self, column: int) -> list[float]:
        """Return what the visible rows of the first leaderboard hold in a column."""
        cells = self.texts(f"#table-1-1 tbody tr:not([hidden]) > :nth-child({column})")
        return [float(cell.split()[0].replace(",", "")) for cell in cells]


@pytest.fixture
def board(browser: Any, done: StudyDirectory, tmp_path: Path) -> Iterator[Opened]:
    write_report_page([done.path], tmp_path / "report.html")
    opened = Opened(browser, tmp_path / "report.html")
    yield opened
    quiet(opened)


@pytest.fixture
def scatter(browser: Any, correlation: Path, tmp_path: Path) -> Iterator[Opened]:
    write_report_page([correlation], tmp_path / "report.html")
    opened = Opened(browser, tmp_path / "report.html")
    yield opened
    quiet(opened)


def quiet(opened: Opened) -> None:
    """Whatever was done with a page, it asked for itself alone and nothing went wrong."""
    try:
        assert opened.said == []
        assert [url.split(":")[0] for url in opened.asked if not url.startswith("data:")] == ["file"]
    finally:
        opened.context.close()


def test_headings_sort(board: Opened) -> None:
    button = board.page.get_by_role("button", name="regret").first
    heading = board.page.locator("#table-1-1 thead th", has_text="regret")
    before = board.numbers(6)
    button.click()
    assert heading.get_attribute("aria-sort") == "ascending"
    assert board.numbers(6) == sorted(before)
    button.focus()
    board.page.keyboard.press("Enter")
    assert heading.get_attribute("aria-sort") == "descending"
    assert board.numbers(6) == sorted(before, reverse=True)
    assert before != sorted(before)
    assert board.page.locator('#table-1-1 th[aria-sort="ascending"]').count() == 0
    board.page.get_by_role("button", name="strategy").first.click()
    names = board.texts("#table-1-1 tbody tr:not([hidden]) > :first-child")
    assert names == sorted(names)
    assert board.texts("#table-1-1 .status") == ["Sorted by strategy, ascending."]
    board.page.get_by_role("button", name="wins").first.click()
    last = board.texts("#table-1-1 tbody tr:not([hidden]) > :nth-child(12)")[-2:]
    assert last == ["–", "–"]  # the baseline itself, on both data sets


def test_filters_choose_data_set_and_budget(board: Opened, done: StudyDirectory) -> None:
    table = board.page.locator("#table-1-1")
    assert len(board.numbers(6)) == 6
    table.get_by_label("Data set", exact=True).select_option("e")
    assert set(board.texts("#table-1-1 tbody tr:not([hidden]) > :nth-child(2)")) == {"e"}
    whole = board.numbers(6)
    kept = done.read_leaderboard()
    assert whole == pytest.approx(list(kept[kept["dataset"] == "e"]["regret"]), abs=5e-4)
    table.get_by_label("Budget", exact=True).select_option(label="25 %: 5 queries")
    assert len(board.numbers(6)) == 3
    assert sum(board.numbers(6)) > sum(whole)
    assert max(board.numbers(8)) <= 5
    assert board.texts("#table-1-1 .status") == ["3 rows."]


def test_curves_are_read_where_the_pointer_is(board: Opened) -> None:
    page = board.page
    data = json.loads(page.locator("#report-data").text_content() or "")
    view = data[0]["views"][0]
    named = [series for series in view["series"] if series["look"]]
    assert board.texts("#figure-0 .at") == ["queries: 20"]
    page.locator("#figure-0 .chart").scroll_into_view_if_needed()
    box = page.locator("#figure-0 .chart svg").bounding_box()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 100)
    (said,) = board.texts("#figure-0 .at")
    at = float(said.removeprefix("queries: "))
    assert 1 < at < 20
    for series, shown in zip(named, board.texts("#figure-0 .reading tbody td.number"), strict=True):
        place = max(index for index, x in enumerate(series["x"]) if x <= at)
        assert float(shown.split()[0]) == pytest.approx(series["mean"][place], rel=5e-3)
    slider = page.locator("#figure-0 .slider")
    slider.focus()
    page.keyboard.press("Home")
    assert board.texts("#figure-0 .at") == [f"queries: {min(x for s in view['series'] for x in s['x']):g}"]
    assert re.match(r"queries \d", slider.get_attribute("aria-valuetext"))
    page.locator("#figure-0").get_by_label("Data set", exact=True).select_option("e")
    page.wait_for_function("document.querySelector('#figure-0 .at').textContent === 'queries: 20'")


def test_a_curve_can_be_taken_away(board: Opened) -> None:
    page = board.page
    page.wait_for_selector("#figure-0 .chart svg .mark-line path")
    lines = page.locator("#figure-0 .chart svg .mark-line path")
    assert lines.count() == 3 * 3  # the mean, and a thin line for each of two seeds
    box = page.get_by_label("Draw local-search")
    box.focus()
    page.keyboard.press("Space")
    page.wait_for_function("document.querySelectorAll('#figure-0 .chart svg .mark-line path').length === 8")
    assert not page.get_by_label("Draw local-search").is_checked()
    assert page.evaluate("document.activeElement.ariaLabel") == "Draw local-search"


def test_an_architecture_is_drawn_where_the_pointer_is(scatter: Opened) -> None:
    page = scatter.page
    data = json.loads(page.locator("#report-data").text_content() or "")[1]
    best = data["names"][0]
    assert scatter.texts("#figure-1 dd")[0] == best
    points = page.locator("#figure-1 .chart svg .mark-symbol path")
    assert points.count() == len(data["names"]) + 1  # and the ring
    place = len(data["names"]) - 1
    page.locator("#figure-1 .chart").scroll_into_view_if_needed()
    target = page.locator("#figure-1 .chart svg .mark-symbol").first.locator("path").nth(place).bounding_box()
    page.mouse.move(target["x"] + target["width"] / 2, target["y"] + target["height"] / 2)
    worst = data["names"][place]
    assert scatter.texts("#figure-1 dd")[0] == worst
    drawn = set(page.locator("#figure-1 .cell text").all_text_contents())
    operations = {name.replace("_", " ") for name in re.findall(r"\|(\w+)~", worst)} - {"none"}
    assert drawn == operations | {"input", "1", "2", "output"}
    page.locator("#figure-1 .slider").focus()
    page.keyboard.press("Home")
    assert scatter.texts("#figure-1 dd")[0] == best
    page.keyboard.press("ArrowRight")
    assert scatter.texts("#figure-1 dd")[0] == data["names"][1]
    page.locator("#figure-1").get_by_label("Within").select_option(label="best tenth")
    page.wait_for_function("document.querySelector('#figure-1 .at').textContent.startsWith('1 of 4,')")
    page.locator("#figure-1 .numbers summary").click()
    page.wait_for_selector("#figure-1 .numbers tbody tr")
    assert page.locator("#figure-1 .numbers tbody tr").count() == len(data["names"])


def test_nothing_that_a_study_says_is_run(browser: Any, hostile: Path, tmp_path: Path) -> None:
    write_report_page([hostile], tmp_path / "report.html")
    opened = Opened(browser, tmp_path / "report.html")
    assert opened.page.evaluate("window.hacked") is None
    assert "</script><script>window.hacked=1</script>" in opened.texts("#figure-0 .reading label span")
    quiet(opened)


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (420, "dark")])
def test_widths_and_darkness(
    width: int,
    scheme: str,
    browser: Any,
    done: StudyDirectory,
    correlation: Path,
    fading: Path,
    supernets: Path,
    tmp_path: Path,
) -> None:
    write_report_page([done.path, supernets, correlation, fading], tmp_path / "report.html")
    opened = Opened(browser, tmp_path / "report.html", width, scheme)
    page = opened.page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("figure .chart svg").count() == 7  # two panels have nothing to show
    for box in page.locator("figure .chart svg").all():
        place = box.bounding_box()
        assert place["x"] >= 0
        assert place["x"] + place["width"] <= width
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 28)"}[scheme]
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    page.emulate_media(color_scheme="light" if scheme == "dark" else "dark")
    page.wait_for_timeout(300)
    quiet(opened)
