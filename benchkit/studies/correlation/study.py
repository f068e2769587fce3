"""Runs a correlation study: how well inherited weights rank architectures by their stand-alone accuracy.

The folder of a study
---------------------
``correlation.json``        what is scored and how; claims the folder
``scores.parquet``          a row for each checkpoint and architecture (``scores/`` while the study runs)
``correlations.csv``        of every checkpoint: tau-b, Spearman, Pearson, weighted tau; overall, in the best
``correlations-mean.csv``   the same, brought together over trainings where there are several
``top_k.csv``               of the last checkpoints: what their best k are worth
``noise_ceiling.csv``       run against run of the table, over the same architectures
``scatter.csv``             what the scatter figure shows; both figures as PDF and PNG
``manifest.json``           what a reader needs to run it again
``result.json``             the figures of the last checkpoints; written last

Choices
-------
- The same architectures and the same images serve every checkpoint of every training. The images of a lower
  number are the first of those of a higher one.
- Architectures are drawn from the table's entries, without replacement.
- A study goes on where it was interrupted, and takes in checkpoints and trainings that were made since; no
  checkpoint is scored twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchkit.base.devices import explain_memory, intra_op_threads, parse_device
from benchkit.base.errors import InputError
from benchkit.base.limits import check_fields, check_number
from benchkit.base.run_folder import RunFolder
from benchkit.data.images.catalogue import about_image_set, open_image_set
from benchkit.data.images.device_set import DeviceImages
from benchkit.data.images.splits import SearchImages, divide, parse_split
from benchkit.data.tables.table import Table
from benchkit.searching.supernet_evaluator import SupernetEvaluator
from benchkit.spaces import get_space
from benchkit.spaces.base import Batch
from benchkit.strategies import get_weight_sharing
from benchkit.studies.correlation.frames import Scored, Study, write_report
from benchkit.studies.correlation.kept import read_finished
from benchkit.studies.correlation.scores import ScoreStore
from benchkit.studies.correlation.truth import Truth, quantity_of, read_truths, table_of
from benchkit.training.trained import Saved, Trained, find_trainings, load_supernet

_SAMPLE, _IMAGES, _FINAL_IMAGES = 1_000, 1_000, 5_000
_ROWS_AT_ONCE = 50  # between two signs of progress


@dataclass(frozen=True)
class CorrelationSettings:
    """Settings of a correlation study; None leaves one to the checkpoints, or to the default.

    Attributes
    ----------
    checkpoints : Checkpoints, folders of them, or folders of searches.
    space, data, strategy, split, image_size, limit : Facts of the checkpoints; what is given must agree.
    n : Number of architectures to score; None is 1,000, or all that the table has where these are fewer.
    everything : Whether to score all that the table has, instead.
    images : Number of validation images on which every checkpoint is scored; None is 1,000, or all.
    final_images : Number of images on which each last checkpoint is scored besides; None is 5,000, or all.
    seed : Seed of the sample, of the order of images, and of the bootstraps.
    scoring_batch : Largest batch of scoring; batch statistics are taken over a batch.
    every : Number of epochs from one scored checkpoint to the next; the last is always scored.
    table : Name or path; None is the table that bears the space's name.
    dataset : Data set of the table; None is the data set of the images' name.
    quantity : Quantity of the table to rank by (accuracy, a loss, ...), in its own direction.
    """

    checkpoints: tuple[Path, ...]
    space: str | None = None
    data: str | None = None
    strategy: str | None = None
    n: int | None = None
    everything: bool = False
    images: int | None = None
    final_images: int | None = None
    seed: int = 0
    scoring_batch: int = 500
    every: int = 1
    table: str | None = None
    dataset: str | None = None
    split: str | None = None
    image_size: int | None = None
    limit: int | None = None
    quantity: str = "accuracy"


def run_correlation(
    settings: CorrelationSettings,
    folder: Path,
    device: str = "auto",
    threads: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Run a correlation study, or go on with it, and return its result.

    Parameters
    ----------
    folder : Folder of the study: new, empty, or of the same study.
    device : Device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    threads : Number of threads of torch while scoring.
    on_progress : Function that is told the numbers of architectures scored so far, and in all.

    Returns
    -------
    The content of ``result.json``.

    Raises
    ------
    InputError : no checkpoint, checkpoints that do not fit each other or what is given, no such table, data
        or device, more architectures or images than there are, or a folder of something else.
    """
    where = parse_device(device)
    check_fields(settings)
    check_number("threads", threads)
    trainings = find_trainings(settings.checkpoints, settings.every)
    facts = trainings[0].facts
    _check_agrees(settings, trainings[0])
    table = table_of(get_space(facts["network"]["space"]), settings.table)
    quantity = quantity_of(table, settings.quantity)
    dataset = settings.dataset or settings.data or facts["data"]["name"]
    truths = read_truths(table, dataset, quantity=quantity)
    sample_seed, image_seed, bootstrap_seed = np.random.SeedSequence(settings.seed).spawn(3)
    entries = _sample(settings, table, truths[0], np.random.default_rng(sample_seed))
    images = images_of(settings, trainings[0])
    first, final = _numbers_of_images(settings, len(images.valid))
    study = Study(
        settings={
            "space": facts["network"]["space"],
            "data": dict(images.identity),
            "strategy": facts["strategy"],
            "network": facts["network"],
            "table": {"name": table.name, "sha256": table.sha256},
            "dataset": truths[0].metric.dataset,
            "n": len(entries),
            "images": first,
            "final_images": final,
            "seed": settings.seed,
            "scoring_batch": settings.scoring_batch,
            **({} if quantity == "accuracy" else {"quantity": quantity}),
        },
        architectures=[table.base_space.format(row) for row in table.rows[entries]],
        truths=[truth.at(entries) for truth in truths],
        trainings=trainings,
        bootstrap_seed=bootstrap_seed,
    )
    with explain_memory(settings.scoring_batch, "--scoring-batch"):
        scorer = CheckpointScorer(settings, facts, images, where, image_seed)
    run = RunFolder(folder, "correlation")
    run.claim(study.settings)
    manifest, result = read_finished(folder) or ({}, {})
    if manifest.get("checkpoints") == study.checkpoints():
        return result
    store = ScoreStore(folder, len(entries))
    wanted = [
        (training, saved, number)
        for training in trainings
        for saved in training.saved
        for number in dict.fromkeys((first, final) if saved is training.saved[-1] else (first,))
    ]
    scored = []
    with intra_op_threads(threads), explain_memory(settings.scoring_batch, "--scoring-batch"):
        for position, (training, saved, number) in enumerate(wanted):
            scores = store.get(saved.sha256, number)
            if scores is None:

                def tell(rows: int, before: int = position * len(entries)) -> None:
                    if on_progress is not None:
                        on_progress(before + rows, len(wanted) * len(entries))

                scores = scorer.score(saved, table.rows[entries], number, tell)
                store.keep(saved.sha256, number, scores)
            scored.append(Scored(training, saved, number, scores))
    return write_report(run, study, scored, store, str(where))


