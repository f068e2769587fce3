"""What the tests of every reader need: a pickle that tries to run code, and how a refusal looks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from benchkit.spaces import InputError
from benchkit.tables.formats import import_official, recognise


class Hostile:
    """Its pickle, when opened by Python's own unpickler, makes a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return os.system, (f"touch {self.marker}",)


def refused(path: Path, says: str) -> None:
    """Neither recognised nor read, or recognised and then not read; in one line, and nothing is written."""

    def read() -> None:
        reader, _ = recognise(path)
        import_official(reader, path, path.parent / "none.arrow", "none", lambda done, total: None)

    with pytest.raises(InputError, match=says) as caught:
        read()
    assert "\n" not in str(caught.value)
    assert not (path.parent / "none.arrow").exists()
