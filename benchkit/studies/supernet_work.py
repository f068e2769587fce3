"""The work of a study that trains supernets: every strategy and seed is a search of its own.

The folder of such a study
--------------------------
``study.yaml``      the specification; claims the folder
``searches/``       a folder for every search (`benchkit.training.search`), gone on with where it was stopped
``queries/``        the study of the query-backed block, if there is one
``table.csv``, ``table.tex``, ``table.md``   the blocks under each other, what was published beside each
``manifest.json``   versions, table, data, and the trace hash of every search; written last

Deviations and choices
----------------------
- Checkpoints of a finished search are removed: a study of many would fill the disk. ``benchkit search`` keeps
  them.
- Every search runs on the threads that its settings name, one by default, so that the number of processes
  changes no bit.
- On a cluster the folder lies on a file system that all machines share: a search whose worker died goes on
  from its last epoch on another. Every machine needs the image data; at the end they must have been the same.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from benchkit.base.environment import versions
from benchkit.base.errors import InputError
from benchkit.data.tables.catalogue import open_table
from benchkit.studies.cluster import cancelled
from benchkit.studies.spec import SupernetStudySpec
from benchkit.studies.spec_parts import folder_name
from benchkit.studies.store import StudyDirectory
from benchkit.studies.trial import Trial
from benchkit.studies.wording import describe_table
from benchkit.studies.work import Again, Calls, StudyWork, work_of
from benchkit.training.kept_search import read_manifest, read_result
from benchkit.training.search import run_search
from benchkit.training.settings import SearchSettings
from benchkit.training.table_entry import table_entry
from benchkit.training.trainer import Progress as TrainingProgress

if TYPE_CHECKING:
    import pandas as pd

SEARCHES, QUERIES = "weight sharing", "queries"
"""Names of the two blocks of methods."""


@dataclass(frozen=True, slots=True)
class SupernetTrial(Trial):
    """One search that trains a supernet on image data with one seed, called as its folder is."""

    @property
    def name(self) -> str:
        return folder_name(self.label, self.seed)

    def __str__(self) -> str:
        return self.name


def searches_of(spec: SupernetStudySpec) -> dict[SupernetTrial, SearchSettings]:
    """Return every search of a study, seeds innermost.

    Raises
    ------
    InputError : an unknown strategy or preset, or an option or setting that cannot be used.
    """
    block = spec.searches
    space = open_table(spec.table).base_space
    found = {}
    for strategy in block.strategies:
        for seed in range(block.seeds):
            settings = SearchSettings(
                strategy=strategy.name,
                space=space.name,
                data=block.data,
                preset=block.preset,
                seed=seed,
                options=dict(strategy.options),
                **block.settings,
            )
            found[SupernetTrial(strategy.label, block.data, seed)] = settings
        # made once, so that a wrong option is reported before anything runs
        settings.resolve().strategy(np.random.default_rng(0))
    return found


class SupernetWork(StudyWork):
    """Searches that train supernets, each in a folder of its own."""

    spec: SupernetStudySpec
    batch_size: ClassVar[int] = 1

    @cached_property
    def _searches(self) -> dict[SupernetTrial, SearchSettings]:
        return searches_of(self.spec)

    @property
    def trials(self) -> Sequence[SupernetTrial]:
        return list(self._searches)

    def _folder(self, trial: Trial) -> Path:
        return self.directory.searches.absolute() / trial.name

    def finished(self) -> set[Trial]:
        return {trial for trial in self._searches if (self._folder(trial) / "result.json").is_file()}

    def calls(self, trials: Sequence[Trial], cluster: bool) -> Calls:
        settings = self._searches
        calls = [(settings[_known(trial)], self._folder(trial), self.device) for trial in trials]
        return _search_there if cluster else _search, calls

    def keep(self, result: None) -> None:
        """Do nothing: a search keeps what it does in its folder."""

    def assemble(self) -> dict[str, Any]:
        manifests = {trial.name: read_manifest(self._folder(trial)) for trial in self._searches}
        first = next(iter(manifests.values()))
        other = [name for name, manifest in manifests.items() if manifest["data"] != first["data"]]
        if other:
            raise InputError(
                f"{', '.join(other)} saw other image data than {next(iter(manifests))}: import the same "
                "file on all machines, remove the folders of the wrong ones, and run the study again"
            )
        return {
            **versions(),
            "study": self.spec.name,
            "study_sha256": hashlib.sha256(self.spec.to_yaml().encode()).hexdigest(),
            "table": describe_table(open_table(self.spec.table)),
            "data": first["data"],
            "device": first["device"],
            "traces": {name: manifest["trace"] for name, manifest in manifests.items()},
        }

    def check(self, manifest: dict[str, Any], begins: str, remedy: str) -> None:
        """Do nothing: no search asks the table."""

    def calls_again(self, trials: Sequence[Trial], scratch: Path) -> Calls:
        settings = self._searches
        calls = [(trial, settings[_known(trial)], scratch / trial.name, self.device) for trial in trials]
        return _trace_again, calls

    def again(self, result: tuple[Trial, str]) -> Again:
        return Again(*result, None)

    def difference(self, again: Again, known: str) -> str:
        return "" if again.digest == known else "its trace has another hash"

    def read_trials(self) -> pd.DataFrame:
        """Return the rows of `found_trials`.

        A method that queries has the name of its block behind it where a search has its label.
        """
        found = found_trials(self.spec, self.directory)
        trained = found["block"] == SEARCHES
        taken = ~trained & found["strategy"].isin(found.loc[trained, "strategy"])
        return found.assign(strategy=found["strategy"].where(~taken, found["strategy"] + f" ({QUERIES})"))

    def measured(self) -> str:
        searches = self.spec.searches
        own = f"supernets trained on {searches.data}, preset {searches.preset}"
        blocks = self.spec.blocks().values()
        return " and ".join([own, *(work_of(self.directory, block).measured() for block in blocks)])


def found_trials(spec: SupernetStudySpec, directory: StudyDirectory) -> pd.DataFrame:
    """Return block, strategy, dataset, seed, valid, test and regret (percent) of every trial and data set.

    What a search found counts as trained alone, as the table has it: the mean over its runs after the longest
    schedule. Regret is that of validation.

    Raises
    ------
    InputError : a search has not finished, or the table has no such data set.
    """
    import pandas as pd

    table = open_table(spec.table)
    rows = []
    for strategy in spec.searches.strategies:
        for seed in range(spec.searches.seeds):
            folder = directory.searches / folder_name(strategy.label, seed)
            if not (folder / "result.json").is_file():
                raise InputError(
                    f"{folder} has no result: the study has not finished; run it again to resume"
                )
            row = np.asarray(read_result(folder, "row")["row"], dtype=np.int8)
            entry: dict[str, Any] = table_entry(table.base_space, table.base_space.validate(row)[0]) or {}
            if "accuracy" not in entry:
                raise InputError(
                    f"table {table.name} does not say what {folder.name} found: {entry.get('missing')}"
                )
            known = {(each["dataset"], each["split"]): each for each in entry["accuracy"]}
            for dataset in spec.datasets:
                if (dataset, "valid") not in known:
                    raise InputError(f"table {table.name} has no validation accuracy of {dataset}")
                valid, test = known[dataset, "valid"], known.get((dataset, "test"), {"accuracy": np.nan})
                regret = valid["optimum"] - valid["accuracy"]
                found = (valid["accuracy"], test["accuracy"], regret)
                rows.append((SEARCHES, strategy.label, dataset, seed, *found))
    names = ["block", "strategy", "dataset", "seed", "valid", "test", "regret"]
    frames = [pd.DataFrame(rows, columns=names)]
    for name in spec.blocks():
        trials = StudyDirectory(directory.path / name).read_trials()
        frames.append(trials[trials["dataset"].isin(spec.datasets)].assign(block=QUERIES)[names])
    return pd.concat(frames, ignore_index=True)


def _known(trial: Trial) -> SupernetTrial:
    return SupernetTrial(trial.label, trial.dataset, trial.seed)


def _search(
    settings: SearchSettings,
    folder: Path,
    device: str,
    on_progress: Callable[[TrainingProgress], None] | None = None,
) -> None:
    run_search(settings, folder, device, on_progress)
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    for name in ("network.safetensors", "network.json"):
        (folder / name).unlink(missing_ok=True)


def _search_there(settings: SearchSettings, folder: Path, device: str) -> None:
    """Run a search on a worker of a cluster, into the folder that it shares with the caller."""
    study = folder.parents[1]
    if not (study / "study.yaml").is_file():
        raise InputError(f"{study} is not on this machine: --out must lie on a file system that all share")

    def stop(_: TrainingProgress) -> None:
        if cancelled():
            raise InputError(f"{folder.name} was cancelled")

    _search(settings, folder, device, stop)


def _trace_again(trial: Trial, settings: SearchSettings, folder: Path, device: str) -> tuple[Trial, str]:
    run_search(settings, folder, device)
    digest = str(read_manifest(folder)["trace"])
    shutil.rmtree(folder)
    return trial, digest
