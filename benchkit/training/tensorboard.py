"""Writes the scalars of a training for TensorBoard.

One file an invocation, in ``tensorboard/`` of the search's folder. What earlier epochs left is hidden and
written again from the history, so an interrupted training shows one line, without gaps or repeats.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from benchkit.base.errors import InputError


class Scalars:
    """A writer of scalars, one set an epoch.

    Parameters
    ----------
    folder : Folder of the event files; made when the first scalar is written.

    Raises
    ------
    InputError : The package tensorboard is not installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise InputError("--tensorboard needs a package more: pip install tensorboard") from error
        self._kind: Any = SummaryWriter
        self._folder = folder
        self._writer: Any = None

    def add(self, row: Mapping[str, float]) -> None:
        """Write one epoch of a trainer's history; ``epoch`` counts, every other entry is a scalar."""
        if self._writer is None:
            self._writer = self._kind(str(self._folder), purge_step=0)
        for name, value in row.items():
            if name != "epoch":
                tag = name if "/" in name else f"training/{name}"
                self._writer.add_scalar(tag, value, int(row["epoch"]))
        self._writer.flush()

    def __enter__(self) -> Scalars:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.close()
