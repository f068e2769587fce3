"""The two tidy frames that every analysis starts from, and the checks that they get at the door.

trials : a row per (strategy, dataset, seed), what a finished trial recommended and what it spent
traces : a row per evaluation of a trial, in the order of its steps

Accuracy and regret are in percent (points), time in simulated seconds, cost in queries at full fidelity.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from benchkit.base.errors import InputError

TRIAL_COLUMNS = (
    "strategy",
    "dataset",
    "seed",
    "valid",
    "test",
    "regret",
    "queries",
    "seconds",
    "distinct",
    "distinct_isomorphic",
)
TRACE_COLUMNS = ("strategy", "dataset", "seed", "step", "queries", "seconds", "regret")


def check_trials(trials: pd.DataFrame, columns: Sequence[str] = TRIAL_COLUMNS) -> None:
    """Check that a frame holds one row per (strategy, dataset, seed), with a regret in each.

    Raises
    ------
    InputError : no rows, a missing column, a trial given twice, or a regret that is not finite.
    """
    _check(trials, "trials", columns, ["strategy", "dataset", "seed"])


def check_traces(traces: pd.DataFrame, columns: Sequence[str] = TRACE_COLUMNS) -> None:
    """Check that a frame holds one row per (strategy, dataset, seed, step), with a regret in each.

    Raises
    ------
    InputError : no rows, a missing column, a step given twice, or a regret that is not finite.
    """
    _check(traces, "traces", columns, ["strategy", "dataset", "seed", "step"])


def _check(frame: pd.DataFrame, what: str, columns: Sequence[str], identity: list[str]) -> None:
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise InputError(f"{what} lack the columns {', '.join(missing)}; they need {', '.join(columns)}")
    if len(frame) == 0:
        raise InputError(f"there are no {what} to analyse")
    repeated = frame.duplicated(identity)
    if repeated.any():
        raise InputError(f"{what} hold {_first(frame, repeated, identity)} more than once")
    not_finite = ~frame["regret"].astype(float).abs().lt(np.inf)  # NaN is not below infinity
    if not_finite.any():
        raise InputError(f"{what} have no finite regret for {_first(frame, not_finite, identity)}")


def _first(frame: pd.DataFrame, marked: pd.Series[bool], identity: list[str]) -> str:
    """Return the identity of the first marked row, in words."""
    row = frame.loc[marked.to_numpy(), identity].iloc[0]
    return ", ".join(f"{name} {row[name]}" for name in identity)
