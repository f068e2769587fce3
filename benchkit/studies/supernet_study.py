"""Run a study of supernet searches: every (strategy, seed) a search of its own, and a table of all of them.

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
import tempfile
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from benchkit.base.environment import versions
from benchkit.base.errors import InputError
from benchkit.base.files import write_text
from benchkit.base.json_text import to_json
from benchkit.base.limits import check_number
from benchkit.base.processes import Progress, check_backend, in_processes
from benchkit.base.run_folder import claim
from benchkit.data.tables.catalogue import open_table
from benchkit.studies.cluster import cancelled, on_cluster
from benchkit.studies.runner import Draw, run
from benchkit.studies.supernet_spec import SupernetStudySpec, folder_name, load_supernet_study
from benchkit.studies.verify import Verification
from benchkit.studies.wording import describe_table
from benchkit.training.kept_search import read_manifest, read_study_manifest
from benchkit.training.search import run_search
from benchkit.training.settings import SearchSettings
from benchkit.training.trainer import Progress as TrainingProgress

__all__ = ["run_supernet_study", "searches_of", "verify_supernet_study"]


def searches_of(spec: SupernetStudySpec) -> dict[str, SearchSettings]:
    """Return every search of a study by the name of its folder, seeds innermost.

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
            found[folder_name(strategy.label, seed)] = settings
        # made once, so that a wrong option is reported before anything runs
        settings.resolve().strategy(np.random.default_rng(0))
    return found


def run_supernet_study(
    spec: SupernetStudySpec,
    out: Path,
    jobs: int = 1,
    device: str = "auto",
    progress: Progress | None = None,
    query_progress: Callable[[], Any] | None = None,
    backend: str = "loky",
    scheduler: str | None = None,
    draw: Draw | None = None,
    draw_tables: Callable[[SupernetStudySpec, Path], None] | None = None,
) -> Path:
    """Run a study, or what is missing of it, and return its folder.

    Parameters
    ----------
    jobs : processes on this machine; -1 for all cores. The results do not depend on it.
    device : see `run_search`.
    progress : told after every finished search.
    query_progress : makes a context manager whose value is told of the trials of the query-backed block.
    backend, scheduler, draw : see `benchkit.studies.runner.run`; `draw` is for the query-backed block.
    draw_tables : what makes tables of the numbers.

    Raises
    ------
    InputError : see `searches_of`, `run_search` and `on_cluster`; `out` holds something else; two searches
        saw different image data.
    KeyboardInterrupt : finished searches are kept, others go on from their last epoch.
    """
    check_backend(backend, scheduler)
    out = out.absolute()
    searches = searches_of(spec)
    queries = None if spec.queries is None else spec.queries.study()
    _claim(out, spec)
    folders = {name: out / "searches" / name for name in searches}
    waiting = [name for name, folder in folders.items() if not (folder / "result.json").is_file()]
    done = len(searches) - len(waiting)
    if progress:
        progress(done, len(searches))
    calls = [(searches[name], folders[name], device) for name in waiting]
    with closing(_spread(calls, jobs, scheduler)) as results:
        for _ in results:
            done += 1
            if progress:
                progress(done, len(searches))
    if queries is not None:
        if query_progress is None:
            run(queries, out / "queries", jobs, backend, scheduler, draw=draw)
        else:
            with query_progress() as update:
                run(queries, out / "queries", jobs, backend, scheduler, update, draw)
    if draw_tables:
        draw_tables(spec, out)
    write_text(out / "manifest.json", to_json(_manifest(spec, folders)))
    return out


Call = tuple[SearchSettings, Path, str]


def _spread(calls: list[Call], jobs: int, scheduler: str | None) -> Generator[None, None, None]:
    if not calls:
        return
    if scheduler is None:
        yield from in_processes(_search, calls, jobs, batch_size=1)
    else:
        yield from on_cluster(_search_there, calls, [folder.name for _, folder, _ in calls], scheduler)


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


def _claim(out: Path, spec: SupernetStudySpec) -> None:
    kept = out / "study.yaml"
    claim(kept, spec.to_yaml(), "study", lambda: "" if load_supernet_study(kept) == spec else f"see {kept}")


def _manifest(spec: SupernetStudySpec, folders: dict[str, Path]) -> dict[str, Any]:
    manifests = {name: read_manifest(folder) for name, folder in folders.items()}
    first = next(iter(manifests.values()))
    other = [name for name, manifest in manifests.items() if manifest["data"] != first["data"]]
    if other:
        raise InputError(
            f"{', '.join(other)} saw other image data than {next(iter(manifests))}: import the same file on "
            "all machines, remove the folders of the wrong ones, and run the study again"
        )
    return {
        **versions(),
        "study": spec.name,
        "study_sha256": hashlib.sha256(spec.to_yaml().encode()).hexdigest(),
        "table": describe_table(open_table(spec.table)),
        "data": first["data"],
        "device": first["device"],
        "traces": {name: manifest["trace"] for name, manifest in manifests.items()},
    }


def verify_supernet_study(
    out: Path, sample: int | None = None, jobs: int = 1, seed: int = 0, progress: Progress | None = None
) -> Verification:
    """Run searches of a finished study again, and compare the hashes of their traces.

    Parameters
    ----------
    sample : how many, drawn with `seed`; all by default.
    jobs : processes.

    Raises
    ------
    InputError : no finished study there.
    """
    spec = load_supernet_study(out / "study.yaml")
    path = out / "manifest.json"
    if not path.is_file():
        raise InputError(f"{out} has no {path.name}: its study has not finished; run it again to resume")
    manifest = read_study_manifest(path)
    searches = searches_of(spec)
    names = list(searches)
    if sample is not None:
        check_number("sample", sample, "--sample")
        chosen = np.random.default_rng(seed).choice(len(names), min(sample, len(names)), replace=False)
        names = [names[index] for index in np.sort(chosen)]
    different = []
    with tempfile.TemporaryDirectory() as folder:
        calls = [(name, searches[name], Path(folder) / name, manifest["device"]) for name in names]
        with closing(in_processes(_trace_again, calls, jobs, batch_size=1)) as results:
            for done, (name, digest) in enumerate(results, start=1):
                if digest != manifest["traces"].get(name):
                    different.append(name)
                if progress:
                    progress(done, len(names))
    first = next((name for name in names if name in different), None)
    said = "" if first is None else "its trace has another hash"
    return Verification(len(names), len(searches), first, said)


def _trace_again(name: str, settings: SearchSettings, folder: Path, device: str) -> tuple[str, str]:
    run_search(settings, folder, device)
    manifest = read_manifest(folder)
    shutil.rmtree(folder)
    return name, str(manifest["trace"])
