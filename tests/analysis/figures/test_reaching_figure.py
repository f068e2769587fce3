"""The figure of reached shares, and where the axis of an efficiency figure begins."""

import io

import numpy as np
import pandas as pd
import pytest

from benchkit.analysis.figures.cost_axis import counted_title, from_cost, marker_places, method_handles
from benchkit.analysis.figures.efficiency import draw_efficiency, efficiency_info
from benchkit.analysis.figures.reaching import draw_reaching, reaching_info
from benchkit.analysis.figures.style import VENUES
from benchkit.analysis.statistics.kaplan_meier import reached_share


@pytest.fixture(scope="module")
def traces():
    """Three strategies; bohb also asks at a 16th of the cost, and its trials end at different seconds."""
    rng = np.random.default_rng(1)
    parts = []
    for dataset in ("cifar10", "cifar100"):
        for strategy in ("random-search", "tpe", "bohb"):
            for seed in range(6):
                costs = np.arange(1.0, 61.0) / (16 if strategy == "bohb" else 1)
                regret = np.minimum.accumulate(rng.gamma(2, 2, size=60))
                about = {"strategy": strategy, "dataset": dataset, "seed": seed, "step": np.arange(60)}
                seconds = 100 * costs * rng.uniform(0.7, 1.3)
                parts.append(pd.DataFrame({**about, "queries": costs, "seconds": seconds, "regret": regret}))
    return pd.concat(parts, ignore_index=True)


def test_the_curves_are_the_estimates(traces):
    info = reaching_info(traces, 0.5, budgets={"cifar10": 60.0, "cifar100": 60.0})
    tpe = info.curves[(info.curves["strategy"] == "tpe") & (info.curves["dataset"] == "cifar100")]
    here = traces[(traces["strategy"] == "tpe") & (traces["dataset"] == "cifar100")]
    first = here[here["regret"] <= 0.5].groupby("seed")["queries"].min().reindex(range(6))
    expected = reached_share(first.fillna(60.0), first.notna(), 60.0)
    np.testing.assert_allclose(tpe["share"], expected.share)
    np.testing.assert_allclose(tpe["x"], expected.cost)
    assert len(info.censored) == 0


def test_trials_that_end_early_are_marked_on_their_curve(traces):
    info = reaching_info(traces, 0.01, "seconds")
    assert len(info.censored) > 0
    for mark in info.censored.itertuples():
        of_curve = (info.curves["strategy"] == mark.strategy) & (info.curves["dataset"] == mark.dataset)
        curve = info.curves[of_curve & (info.curves["x"] <= mark.x)]
        assert curve["share"].iloc[-1] == mark.share
    figure = draw_reaching(info)
    assert "trial ended (censored)" in [text.get_text() for text in figure.legends[0].get_texts()]


@pytest.mark.parametrize("venue", VENUES)
def test_a_panel_a_data_set_in_percent_with_n_in_the_legend(traces, venue):
    figure = draw_reaching(reaching_info(traces, 1.0), venue)
    figure.draw_without_rendering()
    assert [ax.get_title() for ax in figure.axes] == ["cifar10", "cifar100"]
    assert figure.axes[0].get_ylim() == (-2, 102)
    assert "1 (%)" in figure.axes[0].get_ylabel()
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "Kaplan–Meier, 95 % band, $n$ = 6" in texts
    page = figure.bbox
    for text in figure.legends[0].get_texts():
        assert page.x0 <= text.get_window_extent().x0
        assert text.get_window_extent().x1 <= page.x1


def test_the_same_traces_give_the_same_bytes(traces):
    files = []
    for _ in range(2):
        files.append(io.BytesIO())
        draw_reaching(reaching_info(traces, 1.0)).savefig(
            files[-1], format="png", metadata={"Software": None}
        )
    assert files[0].getvalue() == files[1].getvalue()


def test_an_efficiency_figure_begins_at_one_query_and_its_numbers_before(traces):
    info = efficiency_info(traces)
    assert info.curves["x"].min() == 1 / 16
    figure = draw_efficiency(info)
    for ax in figure.axes:
        assert ax.get_xlim() == (1.0, 60.0)
        drawn = {line.get_color(): line.get_xdata() for line in ax.get_lines()}
        assert min(min(x) for x in drawn.values()) == 1.0
    by_seconds = draw_efficiency(efficiency_info(traces, "seconds"))
    assert by_seconds.axes[0].get_xlim()[0] < 10


def test_a_curve_is_cut_to_begin_with_its_value_there():
    curve = pd.DataFrame({"x": [0.25, 0.5, 2.0], "mean": [3.0, 2.0, 1.0]})
    assert from_cost(curve, 1.0).to_numpy().tolist() == [[1.0, 2.0], [2.0, 1.0]]
    assert from_cost(curve, 0.1) is curve
    assert from_cost(curve, 2.0).to_numpy().tolist() == [[2.0, 1.0]]


def test_the_legend_says_where_n_differs():
    panels = pd.DataFrame({"strategy": ["a", "a"], "dataset": ["d", "e"], "n": [10, 30]})
    assert counted_title("e", panels) == "e, $n$ = 30"
    assert [handle.get_label() for handle in method_handles(panels, ["a"], "band")] == ["a", "band"]
    mixed = pd.DataFrame({"strategy": ["a", "b"], "dataset": ["d", "d"], "n": [10, 30]})
    assert counted_title("d", mixed) == "d"
    labels = [handle.get_label() for handle in method_handles(mixed, ["a", "b"], "band")]
    assert labels == ["a ($n$ = 10)", "b ($n$ = 30)", "band"]


def test_markers_are_spread_over_the_logarithmic_axis():
    places = marker_places(np.arange(1.0, 101.0), 0.0)
    assert [place + 1 for place in places] == [1, 4, 13, 42]  # 100 to the power of 1/16, 5/16, 9/16, 13/16
