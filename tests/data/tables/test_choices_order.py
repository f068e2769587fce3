"""The order of a user's choices is kept from the column file to every answer, and checked by the CSV file."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import benchkit
from benchkit.base.errors import InputError
from benchkit.data.tables import Metric, Table
from benchkit.data.tables import space_json as space_json_module
from benchkit.data.tables import write as write_module
from benchkit.data.tables.arrow_file import to_numpy
from benchkit.data.tables.catalogue import embedded_names, table_path
from benchkit.data.tables.csv_import import Mapping, import_csv, load_mapping
from benchkit.data.tables.space_json import space_from_json, space_to_json
from benchkit.data.tables.table import METADATA_KEY
from benchkit.data.tables.write import Column, TableSource, write_table
from benchkit.searching.table_evaluator import TableEvaluator
from benchkit.spaces.categorical import CategoricalSpace

CASES = Path(benchkit.__file__).parents[1] / "tests" / "cases" / "choices-order"
VALID = Metric("c", "valid", 1)
WORDS = st.text("abcdefgXYZ019_- é", min_size=1, max_size=4).map(str.strip).filter(bool)


def imported(csv: Path, mapping: Mapping, target: Path) -> Table:
    import_csv(csv, mapping, target, "mine")
    return Table(target)


def test_choices_that_are_not_in_alphabetical_order(tmp_path: Path) -> None:
    table = imported(CASES / "results.csv", load_mapping(CASES / "columns.yaml"), tmp_path / "t.arrow")
    answers = {(3, 1): (70, 69), (3, 2): (80, 79), (5, 1): (75, 74), (5, 2): (90, 88)}
    for (kernel, depth), (valid, test) in answers.items():
        text = f"kernel={kernel}|depth={depth}"
        assert table.query(text, VALID) == valid
        assert table.query(text, Metric("c", "test", 1)) == test
        assert table.query(f"depth={depth}|kernel={kernel}", VALID) == valid
        row = table.base_space.parse(text)
        assert table.base_space.format(row) == text
        seen = TableEvaluator(table, "c", "valid", 1, "mean", np.random.default_rng(0))
        assert seen.evaluate(row[None]).scores.tolist() == [valid]


def test_choices_of_several_lengths_that_are_not_in_alphabetical_order(tmp_path: Path) -> None:
    table = imported(CASES / "results3.csv", load_mapping(CASES / "columns3.yaml"), tmp_path / "t.arrow")
    assert {table.base_space.format(row): table.query(row, VALID) for row in table.rows} == {
        "kernel=3|depth=1": 70, "kernel=3|depth=2": 80, "kernel=5|depth=1": 75,
        "kernel=5|depth=2": 90, "kernel=7|depth=1": 60, "kernel=7|depth=2": 65,
    }  # fmt: skip


def test_twelve_numbered_choices(tmp_path: Path) -> None:
    """op10 sorts before op2."""
    names = [f"op{i}" for i in range(12)]
    rng = np.random.default_rng(0)
    rows = np.unique(rng.integers(2, size=(60, 12)), axis=0)
    lines = [",".join([*map(str, row), f"{20 + i}"]) for i, row in enumerate(rows.tolist())]
    (tmp_path / "r.csv").write_text("\n".join([",".join([*names, "val"]), *lines]))
    entry = {"column": "val", "dataset": "c", "split": "valid", "epochs": 1}
    mapping = Mapping.model_validate({"choices": {name: ["0", "1"] for name in names}, "metrics": [entry]})
    table = imported(tmp_path / "r.csv", mapping, tmp_path / "t.arrow")
    for i, row in enumerate(rows.tolist()):
        assert table.query("|".join(f"{n}={v}" for n, v in zip(names, row, strict=True)), VALID) == 20 + i


@settings(max_examples=40)
@given(
    choices=st.dictionaries(
        WORDS, st.lists(WORDS, min_size=1, max_size=3, unique=True), min_size=1, max_size=4
    ),
    data=st.data(),
)
def test_every_architecture_has_its_own_figure_whatever_its_choices_are_called(
    tmp_path_factory: pytest.TempPathFactory, choices: dict[str, list[str]], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("order")
    every = list(itertools.product(*choices.values()))
    chosen = data.draw(st.permutations(every))[: data.draw(st.integers(1, len(every)))]
    columns = data.draw(st.permutations(list(choices)))  # those of the CSV file have an order of their own
    lines = ["\t".join([*columns, "figure"])]
    for number, words in enumerate(chosen):
        by_name = dict(zip(choices, words, strict=True))
        lines.append("\t".join([*(by_name[name] for name in columns), f"{number + 2}"]))
    (folder / "r.csv").write_text("\n".join(lines), encoding="utf-8")
    entry = {"column": "figure", "dataset": "c", "split": "valid", "epochs": 1}
    if "figure" in choices:
        return
    mapping = Mapping.model_validate({"choices": choices, "metrics": [entry]})
    table = imported(folder / "r.csv", mapping, folder / "t.arrow")
    for number, words in enumerate(chosen):
        text = "|".join(f"{name}={word}" for name, word in zip(choices, words, strict=True))
        assert table.query(text, VALID) == number + 2


def old_format(choices: dict[str, list[str]], target: Path) -> Path:
    """A file of version 1: choices in a mapping, which is written with sorted keys."""
    space = CategoricalSpace("old", choices)
    source = TableSource("old", space, "old", "made here", "CC0", {})
    write_table(target, source, space.at(np.arange(space.size)), {VALID: Column(np.arange(space.size) + 1.0)})
    with pa.memory_map(str(target)) as file:
        data = pa.ipc.open_file(file).read_all()
    about = json.loads(data.schema.metadata[METADATA_KEY])
    about |= {"format_version": 1, "space": {"name": "old", "choices": choices}}
    data = data.replace_schema_metadata({METADATA_KEY: json.dumps(about, sort_keys=True)})
    target.unlink()
    with pa.OSFile(str(target), "wb") as sink, pa.ipc.new_file(sink, data.schema) as writer:
        writer.write_table(data)
    return target


def test_a_file_of_the_old_format_whose_order_is_lost_is_refused(tmp_path: Path) -> None:
    path = old_format({"kernel": ["3", "5"], "depth": ["1", "2"]}, tmp_path / "old.arrow")
    with pytest.raises(InputError, match=r"did not keep the order of its choices.*import it again") as caught:
        Table(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_file_of_the_old_format_with_one_choice_has_no_order_to_lose(tmp_path: Path) -> None:
    table = Table(old_format({"kernel": ["7", "3", "5"]}, tmp_path / "old.arrow"))
    assert [table.query(f"kernel={k}", VALID) for k in (7, 3, 5)] == [1, 2, 3]


def test_a_table_that_was_not_written_as_it_was_given_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fault of before, put back: the choices return in another order than the rows have."""

    def sorted_choices(space: Any) -> tuple[int, Any]:
        version, about = space_to_json(space)
        return version, {**about, "choices": sorted(about["choices"])}

    monkeypatch.setattr(write_module, "space_to_json", sorted_choices)
    with pytest.raises(InputError, match=r"line \d: the written table answers another c\.valid"):
        imported(CASES / "results.csv", load_mapping(CASES / "columns.yaml"), tmp_path / "t.arrow")
    assert list(tmp_path.iterdir()) == []


