"""Builds a table: trains architectures alone, each with several seeds, and writes what came of it.

Finished trainings are kept in a journal beside the table (`benchkit.studies.building.run_journal`); a build
that was interrupted goes on when it is started again with the same settings. Every accuracy in the table is
the same whatever the number of processes, the order of the trainings and the interruptions.

Test images are scored here, and only here: a table holds both figures, and a search on it sees one.

Deviations and choices
----------------------
- Without a split, a third of the training images is set aside for validation (the benchmark's own halves
  for CIFAR-10 and CIFAR-100): in a small data set, fewer leave too many architectures with one score.
- Without a size, the network is the one that the ``small`` preset of `benchkit search` builds.
- Training and validation images are the same for all seeds; a seed is of the first weights and the batches.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from benchkit.base.devices import explain_memory, parse_device
from benchkit.base.errors import InputError
from benchkit.base.limits import check_number
from benchkit.base.processes import in_processes
from benchkit.base.version import __version__
from benchkit.data.images.catalogue import open_image_set
from benchkit.data.images.image_set import ImageSet, LabelledImages
from benchkit.data.images.splits import SearchImages, divide
from benchkit.spaces import Space, get_space
from benchkit.spaces.base import Batch
from benchkit.spaces.sizes import network_size
from benchkit.studies.building.built_table import BuiltTable, write_built
from benchkit.studies.building.run_journal import RunJournal
from benchkit.training.data import chosen_split
from benchkit.training.presets import get_preset
from benchkit.training.recipe import STANDALONE, TrainingRecipe
from benchkit.training.standalone import StandaloneRun, StandaloneTrainer, cpu_capability


@dataclass(frozen=True)
class BuildSettings:
    """Settings that all trainings of a table have in common.

    Attributes
    ----------
    space, data : Names of the space and of the data set.
    recipe : Recipe of the training.
    size : Options of the network, by name; the ``small`` preset has those that are left out.
    split : ``nasbench201`` or a number of validation images; None decides by the data, see above.
    image_size, limit : Reductions of the data set, see ``open_image_set``.
    device : Device to train on.
    """

    space: str
    data: str
    recipe: TrainingRecipe = STANDALONE
    size: tuple[tuple[str, int], ...] = ()
    split: str | None = None
    image_size: int | None = None
    limit: int | None = None
    device: str = "cpu"

    def network(self) -> dict[str, int]:
        """Return every option of the network's size.

        Raises
        ------
        InputError : the space has no network, or no such option.
        """
        small = get_preset("small").size_of(self.space)
        return network_size(get_space(self.space), **{**small, **dict(self.size)}).options()

    def images(self) -> tuple[ImageSet, SearchImages, LabelledImages]:
        """Return the data set, its images to train and validate on, and its test images."""
        images = open_image_set(self.data, self.image_size, self.limit)
        split = chosen_split(self.data, self.split, len(images.x_train), share=3)
        return images, *divide(images, split)


def chosen_rows(space: Space, n: int | None = None, texts: list[str] | None = None) -> Batch:
    """Return int8[n, d]: the architectures of a table, each once.

    Parameters
    ----------
    n : Number of architectures to draw, always the same ones; None is the whole space.
    texts : Architectures in the space's own notation, instead of drawing.

    Raises
    ------
    InputError : the space cannot be enumerated and nothing says which to take; an architecture is named
        twice or is no member; more are drawn than there are.
    """
    if texts is not None:
        rows = np.array([space.parse(text) for text in texts], dtype=np.int8).reshape(-1, space.length)
        if not len(rows):
            raise InputError("there are no architectures to train: the list of rows is empty")
        _, first, times = np.unique(space.key(rows), return_index=True, return_counts=True)
        if (times > 1).any():
            twice = space.format(rows[first[int(times.argmax())]])
            raise InputError(f"architecture {twice} is listed {times.max()} times; a table holds it once")
        return rows
    if n is not None and not 1 <= n <= space.size:
        raise InputError(f"--n must be in 1..{space.size:,}, the architectures of {space.name}; got {n}")
    rng = np.random.default_rng(0)
    if space.enumerable:
        return space.at(np.arange(space.size) if n is None else np.sort(rng.permutation(space.size)[:n]))
    if n is None:
        raise InputError(f"space {space.name} cannot be enumerated: say which to train with --n or --rows")
    rows = np.empty((0, space.length), dtype=np.int8)
    while len(rows) < n:
        rows = np.concatenate([rows, space.sample(rng, n)])
        rows = rows[np.sort(np.unique(space.key(rows), return_index=True)[1])][:n]
    return rows


def build_table(
    settings: BuildSettings,
    rows: Batch,
    seeds: int,
    path: Path,
    name: str,
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Train these architectures, or what is missing of them, and write their table.

    Parameters
    ----------
    rows : Architectures, int8[n, d].
    seeds : Number of runs of each architecture, with the seeds 0, 1, 2, ...
    path, name : File and name of the table.
    jobs : Number of processes; -1 for all cores. No accuracy depends on it.
    progress : Function that is told (done, total) after every training.

    Raises
    ------
    InputError : a setting that cannot be used, a loss that is not finite, or a full disk.
    KeyboardInterrupt : finished trainings are kept; the same call goes on from there.
    """
    check_number("seeds", seeds, "--seeds")
    check_number("jobs", jobs, "--jobs")
    space = get_space(settings.space)
    rows = space.validate(rows)
    parse_device(settings.device)
    images, seen, test = settings.images()
    recipe = settings.recipe.for_images(seen.size)
    identity = {
        "space": space.name,
        "data": dict(seen.identity),
        "images": {"train": len(seen.train), "valid": len(seen.valid), "test": len(test)},
        "recipe": recipe.describe_standalone(),
        "network": settings.network(),
        "device": settings.device,
        "benchkit": __version__,
        "torch": metadata.version("torch"),
        "platform": f"{platform.system()} {platform.machine()} {cpu_capability()}",
    }
    journal = RunJournal(path.with_name(f"{path.name}.journal"), identity)
    texts = [space.format(row) for row in rows]
    tasks = [(text, row, seed) for text, row in zip(texts, rows, strict=True) for seed in range(seeds)]
    waiting = [task for task in tasks if (task[0], task[2]) not in journal.runs]
    done = len(tasks) - len(waiting)
    if progress:
        progress(done, len(tasks))
    calls = [(settings, images.sha256, task) for task in waiting]
    # one at a time: a training of seconds must not wait for another to be handed in
    with closing(in_processes(train_one, calls, jobs, backend="loky", batch_size=1)) as results:
        for (text, _, seed), run in results:
            journal.keep((text, seed), run)
            done += 1
            if progress:
                progress(done, len(tasks))
    runs = [[journal.runs[text, seed] for text in texts] for seed in range(seeds)]
    write_built(path, BuiltTable(name, space, images, rows, runs, identity))
    journal.discard()
    return path


Task = tuple[str, Any, int]


def train_one(settings: BuildSettings, sha256: str, task: Task) -> tuple[Task, StandaloneRun]:
    """Train one architecture with one seed; return the task with its run.

    Parameters
    ----------
    sha256 : Hash of the data set that all trainings share.
    task : Architecture in its space's notation and as int8[d], and the seed.
    """
    with explain_memory(settings.recipe.batch_size):
        return task, _trainer(settings, sha256).train(task[1], task[2])


@lru_cache(maxsize=1)
def _trainer(settings: BuildSettings, sha256: str) -> StandaloneTrainer:
    """Return the trainer of these settings: a process opens its images once.

    Raises
    ------
    InputError : the data set is not the one that the other trainings saw.
    """
    images, seen, test = settings.images()
    if images.sha256 != sha256:
        raise InputError(f"{settings.data} is another data set by now: build the table again")
    return StandaloneTrainer(
        get_space(settings.space),
        seen,
        settings.recipe,
        size=settings.network(),
        test=test,
        device=parse_device(settings.device),
    )
