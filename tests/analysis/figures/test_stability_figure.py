"""What searches would have returned after each epoch: means over seeds, panels, and the drawing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from scipy import stats

from benchkit.analysis.figures.stability import (
    BAND_SEEDS,
    LONG_SEARCH,
    collapse_info,
    draw_searches,
    means_over_seeds,
    stability_info,
)

EPOCHS = 4


def points(
    seeds: int = 3, methods: tuple[str, ...] = ("darts", "sivdnas"), epochs: int = EPOCHS
) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = [
        (method, seed, epoch, 10 * epoch, 80 + rng.normal(), rng.random(), 1 - 0.1 * epoch)
        for method in methods
        for seed in range(seeds)
        for epoch in range(1, epochs + 1)
    ]
    columns = ["method", "seed", "epoch", "updates", "accuracy", "skips", "entropy"]
    return pd.DataFrame(rows, columns=columns)


def test_means_are_those_of_the_seeds_with_students_interval_inside_the_range() -> None:
    frame = points(5)
    means = means_over_seeds(frame, "accuracy").set_index(["method", "epoch"])
    values = frame[(frame["method"] == "darts") & (frame["epoch"] == 2)]["accuracy"].to_numpy()
    # near 80 %, and with seeds so close, the logit's interval is nearly the plain one
    low, high = stats.t.interval(0.95, 4, values.mean(), stats.sem(values))
    row = means.loc[[("darts", 2)]].iloc[0]
    assert (row["trainings"], row["updates"]) == (5, 20)
    np.testing.assert_allclose(row[["mean", "low", "high"]].to_numpy(float), [values.mean(), low, high], 1e-3)
    shares = means_over_seeds(frame.assign(skips=frame["seed"] == 0).astype({"skips": float}), "skips")
    assert shares["low"].between(0, 0.2).all()
    assert shares["high"].between(0.2, 1).all()


def test_few_seeds_have_their_values_and_no_interval() -> None:
    frame = points(3)
    means = means_over_seeds(frame, "accuracy").set_index(["method", "epoch"])
    assert means[["low", "high"]].isna().all(axis=None)
    values = frame[(frame["method"] == "darts") & (frame["epoch"] == 2)]["accuracy"]
    shown = means.loc[[("darts", 2)], "values"].tolist()
    assert shown == [" ".join(f"{value:.6g}" for value in values)]


def test_what_is_no_percentage_has_no_bounds() -> None:
    losses = points(6).assign(accuracy=lambda frame: -frame["accuracy"])
    assert (means_over_seeds(losses, "accuracy")["low"] < -70).all()


def test_the_stability_panel_reaches_the_tables_best() -> None:
    info = stability_info(points(), "accuracy", optimum=91.6)
    (panel,) = info.panels
    assert panel.low < info.points["accuracy"].min()
    assert panel.high > 91.6 == panel.line


def test_the_collapse_figure_leaves_out_what_there_is_not() -> None:
    frame = points()
    assert [panel.measure for panel in collapse_info(frame, "a", 90.0).panels] == [
        "skips",
        "entropy",
        "accuracy",
    ]
    assert [panel.measure for panel in collapse_info(frame).panels] == ["skips", "entropy"]
    no_skips = frame.assign(skips=np.nan)
    assert [panel.measure for panel in collapse_info(no_skips).panels] == ["entropy"]


@pytest.mark.parametrize("seeds", [1, 2, BAND_SEEDS])
def test_what_is_drawn_is_named_in_the_legend(seeds: int) -> None:
    figure = draw_searches(collapse_info(points(seeds), "accuracy", 91.6, axis="updates"))
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert words[:2] == ["darts", "sivdnas"]
    band = any("95 % band" in word for word in words)
    single = any("single seeds" in word for word in words)
    assert (band, single) == (seeds >= BAND_SEEDS, 1 < seeds < BAND_SEEDS)
    assert ("best in the table" in words) == (figure.axes[-1].get_ylabel() == "accuracy")
    if seeds > 1:
        assert any(f"n$ = {seeds}" in word for word in words)
    accuracy = figure.axes[2]
    collections = len(accuracy.collections)
    lines = len(accuracy.lines)
    assert collections == (2 if band else 0)
    assert lines == 2 + 1 + (2 * seeds if single else 0)  # means, the best, single seeds
    assert figure.axes[0].get_xlabel() == "weight updates"
    drawn = np.asarray(accuracy.lines[seeds if single else 0].get_xydata())
    mean = means_over_seeds(points(seeds), "accuracy")
    np.testing.assert_allclose(drawn, mean[mean["method"] == "darts"][["updates", "mean"]].to_numpy())


def test_methods_with_different_numbers_of_seeds_say_theirs() -> None:
    frame = points()
    frame = frame[(frame["method"] == "darts") | (frame["seed"] == 0)]
    figure = draw_searches(stability_info(frame, "accuracy", 91.6))
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert words[:2] == ["darts ($n$ = 3)", "sivdnas ($n$ = 1)"]


def places(figure: Figure) -> list[tuple[int, int]]:
    specs = [ax.get_subplotspec() for ax in figure.axes]
    return [(spec.rowspan.start, spec.colspan.start) for spec in specs if spec is not None]


def test_long_searches_have_points_for_seeds_and_steps_for_means() -> None:
    short = draw_searches(collapse_info(points(epochs=LONG_SEARCH), "accuracy", 91.6))
    assert places(short) == [(0, 0), (0, 1), (0, 2)]
    figure = draw_searches(collapse_info(points(epochs=LONG_SEARCH + 1), "accuracy", 91.6))
    assert places(figure) == [(0, 0), (1, 0), (2, 0)]
    assert [ax.get_xlabel() for ax in figure.axes] == ["", "", "epochs"]
    singles, mean = figure.axes[2].lines[:3], figure.axes[2].lines[3]
    assert {line.get_linestyle() for line in singles} == {"None"}
    assert (mean.get_drawstyle(), len(np.asarray(mean.get_xydata()))) == ("steps-mid", LONG_SEARCH + 1)
    assert any("the line is their mean" in text.get_text() for text in figure.legends[0].get_texts())


def test_long_searches_of_many_methods_have_a_panel_each() -> None:
    methods = ("darts", "sivdnas", "gibbsnas")
    frame = points(2, methods, LONG_SEARCH + 10)
    alone = draw_searches(stability_info(frame, "accuracy", 91.6))
    assert places(alone) == [(0, 0), (1, 0), (2, 0)]
    means = means_over_seeds(frame, "accuracy")
    for ax, method in zip(alone.axes, methods, strict=True):
        expected = means[means["method"] == method][["epoch", "mean"]].to_numpy()
        np.testing.assert_allclose(np.asarray(ax.lines[2].get_xydata()), expected)
        assert ax.get_ylim() == alone.axes[0].get_ylim()
    grid = draw_searches(collapse_info(frame, "accuracy", 91.6))
    assert places(grid) == [(row, column) for row in range(3) for column in range(3)]
    assert [ax.get_title() for ax in grid.axes[:3]] == list(methods)


def test_bad_input() -> None:
    frame = points()
    with pytest.raises(ValueError, match="no epochs of a search"):
        stability_info(frame[:0], "a", 90.0)
    with pytest.raises(ValueError, match="two figures"):
        stability_info(pd.concat([frame, frame]), "a", 90.0)
    with pytest.raises(ValueError, match="unknown venue"):
        draw_searches(stability_info(frame, "a", 90.0), "nips")
