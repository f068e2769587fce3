"""Makes the section of a correlation study: its correlations, their curve over training, and the scatter."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchkit.analysis.figures.correlation import curve_info
from benchkit.analysis.figures.style import Look, method_look
from benchkit.analysis.figures.text import MEASURES, share_text
from benchkit.analysis.statistics.resolution import ceiling_text, figure_text, told_from_zero
from benchkit.base.errors import blamed_on
from benchkit.base.frames import read_frame
from benchkit.reports.page.charts import Axis, Series, lines_table, plain, view_data
from benchkit.reports.page.origin import command, facts_of, kept_files, read_json
from benchkit.reports.page.parts import (
    Cell,
    Column,
    DataTable,
    Figure,
    Filter,
    Row,
    Section,
    choice,
    number_cell,
    text_cell,
    worded_cell,
)
from benchkit.reports.page.scatters import scatter_data
from benchkit.studies.correlation.kept import CEILING, CORRELATIONS, SCATTER, read_settings
from benchkit.studies.correlation.truth import ANY_SPLIT, truth_label

_MEASURES = {measure: plain(words) for measure, words in MEASURES.items()}
_TICKS = 10
_SPLITS = {"valid": "validation", "test": "test"}


def correlation_section(folder: Path, name: str) -> Section:
    """Return the section of a finished study of ``benchkit correlate``.

    Parameters
    ----------
    name : Name of the folder, on the page and in its commands.

    Raises
    ------
    InputError : the study has not finished, or a file is damaged.
    """
    settings, result = read_settings(folder)
    manifest = read_json(folder / "manifest.json")
    frame = read_frame(folder / "correlations.csv", CORRELATIONS, "correlations")
    ceiling = read_frame(folder / "noise_ceiling.csv", CEILING, "noise ceiling")
    with blamed_on(f"the study in {folder}"):
        n = int(result["n"])
        data, table = settings["data"], settings["table"]
        quantity = str(settings.get("quantity", "accuracy")).replace("_", " ")
        lead = (
            f"{settings['strategy']} on {settings['space']}, supernets trained on {data['name']}: accuracy "
            f"with inherited weights against {quantity} alone on {settings['dataset']}, as table "
            f"{table['name']} (SHA-256 {str(table['sha256'])[:12]}) has it; {n:,} architectures."
        )
        tables = (_table(frame, ceiling, name),)
        figures = (_curve(settings, frame, ceiling, name), _scatter(folder, settings, result, name))
    return Section(
        title=f"{settings['strategy']} on {settings['space']}, {data['name']}",
        kind="Correlation",
        lead=(lead,),
        tables=tables,
        figures=figures,
        facts=facts_of(manifest, settings),
        commands=(
            (
                "run the study again, with the checkpoints that the manifest names by their SHA-256",
                _again(settings, manifest, name),
            ),
        ),
        files=kept_files(folder, ("correlation.json", "manifest.json")),
    )


def _again(settings: Mapping[str, Any], manifest: Mapping[str, Any], name: str) -> str:
    """Return the command that makes a study; it says of each training every how many epochs it was scored."""
    epochs: dict[str, list[int]] = {}
    for each in manifest.get("checkpoints", []):
        epochs.setdefault(str(each["training"]), []).append(int(each["epoch"]))
    every = int(np.gcd.reduce([epoch for found in epochs.values() for epoch in found])) if epochs else 1
    words: list[object] = ["correlate"]
    for training in epochs:
        words += ["--checkpoint", training]
    for option in ("n", "images", "final_images", "seed", "scoring_batch"):
        words += [f"--{option.replace('_', '-')}", settings[option]]
    return command(*words, "--every", every, "--dataset", settings["dataset"], "--out", f"{name}-again")


def _drawn_by(name: str) -> tuple[str, ...]:
    return (command("plot", "correlation", name, "--out", "correlation.pdf"),)


def _truth_choice(truths: Sequence[str]) -> Filter:
    return choice("Truth", truths, [_SPLITS.get(truth, truth) for truth in truths])


def _share_choice(fractions: Sequence[float], everything: str = "") -> Filter:
    values = [f"{each:g}" for each in fractions]
    return choice("Within", values, [share_text(each) for each in fractions], everything)


def _table(frame: pd.DataFrame, ceiling: pd.DataFrame, name: str) -> DataTable:
    """Return the correlations of all checkpoints, a row for each, its truth, share and images."""
    newest = dict(frame.groupby("training")["epoch"].max())
    truths = list(dict.fromkeys(frame["truth"]))
    fractions = [float(each) for each in dict.fromkeys(frame["fraction"])]
    rows = []
    keys = ["training", "epoch", "images", "truth", "fraction"]
    place = {training: number for number, training in enumerate(dict.fromkeys(frame["training"]))}
    frame = frame.assign(place=frame["training"].map(place)).sort_values(
        ["place", "epoch", "images"], kind="stable"
    )
    key: Any  # to pandas' stubs, labels are no more than hashable
    for key, cells in frame.groupby(keys, sort=False):
        training, epoch, images, truth, fraction = key
        by_measure = {row["measure"]: row for row in cells.to_dict(orient="records")}
        top = ceiling[
            (ceiling["truth"] == truth)
            & (ceiling["fraction"] == fraction)
            & (ceiling["measure"] == "kendall_tau")
        ].to_dict(orient="records")
        shown = [by_measure.get(measure) for measure in _MEASURES]
        rows.append(
            Row(
                (
                    text_cell(training),
                    number_cell(epoch, "d"),
                    number_cell(images, ",d"),
                    Cell(_SPLITS.get(truth, truth), truth),
                    Cell(share_text(fraction), float(fraction)),
                    number_cell(next(iter(by_measure.values()))["n"], ",d"),
                    *(_cell(row, figure_text) for row in shown),
                    _cell(top[0] if top else None, ceiling_text),
                ),
                (truth, f"{fraction:g}", "last" if epoch == newest[training] else "earlier"),
            )
        )
    columns = (
        Column("training", False),
        Column("epoch"),
        Column("images", about="validation images of each score"),
        Column("truth", False),
        Column("within", False, "share of the best by the truth"),
        Column("n", about="architectures"),
        *(Column(title) for title in _MEASURES.values()),
        Column("noise ceiling, τ-b", about="run against run of the table, over the same architectures"),
    )
    checkpoints = ["last", *(["earlier"] if any(row.keys[2] == "earlier" for row in rows) else [])]
    filters = (
        _truth_choice(truths),
        _share_choice(fractions, "every share"),
        choice("Checkpoints", checkpoints, ["the last", "the earlier ones"][: len(checkpoints)], "all"),
    )
    caption = "Rank correlation at every checkpoint [95 % bootstrap interval over n architectures]."
    return DataTable(
        caption,
        columns,
        tuple(rows),
        filters,
        None,
        _drawn_by(name),
    )


def _cell(row: Mapping[Hashable, Any] | None, write: Callable[[float, float, float], str]) -> Cell:
    if row is None:
        return Cell("–")
    return worded_cell(write(row["value"], row["low"], row["high"]), row["value"])


def _curve(settings: Mapping[str, Any], frame: pd.DataFrame, ceiling: pd.DataFrame, name: str) -> Figure:
    """Return correlation against epochs: a view a measure, truth and share."""
    strategy = str(settings["strategy"])
    frame = frame[frame["images"] == settings["images"]].assign(strategy=strategy)
    truths, measures = list(dict.fromkeys(frame["truth"])), list(dict.fromkeys(frame["measure"]))
    fractions = [float(each) for each in dict.fromkeys(frame["fraction"])]
    views = []
    for truth in truths:
        levels = ceiling[ceiling["truth"] == truth]
        curves = frame[frame["truth"] == truth]
        for measure in measures:
            for fraction in fractions:
                info = curve_info(curves, measure, fraction, levels if len(levels) else None)
                line = info.ceiling
                level = None
                if line is not None and told_from_zero(line["low"]):
                    said = f"noise ceiling (n = {int(line['n']):,})"
                    level = (said, line["value"], line["low"], line["high"])
                views.append(
                    view_data(
                        (truth, measure, f"{fraction:g}"),
                        _epochs(info.curves["epoch"]),
                        Axis(_MEASURES.get(measure, measure)),
                        _series(info.curves, info.means, strategy),
                        level=level,
                    )
                )
    filters = (
        _truth_choice(truths),
        choice("Measure", measures, [_MEASURES.get(measure, measure) for measure in measures]),
        _share_choice(fractions),
    )
    about = (
        "Correlation of accuracy with inherited weights and alone, over the epochs of the supernet. Of "
        "several trainings: their mean, from five on with a 95 % interval, each training as a thin line; of "
        "one: its own with a 95 % bootstrap interval over architectures. The level is the noise ceiling, "
        "where it is told apart from 0."
    )
    return Figure(
        "lines",
        "Correlation over the training",
        about,
        {"views": views},
        filters,
        lines_table(about, filters, views, "epochs", "correlation"),
        _drawn_by(name),
    )


def _epochs(epochs: pd.Series[int]) -> Axis:
    """Return the axis of epochs; few checkpoints have a tick each."""
    found = [float(epoch) for epoch in sorted(set(epochs))]
    ends = (found[0], found[-1]) if len(found) > 1 else (found[0] - 1, found[0] + 1)
    return Axis("epochs", "linear", ends, tuple(found) if len(found) <= _TICKS else ())


def _series(curves: pd.DataFrame, means: pd.DataFrame, strategy: str) -> list[Series]:
    """Return the mean and thin lines of several trainings, or the one training with its own interval."""

    def one(label: str, look: Look | None, own: pd.DataFrame) -> Series:
        return Series.of(label, f"{int(own['n'].max()):,} architectures", look, own, "epoch", "value")

    trainings = list(dict.fromkeys(curves["training"]))
    look = method_look(strategy)
    if len(trainings) == 1:
        return [one(strategy, look, curves)]
    mean = Series.of(strategy, f"{len(trainings)} trainings", look, means, "epoch")
    return [mean, *(one(each, None, curves[curves["training"] == each]) for each in trainings)]


def _scatter(folder: Path, settings: Mapping[str, Any], result: Mapping[str, Any], name: str) -> Figure:
    """Return predicted against true accuracy, a view a training and truth."""
    frame = read_frame(folder / "scatter.csv", SCATTER, "points")
    trainings = list(dict.fromkeys(frame["training"]))
    architectures = list(dict.fromkeys(frame["architecture"]))
    splits = [column.removeprefix("table_") for column in frame.columns if column.startswith("table_")]
    predictions = {
        str(training): rows.set_index("architecture")["supernet_accuracy"]
        .reindex(architectures)
        .to_numpy(np.float64)
        for training, rows in frame.groupby("training", sort=False)
    }
    once = frame.drop_duplicates("architecture").set_index("architecture").reindex(architectures)
    truths = {split: once[f"table_{split}"].to_numpy(dtype=np.float64) for split in splits}
    labels = {each["split"] or ANY_SPLIT: truth_label(each).replace("\n", " ") for each in result["truths"]}
    data = scatter_data(
        str(settings["space"]),
        architectures,
        predictions,
        truths,
        {(training, split): (training, split) for training in trainings for split in splits},
        "accuracy with inherited weights (%)",
        {split: labels.get(split, split) for split in splits},
        {each["split"] or ANY_SPLIT for each in result["truths"] if each.get("better") == "lower"},
    )
    about = (
        f"{len(architectures):,} architectures: accuracy with inherited weights, and what training alone "
        "gives. "
        "Point at one, or step through them from the best on, to see its cell."
    )
    return Figure(
        "scatter",
        "Predicted against true accuracy",
        about,
        data,
        (choice("Training", trainings), _truth_choice(splits)),
        None,
        _drawn_by(name),
    )
