"""Every pair of columns, their ceilings, and the heat map."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from scipy import stats

from benchkit.analysis.figures.heatmap import draw_heatmap, heatmap_info
from benchkit.analysis.figures.style import VENUES
from benchkit.analysis.statistics.correlation_matrix import MATRIX_COLUMNS, correlation_matrix
from benchkit.analysis.statistics.top_k_ceiling import top_k_ceiling

N = 60


def columns() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    quality = rng.normal(size=N)
    runs = quality + 0.3 * rng.normal(size=(3, N))
    runs[2, :20] = np.nan
    values = {
        "long": np.nanmean(runs, axis=0),
        "short": quality + rng.normal(size=N),
        "other": quality + 0.5 * rng.normal(size=N),
    }
    values["short"][5] = np.nan
    return values, {"long": runs}


def test_pairs_are_those_of_scipy_on_what_both_have() -> None:
    values, runs = columns()
    found = correlation_matrix(values, runs, measures=("kendall_tau", "pearson"), resamples=50)
    assert tuple(found.columns) == MATRIX_COLUMNS
    cells = found.set_index(["row", "column", "measure"])
    both = ~np.isnan(values["short"])
    expected = stats.kendalltau(values["long"][both], values["short"][both]).statistic
    for pair in (("long", "short"), ("short", "long")):
        row = cells.loc[(*pair, "kendall_tau")]
        assert row["value"] == pytest.approx(expected)
        assert (row["n"], row["low"] <= expected <= row["high"]) == (N - 1, True)
    expected = stats.pearsonr(values["long"], values["other"]).statistic
    assert cells.loc[("other", "long", "pearson"), "value"] == pytest.approx(expected)


def test_ceilings_are_run_against_run_and_the_rows_own() -> None:
    values, runs = columns()
    found = correlation_matrix(values, runs, resamples=50).set_index(["row", "column"])
    pairs = []
    for one, two in ((0, 1), (0, 2), (1, 2)):
        known = ~np.isnan(runs["long"][one]) & ~np.isnan(runs["long"][two])
        pairs.append(stats.kendalltau(runs["long"][one][known], runs["long"][two][known]).statistic)
    assert found.loc[("long", "long"), "value"] == pytest.approx(np.mean(pairs))
    assert found.loc[("long", "other"), "ceiling"] == pytest.approx(np.mean(pairs))
    assert np.isnan(found.loc[("other", "long"), "ceiling"])
    assert ("other", "other") not in found.index


def test_within_a_share_the_row_is_the_truth() -> None:
    values, _ = columns()
    found = correlation_matrix(values, fractions=(1.0, 0.5), ks=(1, 100), resamples=20)
    half = found[found["fraction"] == 0.5].set_index(["row", "column"])
    best = np.argsort(values["long"])[N // 2 :]
    expected = stats.kendalltau(values["long"][best], values["other"][best]).statistic
    assert half.loc[("long", "other"), "value"] == pytest.approx(expected)
    assert half.loc[("other", "long"), "value"] != half.loc[("long", "other"), "value"]
    at_k = found[found["k"].notna()]
    assert set(at_k["k"]) == {1}  # a hundred there are not
    assert set(at_k["measure"]) == {"precision", "regret", "best_rank"}
    cell = at_k[(at_k["row"] == "long") & (at_k["column"] == "other") & (at_k["measure"] == "regret")]
    expected = values["long"].max() - values["long"][np.argmax(values["other"])]
    assert cell["value"].item() == pytest.approx(expected)


def test_the_first_k_have_their_ceiling_too() -> None:
    values, runs = columns()
    found = correlation_matrix(values, runs, ks=(3,), resamples=20)
    at_k = found[found["k"] == 3].set_index(["row", "column", "measure"])
    expected = top_k_ceiling(runs["long"], (3,), resamples=20).set_index("measure")["value"]
    for measure in ("precision", "regret", "best_rank"):
        assert at_k.loc[("long", "short", measure), "ceiling"] == expected[measure]
        assert at_k.loc[("long", "long", measure), "value"] == expected[measure]
        assert np.isnan(at_k.loc[("short", "long", measure), "ceiling"])


def test_runs_that_share_nothing_have_no_ceiling() -> None:
    values, _ = columns()
    runs = np.full((2, N), np.nan)
    runs[0, :30], runs[1, 30:] = 1.0, 2.0
    found = correlation_matrix(values, {"long": runs, "short": values["short"][None]}, resamples=5)
    assert found["ceiling"].isna().all()


def test_progress_counts_ceilings_and_pairs() -> None:
    values, runs = columns()
    seen: list[tuple[int, int]] = []
    correlation_matrix(values, runs, resamples=5, on_progress=lambda *step: seen.append(step))
    assert seen == [(i, 7) for i in range(1, 8)]


def test_bad_input() -> None:
    values, _ = columns()
    with pytest.raises(ValueError, match="at least two columns"):
        correlation_matrix({"long": values["long"]})
    with pytest.raises(ValueError, match="equally long"):
        correlation_matrix({"a": values["long"], "b": values["long"][:5]})
    with pytest.raises(ValueError, match="no architecture has both a and b"):
        correlation_matrix({"a": np.array([1.0, np.nan]), "b": np.array([np.nan, 1.0])})
    with pytest.raises(ValueError, match="a measure and a fraction"):
        correlation_matrix(values, fractions=())
    with pytest.raises(ValueError, match="unknown measure"):
        correlation_matrix(values, measures=("tau",))


def test_the_heat_map_prints_what_the_matrix_has() -> None:
    values, runs = columns()
    matrix = correlation_matrix(values, runs, resamples=50)
    info = heatmap_info(matrix)
    assert info.names == ("long", "short", "other")
    figure = draw_heatmap(info, "icml")
    texts = {text.get_position(): text for text in figure.axes[0].texts}
    assert len(texts) == 6 + 1  # the pairs, and the one column with runs
    cell = matrix[(matrix["row"] == "short") & (matrix["column"] == "other")].iloc[0]
    assert texts[2, 1].get_text() == f"{cell['value']:.2f}\n[{cell['low']:.2f}, {cell['high']:.2f}]"
    assert texts[0, 0].get_fontstyle() == "italic"
    (title,) = (text.get_text() for text in figure.texts)
    assert "$n$ = 59 to 60 architectures" in title
    assert "run against run" in title
    with pytest.raises(ValueError, match="no pearson"):
        heatmap_info(matrix, "pearson")


@pytest.mark.parametrize("venue", ["neurips", "icml"])
def test_nothing_is_cut_off(venue: str) -> None:
    rng = np.random.default_rng(0)
    values = {f"a-long-name-of-a-study:training-{i}": rng.normal(size=12) for i in range(5)}
    figure = draw_heatmap(heatmap_info(correlation_matrix(values, resamples=5)), venue)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    page = figure.bbox
    axes = figure.axes[0]
    for text in (*axes.get_xticklabels(), *axes.get_yticklabels(), *figure.texts, figure.axes[1].yaxis.label):
        box = text.get_window_extent(canvas.get_renderer())
        assert page.x0 <= box.x0 <= box.x1 <= page.x1, text
        assert page.y0 <= box.y0 <= box.y1 <= page.y1, text
    assert figure.get_figwidth() <= VENUES[venue].text + 1e-9


def test_a_matrix_says_which_figures_are_undefined() -> None:
    matrix = correlation_matrix({"a": np.ones(5), "b": np.arange(5.0)}, resamples=5)
    figure = draw_heatmap(heatmap_info(matrix))
    assert [text.get_text() for text in figure.axes[0].texts] == ["undefined", "undefined"]


def test_many_columns_leave_the_intervals_to_the_table() -> None:
    rng = np.random.default_rng(0)
    matrix = correlation_matrix({f"column {i}": rng.normal(size=12) for i in range(14)}, resamples=5)
    figure = draw_heatmap(heatmap_info(matrix), "icml")
    assert all("[" not in text.get_text() for text in figure.axes[0].texts)
    assert isinstance(matrix, pd.DataFrame)
    assert len(matrix) == 14 * 13
