"""A user's own CSV file becomes a table, or is refused with the line that is wrong."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from benchkit.base.errors import InputError
from benchkit.data.tables import Metric, Table, open_table, table_names
from benchkit.data.tables.catalogue import imported_path
from benchkit.data.tables.csv_import import Mapping, import_csv, load_mapping
from benchkit.spaces import get_space

pytestmark = pytest.mark.usefixtures("home")

CHOICES = {"op0": ["conv", "None"], "op1": ["conv", "skip", "NA"]}
VALID = {"column": "val", "dataset": "mine", "split": "valid", "epochs": 20}
TEST = {"column": "test", "dataset": "mine", "split": "test", "epochs": 20}
V, T = Metric("mine", "valid", 20), Metric("mine", "test", 20)
ROWS = [
    "conv,conv,61,60",
    "conv,skip,62.5,61",
    "conv,NA,63,60.5",
    "None,conv,50,49",
    "None,skip,,48",
    "None,NA,1e1,9",
]


def write(folder: Path, lines: list[str], header: str = "op0,op1,val,test") -> Path:
    (folder / "mine.csv").write_text("\n".join([header, *lines]) + "\n")
    return folder / "mine.csv"


def mapping(**changes: Any) -> Mapping:
    return Mapping.model_validate({"choices": CHOICES, "metrics": [VALID, TEST], **changes})


def table_of(path: Path, described: Mapping, space: str | None = None) -> Table:
    import_csv(path, described, imported_path("mine"), "mine", space)
    return open_table("mine")


def refused(path: Path, described: Mapping, space: str | None = None) -> str:
    """Return the one line with which a file is refused; nothing is left of it."""
    with pytest.raises(InputError) as caught:
        import_csv(path, described, imported_path("mine"), "mine", space)
    assert "\n" not in str(caught.value)
    assert "mine" not in table_names()
    return str(caught.value)


# -- what is read -----------------------------------------------------------------------------


def test_a_table_over_choices_without_any_python(tmp_path: Path, home: Path) -> None:
    path = write(tmp_path, ROWS)
    table = table_of(path, mapping(source="my cluster", licence="CC0", warnings=["one seed only"]))
    assert table.path == home / "tables" / "mine.arrow"
    assert "mine" in table_names()
    assert (len(table), table.complete, table.datasets) == (6, True, ["mine"])
    assert table.query("op0=conv|op1=skip", V) == 62.5
    assert table.query("op0=None|op1=NA", V) == 10.0  # options, not gaps
    assert table.query("op0=None|op1=skip", T) == 48.0
    assert table.metadata["source_sha256"] == {"mine.csv": hashlib.sha256(path.read_bytes()).hexdigest()}
    assert (table.metadata["source"], table.metadata["licence"]) == ("my cluster", "CC0")
    assert table.metadata["warnings"] == ["one seed only"]


@pytest.mark.parametrize("gap", ["", " ", "NA", "nan", "NaN", "null", "None", "-"])
def test_a_missing_cell_is_a_missing_entry(tmp_path: Path, gap: str) -> None:
    table = table_of(write(tmp_path, [*ROWS[:5], f"None,NA,{gap},9"]), mapping())
    assert table.optimum(V).n == 4
    with pytest.raises(InputError, match=r"has no mine\.valid\.20ep\.mean\.accuracy for op0=None\|op1=NA"):
        table.query("op0=None|op1=NA", V)


def test_a_built_in_space_is_read_in_its_own_notation(tmp_path: Path) -> None:
    space, nb201 = get_space("nasbench201"), open_table("nasbench201")
    metric = Metric("cifar10", "valid", 200)
    batch = space.sample(np.random.default_rng(1), 40)
    batch = np.unique(batch, axis=0)
    values = nb201.query(batch, metric) / 100
    lines = [f"{value!r},{space.format(row)}" for row, value in zip(batch, values.tolist(), strict=True)]
    described = Mapping.model_validate(
        {
            "architecture": "arch",
            "metrics": [
                {"column": "acc", "dataset": "cifar10", "split": "valid", "epochs": 200, "scale": 100}
            ],
        }
    )
    table = table_of(write(tmp_path, lines, "acc,arch"), described, "nasbench201")
    assert not table.complete
    assert table.space.size == len(batch)
    assert table.query(batch, metric) == pytest.approx(nb201.query(batch, metric), abs=1e-12)


def test_runs_seconds_and_parameters_are_told_apart(tmp_path: Path) -> None:
    metrics = [
        VALID,
        {**VALID, "column": "run0", "run": 0},
        {"column": "time", "dataset": "mine", "epochs": 20, "quantity": "train_seconds", "scale": 60},
        {"column": "size", "dataset": "mine", "quantity": "parameters", "note": "without the head"},
    ]
    lines = [f"{row},{60 + i},{i + 1},{1000 * i}" for i, row in enumerate(ROWS)]
    table = table_of(write(tmp_path, lines, "op0,op1,val,test,run0,time,size"), mapping(metrics=metrics))
    first = "op0=conv|op1=conv"
    assert table.query(first, Metric("mine", "valid", 20, 0)) == 60
    assert table.query(first, Metric("mine", None, 20, quantity="train_seconds")) == 60.0  # a minute
    assert table.query("op0=conv|op1=skip", Metric("mine", None, None, quantity="parameters")) == 1000
    assert T not in table  # columns that the mapping does not name are left out


def test_blank_lines_quotes_and_a_byte_order_mark_are_of_no_matter(tmp_path: Path) -> None:
    path = write(tmp_path, ["", '"conv", conv ,"61",60', "", *ROWS[1:], "", ""])
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert table_of(path, mapping()).query("op0=conv|op1=conv", V) == 61


@settings(max_examples=30)
@given(values=st.lists(st.floats(1.5, 100) | st.none(), min_size=6, max_size=6).filter(any))
def test_every_number_is_read_as_it_is_written(
    tmp_path_factory: pytest.TempPathFactory, values: list[float | None]
) -> None:
    folder = tmp_path_factory.mktemp("csv")
    pairs = [row.split(",")[:2] for row in ROWS]
    lines = [f"{a},{b},{'' if v is None else repr(v)}" for (a, b), v in zip(pairs, values, strict=True)]
    import_csv(write(folder, lines, "op0,op1,val"), mapping(metrics=[VALID]), folder / "t.arrow", "mine")
    table = Table(folder / "t.arrow")
    order = [f"op0={a}|op1={b}" for a, b in pairs]
    kept = table.values(V)[table.locate(np.array([table.base_space.parse(text) for text in order]))]
    assert [None if np.isnan(v) else v for v in kept.tolist()] == values


# -- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("conv,pool,1,1", "line 5: unknown option 'pool' for choice 'op1' of mine; it has conv, skip, NA"),
        ("conv,,1,1", "line 5: unknown option '' for choice 'op1'"),
        ("conv,skip,70,1", "line 5: op0=conv|op1=skip is there already, in line 3"),
        ("None,NA,high,1", "line 5: val is 'high', not a number"),
        ('None,NA,"61,5",1', "line 5: val is '61,5', not a number"),
        ("None,NA,1_0,1", "line 5: val is '1_0', not a number"),
        ("None,NA,True,1", "line 5: val is 'True', not a number"),
        ("None,NA,inf,1", "line 5: val is 'inf', not a number"),
        ("None,NA,1e999,1", "line 5: val is 1e999, too large"),
        ("None,NA,100.5,1", "line 5: accuracy val is 100.5, not in 0..100 percent; what is no"),
        ("None,NA,-1,1", "line 5: accuracy val is -1, not in 0..100 percent"),
        ("None,NA,1,1,7", "line 5: 5 cells, but there are 4 columns"),
        ("None,NA,1", "line 5: 3 cells, but there are 4 columns"),
        ('None,NA,1,"1', "line 5: not a CSV file: unexpected end of data"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, says: str) -> None:
    path = write(tmp_path, [*ROWS[:2], "", line])  # the blank line counts
    assert f"{path}, {says}" in refused(path, mapping())


def test_a_cell_of_several_lines_does_not_shift_the_count(tmp_path: Path) -> None:
    path = write(tmp_path, ['conv,conv,61,60,"two\nlines"', "conv,skip,x,60,"], "op0,op1,val,test,remark")
    assert "line 4: val is 'x'" in refused(path, mapping())


def test_fractions_are_not_taken_for_percent(tmp_path: Path) -> None:
    path = write(tmp_path, ["conv,conv,0.61,60", "conv,skip,0.9,61"])
    assert "accuracy val never exceeds 1: a fraction? Add scale: 100" in refused(path, mapping())
    scaled = mapping(metrics=[{**VALID, "scale": 100}])
    assert table_of(path, scaled).query("op0=conv|op1=conv", V) == 61.0


def test_a_scale_too_many_is_found(tmp_path: Path) -> None:
    scaled = mapping(metrics=[{**VALID, "scale": 100}])
    assert "line 2: accuracy val is 6100, not in 0..100 percent" in refused(write(tmp_path, ROWS), scaled)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "has no rows"),
        (b"\n\n", "has no rows"),
        (b"op0,op1,val,test\n", "has no rows"),
        (b"\x89PNG\r\n\x1a\n\xff\xfe", "is not a CSV file: not UTF-8 text"),
        (b"op0,op1,val\nconv,conv,60\n", "unknown column 'test'.*op0, op1, val"),
        (b"op0,val,test\nconv,60,60\n", "unknown column 'op1'"),
        (b"op0,op1,val,val\nconv,conv,60,61\n", "two columns named 'val'"),
        (b"op0,op1,val,test\nconv,conv,,60\n", "column val holds no number"),
    ],
)
def test_a_file_that_is_no_such_table_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "mine.csv").write_bytes(content)
    with pytest.raises(InputError, match=says) as caught:
        table_of(tmp_path / "mine.csv", mapping())
    assert "mine.csv" in str(caught.value)
    assert "mine" not in table_names()


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    assert "No such file" in refused(tmp_path / "none.csv", mapping())
    assert "Is a directory" in refused(tmp_path, mapping())


def test_either_a_space_or_choices(tmp_path: Path) -> None:
    path = write(tmp_path, ROWS)
    assert "give either --space NAME or choices" in refused(path, mapping(), "nasbench201")
    assert "give either --space NAME or choices" in refused(path, mapping(choices=None))
    assert "unknown space 'nasbench-201'" in refused(path, mapping(choices=None), "nasbench-201")
    assert "must name the column" in refused(path, mapping(choices=None), "nasbench201")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"metrics": [VALID, {**VALID, "column": "test"}]}, "names one metric twice"),
        ({"metrics": [{**VALID, "split": None}]}, "needs both a split and a number of epochs"),
        ({"metrics": [{**VALID, "quantity": "perplexity"}]}, "unknown quantity 'perplexity'"),
        ({"choices": {"op0": ["conv", "conv"]}}, "names an option twice"),
        ({"choices": {}}, "needs at least one choice"),
    ],
)
def test_a_mapping_that_makes_no_sense_is_refused(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    assert says in refused(write(tmp_path, ROWS), mapping(**change))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"metric": []}, "unknown key 'metric'.*did you mean 'metrics'"),
        ({"metrics": [{**VALID, "epoch": 3}]}, "unknown key 'epoch'.*did you mean 'epochs'"),
        ({"metrics": []}, "metrics: "),
        ({"metrics": [{"dataset": "mine"}]}, "metrics.0.column: Field required"),
        ({"metrics": [{**VALID, "split": "val"}]}, "metrics.0.split: .*'val'"),
        ({"metrics": [{**VALID, "epochs": 0}]}, "metrics.0.epochs: "),
        ({"metrics": [{**VALID, "run": -1}]}, "metrics.0.run: "),
        ({"metrics": [{**VALID, "scale": 0}]}, "metrics.0.scale: "),
        ({"choices": ["a"]}, "choices: "),
    ],
)
def test_a_wrong_key_of_a_mapping_is_named(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    (tmp_path / "m.yaml").write_text(yaml.safe_dump({"choices": CHOICES, "metrics": [VALID], **change}))
    with pytest.raises(InputError, match=says) as caught:
        load_mapping(tmp_path / "m.yaml")
    assert str(caught.value).startswith(str(tmp_path / "m.yaml"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"[", "is not YAML"), (b"\xff", "not UTF-8"), (b"- a", "the file: "), (b"", "the file: ")],
)
def test_a_mapping_that_is_none_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "m.yaml").write_bytes(content)
    with pytest.raises(InputError, match=says):
        load_mapping(tmp_path / "m.yaml")
    with pytest.raises(InputError, match="cannot read mapping"):
        load_mapping(tmp_path / "none.yaml")


def test_a_failed_import_leaves_the_table_that_was_there(tmp_path: Path) -> None:
    before = table_of(write(tmp_path, ROWS), mapping()).path.read_bytes()
    with pytest.raises(InputError, match="line 2"):
        table_of(write(tmp_path, ["conv,conv,bad,1"]), mapping())
    assert imported_path("mine").read_bytes() == before


@pytest.mark.parametrize("name", ["nasbench201", "Mine", "a/b", "../up", ".hidden", "", "a b"])
def test_a_name_that_is_taken_or_malformed_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=r"embedded table|must be lower-case"):
        imported_path(name)
