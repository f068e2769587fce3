"""Runs the interval study: how well inherited weights rank architectures while PC-NAS shrinks its space.

After every interval of finished ``benchkit search pcnas`` runs, accuracies with inherited weights are held
against a table's stand-alone accuracies, beside the same searches trained without shrinking: on the complete
candidates of the final pool of the PC-NAS search with the same seed, as in the paper's Figure 2b (Pearson .92
against .11), and on a uniform sample of the space, because the former lie close together.

The folder of a study
---------------------
``intervals.json``        what is compared and how; claims the folder
``parts/``                scores, while the study runs
``correlations.csv``      a row a seed, training, interval, sample and measure, with 95 % bootstrap intervals
                          over architectures; ``correlations-mean.csv``: over seeds, with 95 % intervals
                          from five seeds on, the values of fewer
``differences.csv``       PC-NAS less one-shot of the same seed; ``differences-mean.csv``: over seeds
``pool.csv``              partial models, potentials and architectures left after every interval
``scatter.csv``           the candidates after the last interval
``intervals.pdf, .png``   the figure
``manifest.json``, ``result.json``  what a reader needs to run it again; the main figures, written last

Deviations and choices
----------------------
- All checkpoints of all searches are scored on the same validation images, all of them by default, and on
  the same uniform sample.
- The truth is the mean of the table's runs at its longest schedule: validation accuracy where it has one,
  else test accuracy, which nothing here is chosen by.
- Only candidates that the table has are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchkit.analysis.statistics.rank_correlation import correlate
from benchkit.analysis.statistics.resolution import CORRELATION, Bounds
from benchkit.analysis.statistics.training_mean import mean_over_trainings
from benchkit.base.devices import explain_memory, intra_op_threads, parse_device
from benchkit.base.environment import environment
from benchkit.base.errors import InputError
from benchkit.base.frames import as_records
from benchkit.base.limits import check_fields, check_number
from benchkit.base.parts import ArrayParts
from benchkit.base.run_folder import RunFolder
from benchkit.base.version import __version__
from benchkit.data.tables.table import Table
from benchkit.spaces import Space, get_space
from benchkit.spaces.base import Batch
from benchkit.studies.correlation.study import CheckpointScorer, CorrelationSettings, images_of
from benchkit.studies.correlation.truth import Truth, read_truths, table_of
from benchkit.studies.fading.kept import read_interval_result
from benchkit.studies.fading.searches import ONE_SHOT, PCNAS, PCNASSearch, read_searches
from benchkit.training.trained import Saved, Trained, find_trainings

MEASURES = ("kendall_tau", "pearson")
_WHERE = ("seed", "training", "interval", "epoch")
_KEYS = ("training", "interval", "epoch", "sample", "measure")
_DIFFERENCE: Bounds = (-2.0, 2.0)  # of two correlations


@dataclass(frozen=True)
class IntervalSettings:
    """Settings of an interval study.

    Attributes
    ----------
    searches : Folders of finished PC-NAS searches, with and without shrinking.
    n : Number of architectures of the uniform sample; fewer where the table has fewer.
    images : Number of validation images on which every checkpoint is scored; None is all.
    scoring_batch : Largest batch of scoring.
    seed : Seed of the sample, of the order of images and of the bootstraps.
    table : Name or path; None is the table that bears the space's name.
    dataset : Data set of the table; None is the data set of the searches.
    """

    searches: tuple[Path, ...]
    n: int = 500
    images: int | None = None
    scoring_batch: int = 500
    seed: int = 0
    table: str | None = None
    dataset: str | None = None

    def correlation(self) -> CorrelationSettings:
        """Return what `benchkit.studies.correlation.study` asks for."""
        return CorrelationSettings(self.searches, scoring_batch=self.scoring_batch)


@dataclass(frozen=True, eq=False)
class _Study:
    """What all checkpoints share: whom to score, and what they are held against."""

    space: Space
    table: Table
    truth: Truth
    uniform: Batch
    searches: list[PCNASSearch]
    candidates: dict[int, Batch]
    bootstrap: np.random.SeedSequence

    def samples(self, seed: int) -> dict[str, Batch]:
        return {"candidates": self.candidates[seed], "uniform": self.uniform}

    def known(self, rows: Batch) -> npt.NDArray[np.float64]:
        return self.truth.mean[self.table.locate(rows)]


def run_intervals(
    settings: IntervalSettings,
    folder: Path,
    device: str = "auto",
    threads: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Run an interval study, or go on with it, and return its result.

    Parameters
    ----------
    folder : Folder of the study: new, empty, or of the same study.
    device : Device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    threads : Number of threads of torch while scoring.
    on_progress : Function that is told (done, total) after every checkpoint.

    Returns
    -------
    The content of ``result.json``.

    Raises
    ------
    InputError : folders without finished PC-NAS searches that fit each other, checkpoints that are gone, no
        such table or device, or a number out of range.
    """
    check_fields(settings)
    check_number("threads", threads)
    where = parse_device(device)
    if settings.n < 2 or threads < 1 or settings.seed < 0:
        raise InputError(
            f"--n must be at least 2, --threads at least 1 and --seed at least 0; got {settings.n}, "
            f"{threads}, {settings.seed}"
        )
    sample_seed, image_seed, bootstrap_seed = np.random.SeedSequence(settings.seed).spawn(3)
    searches = read_searches(settings.searches)
    trainings = find_trainings([search.path for search in searches])
    study = _study(settings, searches, trainings[0], np.random.default_rng(sample_seed), bootstrap_seed)
    saved = _saved(searches, trainings)
    images = images_of(settings.correlation(), trainings[0])
    number = len(images.valid) if settings.images is None else settings.images
    if not 1 <= number <= len(images.valid):
        raise InputError(f"cannot score on {number:,} validation images: there are {len(images.valid):,}")
    identity = _identity(settings, study, trainings[0], saved, number)
    run = RunFolder(folder, "intervals")
    run.claim(identity)
    if run.finished:
        return read_interval_result(folder)
    scorer = CheckpointScorer(settings.correlation(), trainings[0].facts, images, where, image_seed)
    with intra_op_threads(threads), explain_memory(settings.scoring_batch, "--scoring-batch"):
        wanted = [(each, one) for each, its in zip(searches, saved, strict=True) for one in its]
        for done, (search, checkpoint) in enumerate(wanted, start=1):
            if _part(search, checkpoint) not in run.parts:
                samples = study.samples(search.seed)
                rows = np.concatenate(list(samples.values()))
                scores = scorer.score(checkpoint, rows, number, lambda _: None)
                parts = np.split(scores, [len(samples["candidates"])])
                run.parts.keep(_part(search, checkpoint), dict(zip(samples, parts, strict=True)))
            if on_progress is not None:
                on_progress(done, len(wanted))
    frames = _frames(study, saved, run.parts)
    run.write_frames(frames)
    manifest = {
        "benchkit": __version__,
        "intervals": identity,
        "device": str(where),
        **environment("numpy", "pandas", "safetensors", "scipy", "torch"),
    }
    result = _result(study, frames)
    run.finish(manifest, result)
    run.parts.discard()
    return result


