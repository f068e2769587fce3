"""The tables of a study: written as CSV, and as rows of JSON."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from benchkit.base.files import replacing

__all__ = ["as_records", "write_frames"]


def write_frames(folder: Path, frames: Mapping[str, pd.DataFrame]) -> None:
    """Write every frame as ``{name}.csv``, each whole or not at all."""
    for name, frame in frames.items():
        with replacing(folder / f"{name}.csv") as temporary:
            frame.to_csv(temporary, index=False, lineterminator="\n")


def as_records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows as JSON has them: what is undefined is null."""
    plain = frame.astype(object).where(frame.notna(), None)
    return [{str(key): value for key, value in row.items()} for row in plain.to_dict("records")]
