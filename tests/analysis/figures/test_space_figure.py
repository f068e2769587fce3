"""The figure of a whole table: what it counts, what it draws, and that vector files stay small."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchkit.analysis.figures.score_scale import score_scale
from benchkit.analysis.figures.space import draw_space, space_info
from benchkit.analysis.figures.style import VENUES, method_look, save_figure
from benchkit.analysis.statistics.pareto import pareto_front

PATHS = pd.DataFrame(
    {
        "strategy": ["tpe", "tpe", "tpe", "bohb", "bohb"],
        "seed": [0, 0, 1, 0, 0],
        "queries": [1.0, 5.0, 1.0, 1.0, 9.0],
        "cost": [1.0, 4.0, 2.0, 3.0, 2.0],
        "accuracy": [80.0, 90.0, 85.0, 82.0, 91.0],
    }
)


def table(n: int = 5_000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    cost = 10 ** rng.uniform(0, 1.2, n)
    return cost, np.clip(95 - 20 / cost - rng.gamma(2, 3, n), 10, None)


def legend_texts(figure) -> list[str]:
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]


# -- what is shown ----------------------------------------------------------------------------


def test_few_architectures_are_points_by_hand() -> None:
    cost, accuracy = [2.0, 1.0, 1.0, np.nan, 3.0], [91.0, 80.0, 85.0, 99.0, 91.0]
    info = space_info(cost, accuracy)
    assert info.density is None
    assert info.cost.tolist() == [2, 1, 1, 3]
    assert info.unknown == 1
    assert info.best == 0  # as accurate as the last one, and cheaper
    assert info.front.tolist() == [2, 0]
    assert len(space_info(cost, accuracy, pareto=False).front) == 0


def test_many_are_a_density_that_counts_each_once() -> None:
    cost, accuracy = table()
    info = space_info(cost, accuracy)
    assert info.density is not None
    assert info.density.counts.sum() == 5_000
    for edges, values in (
        (info.density.cost_edges, cost),
        (info.density.accuracy_edges, accuracy),
    ):
        assert (np.diff(edges) > 0).all()
        assert edges[[0, -1]] == pytest.approx([values.min(), values.max()])
    i, j = np.unravel_index(info.density.counts.argmax(), info.density.counts.shape)  # counted plainly
    x, y = info.density.cost_edges, info.density.accuracy_edges
    inside = (cost >= x[i]) & (cost < x[i + 1]) & (accuracy >= y[j]) & (accuracy < y[j + 1])
    assert info.density.counts[i, j] == inside.sum() > 1
    assert np.array_equal(info.front, pareto_front(cost, accuracy))


@settings(max_examples=20)
@given(low=st.floats(-5, 10), width=st.floats(0.001, 1e6), worst=st.floats(0, 99), span=st.floats(0, 1))
def test_every_range_of_costs_and_accuracies_is_counted(
    low: float, width: float, worst: float, span: float
) -> None:
    share = np.linspace(0, 1, 1_500)
    info = space_info(low + width * share, worst + (100 - worst) * span * share)
    assert info.density is not None
    assert info.density.counts.sum() == 1_500


def test_what_cannot_be_shown_is_refused() -> None:
    with pytest.raises(ValueError, match="no architecture has both"):
        space_info([1.0, np.nan], [np.nan, 90.0])
    with pytest.raises(ValueError, match=r"got shapes \(2,\), \(1,\)"):
        space_info([1.0, 2.0], [90.0])
    with pytest.raises(ValueError, match="paths lack the columns seed, queries"):
        space_info([1.0], [90.0], PATHS[["strategy", "cost", "accuracy"]])
    with pytest.raises(ValueError, match="unknown venue"):
        draw_space(space_info([1.0], [90.0]), "nature")


# -- the drawing ------------------------------------------------------------------------------


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("n", [200, 5_000])
def test_it_fits_the_column_and_says_what_it_is(venue: str, n: int) -> None:
    info = space_info(*table(n), PATHS, cost_label="parameters (millions)", source="toy (SHA-256 00)")
    figure = draw_space(info, venue)
    assert figure.get_figwidth() == VENUES[venue].column
    figure.draw_without_rendering()
    page = figure.bbox
    (legend,) = figure.legends
    shown = [*legend.get_texts(), figure.axes[0].xaxis.label, figure.axes[0].yaxis.label]
    for text in shown:
        box = text.get_window_extent()
        assert box.x0 >= page.x0 - 1
        assert box.x1 <= page.x1 + 1
        assert box.y0 >= page.y0 - 1
        assert box.y1 <= page.y1 + 1
    assert figure.axes[0].get_window_extent().height > 0.9 * figure.dpi
    assert legend_texts(figure) == [
        f"$n$ = {n:,} architectures, toy (SHA-256 00)",
        f"Pareto front ({len(info.front)})",
        f"best: {info.accuracy.max():.2f} %",
        "tpe, seeds 0, 1",
        "bohb, seed 0",
    ]


def test_paths_go_over_their_incumbents_in_the_methods_look() -> None:
    figure = draw_space(space_info(*table(), PATHS))
    lines = figure.axes[0].lines
    for (strategy, _), way in PATHS.groupby(["strategy", "seed"], sort=False):
        look = method_look(str(strategy))
        mine = [
            line
            for line in lines
            if line.get_color() == look.color
            and len(line.get_xdata()) == len(way)
            and line.get_linestyle() != "None"
        ]
        assert any(
            np.array_equal(line.get_xdata(), way["cost"])
            and np.array_equal(line.get_ydata(), way["accuracy"])
            for line in mine
        )


def test_the_front_is_a_staircase_above_all() -> None:
    info = space_info(*table())
    figure = draw_space(info)
    (front,) = (
        line for line in figure.axes[0].lines if line.get_color() == "black" and len(line.get_xdata()) > 1
    )
    assert front.get_drawstyle() == "steps-post"
    x, y = np.array(front.get_xdata(), dtype=float), np.array(front.get_ydata(), dtype=float)
    step = y[np.searchsorted(x, info.cost, side="right") - 1]
    assert (step >= info.accuracy).all()
    without = draw_space(space_info(*table(), pareto=False))
    assert not any("Pareto" in text for text in legend_texts(without))


def test_gaps_are_counted_and_the_accuracy_axis_gives_the_best_room() -> None:
    cost, accuracy = table()
    accuracy[:100] = np.nan
    figure = draw_space(space_info(cost, accuracy))
    assert legend_texts(figure)[0] == "$n$ = 4,900 of 5,000 architectures"
    ax = figure.axes[0]
    assert ax.get_xscale() == "log"
    heights = ax.transData.transform([(1, 10.0), (1, 80.0), (1, 90.0)])[:, 1]
    assert (heights[2] - heights[1]) > 0.25 * (heights[1] - heights[0])  # 10 points above as against 70
    close = draw_space(space_info([1.0, 2.0], [40.0, 45.0])).axes[0]
    assert (close.get_xscale(), close.get_yscale()) == ("linear", "linear")


@pytest.mark.parametrize(
    ("cost", "accuracy"),
    [([1.0], [90.0]), ([0.0, 0.0], [100.0, 100.0]), ([1.0, 9.0], [0.0, 100.0])],
)
def test_extremes_can_be_drawn(cost: list[float], accuracy: list[float]) -> None:
    draw_space(space_info(cost, accuracy)).draw_without_rendering()


def test_vector_files_hold_the_cloud_as_an_image_and_stay_small(tmp_path: Path) -> None:
    info = space_info(*table(50_000), PATHS)
    first = save_figure(draw_space(info), tmp_path / "a", ("pdf", "svg"))
    second = save_figure(draw_space(info), tmp_path / "b", ("pdf", "svg"))
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
        assert one.stat().st_size < 200_000
    assert "<image" in first[1].read_text()


# -- other quantities than accuracy --------------------------------------------------------------


def test_the_best_of_a_loss_is_the_lowest_and_of_equals_the_cheapest() -> None:
    cost, loss = [2.0, 1.0, 1.0, 3.0, 4.0], [0.9, 2.0, 1.5, 0.9, 5.0]
    info = space_info(cost, loss, unit="nats", higher_is_better=False)
    assert info.best == 0
    assert info.front.tolist() == [2, 0]
    (label,) = (text for text in legend_texts(draw_space(info)) if text.startswith("best"))
    assert label == "best (lowest): 0.9 nats"
    speed = space_info([10.0, 30, 20], [0.5, 0.9, 0.5], unit="", higher_is_better=False, lower_cost=False)
    assert speed.best == 2  # as good as the first, and faster
    assert speed.front.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("values", "unit", "higher", "kind"),
    [
        ([90.0, 99.0], "%", True, "error"),
        ([50.0, 60.0], "%", True, "linear"),
        ([90.0, 120.0], "%", True, "linear"),  # no share of anything
        ([1.0, 40.0], "%", False, "logarithmic"),  # errors
        ([20.0, 9_000.0], "", False, "logarithmic"),
        ([1e-6, 1e-3], "", False, "logarithmic"),
        ([-9_000.0, -20.0], "nats", True, "linear"),
        ([0.0, 9_000.0], "tokens/s", True, "linear"),
        ([7.0, 7.0], "tokens/s", True, "linear"),
        ([0.0, 0.0], "", False, "linear"),
    ],
)
def test_every_quantity_has_a_scale_that_shows_all_of_it(
    values: list[float], unit: str, higher: bool, kind: str
) -> None:
    spread = np.linspace(*values, 1_500)
    scale = score_scale(spread, unit, higher)
    assert scale.kind == kind
    places = scale.place(spread)
    assert (np.diff(places) >= 0).all()
    np.testing.assert_allclose(scale.value(places), spread, rtol=1e-9)
    info = space_info(np.linspace(1, 2, 1_500), spread, unit=unit, higher_is_better=higher)
    assert info.density is not None
    assert info.density.counts.sum() == 1_500
    figure = draw_space(info)
    figure.draw_without_rendering()
    low, high = figure.axes[0].get_ylim()
    assert low < spread.min()
    assert high > spread.max()
    assert spread[info.best] == (spread.max() if higher else spread.min())
