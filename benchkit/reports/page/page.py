"""One self-contained page of finished studies, which works from ``file://`` and asks no network for anything.

The curves and scatters are drawn by Vega-Lite (Satyanarayan et al., IEEE Transactions on Visualization and
Computer Graphics, 2017); tables and texts are plain HTML.

Deviations and choices
----------------------
- The same folders and the same release give the same bytes: no date, no path beyond the names that tell the
  folders apart.
- What folders say is text. Jinja2 escapes it in HTML, and ``tojson`` inside the data. A content security
  policy lets run the page's own scripts only, by their SHA-256, and forbids every request; Vega evaluates its
  expressions by an interpreter, so no text is ever evaluated.
- Of the libraries the bundle of Vega, Vega-Lite and Vega-Embed (0.9 MB) was taken: its marks are SVG, so they
  follow the page's light and dark style, and it is a fifth of Plotly's. It is in the package (``vega.js``, as
  vl-convert-python bundles it; ``vega.txt`` says how, and whose it is): installed for this one script, that
  package would take 84 MB.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from functools import cache
from importlib import resources
from pathlib import Path

from benchkit.base.errors import InputError, blamed_on
from benchkit.base.files import write_text
from benchkit.base.version import __version__
from benchkit.reports.page.origin import command, short_names
from benchkit.reports.page.parts import Section

_SCRIPTS = ("tables.js", "lines.js", "scatter.js")


def write_report_page(folders: Sequence[Path], out: Path, title: str = "") -> list[Section]:
    """Write the page of some folders, whole or not at all, and return what it shows.

    Parameters
    ----------
    folders : Folders of finished studies: leaderboards, supernet searches, correlations, posterior fading.
    out : Place of the page.
    title : Title of it; by default the study's, or how many they are.

    Raises
    ------
    InputError : no folder, one that holds no finished study, or a place that cannot be written to.
    """
    sections = sections_of(folders)
    write_text(out, report_page(sections, title, command("report", *short_names(folders), "--out", out.name)))
    return sections


def sections_of(folders: Sequence[Path]) -> list[Section]:
    """Return the sections of some folders, in their order.

    Raises
    ------
    InputError : see `write_report_page`.
    """
    found = []
    for folder, name in zip(folders, short_names(folders), strict=True):
        with blamed_on(f"the study in {folder}"):
            found += _reader(folder)(folder, name)
    return found


def _reader(folder: Path) -> Callable[[Path, str], list[Section]]:
    """Return what reads a folder, by the file that claims it."""
    if (folder / "study.yaml").is_file():
        from benchkit.reports.page.leaderboards import leaderboard_section
        from benchkit.reports.page.supernets import supernet_sections
        from benchkit.studies.store import StudyDirectory

        if StudyDirectory(folder).load().search_labels():
            return supernet_sections
        return lambda path, name: [leaderboard_section(path, name)]
    if (folder / "correlation.json").is_file():
        from benchkit.reports.page.correlations import correlation_section

        if not (folder / "result.json").is_file():
            raise InputError(f"the study in {folder} is not finished: give its command again")
        return lambda path, name: [correlation_section(path, name)]
    if (folder / "fading.json").is_file() or (folder / "intervals.json").is_file():
        from benchkit.reports.page.fadings import fading_section

        return lambda path, name: [fading_section(path, name)]
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}")
    raise InputError(
        f"{folder} holds no study that a report can show: those of benchkit leaderboard run, correlate, "
        "fading run and fading intervals"
    )


def report_page(sections: Sequence[Section], title: str = "", made_by: str = "") -> str:
    """Return the page as HTML.

    Parameters
    ----------
    title : Title of the page.
    made_by : Command that makes it.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("benchkit.reports.page", "assets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "ensure_ascii": True}
    figures = [figure for section in sections for figure in section.figures]
    scripts = [_bundle()] if figures else []
    scripts.append("\n".join(_asset(name) for name in _SCRIPTS))
    if not title:
        title = sections[0].title if len(sections) == 1 else f"{len(sections)} studies"
    page: str = environment.get_template("report.html.j2").render(
        title=title,
        sections=sections,
        data=[{"kind": figure.kind, **figure.data} for figure in figures],
        style=_asset("report.css"),
        scripts=scripts,
        policy=" ".join(f"'sha256-{_digest(script)}'" for script in scripts),
        made_by=made_by,
        version=__version__,
    )
    return page


@cache
def _bundle() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script; it sets ``window.vegaEmbed``."""
    return _asset("vega.js")


def _asset(name: str) -> str:
    text = (resources.files("benchkit.reports.page") / "assets" / name).read_text(encoding="utf-8")
    return _inline(text) if name.endswith(".js") else text


def _inline(script: str) -> str:
    """Return a script of ours or of a library as it can stand in HTML, with no end of a script inside.

    A backslash before the slash changes neither a string nor a regular expression.
    """
    return (
        script.replace("\r\n", "\n")
        .replace("\r", "\n")
        .replace("</script", "<\\/script")
        .replace("<!--", "<\\!--")
    )


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
