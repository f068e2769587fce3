"""JSON: limits of depth and size, and one line for what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchkit.base import InputError
from benchkit.base.json_text import DEEPEST, parse_json, read_json


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[" * 100_000, "nested deeper|not JSON"),
        ("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1), "nested deeper"),
        ('{"a": 1, "a": 2}', "key 'a' is given twice"),
        ("9" * 5000, "not JSON"),
        (b"\xff", "not JSON"),
        ("", "not JSON"),
    ],
)
def test_what_is_refused_is_said_in_one_short_line(text: str | bytes, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        parse_json(text, "manifest m.json")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 260


def test_the_deepest_document_is_read() -> None:
    text = "[" * DEEPEST + "]" * DEEPEST
    value = parse_json(text, "here")
    for _ in range(DEEPEST - 1):
        (value,) = value
    assert value == []


def test_a_file_is_read_with_or_without_a_byte_order_mark(tmp_path: Path) -> None:
    for mark in (b"", b"\xef\xbb\xbf"):
        (tmp_path / "m.json").write_bytes(mark + '{"ä": [1.5, null]}'.encode())
        assert read_json(tmp_path / "m.json", "manifest") == {"ä": [1.5, None]}
    with pytest.raises(InputError, match=r"at most 0\.0 MB"):
        read_json(tmp_path / "m.json", "manifest", most=3)
