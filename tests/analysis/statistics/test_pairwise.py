"""Every pair of strategies: wins, corrected p-values, and the Bayesian signed-rank test; and the figures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba
from scipy import stats

from benchkit.analysis.figures.profile import draw_profiles, profile_info
from benchkit.analysis.figures.winrate import draw_wins, win_info
from benchkit.analysis.statistics.pairwise import PAIR_COLUMNS, pairwise

SHIFTS = {"random-search": 1.0, "good": 0.2, "same": 0.22}


def trials(seeds: int = 14, datasets: tuple[str, ...] = ("a", "b")) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    rows = []
    for dataset in datasets:
        base = rng.gamma(3, size=seeds)
        for strategy, shift in SHIFTS.items():
            noise = 0.02 * rng.normal(size=seeds)
            rows += [(strategy, dataset, s, shift + base[s] + noise[s]) for s in range(seeds)]
    return pd.DataFrame(rows, columns=["strategy", "dataset", "seed", "regret"])


def test_pairs_are_compared_seed_by_seed() -> None:
    frame = trials()
    found: Any = pairwise(frame, np.random.default_rng(0)).set_index(["dataset", "row", "column"])
    assert tuple(found.reset_index().columns) == tuple(PAIR_COLUMNS)
    assert len(found) == 2 * 6
    wide = frame[frame["dataset"] == "b"].pivot(index="seed", columns="strategy", values="regret")
    row = found.loc[("b", "good", "random-search")]
    assert row["n"] == 14
    assert row["difference"] == pytest.approx((wide["random-search"] - wide["good"]).mean())
    assert row["wins"] == (wide["good"] < wide["random-search"]).mean() == 1.0
    assert row["p_value"] == pytest.approx(stats.wilcoxon(wide["good"], wide["random-search"]).pvalue)
    # Wilson (1927) for 14 of 14: n / (n + z^2) to 1
    z = stats.norm.ppf(0.975)
    assert (row["wins_low"], row["wins_high"]) == pytest.approx((14 / (14 + z**2), 1.0))
    mirrored = found.loc[("b", "random-search", "good")]
    assert (mirrored["wins"], mirrored["difference"]) == (0.0, -row["difference"])
    assert mirrored["wins_high"] == 1 - row["wins_low"]
    assert mirrored["p_holm"] == row["p_holm"]
    raw = found.loc["b"].query("row < column")["p_value"].sort_values()
    steps = np.maximum.accumulate(np.minimum(1, raw.to_numpy() * np.array([3, 2, 1])))
    np.testing.assert_allclose(found.loc["b"].query("row < column")["p_holm"].loc[raw.index], steps)


def test_without_a_region_nothing_is_equal() -> None:
    found = pairwise(trials(8), np.random.default_rng(0), rope=0.0)
    assert (found["probably_equal"] == 0).all()
    np.testing.assert_allclose(found["probably_better"] + found["probably_worse"], 1, atol=1e-12)
    with pytest.raises(ValueError, match="at least 0 wide"):
        pairwise(trials(8), np.random.default_rng(0), rope=-0.1)
    with pytest.raises(ValueError, match="0 < level < 1"):
        pairwise(trials(8), np.random.default_rng(0), level=1.0)


def test_better_and_worse_are_on_the_right_side() -> None:
    found: Any = pairwise(trials(), np.random.default_rng(0)).set_index(["dataset", "row", "column"])
    assert found.loc[("a", "good", "random-search"), "probably_better"] == 1.0
    assert found.loc[("a", "random-search", "good"), "probably_worse"] == 1.0
    assert found.loc[("a", "good", "same"), "probably_equal"] == 1.0


def test_the_generator_decides_the_posterior_and_no_global_state() -> None:
    before = np.random.get_state()[1].copy()  # type: ignore[index]  # noqa: NPY002
    first, second = (pairwise(trials(8), np.random.default_rng(1)) for _ in range(2))
    pd.testing.assert_frame_equal(first, second)
    assert (np.random.get_state()[1] == before).all()  # type: ignore[index]  # noqa: NPY002


def test_the_matrix_of_wins_shows_every_pair() -> None:
    info = win_info(pairwise(trials(), np.random.default_rng(0)))
    figure = draw_wins(info, "icml")
    assert [ax.get_title() for ax in figure.axes] == ["a ($n$ = 14)", "b ($n$ = 14)"]
    (first, _) = figure.axes
    texts = {text.get_position(): text for text in first.texts}
    names = [label.get_text() for label in first.get_yticklabels()]
    assert len(texts) == 6
    place = (names.index("random-search"), names.index("good"))
    assert (texts[place].get_text(), texts[place].get_fontweight()) == ("100", "bold")
    place = (names.index("same"), names.index("good"))
    assert int(texts[place].get_text()) == round(
        100 * info.pairs.query("dataset == 'a' and row == 'good' and column == 'same'")["wins"].item()
    )
    with pytest.raises(ValueError, match="two strategies"):
        win_info(info.pairs[:0])
    with pytest.raises(ValueError, match="alpha"):
        win_info(info.pairs, 1.5)


def test_digits_stand_out_from_their_cell_also_in_grey() -> None:
    info = win_info(pairwise(trials(), np.random.default_rng(0)))
    (ax, _) = draw_wins(info).axes
    image: Any = ax.images[0]

    def luminance(colour: tuple[float, ...]) -> float:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3]]
        return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))

    for text in ax.texts:
        x, y = (int(at) for at in text.get_position())
        cell = luminance(image.cmap(image.norm(image.get_array()[y, x])))
        ink = luminance(to_rgba(text.get_color()))
        assert (max(cell, ink) + 0.05) / (min(cell, ink) + 0.05) > 4.5  # WCAG 2.1, level AA
    shades = [luminance(image.cmap(at)) for at in np.linspace(0, 1, 21)]
    assert (np.diff(shades) < 0).all()


def test_profiles_are_drawn_best_first_with_their_n() -> None:
    info = profile_info(trials(), resamples=200)
    assert info.strategies[-1] == "random-search"
    figure = draw_profiles(info)
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert words[:-1] == list(info.strategies)
    assert words[-1] == "95 % interval, $n$ = 28 runs on 2 data sets"
    left, right = figure.axes
    rows = info.profiles[info.profiles["strategy"] == info.strategies[0]]
    drawn: Any = left.lines[0].get_xydata()
    np.testing.assert_allclose(drawn, rows[["threshold", "share"]].to_numpy())
    assert [label.get_text() for label in right.get_yticklabels()] == list(info.strategies)