def _study(
    settings: IntervalSettings,
    searches: list[PCNASSearch],
    training: Trained,
    rng: np.random.Generator,
    bootstrap: np.random.SeedSequence,
) -> _Study:
    space = get_space(training.facts["network"]["space"])
    table = table_of(space, settings.table)
    truth = read_truths(table, settings.dataset or training.facts["data"]["name"])[0]
    known = np.flatnonzero(~np.isnan(truth.mean))
    drawn = np.sort(rng.choice(known, size=min(settings.n, len(known)), replace=False))
    kept = set(map(bytes, np.ascontiguousarray(table.rows[known])))
    candidates = {}
    for search in searches:
        if search.training == PCNAS:
            rows = search.final_candidates(space)
            candidates[search.seed] = rows[[row.tobytes() in kept for row in rows]]
            if len(candidates[search.seed]) < 2:
                raise InputError(
                    f"table {table.name} has fewer than 2 of the final candidates of {search.path}"
                )
    return _Study(space, table, truth, table.rows[drawn], searches, candidates, bootstrap)


def _saved(searches: list[PCNASSearch], trainings: list[Trained]) -> list[list[Saved]]:
    """Return the checkpoints after every interval, search by search."""
    chosen = []
    for search, training in zip(searches, trainings, strict=True):
        by_epoch = {saved.epochs: saved for saved in training.saved}
        missing = [interval.epoch for interval in search.intervals if interval.epoch not in by_epoch]
        if missing:
            raise InputError(f"{search.path} has lost its checkpoints after {missing} epochs")
        chosen.append([by_epoch[interval.epoch] for interval in search.intervals])
    return chosen


