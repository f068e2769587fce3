"""YAML: decimal numbers, text as it is written, and small files that stay small."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.base import InputError
from benchkit.base.yaml_text import dump_yaml, parse_yaml, read_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[("010", 10), ("0011", 11), ("-08", -8), ("+7", 7), ("0x1F", 31), ("0o17", 15)],
        *[("0.10", 0.1), ("1e2", 100.0), ("1.", 1.0), (".5", 0.5), ("-1E-3", -0.001), ("-.inf", -math.inf)],
        *[
            ("3_0", "3_0"),
            ("1:30", "1:30"),
            ("2024-05-01", "2024-05-01"),
            ("on", "on"),
            ("No", "No"),
            ("y", "y"),
        ],
        *[
            ("true", True),
            ("False", False),
            ("~", None),
            ("null", None),
            ("", None),
            ("=", "="),
            ("1e", "1e"),
        ],
        *[("'010'", "010"), ('"1e2"', "1e2"), (".", "."), ("-", [None]), ("0b1", "0b1"), ("1e2x", "1e2x")],
    ],
)
def test_plain_scalars_follow_the_core_schema(text: str, value: Any) -> None:
    read = parse_yaml(text, "here")
    assert read == value
    assert type(read) is type(value)


def test_named_keys_hold_text_as_it_is_written() -> None:
    text = (
        "choices: {op: [0011, 0.10, 1e2, null, ~, true], 1: [a]}\nname: 1.10\nlabels: [010, ~]\nseeds: 010\n"
    )
    assert parse_yaml(text, "here", texts=("name", "labels"), verbatim=("choices",)) == {
        "choices": {"op": ["0011", "0.10", "1e2", "null", "~", "true"], "1": ["a"]},
        "name": "1.10",
        "labels": ["010", None],
        "seeds": 10,
    }


def test_merge_keys_and_aliases_are_read() -> None:
    text = "- &m {column: a, split: valid}\n- {<<: *m, column: b}\n"
    first = {"column": "a", "split": "valid"}
    assert parse_yaml(text, "here") == [first, {**first, "column": "b"}]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[" * 40 + "]" * 40, "nested deeper"),
        ("[" * 100_000, "nested deeper|is not YAML"),
        ("a: &a [*a]", "nested deeper"),
        ("\n".join(["a0: &a0 [1]"] + [f"a{i}: &a{i} [*a{i - 1}]" for i in range(1, 50)]), "nested deeper"),
        (
            "\n".join(
                ["a0: &a0 [1, 2]"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)]
            ),
            "stand for more than",
        ),
        ("a: 1\na: 2", "key 'a' is given twice"),
        ("!!python/name:os.system", "not YAML"),
        ("a: " + "9" * 5000, "not YAML"),
        ("{" + "x" * 10_000, "not YAML"),
    ],
)
def test_what_is_refused_is_said_in_one_short_line(text: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        parse_yaml(text, "s.yaml")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 260


def test_a_file_that_is_too_long_or_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "long.yaml").write_bytes(b"#" * 5_000_000)
    with pytest.raises(InputError, match=r"such a file has at most 4\.0 MB"):
        read_yaml(tmp_path / "long.yaml", "study")
    with pytest.raises(InputError, match="no regular file"):
        read_yaml(Path("/dev/zero"), "study")
    with pytest.raises(InputError, match="cannot read study"):
        read_yaml(tmp_path / "a\0b", "study")


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="ascii")),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab1e.", min_size=1), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(PLAIN)
def test_what_is_written_is_read_back(data: Any) -> None:
    assert parse_yaml(dump_yaml(data), "here") == data


@pytest.mark.parametrize("text", ["1e2", "010", "on", "0o17", "1:30", "2024-05-01", "~", "3_0", "<<", ""])
def test_text_that_looks_like_a_number_is_quoted(text: str) -> None:
    assert parse_yaml(dump_yaml({"x": [text]}), "here") == {"x": [text]}
