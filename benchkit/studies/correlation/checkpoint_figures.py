"""The figures of every checkpoint that a finished correlation study scored, read from its folder.

``result.json`` has the last checkpoints alone; the tables of the study have all of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchkit.base.errors import InputError
from benchkit.base.frames import as_records

__all__ = ["checkpoint_figures"]

_CHECKPOINT = ("training", "seed", "epoch", "images")


def checkpoint_figures(folder: Path) -> list[dict[str, Any]]:
    """Return what a finished study found, an entry for each checkpoint and number of images.

    Returns
    -------
    JSON-ready, in the order of ``correlations.csv`` (training by training, by ascending epochs): training,
    seed (None where the training does not say its own), epoch, images, mean_supernet_accuracy and
    best_supernet_accuracy in percent, and correlations: truth, fraction, measure, n, value, low, high.

    Raises
    ------
    InputError : a table of the study is missing or damaged.
    """
    import pandas as pd

    path = folder / "correlations.csv"
    try:
        correlations = pd.read_csv(path, dtype={"training": str}).astype({"seed": "Int64"})
        path = folder / "scores.parquet"
        scores = pd.read_parquet(path, columns=["training", "epoch", "images", "supernet_accuracy"])
        by_checkpoint = scores.groupby(["training", "epoch", "images"], observed=True)["supernet_accuracy"]
        accuracies = {key: (float(values.mean()), float(values.max())) for key, values in by_checkpoint}
        found = []
        for _, rows in correlations.groupby(["training", "epoch", "images"], sort=False):
            about: dict[str, Any] = as_records(rows[list(_CHECKPOINT)].head(1))[0]
            mean, best = accuracies[about["training"], about["epoch"], about["images"]]
            about |= {"mean_supernet_accuracy": mean, "best_supernet_accuracy": best}
            found.append({**about, "correlations": as_records(rows.drop(columns=list(_CHECKPOINT)))})
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"cannot read {path}: {' '.join(str(error).split())}") from error
    names = list(dict.fromkeys(each["training"] for each in found))
    found.sort(key=lambda each: (names.index(each["training"]), each["epoch"], each["images"]))
    return found
