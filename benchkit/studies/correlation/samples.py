"""Compares what more ranked samples buy: finished searches, cut after their first n architectures.

Each search is cut after n samples as if it had stopped there: the best of them on validation images, the
mean of all, and the test accuracy of that best one with its inherited weights (NASAS, Table 3(a) and (d)).

The folder
----------
``samples.csv``        a row for each search and n: method, search, seed, n, best, mean, test, parameters
``samples-mean.csv``   the same over seeds, with sd and 95 % interval, or the values of fewer than five
``samples.png, .pdf``  expected best of n against n
``manifest.json``      which searches, by the digests of their traces
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd

from benchkit.analysis.figures.sample_curve import best_of_first
from benchkit.analysis.statistics.resolution import PERCENT, POSITIVE, Bounds
from benchkit.analysis.statistics.training_mean import mean_over_trainings
from benchkit.base.columnar import read_parquet
from benchkit.base.errors import InputError
from benchkit.base.files import write_text
from benchkit.base.json_text import to_json
from benchkit.base.run_folder import RunFolder
from benchkit.base.version import __version__
from benchkit.strategies import get_weight_sharing
from benchkit.training.evaluate import open_search
from benchkit.training.kept_search import TRACE, read_manifest, settings_of
from benchkit.training.settings import SearchSettings

_BOUNDS: dict[str, Bounds] = {**dict.fromkeys(("best", "mean", "test"), PERCENT), "parameters": POSITIVE}


def compare_samples(
    searches: Sequence[Path],
    folder: Path,
    first: Sequence[int] = (50, 500, 1500),
    device: str = "auto",
    on_progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Cut finished searches after n samples, test what they would have reported, and write all of it.

    Parameters
    ----------
    searches : Folders of finished searches of one space and data set.
    folder : Folder of the comparison: new, empty, or of the same one.
    first : Numbers of samples; those that a search did not reach are an error.

    Returns
    -------
    The rows of ``samples-mean.csv``.

    Raises
    ------
    InputError : a folder without a finished search, searches of different spaces or data, or too few samples.
    """
    settings = {path: settings_of(path) for path in searches}
    _check_alike(settings)
    labels = _labels(settings)
    traces = {path: read_parquet(path / "trace.parquet", TRACE, "trace").to_pandas() for path in settings}
    for path, trace in traces.items():
        if not first or max(first) > len(trace) or min(first) < 1:
            raise InputError(
                f"{path} scored {len(trace):,} samples; it cannot be cut after {', '.join(map(str, first))}"
            )
    kept = {path: read_manifest(path) for path in settings}
    manifest = {
        "benchkit": __version__,
        "first": list(first),
        "searches": [
            {"search": path.name, "seed": each.seed, "trace": kept[path]["trace"], "data": kept[path]["data"]}
            for path, each in settings.items()
        ],
    }
    run = RunFolder(folder, "samples")
    run.claim(manifest)
    rows = []
    for path, trace in traces.items():
        with open_search(path, device) as search:
            for n in first:
                cut = best_of_first(trace["score"].to_numpy(), n)
                architecture = search.space.parse(trace["architecture"].iloc[cut.step])
                tested = search.test(architecture)
                rows.append(
                    {
                        "method": labels[path],
                        "training": path.name,
                        "seed": settings[path].seed,
                        "n": n,
                        "best": cut.best,
                        "mean": cut.mean,
                        "test": np.nan if tested is None else tested["accuracy"],
                        "parameters": search.parameters(architecture),
                    }
                )
                if on_progress is not None:
                    on_progress(len(rows), len(traces) * len(first))
    table = pd.DataFrame(rows)
    long = table.melt(["method", "training", "n"], ["best", "mean", "test", "parameters"], "figure", "value")
    means = mean_over_trainings(long, ("method", "n", "figure"), bounds=_BOUNDS, by="figure")
    means = means.sort_values(["method", "figure", "n"], ignore_index=True)
    write_text(folder / "samples.csv", table.rename(columns={"training": "search"}).to_csv(index=False))
    write_text(folder / "samples-mean.csv", means.to_csv(index=False))
    write_text(run.manifest, to_json(manifest))
    return means


def _check_alike(settings: dict[Path, SearchSettings]) -> None:
    if not settings:
        raise InputError("no search was given: name at least one folder")
    first = next(iter(settings.values()))
    for path, other in settings.items():
        for what in ("space", "data", "image_size", "limit", "split"):
            if getattr(other, what) != getattr(first, what):
                raise InputError(
                    f"{path} is a search with {what} {getattr(other, what)}, the first with "
                    f"{getattr(first, what)}: they cannot be compared"
                )


def _labels(settings: dict[Path, SearchSettings]) -> dict[Path, str]:
    """Return a name for each search: its strategy, with the first option in which such searches differ."""
    options = {}
    for path, each in settings.items():
        defaults = fields(get_weight_sharing(each.strategy).Hyperparameters)
        options[path] = {**{field.name: field.default for field in defaults}, **each.options}
    labels = {}
    for path, each in settings.items():
        same = [options[other] for other, its in settings.items() if its.strategy == each.strategy]
        differing = [
            f"{value}"
            for name, value in options[path].items()
            if isinstance(value, str) and any(its.get(name) != value for its in same)
        ]
        labels[path] = f"{', '.join(differing)} ({each.strategy})" if differing else each.strategy
    return labels
