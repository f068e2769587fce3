"""What an error quotes: the value as Python writes it, and no more of it than is shown."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest

from benchkit.base.errors import MOST_SHOWN, clipped, shown


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        -3,
        0.5,
        "it's",
        b"\0",
        [],
        [1, "a"],
        (),
        (1,),
        (1, 2),
        {},
        {"a": [1, {"b": (2,)}]},
        set(),
        {1},
        frozenset(),
        frozenset({1}),
        OrderedDict(a=1),
        range(3),
    ],
)
def test_short_values_are_quoted_as_python_writes_them(value: Any) -> None:
    assert shown(value) == repr(value)


def _doubled() -> Any:
    found: Any = [1]
    for _ in range(200):
        found = [found, found]
    return found


def _deep() -> Any:
    found: Any = ()
    for _ in range(100_000):
        found = (found,)
    return found


@pytest.mark.parametrize(
    "value",
    [
        "a" * 10**6,
        b"\n" * 10**6,
        list(range(10**6)),
        dict.fromkeys(range(1000), "x" * 1000),
        10**5000,
        _doubled(),
        _deep(),
        {"a": _doubled()},
    ],
    ids=["text", "bytes", "numbers", "names", "digits", "doubled", "deep", "value"],
)
def test_long_values_are_cut_before_they_are_written(value: Any) -> None:
    line = shown(value)
    assert len(line) <= MOST_SHOWN + len("...")
    assert "\n" not in line


def test_what_is_quoted_is_one_line_that_can_be_seen() -> None:
    assert clipped("a\nb\tc\x00é") == r"a\nb\tc\x00é"
    assert clipped("\n" * 300) == r"\n" * 100 + "..."
    assert clipped("x" * 200) == "x" * 200
