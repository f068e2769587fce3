"""``about.md``: what the people who keep a study say about it.

It is Markdown that reads well alone::

    # Guided sampling is behind here

    Command: `benchkit search nasas ...`

    Shows: Guided against predefined sampling at equal size.

    Free text, with tables and headings.

    <!-- figures: correlation -->

    ## Not seen

    - A claim of a paper, where it stands there, and what was found instead.

The title, the command and what it shows come first, in this order, a paragraph each. Where ``figures`` names
a folder inside the study's (``.`` is the study's own), the results page has its key figures
(`tools.key_figures`). What stands under ``Not seen``, up to a heading of the same or a higher
level, is gathered on that page.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchkit.base.errors import InputError

__all__ = ["ABOUT", "About", "read_about"]

ABOUT = "about.md"
"""The file's name."""

_PARAGRAPHS = (("title", "# "), ("command", "Command: "), ("shows", "Shows: "))
_FIGURES = re.compile(r"<!-- *figures: *(\S+) *-->")
_LINK = re.compile(r"(\]\()(?![#/]|[a-z][a-z0-9+.-]*:)([^)\s]+)")
_FENCES = ("```", "~~~")
_DEPTH = 3  # of a study's heading on the page; its own headings stand below


@dataclass(frozen=True)
class About:
    """What an ``about.md`` says.

    Attributes
    ----------
    title, command, shows : a line each, Markdown.
    text : the rest.
    not_seen : what stands under the heading of this name, or empty.
    """

    title: str
    command: str
    shows: str
    text: str
    not_seen: str = ""


def read_about(folder: Path, figures: Callable[[Path], str]) -> About:
    """Return what is said about a study, fit for a page in the folder above it.

    Links are those of that page, headings stand below the study's own, and key figures are in their places.

    Parameters
    ----------
    folder : of the study.
    figures : returns the key figures of a folder as Markdown.

    Raises
    ------
    InputError : there is no such file, or it does not begin with the three paragraphs.
    """
    path = folder / ABOUT
    try:
        rest = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"cannot read {path}: not UTF-8 text") from error
    said = {}
    for name, start in _PARAGRAPHS:
        paragraph, _, rest = rest.partition("\n\n")
        if not paragraph.startswith(start) or not paragraph[len(start) :].strip():
            raise InputError(
                f"{path} must begin with the paragraphs '# TITLE', 'Command: ...' and 'Shows: ...'; there is "
                f"no {name}"
            )
        said[name] = " ".join(_with_links(paragraph[len(start) :], folder.name).split())
        rest = rest.strip("\n")
    text: list[str] = []
    not_seen: list[str] = []
    into, fenced = text, False
    for line in rest.splitlines():
        fenced ^= line.startswith(_FENCES)
        heading = None if fenced else re.match(r"(#+) +(.*)", line)
        if heading is not None and len(heading[1]) <= 2:
            into = not_seen if heading[2].strip().lower() == "not seen" else text
            if into is not_seen:
                continue
        into.append(line if fenced else _fitted(line, heading is not None, folder, figures))
    return About(**said, text="\n".join(text).strip(), not_seen="\n".join(not_seen).strip())


def _fitted(line: str, heading: bool, folder: Path, figures: Callable[[Path], str]) -> str:
    wanted = _FIGURES.fullmatch(line.strip())
    if wanted is not None:
        return figures(folder / wanted[1])
    line = _with_links(line, folder.name)
    return "#" * (_DEPTH - 1) + line if heading else line


def _with_links(text: str, folder: str) -> str:
    return _LINK.sub(lambda found: found[1] + posixpath.normpath(posixpath.join(folder, found[2])), text)
