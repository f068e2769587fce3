"""Work of a study as its runner sees it, whatever judges the architectures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from benchkit.studies.spec import AnyStudySpec
from benchkit.studies.store import StudyDirectory
from benchkit.studies.trial import Trial

if TYPE_CHECKING:
    import pandas as pd

Calls = tuple[Callable[..., Any], list[tuple[Any, ...]]]
"""A function that other processes can import, and its arguments for every trial."""

_HOME = {"table": ("table_work", "TableWork"), "supernet": ("supernet_work", "SupernetWork")}


class Again(NamedTuple):
    """A trial that was run again."""

    trial: Trial
    digest: str
    result: Any


class StudyWork(ABC):
    """The trials of one study and what becomes of them.

    Parameters
    ----------
    spec : Specification of the study, of the kind that the class is for.
    directory : Folder of the study.
    device : Device that supernets are trained on, see `benchkit.training.search.run_search`.
    """

    batch_size: ClassVar[Literal["auto"] | int] = "auto"
    """Trials that a process takes at once."""

    def __init__(self, spec: Any, directory: StudyDirectory, device: str = "auto") -> None:
        self.spec, self.directory, self.device = spec, directory, device

    @property
    @abstractmethod
    def trials(self) -> Sequence[Trial]:
        """Trials in the order of the study.

        Raises
        ------
        InputError : something in the study cannot be run; nothing has been written then.
        """

    @abstractmethod
    def finished(self) -> set[Trial]:
        """Return the trials that need not be run."""

    @abstractmethod
    def calls(self, trials: Sequence[Trial], cluster: bool) -> Calls:
        """Return what runs these trials.

        Parameters
        ----------
        cluster : True where it runs on other machines.
        """

    @abstractmethod
    def keep(self, result: Any) -> None:
        """Keep what a call returned."""

    @abstractmethod
    def assemble(self) -> dict[str, Any]:
        """Put together what all trials left, and return the manifest."""

    @abstractmethod
    def check(self, manifest: dict[str, Any], begins: str, remedy: str) -> None:
        """Refuse to go on with a finished study whose table is another one now.

        Parameters
        ----------
        begins, remedy : Beginning and end of the error, such as ``"the study ran"``.
        """

    @abstractmethod
    def calls_again(self, trials: Sequence[Trial], scratch: Path) -> Calls:
        """Return what runs finished trials again, with nothing left in the folder of the study."""

    @abstractmethod
    def again(self, result: Any) -> Again:
        """Return what a call of `calls_again` says."""

    @abstractmethod
    def difference(self, again: Again, known: str) -> str:
        """Say where a trial that was run again differs from the kept one; empty where it does not.

        Parameters
        ----------
        known : Hash in the manifest.
        """

    @abstractmethod
    def read_trials(self) -> pd.DataFrame:
        """Return strategy, dataset, seed, valid, test and regret of every trial and reported data set."""

    @abstractmethod
    def measured(self) -> str:
        """Return in words what a trial may spend, and what its regret is of."""


def work_of(directory: StudyDirectory, spec: AnyStudySpec | None = None, device: str = "auto") -> StudyWork:
    """Return the work of a study, by default of the one kept in its folder."""
    spec = spec or directory.load()
    module, name = _HOME[spec.evaluator]  # supernets need torch, a study on a table does not
    made: StudyWork = getattr(import_module(f"benchkit.studies.{module}"), name)(spec, directory, device)
    return made