def test_a_value_that_changes_on_the_way_to_the_file_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = CategoricalSpace("toy", {"b": ["x", "y"], "a": ["p", "q"]})
    source = TableSource("toy", space, "a toy", "made here", "CC0", {})

    def reversed_rows(self: Column, order: Any) -> pa.Array:
        return pa.array(np.asarray(self.values)[::-1])

    monkeypatch.setattr(Column, "to_arrow", reversed_rows)
    columns = {VALID: Column(np.array([1.0, 2, 3, 4]))}
    with pytest.raises(InputError, match=r"was not written as it was given.*b=x\|a=p is not the 1 that"):
        write_table(tmp_path / "t.arrow", source, space.at(np.arange(4)), columns)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", embedded_names())
def test_embedded_tables_are_written_as_before(name: str, tmp_path: Path) -> None:
    """Version 1, for spaces that come from code: the metadata and the columns are those of the kept file."""
    path = table_path(name)
    table = Table(path)
    facts = dict(table.metadata)
    version = facts.pop("format_version")
    named = ("name", "space", "title", "source", "licence", "source_sha256", "warnings", "cost")
    about = {key: facts.pop(key) for key in named}
    metrics: dict[Metric, Column] = {}
    with pa.memory_map(str(path)) as file:
        data = pa.ipc.open_file(file).read_all()
    for field in data.schema:
        if not field.metadata:
            continue
        said = json.loads(field.metadata[METADATA_KEY])
        stored = data.column(field.name).chunk(0)
        curve = pa.types.is_fixed_size_list(stored.type)
        values = to_numpy(stored.flatten()).reshape(len(table), -1) if curve else to_numpy(stored)
        metrics[Metric(**said["metric"])] = Column(values, said["note"], tuple(said.get("epochs", ())))
    source = TableSource(**{**about, "warnings": tuple(about["warnings"])}, extra=facts)
    static = {each: table.static_values(each) for each in table.static}
    write_table(tmp_path / "again.arrow", source, table.rows, metrics, static)
    with pa.memory_map(str(tmp_path / "again.arrow")) as file:
        again = pa.ipc.open_file(file).read_all()
    assert version == 1
    assert again.schema.metadata == data.schema.metadata
    assert again.schema.equals(data.schema, check_metadata=True)
    assert again.equals(data)


@pytest.mark.parametrize(
    ("described", "says"),
    [
        (3, "names no space: 3"),
        ({"choices": []}, "names no space"),
        ({"name": "x"}, "does not say the choices"),
        ({"name": "x", "choices": [["a", ["p"], 1]]}, "does not say the choices"),
        ({"name": "x", "choices": [["a", "pq"]]}, "does not say the choices"),
        ({"name": "x", "choices": [["a", [1, 2]]]}, "does not say the choices"),
        ({"name": "x", "choices": [["a", ["p"]], ["a", ["q"]]]}, "names a choice of space 'x' twice"),
        ({"name": "x", "choices": [["a", []]]}, "needs 1 to 127 options"),
        ({"name": "x", "choices": []}, "needs at least one choice"),
    ],
)
def test_a_description_of_no_space_is_refused(described: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        space_from_json(described, "table t.arrow")


def test_what_is_written_is_read() -> None:
    space = CategoricalSpace("toy", {"b": ["y", "x"], "a": ["q", "p", "é"]})
    version, described = space_to_json(space)
    assert version == 2
    read = space_from_json(json.loads(json.dumps(described, sort_keys=True)))
    assert isinstance(read, CategoricalSpace)
    assert list(read.choices.items()) == list(space.choices.items())
    assert space_json_module.FORMAT_VERSIONS == (1, 2)
