"""Folders of one piece of work: claimed by its settings, gone on with under the same, refused otherwise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchkit.base.errors import InputError
from benchkit.base.files import read_text, unfinished, write_text
from benchkit.base.json_text import MOST_BYTES

__all__ = ["as_json", "claim"]


def claim(folder: Path, what: str, settings: dict[str, Any]) -> None:
    """Make a folder that of a ``search`` or another `what`, by its settings in ``{what}.json``.

    Raises
    ------
    InputError : it is a file, holds something else, or another one of these.
    """
    path, mine = folder / f"{what}.json", as_json(settings)
    if path.is_file():
        if read_text(path, f"settings of a {what}", MOST_BYTES) != mine:
            raise InputError(f"{folder} holds another {what} (see {path}); choose another --out")
    elif folder.exists() and not (folder.is_dir() and all(map(unfinished, folder.iterdir()))):
        raise InputError(f"{folder} is not empty and holds no {what}; choose another --out")
    else:
        write_text(path, mine)


def as_json(document: dict[str, Any]) -> str:
    """Return a document as the text of its file."""
    return json.dumps(document, indent=1) + "\n"
