"""A small table of language models: perplexities, log likelihoods, throughputs, with gaps on one data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchkit.data.tables import Metric, Table
from benchkit.data.tables.write import Column, TableSource, write_table
from benchkit.spaces.categorical import CategoricalSpace
from benchkit.studies.spec import StudySpec, parse_spec

SPACE = CategoricalSpace("lm", {"cell": list("wxyz"), "layers": list("pqrs"), "width": list("klm")})
"""48 architectures; architecture i has perplexity 60 + rank, rank = 5 i mod 48, on ``ptb``."""

RANK = np.arange(48.0) * 5 % 48
WITHOUT_VALID, WITHOUT_TEST = np.arange(0, 48, 4), np.arange(1, 48, 8)
"""Architectures of ``wiki`` that have no validation or no test perplexity; the best one is among them."""


def make_table(home: Path) -> Table:
    """Write the table ``lm`` into the user's folder."""
    perplexity = 60 + RANK
    columns: dict[Metric, Column] = {}

    def put(
        dataset: str, split: str | None, epochs: int | None, quantity: str, values: Any, **about: Any
    ) -> None:
        columns[Metric(dataset, split, epochs, quantity=quantity)] = Column(
            np.asarray(values, float), **about
        )

    for split, shift in (("valid", 0.0), ("test", 3.0)):
        put("ptb", split, 40, "perplexity", perplexity + shift, better="lower")
        put("ptb", split, 10, "perplexity", perplexity + shift + 20, better="lower")
        put("ptb", split, 40, "log_likelihood", -perplexity / 1000 - shift, unit="nats", better="higher")
    put("ptb", None, None, "throughput", 12_000 + 100 * RANK, unit="tokens/s", better="higher")
    put("ptb", None, 40, "train_seconds", 10 + np.arange(48))
    valid, test = 2 * perplexity, 2 * perplexity + 1
    valid[WITHOUT_VALID] = np.nan
    test[WITHOUT_TEST] = np.nan
    put("wiki", "valid", 40, "perplexity", valid, better="lower")
    put("wiki", "test", 40, "perplexity", test, better="lower")
    seconds = 10.0 + np.arange(48)
    seconds[24:] = np.nan
    put("wiki", None, 40, "train_seconds", seconds)
    size = 1e6 * (1 + RANK % 4)
    size[::6] = np.nan
    put("", None, None, "params", size, better="lower")
    path = home / "tables" / "lm.arrow"
    source = TableSource("lm", SPACE, "language models", "made here", "CC0", {})
    write_table(path, source, SPACE.at(np.arange(48)), columns)
    return Table(path)


def study(quantity: str = "perplexity", **changes: Any) -> StudySpec:
    """Return a study on ``ptb`` with these keys instead of its own."""
    keys = {
        "name": "measured",
        "table": "lm",
        "datasets": ["ptb"],
        "search": {"split": "valid", "epochs": 40, "score": "mean", "quantity": quantity},
        "report": {"epochs": 40},
        "budget": {"queries": 12},
        "seeds": 3,
        "strategies": ["random-search", "local-search"],
    }
    return parse_spec({**keys, **changes}, "the test's study")
