"""The form that every reader of figures gives back, and the parameters that several of them share.

A reader is a function from folders to a `Plot`. Typer's `Argument` and `Option` say of each of its parameters
how the command line calls it: ``benchkit plot KIND`` is made from the reader's signature. Its place and its
formats belong to every figure, so the command line adds them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchkit.base.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

StudyFolders = Annotated[list[Path], typer.Argument(help="Folders of finished leaderboard studies.")]
Axis = Annotated[
    str | None,
    typer.Option("--axis", help="queries, seconds (simulated) or real-seconds; by default what was limited."),
]
Datasets = Annotated[
    Sequence[str] | None, typer.Option(help="Only these data sets: x,y; by default all.", show_default=False)
]
Split = Annotated[str, typer.Option(help="Accuracy to show: valid or test. Nothing is chosen by it.")]
Venue = Annotated[str, typer.Option(help="Whose column widths: neurips, iclr, icml, cvpr, aaai.")]


@dataclass(frozen=True, eq=False)
class Plot:
    """A figure that was drawn, and is not yet written.

    Attributes
    ----------
    figure : Figure of matplotlib.
    frames : Numbers that it shows, by the ending of their files' names (see `write_plot`).
    notes : Sentences for whoever reads the figure.
    beside : Further figures, by the ending of their names.
    """

    figure: Figure
    frames: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    notes: Sequence[str] = ()
    beside: Mapping[str, Plot] = field(default_factory=dict)


@contextmanager
def refusing(what: str = "") -> Iterator[None]:
    """Turn the `ValueError` of a computation from a user's choice into an error of one line, after `what`."""
    try:
        yield
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{what}{error}") from error