def _part(search: PCNASSearch, saved: Saved) -> str:
    return f"seed{search.seed}-{saved.sha256}"


def _frames(study: _Study, saved: list[list[Saved]], store: ArrayParts) -> dict[str, pd.DataFrame]:
    rows, pools, scatters = [], [], []
    for search, checkpoints in zip(study.searches, saved, strict=True):
        pairs = zip(search.intervals, checkpoints, strict=True)
        for number, (interval, checkpoint) in enumerate(pairs, start=1):
            where = (search.seed, search.training, number, interval.epoch)
            scores = store.get(_part(search, checkpoint))
            for sample, architectures in study.samples(search.seed).items():
                rng = np.random.default_rng(study.bootstrap)
                found = correlate(scores[sample], study.known(architectures), rng, (1.0,), MEASURES)
                for row in found.itertuples(index=False):
                    rows.append((*where, sample, row.measure, row.n, row.value, row.low, row.high))
            kept = zip(interval.pool, interval.potentials, strict=True)
            for rank, (model, potential) in enumerate(kept, start=1):
                pools.append((*where, rank, " ".join(map(str, model)), potential, interval.left))
        candidates = study.candidates[search.seed]
        scatters.append(
            pd.DataFrame(
                {
                    "seed": search.seed,
                    "training": search.training,
                    "architecture": [study.space.format(row) for row in candidates],
                    "inherited_accuracy": scores["candidates"],
                    "standalone_accuracy": study.known(candidates),
                }
            )
        )
    correlations = pd.DataFrame(rows, columns=[*_WHERE, "sample", "measure", "n", "value", "low", "high"])
    differences = _differences(correlations)
    return {
        "correlations": correlations,
        "correlations-mean": _over_seeds(correlations, _KEYS, CORRELATION),
        "differences": differences,
        "differences-mean": _over_seeds(differences, _KEYS[1:], _DIFFERENCE),
        "pool": pd.DataFrame(pools, columns=[*_WHERE, "rank", "model", "potential", "architectures_left"]),
        "scatter": pd.concat(scatters, ignore_index=True),
    }


def _differences(correlations: pd.DataFrame) -> pd.DataFrame:
    """Return PC-NAS less one-shot, where a seed has both."""
    keys = ["seed", *_KEYS[1:]]
    mine, other = (
        correlations[correlations["training"] == training][[*keys, "value"]] for training in (PCNAS, ONE_SHOT)
    )
    both = mine.merge(other, on=keys, suffixes=("_pcnas", "_one_shot"))
    return both.assign(value=both["value_pcnas"] - both["value_one_shot"])


def _over_seeds(frame: pd.DataFrame, keys: Sequence[str], bounds: Bounds) -> pd.DataFrame:
    """Return the mean over seeds; what is called a training there is a seed here."""
    named = frame.rename(columns={"training": "kind"}).rename(columns={"seed": "training"})
    kinds = ["kind" if key == "training" else key for key in keys]
    means = mean_over_trainings(named, kinds, bounds=bounds)
    return means.rename(columns={"kind": "training", "trainings": "seeds"})


def _identity(
    settings: IntervalSettings, study: _Study, training: Trained, saved: list[list[Saved]], images: int
) -> dict[str, Any]:
    return {
        "space": study.space.name,
        "data": training.facts["data"],
        "network": training.facts["network"],
        "table": {"name": study.table.name, "sha256": study.table.sha256},
        "truth": study.truth.metric.to_json(),
        "searches": [
            {
                "search": search.path.name,
                "training": search.training,
                "seed": search.seed,
                "checkpoints": {str(each.epochs): each.sha256 for each in checkpoints},
            }
            for search, checkpoints in zip(study.searches, saved, strict=True)
        ],
        "n": len(study.uniform),
        "images": images,
        "scoring_batch": settings.scoring_batch,
        "seed": settings.seed,
    }


def _result(study: _Study, frames: dict[str, pd.DataFrame]) -> dict[str, Any]:
    last = frames["correlations"]["interval"].max()

    def rows(name: str) -> list[dict[str, Any]]:
        return as_records(frames[name][frames[name]["interval"] == last])

    return {
        "space": study.space.name,
        "table": study.table.name,
        "truth": study.truth.metric.to_json(),
        "intervals": int(last),
        "last": rows("correlations"),
        "mean": rows("correlations-mean"),
        "differences": rows("differences-mean"),
    }
