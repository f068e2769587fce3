"""The door for our tables that are kept as CSV."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchkit.base.errors import InputError
from benchkit.base.frames import read_frame

KINDS = {"name": str, "note": object, "n": int, "value": float, "more?": float}


def csv(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_labels_are_text_and_only_an_empty_cell_is_missing(tmp_path: Path) -> None:
    frame = read_frame(csv(tmp_path / "t.csv", "name,note,n,value\nNA,,1,\n1,null,2,3\n"), KINDS)
    assert list(frame["name"]) == ["NA", "1"]
    assert frame["note"].isna().tolist() == [True, False]
    assert frame["n"].tolist() == [1, 2]
    assert frame["value"].isna().tolist() == [True, False]
    assert not len(read_frame(csv(tmp_path / "t.csv", "name,note,n,value\n"), KINDS))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "No columns"),
        ("name,n,value\na,1,2\n", "it has no column note"),
        ("name,note,n,value\na,,x,2\n", "column n holds more than numbers"),
        ("name,note,n,value\na,,1.5,2\n", "column n holds more than whole numbers"),
        ("name,note,n,value\na,,,2\n", "column n holds more than"),
        ("name,note,n,value\n,,1,2\n", "column name has an empty cell"),
        ("name,note,n,value\na,,1,high\n", "column value holds more than numbers"),
        ("name,note,n,value\na,,1,True\n", "column value holds more than numbers"),
        ("name,note,n,value\na,,1,2,3\n", "more cells than its header"),
        ("name,note,n,value\na,,1,2\nb,,1,2,3,4\n", "Expected 4 fields"),
        ('name,note,n,value\n"a,,1,2\n', "is damaged"),
        (",".join("name" for _ in range(5000)) + "\n", "too many columns"),
    ],
)
def test_another_table_is_one_line(tmp_path: Path, text: str, says: str) -> None:
    path = csv(tmp_path / "t.csv", text)
    with pytest.raises(InputError, match=says) as refused:
        read_frame(path, KINDS, "trials")
    assert "\n" not in str(refused.value)
    assert str(path) in str(refused.value)


def test_what_is_no_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Is a directory"):
        read_frame(tmp_path, KINDS)
    (tmp_path / "t.csv").write_bytes(b"name,note,n,value\n\xff\xfe,,1,2\n")
    with pytest.raises(InputError, match="is damaged"):
        read_frame(tmp_path / "t.csv", KINDS)
