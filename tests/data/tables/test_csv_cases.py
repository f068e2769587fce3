"""CSV and column files as people and programs write them: read, or refused with the cause in one line."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

import benchkit
from benchkit.base.errors import MOST_SHOWN, InputError
from benchkit.data.tables import Metric, Table
from benchkit.data.tables import csv_sheet as sheet_module
from benchkit.data.tables.csv_import import import_csv, load_mapping

CASES = Path(benchkit.__file__).parents[1] / "tests" / "cases"
VALID, TEST = Metric("cifar10", "valid", 50), Metric("cifar10", "test", 50)
PLAIN = {
    "op0=conv|op1=conv": (90.1, 89.0),
    "op0=conv|op1=skip": (91.2, 90.5),
    "op0=skip|op1=conv": (88, 87.1),
    "op0=skip|op1=skip": (85.5, 84),
    "op0=none|op1=conv": (70.25, 70),
    "op0=none|op1=skip": (10, 10),
}
FIRST, SECOND = "op0=conv|op1=conv", "op0=conv|op1=skip"
GAP = {SECOND: (math.nan, 90.5)}

# file -> what differs from PLAIN, or what the refusal says
CSV: dict[str, dict[str, tuple[float, float]] | str] = {
    "arabic": {FIRST: (90, 89)},
    "blanklines": {},
    "bom": {},
    "bomcrlf_excel": {},
    "case": "unknown column 'op0'.*did you mean 'Op0'",
    "caseval": "line 2: unknown option 'Conv' for choice 'op0'.*did you mean 'conv'",
    "comma_decimal_quoted": {},
    "comma_decimal_semicolon": {},
    "comment": {},
    "constant": dict.fromkeys(PLAIN, (50, 50)),
    "constant2": {text: (valid, 50) for text, (valid, _) in PLAIN.items()},
    "cr": {},
    "crlf": {},
    "dup": "line 8: op0=conv.op1=conv is there already, in line 2; repeats: runs in the column file",
    "dup_other": "line 8: op0=conv.op1=conv is there already, in line 2; repeats: runs in the column file",
    "empty": "has no rows: it needs a line of column names",
    "extra_index": {},
    "fraction": "accuracy val never exceeds 1: a fraction",
    "hash_nan": GAP,
    "headeronly": "has no rows: it needs a line of column names",
    "hex": "line 2: val is '0x5a', not a number",
    "inf": "line 3: val is 'inf', not a number",
    "latin1": "not UTF-8 text .line 8, byte 0xe9.; a spreadsheet saves it as 'CSV UTF-8'",
    "leading_space_num": {FIRST: (90.1, 89)},
    "minus_inf": "line 3: val is '-inf', not a number",
    "missingcol": "unknown column 'test'.*it has op0, op1, val",
    "nan": GAP,
    "nbsp": {},
    "negative": "line 2: accuracy val is -90.1, not in 0..100 percent; what is no percentage needs another",
    "nonetoken": GAP,
    "nul": "line 8: a zero byte",
    "one": {},
    "over100": "line 2: accuracy val is 100.0000001, not in 0..100 percent",
    "percent": {},
    "plain": {},
    "plus": {},
    "pm": "line 2: val is '90.1±0.2', not a number: a mean with its spread",
    "pm2": r"line 2: val is '90.1 \+/- 0.2', not a number: a mean with its spread",
    "quotes": {},
    "scientific": {},
    "semicolon": {},
    "sep_line": {},
    "spaces": {},
    "tab": {},
    "thousands": "line 2: accuracy val is 9010, not in 0..100 percent",
    "tiny": {FIRST: (0, 89)},
    "trailing_comma": {},
    "trailing_comma_data_only": {},
    "two_blank_headers": {},
    "underscore": "line 2: val is '9_0', not a number",
    "unicode_minus": "line 2: accuracy val is -90.1, not in 0..100 percent",
    "unsorted": {},
    "utf16_excel": {},
}


def table_of(csv: Path, columns: Path, folder: Path) -> Table:
    import_csv(csv, load_mapping(columns), folder / "t.arrow", "mine")
    return Table(folder / "t.arrow")


def refused(csv: Path, columns: Path, folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        table_of(csv, columns, folder)
    assert "\n" not in str(caught.value)
    assert list(folder.iterdir()) == []
    return str(caught.value)


def test_no_case_is_forgotten() -> None:
    assert set(CSV) == {path.stem for path in (CASES / "csv").glob("*.csv")}


@pytest.mark.parametrize("name", [name for name, outcome in CSV.items() if isinstance(outcome, dict)])
def test_a_file_that_is_read(name: str, tmp_path: Path) -> None:
    changes = CSV[name]
    assert isinstance(changes, dict)
    expected = {FIRST: PLAIN[FIRST]} if name == "one" else {**PLAIN, **changes}
    table = table_of(CASES / "csv" / f"{name}.csv", CASES / "csv" / "c.yaml", tmp_path)
    assert len(table) == len(expected)
    for text, figures in expected.items():
        entry = int(table.locate(table.base_space.parse(text))[0])
        found = (table.values(VALID)[entry], table.values(TEST)[entry])
        assert found == pytest.approx(figures, rel=1e-15, nan_ok=True), text


@pytest.mark.parametrize("name", [name for name, outcome in CSV.items() if isinstance(outcome, str)])
def test_a_file_that_is_refused(name: str, tmp_path: Path) -> None:
    says = CSV[name]
    assert isinstance(says, str)
    path = CASES / "csv" / f"{name}.csv"
    text = refused(path, CASES / "csv" / "c.yaml", tmp_path)
    assert str(path) in text
    assert re.search(says, text), text


# -- options and names are text as they stand in the column file ------------------------------------

YAML: dict[str, dict[str, float] | str] = {
    "anchors": "unknown key 'ops'",
    "anchors2": {"op0=skip, none|op1=conv 3x3": 60, "op0=Faltung größe é|op1=a%b_c$d#&": 70},
    "bomyaml": {"op0=skip, none|op1=conv 3x3": 60, "op0=conv 3x3|op1=skip, none": 55},
    "bool": "line 2: unknown option 'True' for choice 'se' of mine; it has true, false .did you mean 'true'",
    "bool2": "line 2: unknown option 'true' for choice 'se' of mine; it has True, False .did you mean 'True'",
    "bool3": "line 2: unknown option '1' for choice 'se' of mine; it has True, False",
    "crlf": {"op0=skip, none|op1=conv 3x3": 60, "op0=conv 3x3|op1=skip, none": 55},
    "float": "line 2: unknown option '100' for choice 'width' of mine; it has 1e2, 200",
    "floatepochs": {"op0=skip, none|op1=conv 3x3": 60},
    "numdataset": {"op0=skip, none|op1=conv 3x3": 60},
    "octal": {"links=0000|op=a": 50, "links=0001|op=a": 60, "links=0011|op=b": 70},
    "sexagesimal": {"block=1:30|date=2024-01-05": 50, "block=2:15|date=2024-02-06": 60},
    "strnum": {"op0=skip, none|op1=conv 3x3": 60},
    "tabs": "is not YAML",
}


def test_no_column_file_is_forgotten() -> None:
    assert set(YAML) == {path.stem for path in (CASES / "yaml").glob("*.yaml")}


@pytest.mark.parametrize("name", YAML)
def test_a_column_file(name: str, tmp_path: Path) -> None:
    csv, columns = CASES / "yaml" / f"{name}.csv", CASES / "yaml" / f"{name}.yaml"
    outcome = YAML[name]
    if isinstance(outcome, str):
        assert re.search(outcome, refused(csv, columns, tmp_path))
        return
    table = table_of(csv, columns, tmp_path)
    valid = next(metric for metric in table.metrics if metric.split == "valid")
    assert valid.epochs == 1
    assert valid.dataset == {"numdataset": "10", "octal": "cora", "sexagesimal": "cora"}.get(
        name, "my data set 1"
    )
    for text, value in outcome.items():
        assert table.query(text, valid) == value


def test_options_are_text_as_written(tmp_path: Path) -> None:
    words = ["0.10", "0.1", "010", "8", "1e2", "100", "null", "~", "on", "true", "True", "yes", "3_0", "0x1F"]
    (tmp_path / "c.yaml").write_text(
        f"choices: {{null: [{', '.join(words)}], 10: [NO]}}\n"
        "metrics: [{column: 1e3, dataset: 10, split: valid, epochs: 1, note: 0.10, variant: 1e2}]\n"
        "title: 0010\nsource: on\nlicence: 1.10\nwarnings: [0.10]\n"
    )
    lines = [f"{word},NO,{number + 2}" for number, word in enumerate(words)]
    (tmp_path / "r.csv").write_text("\n".join(["null,10,1e3", *lines]))
    table = table_of(tmp_path / "r.csv", tmp_path / "c.yaml", tmp_path)
    metric = Metric("10", "valid", 1, variant="1e2")
    assert [table.query(f"null={word}|10=NO", metric) for word in words] == [
        number + 2 for number in range(len(words))
    ]
    about = table.metadata
    assert (about["title"], about["source"], about["licence"]) == ("0010", "on", "1.10")
    assert about["warnings"] == ["0.10"]


@pytest.mark.parametrize("given", ["true", "1.5", "one", "0", "-3", "1e400"])
def test_epochs_are_a_whole_number(given: str, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(f"metrics: [{{column: v, dataset: d, split: valid, epochs: {given}}}]")
    with pytest.raises(InputError, match=r"metrics\.0\.epochs: ") as caught:
        load_mapping(path)
    assert "\n" not in str(caught.value)


# -- marks in numbers, where a file leaves no doubt ------------------------------------------------------


def written(folder: Path, lines: list[str], header: str = "op,val,size") -> Path:
    (folder / "c.yaml").write_text(
        "choices: {op: [a, b, c]}\n"
        "metrics:\n"
        "  - {column: val, dataset: d, split: valid, epochs: 1}\n"
        "  - {column: size, dataset: d, quantity: parameters}\n"
    )
    (folder / "r.csv").write_text("\n".join([header, *lines]) + "\n")
    return folder / "r.csv"


V, SIZE = Metric("d", "valid", 1), Metric("d", None, None, quantity="parameters")


@pytest.mark.parametrize(
    ("lines", "header", "valid", "size"),
    [
        (['a,50.5,"1,234"', 'b,60,"1,234,567"'], "op,val,size", [50.5, 60], [1234, 1234567]),
        (["a;50,5;1234", "b;60;1.234,5"], "op;val;size", [50.5, 60], [1234, 1234.5]),
        (["a|50.5|1e3", "b|60|7"], "op|val|size", [50.5, 60], [1000, 7]),
        (["a\t50,125\t0,5", "b\t60\t7"], "op\tval\tsize", [50.125, 60], [0.5, 7]),
        (["a,50.5 %,1", "b,60%,2"], "op,val,size", [50.5, 60], [1, 2]),
        (["a;50.5;1", "# b;61;9;9", "b;60;2"], "sep=;\nop;val;size", [50.5, 60], [1, 2]),
        (["a,50.5,1,,", "b,60,2,,"], "# by hand, 2024\n\nop,val,size", [50.5, 60], [1, 2]),
    ],
)
def test_marks_that_are_read(
    lines: list[str], header: str, valid: list[float], size: list[float], tmp_path: Path
) -> None:
    table = table_of(written(tmp_path, lines, header), tmp_path / "c.yaml", tmp_path)
    assert [table.query(f"op={op}", V) for op in "ab"] == valid
    assert [table.query(f"op={op}", SIZE) for op in "ab"] == size


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (
            ['a,50,"1,234"', "b,60,7"],
            "line 2: size is '1,234': a decimal comma, or a comma between thousands",
        ),
        (
            ['a,"50,5",1', "b,60.5,7"],
            "line 2: val is '50,5', not a number .a decimal comma is read where all",
        ),
        (["a,50,5,1", "b,60,7"], "line 2: 4 cells, but there are 3 columns; a cell with a comma in it"),
        (["a,50%,1", "b,60,7"], "line 3: val has a percent sign in some rows and not in others"),
        (["a,50,1%", "b,60,7%"], "line 2: size is '1%', but parameters is not in %"),
        (["a,50,1,", "b,60,7"], "line 3: 3 cells, but there are 3 columns"),
        (["a,50,1", "#b,60"], None),
        (["a,1 000,1", "b,60,7"], "line 2: val is '1 000', not a number"),
    ],
)
def test_marks_that_leave_a_doubt(lines: list[str], says: str | None, tmp_path: Path) -> None:
    path = written(tmp_path, lines)
    if says is None:
        assert len(table_of(path, tmp_path / "c.yaml", tmp_path)) == 1
        return
    with pytest.raises(InputError, match=says):
        table_of(path, tmp_path / "c.yaml", tmp_path)


def test_a_row_that_is_cut_short_is_no_remark_where_options_begin_like_one(tmp_path: Path) -> None:
    path = written(tmp_path, ["#a,50,1", "#b,60"])
    (tmp_path / "c.yaml").write_text((tmp_path / "c.yaml").read_text().replace("[a, b, c]", "['#a', '#b']"))
    with pytest.raises(InputError, match="line 3: 2 cells, but there are 3 columns"):
        table_of(path, tmp_path / "c.yaml", tmp_path)


# -- limits --------------------------------------------------------------------------------------------


def test_what_never_ends_is_not_read(tmp_path: Path) -> None:
    assert "it is no regular file" in refused(Path("/dev/zero"), CASES / "csv" / "c.yaml", tmp_path)


def test_a_file_that_is_too_long_is_refused_with_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "r.csv").open("wb") as file:
        file.truncate(sheet_module.MOST_BYTES + 1)  # sparse
    with pytest.raises(InputError, match=r"such a file has at most 256\.0 MB"):
        table_of(tmp_path / "r.csv", CASES / "csv" / "c.yaml", tmp_path)
    monkeypatch.setattr(sheet_module, "MOST_ROWS", 5)
    with pytest.raises(InputError, match="more than 5 rows, the most that are read"):
        table_of(CASES / "csv" / "plain.csv", CASES / "csv" / "c.yaml", tmp_path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("op0,op1,val,test\n" + "x" * 5000 + ",conv,1,2\n", "unknown option"),
        ("op0,op1,val,test\nconv,conv," + "9" * 5000 + "x,2\n", "not a number"),
        ("op0,op1,val,test\nconv,conv," + "9" * 5000 + ",2\n", "too large a number"),
        ("op0,op1,val,test\n" + "x" * 1_000_001 + ",conv,1,2\n", "line 2: longer than 1,000,000 characters"),
        ("op0,op1,val,test\n" + "x" * 200_000 + ",conv,1,2\n", "field larger than field limit"),
        ("," * 20_000 + "op0,op1,val,test\n", "has 20,004 columns; at most 10,000 are read"),
    ],
)
def test_what_is_long_is_cut_in_errors(content: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text(content)
    with pytest.raises(InputError, match=says) as caught:
        table_of(tmp_path / "r.csv", CASES / "csv" / "c.yaml", tmp_path)
    text = str(caught.value)
    assert len(text) - len(str(tmp_path)) < MOST_SHOWN + 200
    assert "\n" not in text


def test_utf16_without_a_mark_is_named(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_bytes("op0,op1,val,test\nconv,conv,1,2\n".encode("utf-16-le"))
    with pytest.raises(InputError, match="looks like UTF-16 without a byte order mark: save it as UTF-8"):
        table_of(tmp_path / "r.csv", CASES / "csv" / "c.yaml", tmp_path)
