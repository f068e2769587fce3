"""``NAME=VALUE`` of the command line: values are YAML's, and wrong ones are one line."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchkit.base import InputError
from benchkit.cli.output import assignments
from benchkit.searching.constraints import check_limits

Cli = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("010", 10),
        ("1e-3", 0.001),
        ("1e2", 100.0),
        ("null", None),
        ("", None),
        ("true", True),
        ("si", "si"),
        ("on", "on"),
        ("3_0", "3_0"),
        ("1:30", "1:30"),
        ("2024-05-01", "2024-05-01"),
        ('"1e2"', "1e2"),
        ("[1, 2]", [1, 2]),
        ("a=b", "a=b"),
    ],
)
def test_values_are_read_as_yaml_reads_them(text: str, value: Any) -> None:
    found = assignments([f"x={text}"], "--set")
    assert found == {"x": value}
    assert type(found["x"]) is type(value)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["x"], "--set takes NAME=VALUE; got 'x'"),
        (["=1"], "--set takes NAME=VALUE; got '=1'"),
        (["x=1", "x=2"], "--set x is given twice"),
        (["x=[1"], "--set x: '.1' is not YAML"),
        (["x=" + "[" * 5000], "nested deeper|not YAML"),
        (["x" * 5000], "--set takes NAME=VALUE; got 'x+[.]{3}$"),
        (["x=" + "9" * 5000], "--set x: '9+[.]{3} is not YAML"),
    ],
)
def test_what_is_no_assignment_is_one_short_line(given: list[str], says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        assignments(given, "--set")
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize("limit", ["x", None, True, 0, -1, float("nan"), float("inf"), 10**400])
def test_limits_of_costs_are_positive_numbers(limit: Any) -> None:
    with pytest.raises(InputError, match="the limit of params must be a positive number of millions; got"):
        check_limits({"params": limit}, False)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--set", "variant=1e2"], "sivdnas: variant must be text; got 100.0; put text that .* in quotes"),
        (["--set", "frozen=x"], "sivdnas: frozen must be a whole number; got 'x'"),
        (["--set", "frozen=10000000000"], "sivdnas: frozen must be a number of at most 1,000,000"),
        (["--set", "temperature=.inf"], "sivdnas: temperature must be a number of at most"),
        (["--set", "temperature=.nan"], "sivdnas: temperature must be a number of at most"),
        (["--set", "additive=1"], "sivdnas: additive must be true or false; got 1"),
        (["--size", "channels=10000000000"], "channels must be a whole number from 1 to 16,384"),
        (["--size", "channels=1e1"], "channels must be a whole number from 1 to 16,384; got 10.0"),
        (["--split", "9" * 5000], "split '9+[.]{3} is neither nasbench201 nor a number"),
        (["--device", "cuda:" + "9" * 5000], "device 'cuda:9+[.]{3} is none of auto"),
        (["--preset", "x" * 5000], "unknown search preset 'x+[.]{3}"),
    ],
)
def test_a_search_with_a_wrong_value_is_one_line(
    cli: Cli, tmp_path: Path, options: list[str], says: str
) -> None:
    words = ("search", "sivdnas", "--space", "darts", "--data", "digits", "--out", tmp_path / "out")
    code, out, err = cli(*words, *options)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert re.search(says, err)
    assert len(err) < 700
    assert not (tmp_path / "out").exists()
