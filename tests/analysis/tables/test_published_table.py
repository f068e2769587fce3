"""Tables with published figures beside the measured ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchkit.analysis.tables.published import PUBLISHED, layout, published_table, to_latex, to_markdown
from tests.analysis.latex_structure import check_structure

TRIALS = pd.DataFrame(
    [
        ("weight sharing", "rsps", "cifar10", 0, 80.0, 84.0),
        ("weight sharing", "rsps", "cifar10", 1, 84.0, 86.0),
        ("queries", "random_search", "cifar10", 0, 91.0, np.nan),
    ],
    columns=["block", "strategy", "dataset", "seed", "valid", "test"],
)
FIGURES = [
    ("rsps", "cifar10", 80.42, 3.58, 84.07, 3.61),
    ("ResNet", "cifar10", 90.83, None, 93.97, None),
]


def test_mean_and_deviation_by_hand() -> None:
    table = published_table(TRIALS, FIGURES)
    assert list(table["strategy"]) == ["rsps", "random_search", "ResNet"]
    assert list(table["block"]) == ["weight sharing", "queries", PUBLISHED]
    assert list(table["n"]) == [2, 1, 0]
    first = table.iloc[0]
    assert (first["valid"], first["test"]) == (82.0, 85.0)
    assert first["valid_sd"] == pytest.approx(np.sqrt(8))
    assert (first["published_valid"], first["published_test_sd"]) == (80.42, 3.61)
    assert np.isnan(table.iloc[1][["valid_sd", "test", "published_valid"]].astype(float)).all()


def test_cells() -> None:
    header, blocks = layout(published_table(TRIALS, FIGURES))
    assert header[:3] == ["strategy", "n", "cifar10 valid"]
    assert header[3:] == ["cifar10 valid, published", "cifar10 test", "cifar10 test, published"]
    assert blocks["weight sharing"] == [
        ["rsps", "2", "82.00 ± 2.83", "80.42 ± 3.58", "85.00 ± 1.41", "84.07 ± 3.61"]
    ]
    assert blocks["queries"] == [["random_search", "1", "91.00", "", "", ""]]
    assert blocks[PUBLISHED] == [["ResNet", "", "", "90.83", "", "93.97"]]


def test_without_published_figures_there_are_no_columns_of_them() -> None:
    header, blocks = layout(published_table(TRIALS))
    assert header == ["strategy", "n", "cifar10 valid", "cifar10 test"]
    assert PUBLISHED not in blocks


def test_latex_and_markdown_name_title_and_source() -> None:
    table = published_table(TRIALS, FIGURES)
    latex = to_latex(table, "Table 3 of A & B", "A & B, Table 3")
    assert r"Table 3 of A \& B. Accuracy in \%" in latex
    assert r"random\_search & 1 & 91.00 &  &  &  \\" in latex  # alone in its block: no best
    assert r"82.00\,$\pm$\,2.83" in latex
    assert latex.count("\\midrule") == 3
    rows = to_markdown(table, "Table 3", "A & B").splitlines()
    assert rows[0].endswith("seeds. Published: A & B.")
    assert len({row.count("|") for row in rows[2:]}) == 1


def test_latex_has_the_best_of_a_block_in_bold_and_names_the_measurements() -> None:
    more = pd.DataFrame(
        [("weight sharing", "spos", "cifar10", seed, 83.0, 84.996) for seed in (0, 1)], columns=TRIALS.columns
    )
    table = published_table(pd.concat([TRIALS, more]), FIGURES)
    text = to_latex(table, "T", "A & B", "Table a_b; 2 seeds", ["table a_b, SHA-256 00"])
    rsps, spos = (
        next(line for line in text.splitlines() if line.startswith(name)) for name in ("rsps", "spos")
    )
    # valid: 83 over 82; test: 85.00 and 84.996 print the same; published figures are left as they are
    assert rsps == (
        r"rsps & 2 & 82.00\,$\pm$\,2.83 & 80.42\,$\pm$\,3.58 & \textbf{85.00}\,$\pm$\,1.41 & "
        r"84.07\,$\pm$\,3.61 \\"
    )
    assert spos == r"spos & 2 & \textbf{83.00}\,$\pm$\,0.00 &  & \textbf{85.00}\,$\pm$\,0.00 &  \\"
    assert r"ResNet &  &  & 90.83 &  & 93.97 \\" in text
    assert r"Best of a block in bold. Measured: Table a\_b; 2 seeds. Published: A \& B.}" in text
    assert text.startswith("% needs \\usepackage{booktabs}\n% table a_b, SHA-256 00\n")
    check_structure(text)


def test_no_trials_make_no_table() -> None:
    with pytest.raises(ValueError, match="needs trials"):
        published_table(TRIALS[:0])