class CheckpointScorer:
    """Scores architectures with the weights of one checkpoint after another, on the same images.

    Parameters
    ----------
    settings : Settings with the size of a batch.
    facts : Facts of a checkpoint, see ``Trained.facts``.
    images : Images from `images_of`.
    device : Device to score on.
    seed : Seed of the order of the validation images, and of the images for recalibration.
    """

    def __init__(
        self,
        settings: CorrelationSettings,
        facts: dict[str, Any],
        images: SearchImages,
        device: torch.device,
        seed: np.random.SeedSequence,
    ) -> None:
        training = facts.get("training", {})
        layout = bool(training.get("channels_last", True))
        self._valid = DeviceImages(images.valid, images.normalisation, device, channels_last=layout)
        self._options: dict[str, Any] = {
            "batch_size": settings.scoring_batch,
            "bfloat16": bool(training.get("bfloat16", False)),
        }
        if facts["network"]["batch_norm"].get("running", True):
            train = DeviceImages(images.train, images.normalisation, device, channels_last=layout)
            self._options |= {"calibration": train, "calibration_batches": 1}
        self._device, self._seed = device, seed

    def score(self, saved: Saved, rows: Batch, images: int, tell: Callable[[int], None]) -> Any:
        """Return float64[n], in percent; `tell` hears how many rows are done."""
        supernet = load_supernet(saved, self._device)
        evaluator = SupernetEvaluator(
            supernet, self._valid, np.random.default_rng(self._seed), **self._options
        )
        parts = []
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            part = rows[start : start + _ROWS_AT_ONCE]
            parts.append(evaluator.evaluate(part, images).scores)
            tell(start + len(part))
        return np.concatenate(parts)


