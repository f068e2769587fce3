"""Keeps the folder of a run: claimed by its settings, filled by parts, finished by its manifest and result.

``{kind}.json``     what is run and how; claims the folder
``parts/``          finished parts, while the run lasts (`benchkit.base.parts`)
``{table}.csv``     numbers
``manifest.json``   what a reader needs to run it again
``result.json``     the main numbers; written last, so that a folder with it is finished

A run that was stopped goes on in its folder when it is started again with the same settings. A folder that
holds anything else is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchkit.base.errors import InputError
from benchkit.base.files import read_text, replacing, unfinished, write_text
from benchkit.base.json_text import MOST_BYTES, to_json
from benchkit.base.parts import ArrayParts

if TYPE_CHECKING:
    import pandas as pd


class RunFolder:
    """Folder of one run.

    Parameters
    ----------
    path : Folder; it need not exist yet.
    kind : Kind of the run, such as ``"search"``: the name of the file with its settings.

    Attributes
    ----------
    parts : Finished parts of the run that are groups of arrays.
    manifest, result : Files that finish the run.
    """

    def __init__(self, path: Path, kind: str) -> None:
        self.path, self.kind = path, kind
        self.parts = ArrayParts(path / "parts")
        self.manifest, self.result = path / "manifest.json", path / "result.json"

    def claim(self, settings: Mapping[str, Any]) -> None:
        """Make the folder that of the run with these settings.

        Raises
        ------
        InputError : it is a file, holds something else, or another run of this kind.
        """
        claim(self.path / f"{self.kind}.json", to_json(settings), self.kind)

    @property
    def finished(self) -> bool:
        """Whether the run has left its result."""
        return self.result.is_file()

    def write_frames(self, frames: Mapping[str, pd.DataFrame]) -> None:
        """Write every frame as ``{name}.csv``, each whole or not at all."""
        for name, frame in frames.items():
            with replacing(self.path / f"{name}.csv") as temporary:
                frame.to_csv(temporary, index=False, lineterminator="\n")

    def finish(self, manifest: Mapping[str, Any], result: Mapping[str, Any]) -> None:
        """Write the manifest, and after it the result."""
        write_text(self.manifest, to_json(manifest))
        write_text(self.result, to_json(result))


def claim(path: Path, text: str, what: str, difference: Callable[[], str] | None = None) -> None:
    """Make a folder that of a run, by the file of its settings.

    Parameters
    ----------
    path : File of the settings, in the folder.
    text : Content of that file.
    what : Kind of run, for the error.
    difference : Function that says in which way the settings kept there differ, ``""`` for none; by default
        another text is another run.

    Raises
    ------
    InputError : the folder is a file, holds something else, or another run of this kind.
    """
    folder = path.parent
    if path.is_file():
        if difference is not None:
            other = difference()
        else:
            other = "" if read_text(path, f"settings of a {what}", MOST_BYTES) == text else f"see {path}"
        if other:
            raise InputError(f"{folder} holds another {what} ({other}); choose another --out")
    elif folder.exists() and not (folder.is_dir() and all(map(unfinished, folder.iterdir()))):
        raise InputError(f"{folder} is not empty and holds no {what}; choose another --out")
    else:
        write_text(path, text)
