"""Key figures of a kept study as Markdown tables, read from the files that it wrote.

A correlation study has tau-b of every training after its last epoch, beside the noise ceiling; a study of
supernet searches has its table as it stands; a fading study has divergence, predictions and ranks by K.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from benchkit.analysis.statistics.resolution import FEWEST, ceiling_text, figure_text, plain_text
from benchkit.analysis.tables.published import markdown_row
from benchkit.base.errors import InputError, blamed_on
from benchkit.base.files import MEGABYTE, read_text
from benchkit.base.frames import read_frame
from benchkit.studies.correlation.kept import CORRELATIONS_MEAN, read_about
from benchkit.studies.fading.kept import COLUMNS, read_fading

__all__ = ["interval_text", "key_figures", "markdown_table"]

_MOST_TEXT = 16 * MEGABYTE
_ROW: dict[str, type] = {
    **{"truth": str, "fraction": float, "measure": str},
    **{"value": float, "low": float, "high": float},
}
_SPLITS = {"valid": "validation", "test": "test"}


def key_figures(folder: Path) -> str:
    """Return the key figures of a correlation study, a study of supernet searches or a fading study.

    Raises
    ------
    InputError : the folder is none of these, or its files cannot be read.
    """
    for name, show in _KINDS.items():
        if (folder / name).is_file():
            with blamed_on(f"the study in {folder}"):
                return show(folder)
    raise InputError(f"{folder} has no key figures: it holds none of {', '.join(_KINDS)}")


def markdown_table(header: list[str], rows: list[list[str]]) -> str:
    """Return a table as Markdown, without a newline at its end."""
    return "\n".join(map(markdown_row, [header, ["---"] * len(header), *rows]))


def interval_text(mean: float, low: float, high: float, form: str = ".2f") -> str:
    """Return a mean with its interval; the mean alone where there is no interval, nothing for NaN."""
    return plain_text(mean, low, high, form)


def _correlation(folder: Path) -> str:
    frame = read_frame(folder / "correlations.csv", {"training": str, "epoch": int, "images": int, **_ROW})
    about = read_about(folder)
    ceiling = read_frame(folder / "noise_ceiling.csv", _ROW, "noise ceiling")
    frame = frame[(frame["measure"] == "kendall_tau") & (frame["epoch"] == frame["epoch"].max())]
    frame = frame[frame["images"] == frame["images"].max()]
    ceiling = ceiling[ceiling["measure"] == "kendall_tau"].set_index(["truth", "fraction"])
    mean = _mean_rows(folder / "correlations-mean.csv", frame)
    trainings = list(dict.fromkeys(frame["training"]))
    header = ["truth", "best share", *trainings, *(["mean"] if len(mean) else []), "noise ceiling"]
    rows = []
    for (truth, fraction), group in frame.groupby(["truth", "fraction"], sort=False):
        by_training = group.set_index("training")
        cells = [_cell(by_training, training, write=figure_text) for training in trainings]
        if len(mean):
            cells.append(_cell(mean, (truth, fraction), "mean"))
        cells.append(_cell(ceiling, (truth, fraction), write=ceiling_text))
        share = "all" if fraction == 1 else f"{100 * fraction:g} %"
        rows.append([_SPLITS.get(str(truth), str(truth)), share, *cells])
    table = about["table"]
    several = len(trainings)
    means = f"; of the mean: Student, over {several} trainings" if several >= FEWEST else ""
    return (
        f"Tau-b of inherited accuracy ({frame['images'].iloc[0]:,} images, after epoch "
        f"{frame['epoch'].iloc[0]}) and the {about['dataset']} accuracy of table {table['name']} (SHA-256 "
        f"{table['sha256'][:12]}), {about['n']:,} architectures [95 % over architectures{means}]."
        f"\n\n{markdown_table(header, rows)}"
    )


def _mean_rows(path: Path, shown: pd.DataFrame) -> pd.DataFrame:
    """Return the means over trainings that go with the rows shown; none where there was one training."""
    if not path.is_file():
        return pd.DataFrame()
    mean = read_frame(path, CORRELATIONS_MEAN, "correlations")
    wanted = (
        (mean["measure"] == "kendall_tau")
        & (mean["epoch"] == shown["epoch"].iloc[0])
        & (mean["images"] == shown["images"].iloc[0])
    )
    rows: pd.DataFrame = mean[wanted].set_index(["truth", "fraction"])
    return rows


def _cell(
    frame: pd.DataFrame,
    key: Any,
    value: str = "value",
    form: str = ".2f",
    write: Callable[[float, float, float, str], str] = plain_text,
) -> str:
    if key not in frame.index:
        return ""
    row: Any = frame.loc[key]
    return write(row[value], row["low"], row["high"], form)


def _searches(folder: Path) -> str:
    return read_text(folder / "table.md", "table", _MOST_TEXT).strip()


def _fading(folder: Path) -> str:
    """Return the figures of whole models, supernets of one start, Laplace posteriors."""
    about = read_fading(folder)
    start = about["starts"][0]
    divergence, functions, ranks = (
        _started(folder, f"{name}-mean", start) for name in ("divergence", "function_space", "correlation")
    )
    divergence = divergence[
        (divergence["layer"] == "all")
        & (divergence["approximation"] == "laplace")
        & (divergence["law"] == "product")
    ]
    columns = {
        "divergence as printed (nats)": (divergence[divergence["measure"] == "paper"], ".1e"),
        "exact (nats)": (divergence[divergence["measure"] == "exact"], ".1e"),
        "KL of predictions (nats)": (functions[functions["measure"] == "prediction_kl"], ".3f"),
        "tau-b, supernet": (_tau(ranks, "supernet"), ".2f"),
        "tau-b, two trainings alone": (_tau(ranks, "ceiling"), ".2f"),
    }
    indexed = [(frame.set_index("models"), form) for frame, form in columns.values()]
    rows = [
        [str(models), *(_cell(frame, models, "mean", form) for frame, form in indexed)]
        for models in about["models"]
    ]
    return (
        f"Space {about['space']}, mean over {about['subspaces']} sets of K models that share weights [95 %, "
        f"Student, where it is resolvable]; {start} start, Laplace posteriors of whole models.\n\n"
        f"{markdown_table(['K', *columns], rows)}"
    )


def _started(folder: Path, name: str, start: str) -> pd.DataFrame:
    frame = read_frame(folder / f"{name}.csv", COLUMNS[name], "figures")
    return frame[frame["start"] == start]


def _tau(ranks: pd.DataFrame, of: str) -> pd.DataFrame:
    return ranks[(ranks["of"] == of) & (ranks["measure"] == "kendall_tau")]


_KINDS: dict[str, Callable[[Path], str]] = {
    "correlation.json": _correlation,
    "table.md": _searches,
    "fading.json": _fading,
}
"""The file that tells the kind of a study, and what its key figures are."""