def _check_agrees(settings: CorrelationSettings, training: Trained) -> None:
    """Raise InputError where what is given contradicts the checkpoints, or does not exist."""
    facts, path = training.facts, training.saved[-1].path
    if settings.space is not None:
        get_space(settings.space)
        if settings.space != facts["network"]["space"]:
            raise InputError(
                f"checkpoint {path} is of space {facts['network']['space']}, not of {settings.space}"
            )
    if settings.strategy is not None:
        name = settings.strategy.lower()
        get_weight_sharing(name)
        if name != facts["strategy"]:
            raise InputError(f"checkpoint {path} was trained by {facts['strategy']}, not by {name}")
    name, network = settings.data or facts["data"]["name"], facts["network"]
    about = about_image_set(name)
    if about["classes"] != network["classes"]:
        raise InputError(
            f"{name} has {about['classes']} classes, checkpoint {path} is of a network for "
            f"{network['classes']}"
        )
    if about["size"] is not None and about["size"][2] != network["image_channels"]:
        raise InputError(
            f"{name} has images of {about['size'][2]} channels, checkpoint {path} is of a network for "
            f"{network['image_channels']}"
        )


def images_of(settings: CorrelationSettings, training: Trained) -> SearchImages:
    """Return the images that the training saw, and those that it validated on.

    Raises
    ------
    InputError : the data is not that of the training, or divided otherwise.
    """
    trained, path = training.facts["data"], training.saved[-1].path
    name = settings.data or trained["name"]
    size = settings.image_size if settings.image_size is not None else trained.get("image_size")
    limit = settings.limit if settings.limit is not None else trained.get("limit")
    whole = open_image_set(name, size, limit, trained.get("limit_seed", 0))
    own = "nasbench201" if trained["split"] == "nasbench201" else str(trained["valid"])
    images, _ = divide(whole, parse_split(settings.split or own, trained.get("split_seed", 0)))
    for key in dict.fromkeys([*trained, *images.identity]):
        mine, theirs = images.identity.get(key), trained.get(key)
        if key != "name" and mine != theirs:
            raise InputError(
                f"{name} is not the data of checkpoint {path}: its {key.replace('_', ' ')} is {mine}, the "
                f"training's {theirs}; leave the option out to use the same images"
            )
    return images


def _sample(
    settings: CorrelationSettings, table: Table, truth: Truth, rng: np.random.Generator
) -> np.ndarray[Any, np.dtype[np.intp]]:
    """Return the entries to score, ascending."""
    known = np.flatnonzero(~np.isnan(truth.mean))
    if settings.everything:
        if settings.n is not None:
            raise InputError("give either a number of architectures or --all, not both")
        return known
    n = min(_SAMPLE, len(known)) if settings.n is None else settings.n
    if n > len(known):
        raise InputError(
            f"cannot sample {n:,} architectures: table {table.name} has {len(known):,} of "
            f"{table.base_space.name}; use --all for all of them"
        )
    if n < 2:
        raise InputError(f"a correlation needs at least 2 architectures, got {n}")
    return np.sort(rng.choice(known, size=n, replace=False))


def _numbers_of_images(settings: CorrelationSettings, available: int) -> tuple[int, int]:
    first = min(_IMAGES, available) if settings.images is None else settings.images
    default = max(first, min(_FINAL_IMAGES, available))
    final = default if settings.final_images is None else settings.final_images
    for number in (first, final):
        if not 1 <= number <= available:
            raise InputError(f"cannot score on {number:,} validation images: there are {available:,}")
    return first, final
