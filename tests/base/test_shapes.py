"""Shapes of documents: what is used of them has the type that it is used as, or one line says where not."""

from __future__ import annotations

from typing import Any

import pytest

from benchkit.base.errors import InputError
from benchkit.base.shapes import COUNT, SHA256, Each, Maybe, Number, check_shape

SHAPE = {
    "table": {"name": str, "sha256": SHA256, "entries": COUNT},
    "limits?": Each(Number(0, 5)),
    "rows": [{"value": Maybe(float)}],
}


GOOD = {"name": "t", "sha256": "0" * 64, "entries": 3}


def document(**changes: Any) -> dict[str, Any]:
    return {"table": GOOD, "rows": [{"value": 1.5}, {"value": None}, {"value": 2}], "more": [1], **changes}


def test_a_document_of_its_shape_comes_back() -> None:
    assert check_shape(document(), SHAPE, "d") == document()
    assert check_shape(document(limits={"a": 5}), SHAPE, "d")["limits"] == {"a": 5}
    nan = check_shape({"value": float("nan")}, {"value": float}, "d")["value"]
    assert nan != nan


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([], "it is a list, not an object"),
        (document(table=[1]), "table is a list, not an object"),
        (document(table=3), "table is 3, not an object"),
        (document(table={"name": "t", "entries": 3}), "table has no sha256"),
        (
            document(table={**GOOD, "sha256": "0" * 63}),
            "table.sha256 is '0{63}', not a hash",
        ),
        (
            document(table={**GOOD, "entries": True}),
            "table.entries is True, not a whole",
        ),
        (
            document(table={**GOOD, "entries": -1}),
            "table.entries is -1, not a whole num",
        ),
        (document(table={**GOOD, "name": None}), "table.name is None, not text"),
        (document(limits={"a": 6}), "limits.a is 6, not a number from 0 up to 5"),
        (document(limits={"a": float("nan")}), "limits.a is nan"),
        (document(rows={}), "rows is an object, not a list"),
        (document(rows=[{"value": "x"}]), r"rows\[0\].value is 'x', not a number"),
        (document(rows=[{"value": 10**400}]), r"rows\[0\].value is an integer of 1,329 bits, not a number"),
        ({"rows": []}, "it has no table"),
    ],
)
def test_another_shape_is_named_with_its_place(given: Any, says: str) -> None:
    with pytest.raises(InputError, match=f"^d is damaged: {says}") as refused:
        check_shape(given, SHAPE, "d")
    assert len(str(refused.value)) < 600
