"""Ranges of numbers and types of options: nothing undefined, nothing without an end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pytest

from benchkit.base import InputError
from benchkit.base.limits import MOST_SEEDS, RANGES, check_fields, check_number
from benchkit.base.option_types import check_option, field_types

IMPOSSIBLE = [float("nan"), float("inf"), -float("inf"), 10**400, -(10**400), "3", None, True, [1], 2**200]


@pytest.mark.parametrize("name", RANGES)
def test_no_range_holds_what_is_no_number_or_has_no_end(name: str) -> None:
    for value in IMPOSSIBLE:
        with pytest.raises(InputError, match=r"^--it must be .*; got ") as caught:
            check_number(name, value, "--it")
        assert len(str(caught.value)) < 400
    known = RANGES[name]
    assert known.least < known.most <= 1e30
    inside = (int if known.whole else float)(known.least + 0.5 * min(1.0, known.most - known.least))
    check_number(name, inside + (1 if known.whole else 0))


def test_the_ends_of_a_range_are_those_that_it_says() -> None:
    for value in (1, MOST_SEEDS, np.int64(5)):
        check_number("seeds", value)
    for value in (0, MOST_SEEDS + 1, 2147483648, 2.0):
        with pytest.raises(InputError, match="seeds must be a whole number from 1 to 1,000,000; got"):
            check_number("seeds", value)
    check_number("jobs", -1)
    for value in (0, -2, 1025):
        with pytest.raises(InputError, match="jobs must be -1, or a whole number from 1 to 1,024; got"):
            check_number("jobs", value)
    check_number("queries", 0.5)
    for number in (0, 1_000_000.5):
        with pytest.raises(InputError, match="queries must be a number above 0 and at most 1,000,000; got"):
            check_number("queries", number)
    check_number("dropout", 0)
    with pytest.raises(InputError, match="dropout must be a number of at least 0 and below 1; got 1"):
        check_number("dropout", 1)


def test_settings_are_checked_field_by_field() -> None:
    @dataclass(frozen=True)
    class Settings:
        seed: int = 0
        epochs: int | None = None
        images: str = "all"
        something: float = 1e300

    check_fields(Settings(), but=("images",))
    with pytest.raises(InputError, match="training epochs must be a whole number from 1"):
        check_fields(Settings(epochs=0), "training", but=("images",))
    with pytest.raises(InputError, match="images must be"):
        check_fields(Settings())


@pytest.mark.parametrize(
    ("value", "kind", "says"),
    [
        (1e2, str, "must be text; got 100.0; put text that looks like a number in quotes"),
        ("x", int, "must be a whole number; got 'x'"),
        (2.5, int, "must be a whole number; got 2.5"),
        (True, int, "must be a whole number; got True"),
        (None, float, "must be a number; got None"),
        ([1], float | None, r"must be a number or null; got \[1\]"),
        (1, bool, "must be true or false; got 1"),
        ("none", Literal["a", "b"], "must be one of a, b; got 'none'"),
        ("1,2", tuple[int, ...], "must be a list; got '1,2'"),
        ([1, "2"], tuple[int, ...], "must be a list; got"),
        (3, dict[str, Any], "must be a mapping; got 3"),
        (10**400, int, "must be a number of at most 1,000,000; got an integer of"),
        (10**9, int | None, "must be a number of at most 1,000,000; got 1000000000"),
        (float("nan"), float, "must be a number of at most .*; got nan"),
        (float("inf"), float, "must be a number of at most .*; got inf"),
        ([10**12], tuple[int, ...], "must be a number of at most 1,000,000"),
    ],
)
def test_an_option_of_the_wrong_type_says_what_it_takes(value: Any, kind: Any, says: str) -> None:
    with pytest.raises(InputError, match=f"option x {says}") as caught:
        check_option("option x", value, kind)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (1, float),
        (np.int64(3), int),
        (None, int | None),
        ([0, 1], tuple[int, ...]),
        ((0, 1), tuple[int, ...] | None),
        ("si", str),
        ({"a": 1}, dict[str, Any]),
        ("anything", Any),
        (object(), object),
    ],
)
def test_an_option_of_the_right_type_passes(value: Any, kind: Any) -> None:
    check_option("option x", value, kind)


def test_a_class_whose_annotations_cannot_be_read_has_no_types() -> None:
    foreign = type("Foreign", (), {"__annotations__": {"x": "NotImported"}})
    assert field_types(foreign) == {}
