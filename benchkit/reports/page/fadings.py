"""Makes the sections of posterior fading: against the number of models, and along a search that shrinks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchkit.analysis.figures.fading import Line, Panel, palette, study_info
from benchkit.analysis.figures.intervals import interval_info
from benchkit.base.errors import blamed_on
from benchkit.reports.figures.fading import read_frames
from benchkit.reports.page.charts import Axis, Series, lines_table, plain, view_data
from benchkit.reports.page.origin import command, facts_of, kept_files, read_json
from benchkit.reports.page.parts import Figure, Section, choice
from benchkit.reports.page.scatters import scatter_data
from benchkit.studies.fading.kept import read_fading, read_intervals

_DECADES = 50.0
_STARTS = {"shared": "with the supernet's first weights", "independent": "with first weights of their own"}


def fading_section(folder: Path, name: str) -> Section:
    """Return the section of a finished study of ``benchkit fading run`` or ``fading intervals``.

    Parameters
    ----------
    name : Name of the folder, on the page and in its commands.

    Raises
    ------
    InputError : the study has not finished, or a file is damaged.
    """
    frames = read_frames(folder)
    manifest = read_json(folder / "manifest.json")
    shrinking = (folder / "intervals.json").is_file()
    settings = read_intervals(folder) if shrinking else read_fading(folder)
    with blamed_on(f"the study in {folder}"):
        data = settings["data"]["name"]
        if shrinking:
            figures, lead, again = _intervals(frames, settings, name)
        else:
            figures, lead, again = _models(frames, settings, name)
    return Section(
        title=f"{settings['space']}, {data}",
        kind="Posterior fading along a search" if shrinking else "Posterior fading",
        lead=(lead,),
        figures=tuple(figures),
        facts=facts_of(manifest, settings),
        commands=(("run the study again", again),),
        files=kept_files(folder, ("intervals.json" if shrinking else "fading.json", "manifest.json")),
    )


def _models(
    frames: Mapping[str, pd.DataFrame], settings: Mapping[str, Any], name: str
) -> tuple[list[Figure], str, str]:
    """Return the figures of a study of K models, what it is, and the command that makes it."""
    starts = list(dict.fromkeys(frames["divergence-mean"]["start"]))
    panels = {start: study_info(frames, start) for start in starts}
    filters = (choice("Models alone", starts, [_STARTS.get(start, start) for start in starts]),)
    figures = []
    for number, first in enumerate(panels[starts[0]]):
        views = [_view((start,), panels[start][number]) for start in starts]
        about = (
            f"{plain(first.ylabel)} against the {plain(first.xlabel)}: mean over "
            f"{settings['subspaces']} random sets of K models (fewer where there are no more) with "
            "Student's 95 % interval, of five sets or more."
        )
        figures.append(
            _figure(first, about, filters, views, command("plot", "fading", name, "--out", "fading.pdf"))
        )
    models = ",".join(str(each) for each in settings["models"])
    recipe = settings["recipe"]
    again = command(
        *("fading", "run", "--space", settings["space"], "--data", settings["data"]["name"]),
        *("--models", models, "--subspaces", settings["subspaces"], "--seeds", len(settings["seeds"])),
        *("--epochs", recipe["epochs"]),
        *("--batch-size", recipe["batch_size"], "--learning-rate", recipe["learning_rate"]),
        *("--weight-decay", recipe["weight_decay"], "--seed", settings["seed"]),
        *(word for key, value in settings["network"].items() for word in ("--size", f"{key}={value}")),
        *_supernet_epochs(settings),
        *(("--control",) if len(settings["starts"]) > 1 else ()),
        *("--out", f"{name}-again"),
    )
    lead = (
        f"What {settings['space']} loses on {settings['data']['name']} where K of "
        f"{settings['architectures']:,} models share weights, K = {models.replace(',', ', ')}: "
        f"posteriors, predictions and ranks beside those of models trained alone; "
        f"{settings['subspaces']} random sets of each K."
    )
    return figures, lead, again


def _supernet_epochs(settings: Mapping[str, Any]) -> tuple[object, ...]:
    """Return the option that gives the supernets their epochs: the same for all, or K times as many."""
    epochs = {int(models): int(number) for models, number in settings["supernet_epochs"].items()}
    fewest = min(epochs)
    if len(set(epochs.values())) == 1:
        return ("--supernet-epochs", epochs[fewest])
    return ("--supernet-epochs", epochs[fewest] // fewest, "--per-model")


def _intervals(
    frames: Mapping[str, pd.DataFrame], settings: Mapping[str, Any], name: str
) -> tuple[list[Figure], str, str]:
    """Return the figures of a study of intervals, what it is, and the command that makes it."""
    again = command("plot", "fading", name, "--out", "fading.pdf")
    figures = []
    for panel in interval_info(frames["correlations"], frames["scatter"]).panels:
        title = f"{plain(panel.ylabel)}, {panel.title}"
        about = f"{title}, against {panel.xlabel} of the supernet. The legend names each interval."
        figures.append(_figure(panel._replace(title=title), about, (), [_view((), panel)], again))
    scatter = frames["scatter"]
    scatter = scatter.assign(
        architecture=scatter["architecture"].astype(str),
        run=[f"{t}, seed {s}" for t, s in zip(scatter["training"], scatter["seed"], strict=True)],
    )
    runs = list(dict.fromkeys(scatter["run"]))
    architectures = list(dict.fromkeys(scatter["architecture"]))
    inherited, alone = (
        {
            str(run): rows[f"{kind}_accuracy"].reindex(architectures).to_numpy(dtype=np.float64)
            for run, rows in scatter.set_index("architecture").groupby("run", sort=False)
        }
        for kind in ("inherited", "standalone")
    )
    data = scatter_data(
        str(settings["space"]),
        architectures,
        inherited,
        alone,
        {(run, run): (run,) for run in runs},
        "accuracy with inherited weights (%)",
        dict.fromkeys(runs, "accuracy alone (%)"),
    )
    about = "Accuracy of the final candidates with inherited weights and alone, both in %."
    figures.append(
        Figure("scatter", "Final candidates", about, data, (choice("Training", runs),), None, (again,))
    )
    searches = [str(each["search"]) for each in settings["searches"]]
    lead = (
        f"How well supernets of {settings['space']} on {settings['data']['name']} rank while PC-NAS "
        f"shrinks their space, beside the same trainings without shrinking; truth: table "
        f"{settings['table']['name']} (SHA-256 {str(settings['table']['sha256'])[:12]})."
    )
    made = command(
        *("fading", "intervals", *searches),
        *(
            word
            for option in ("n", "images", "scoring_batch", "seed")
            if settings.get(option) is not None
            for word in (f"--{option.replace('_', '-')}", settings[option])
        ),
        *("--out", f"{name}-again"),
    )
    return figures, lead, made


def _figure(
    panel: Panel, about: str, filters: Sequence[Any], views: list[dict[str, Any]], again: str
) -> Figure:
    table = lines_table(about, filters, views, plain(panel.xlabel), plain(panel.ylabel))
    return Figure("lines", plain(panel.title), about, {"views": views}, tuple(filters), table, (again,))


def _view(keys: Sequence[str], panel: Panel) -> dict[str, Any]:
    """Return a panel as the page draws it."""
    looks = iter(palette())
    series = []
    for line in panel.lines:
        look = line.look or next(looks)
        series.append(Series(plain(line.label), "", look, line.x, line.mean, line.low, line.high))
        series += _single(line)
    places = sorted({float(value) for line in panel.lines for value in line.x})
    x = Axis(plain(panel.xlabel))
    if len(places) > 1:
        x = Axis(x.title, "log" if panel.models else "linear", (places[0], places[-1]), tuple(places))
    level = None if panel.level is None else (plain(panel.level[0]), panel.level[1], np.nan, np.nan)
    return view_data(keys, x, _scaled(panel, series), series, level=level)


def _single(line: Line) -> list[Series]:
    """Return a thin line for each seed of a mean over too few for an interval, unless some are missing."""
    found: dict[float, list[float]] = {}
    for x, y in line.single:
        found.setdefault(x, []).append(y)
    at = np.array(sorted(found))
    if not found or len(at) < len(line.x) or len({len(values) for values in found.values()}) > 1:
        return []
    return [
        Series.thin(plain(line.label), "", at, np.array(values))
        for values in zip(*(found[x] for x in at), strict=True)
    ]


def _scaled(panel: Panel, series: Sequence[Series]) -> Axis:
    """Return the axis of y: logarithmic where the means span decades."""
    title = plain(panel.ylabel)
    if not series:
        return Axis(title)
    means = np.concatenate([each.mean for each in series])
    means = means[np.isfinite(means)]
    ends = np.concatenate([np.concatenate([each.low, each.high]) for each in series])
    level = [] if panel.level is None else [panel.level[1]]
    ends = np.concatenate([means, ends[np.isfinite(ends)], level])
    sizes = np.abs(means[means != 0])
    if panel.models and len(sizes) and sizes.max() >= _DECADES * sizes.min():
        decades = range(int(np.floor(np.log10(sizes.min()))), int(np.ceil(np.log10(sizes.max()))) + 1)
        powers = [10.0**decade for decade in decades]
        if panel.signed and (means < 0).any():
            powers = [power for power in powers if power >= 1]
            bound = (float(ends.min()), float(ends.max()))
            ticks = [-power for power in powers] + [0.0] + powers
            return Axis(title, "symlog", bound, tuple(t for t in ticks if bound[0] <= t <= bound[1]), 1.0)
        bound = (float(sizes.min()) / 3, float(ends.max()) * 1.1)
        return Axis(title, "log", bound, tuple(power for power in powers if bound[0] <= power <= bound[1]))
    low, high = float(ends.min()), float(ends.max())
    room = 0.05 * (high - low)
    low, high = low - room, high + room
    low = low if panel.least is None else max(low, panel.least)
    high = high if panel.most is None else min(high, panel.most)
    return Axis(title, "linear", (low, high) if high > low else None)
