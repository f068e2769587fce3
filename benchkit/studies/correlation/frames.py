"""Makes the tables and the result of a correlation study from scores and truths.

Correlations with the test column are reported beside those with validation; nothing is chosen by either.
Where lower values of the truth are better, it is ranked the other way round: a correlation of 1 says that the
supernet calls better what is better alone, and regrets are in the truth's unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchkit.analysis.statistics.noise_ceiling import noise_ceiling
from benchkit.analysis.statistics.rank_correlation import FRACTIONS, correlation_curve
from benchkit.analysis.statistics.resolution import CORRELATION
from benchkit.analysis.statistics.top_k import top_k_figures
from benchkit.analysis.statistics.training_mean import mean_over_trainings
from benchkit.base.environment import environment
from benchkit.base.frames import as_records
from benchkit.base.run_folder import RunFolder
from benchkit.base.version import __version__
from benchkit.studies.correlation.scores import ScoreStore, digest
from benchkit.studies.correlation.truth import Truth
from benchkit.training.trained import Saved, Trained

TOP_KS = (1, 5, 10, 50)
_WHAT = ("epoch", "images", "truth", "fraction", "measure")


class Scored(NamedTuple):
    """Scores of one checkpoint: float64[n], in percent, on so many images."""

    training: Trained
    saved: Saved
    images: int
    scores: npt.NDArray[np.float64]

    @property
    def about(self) -> dict[str, Any]:
        """Columns that say which checkpoint was scored, and on how many images."""
        names = {"training": self.training.name, "seed": self.training.seed}
        return {**names, "epoch": self.saved.epochs, "images": self.images}


@dataclass(frozen=True, eq=False)
class Study:
    """Facts that all checkpoints of a study share.

    Attributes
    ----------
    settings : Content of ``correlation.json``.
    architectures : Names of the n architectures.
    truths : Truths of those n; the first is the one that figures show.
    trainings : Trainings whose checkpoints are scored.
    bootstrap_seed : Seed of all intervals.
    """

    settings: dict[str, Any]
    architectures: list[str]
    truths: list[Truth]
    trainings: list[Trained]
    bootstrap_seed: np.random.SeedSequence

    def rng(self) -> np.random.Generator:
        """Return a generator at its start: every checkpoint sees the same bootstrap samples."""
        return np.random.default_rng(self.bootstrap_seed)

    def checkpoints(self) -> list[dict[str, Any]]:
        """Return what a manifest keeps of the checkpoints."""
        return [
            {"training": each.name, "seed": each.seed, "epoch": saved.epochs, "sha256": saved.sha256}
            for each in self.trainings
            for saved in each.saved
        ]


def write_report(
    run: RunFolder, study: Study, scored: Sequence[Scored], store: ScoreStore, device: str
) -> dict[str, Any]:
    """Write everything but the claim into the folder of a study, and return its result."""
    correlations = _correlations(study, scored)
    means = mean_over_trainings(correlations, _WHAT, bounds=CORRELATION)
    ceiling = _ceiling(study)
    last = [each for each in scored if each.saved is each.training.saved[-1]]
    best = _top_k(study, last)
    store.finish(_as_frame(study, scored))
    several = len(study.trainings) > 1
    final = [each for each in last if each.images == study.settings["final_images"]]
    run.write_frames(
        {
            "correlations": correlations,
            "top_k": best,
            "noise_ceiling": ceiling,
            **({"correlations-mean": means} if several else {}),
            "scatter": _scatter_frame(study, final),
        }
    )
    newest = means[means["epoch"] == max(each.saved.epochs for each in last)]
    result = {
        **{key: study.settings[key] for key in ("strategy", "space", "dataset", "table", "n", "data")},
        "truths": [_about(truth) for truth in study.truths],
        "trainings": [_last_of(each, correlations, best) for each in last],
        "mean": as_records(newest) if several else [],
        "noise_ceiling": as_records(ceiling),
    }
    run.finish(_manifest(study, scored, device), result)
    return result


def _about(truth: Truth) -> dict[str, Any]:
    """Return what the result says of a truth: its metric, its runs, its unit and its direction."""
    better = "higher" if truth.quantity.higher_is_better else "lower"
    runs = len(truth.runs) or None
    return {**truth.metric.to_json(), "runs": runs, "unit": truth.quantity.unit, "better": better}


def _correlations(study: Study, scored: Sequence[Scored]) -> pd.DataFrame:
    """Return a row for each checkpoint, number of images, truth, fraction and measure."""
    pieces = []
    groups: dict[tuple[str, int], list[Scored]] = {}
    for each in scored:
        groups.setdefault((each.training.name, each.images), []).append(each)
    for (training, images), curve in groups.items():
        epochs = [each.saved.epochs for each in curve]
        scores = np.stack([each.scores for each in curve])
        for truth in study.truths:
            known = ~np.isnan(truth.mean)
            piece = correlation_curve(epochs, scores[:, known], truth.ranked[known], study.rng(), FRACTIONS)
            about = {"training": training, "seed": curve[0].training.seed, "images": images}
            piece = piece.assign(**about, truth=truth.split)
            pieces.append(piece[["training", "seed", *_WHAT, "n", "value", "low", "high"]])
    return _with_seeds(pd.concat(pieces, ignore_index=True))


def _top_k(study: Study, last: Sequence[Scored]) -> pd.DataFrame:
    pieces = []
    for each in last:
        for truth in study.truths:
            known = ~np.isnan(truth.mean)
            ks = [k for k in TOP_KS if k <= np.count_nonzero(known)]
            piece = top_k_figures(each.scores[known], truth.ranked[known], ks, study.rng())
            columns = [*each.about, "truth", "k", "measure", "n", "value", "low", "high"]
            pieces.append(piece.assign(**each.about, truth=truth.split)[columns])
    return _with_seeds(pd.concat(pieces, ignore_index=True))


def _ceiling(study: Study) -> pd.DataFrame:
    """Return the noise ceiling of each truth that has runs to compare; may have no rows."""
    pieces = []
    for truth in study.truths:
        known = ~np.isnan(truth.runs)
        shared = known.astype(np.int64) @ known.T.astype(np.int64)  # architectures a pair of runs has
        if len(truth.runs) > 1 and shared.min() > 0:
            piece = noise_ceiling(truth.ranked_runs, study.rng(), FRACTIONS)
            piece.insert(0, "truth", truth.split)
            pieces.append(piece)
    columns = ["truth", "fraction", "measure", "pairs", "n", "value", "low", "high", "resolved"]
    return pd.concat(pieces, ignore_index=True) if pieces else pd.DataFrame(columns=columns)


def _as_frame(study: Study, scored: Sequence[Scored]) -> pd.DataFrame:
    pieces = [
        pd.DataFrame(
            {
                **each.about,
                "checkpoint": each.saved.sha256,
                "architecture": study.architectures,
                "supernet_accuracy": each.scores,
            }
        )
        for each in scored
    ]
    return _with_seeds(pd.concat(pieces, ignore_index=True))


def _scatter_frame(study: Study, final: Sequence[Scored]) -> pd.DataFrame:
    pieces = [
        pd.DataFrame(
            {
                "training": each.training.name,
                "architecture": study.architectures,
                "supernet_accuracy": each.scores,
                **{f"table_{truth.split}": truth.mean for truth in study.truths},
            }
        )
        for each in final
    ]
    return pd.concat(pieces, ignore_index=True)


def _last_of(each: Scored, correlations: pd.DataFrame, best: pd.DataFrame) -> dict[str, Any]:
    """Return what the result says of one scored last checkpoint."""
    about, keys = each.about, ["training", "epoch", "images"]
    wanted = [about[key] for key in keys]
    mine = {
        name: frame[(frame[keys] == wanted).all(axis=1)].drop(columns=list(about))
        for name, frame in (("correlations", correlations), ("top_k", best))
    }
    return {
        **about,
        "mean_supernet_accuracy": float(each.scores.mean()),
        "best_supernet_accuracy": float(each.scores.max()),
        **{name: as_records(rows) for name, rows in mine.items()},
    }


def _with_seeds(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with whole seeds, missing where a training does not say its own."""
    return frame.astype({"seed": "Int64"})


def _manifest(study: Study, scored: Sequence[Scored], device: str) -> dict[str, Any]:
    return {
        "benchkit": __version__,
        "correlation": study.settings,
        "checkpoints": study.checkpoints(),
        "device": device,
        **environment("numpy", "pandas", "safetensors", "scipy", "torch"),
        "scores": digest(
            study.architectures, [(each.saved.sha256, each.images, each.scores) for each in scored]
        ),
    }
